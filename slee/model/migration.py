"""Whether the entity trees of one version of a service can become trees of another (UPG-10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from slee.api.errors import Issue
from slee.api.migration import StateMigration
from slee.model.descriptor import SbbDescriptor, ServiceDescriptor


def counterpart(sbb: SbbDescriptor, service: ServiceDescriptor) -> SbbDescriptor | None:
    """The SBB of a service that entities of `sbb` become: the same, or the one of that name and vendor."""
    same = service.sbbs.get(sbb.id)
    if same is not None:
        return same
    found = [o for o in service.sbbs.values() if (o.id.name, o.id.vendor) == (sbb.id.name, sbb.id.vendor)]
    return found[0] if len(found) == 1 else None


def migration(old: SbbDescriptor, new: SbbDescriptor) -> StateMigration | None:
    """The function that carries state from one version to the other, whichever of the two declares it."""
    return new.migrations.get(old.id.version) or old.ways_back.get(new.id.version)


def migration_issues(old: ServiceDescriptor, new: ServiceDescriptor) -> Iterator[Issue]:
    """Every reason why trees of the one service cannot become trees of the other."""
    for sbb in old.sbbs.values():
        other = counterpart(sbb, new)
        if other is None:
            problem = f"{new.id} has no SBB of that name and vendor"
            yield Issue(str(sbb.id), "UPG-10", problem, "let the upgrade drain")
        elif other.cls is not sbb.cls and migration(sbb, other) is None:
            there = ", ".join(sorted(other.migrations.keys() | sbb.ways_back.keys()))
            for what in _changes(sbb, other):
                problem = f"{what}, and no migration from {sbb.id}" + (f", only for {there}" if there else "")
                remedy = f"declare @migrates for {sbb.id.version} and {other.id.version}, or let the upgrade drain"
                yield Issue(str(other.id), "UPG-10", problem, remedy)


def _changes(old: SbbDescriptor, new: SbbDescriptor) -> Iterator[str]:
    yield from _differences("field", _fields(old), _fields(new))
    yield from _differences("child relation", _children(old), _children(new))
    yield from _differences("shared attribute", _attributes(old), _attributes(new))


def _differences(kind: str, old: Mapping[object, object], new: Mapping[object, object]) -> Iterator[str]:
    for name in sorted((old.keys() | new.keys()), key=str):
        if name not in new:
            yield f"{kind} {name} is gone"
        elif name not in old:
            yield f"{kind} {name} is new"
        elif old[name] != new[name]:
            yield f"{kind} {name} has another type"


def _fields(sbb: SbbDescriptor) -> dict[object, object]:
    """Fields with their types; two classes of one name, each of its own bundle version, are two types."""
    return {name: (str(kind), None if kind.is_reference else kind.exact) for name, kind in sbb.fields.items()}


def _children(sbb: SbbDescriptor) -> dict[object, object]:
    return {name: (child.sbb.sbb_id.name, child.sbb.sbb_id.vendor) for name, child in sbb.children.items()}


def _attributes(sbb: SbbDescriptor) -> dict[object, object]:
    return {
        f"{view.__qualname__}.{name}": (attribute.alias, str(attribute.kind))
        for view in sbb.views
        for name, attribute in view.shared_attributes.items()
    }

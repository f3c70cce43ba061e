"""From the rows of one version of a profile specification to those of another (UPG-10, UPG-11).

An attribute of the same name and type keeps its value, a new one begins with its default: that needs no declaration.
What is gone, renamed or of another type needs a function of `@migrates`, on whichever version is the newer.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from slee.api.errors import Issue, SleeError
from slee.model.profile_text import convert, json_builtin

if TYPE_CHECKING:
    from slee.api.migration import StateMigration
    from slee.api.profile import Attribute
    from slee.model.profile import ProfileDescriptor, Row


class RowMigrationError(ValueError):
    """A row that does not become one of the other version; says of which attribute, and why."""


def declared(old: ProfileDescriptor, new: ProfileDescriptor) -> StateMigration | None:
    """The function that carries profiles from one version to the other, whichever of the two declares it."""
    return new.migrations.get(old.id.version) or old.ways_back.get(new.id.version)


def profile_migration_issues(old: ProfileDescriptor, new: ProfileDescriptor) -> Iterator[Issue]:
    """Every change that nothing says how to make."""
    if declared(old, new) is not None:
        return
    remedy = f"declare @migrates for {old.id.version} and {new.id.version}"
    for attribute in old.attributes:
        other = new.by_name.get(attribute.name)
        if other is None:
            what = f"attribute {attribute.name} of {old.id} is gone"
        elif not _keeps_type(attribute, other):
            what = f"attribute {attribute.name} becomes {other.kind}, it was {attribute.kind}"
        else:
            continue
        yield Issue(str(new.id), "UPG-10", f"{what}, and no migration from {old.id.version}", remedy)


def profile_changes(old: ProfileDescriptor, new: ProfileDescriptor) -> Iterator[str]:
    """What becomes of the attributes, for a plan that people read."""
    for attribute in new.attributes:
        before = old.by_name.get(attribute.name)
        if before is None:
            yield f"{attribute.name} is new, {_shown(attribute)} where nothing else is said"
            continue
        if str(before.kind) != str(attribute.kind):
            yield f"{attribute.name} becomes {attribute.kind}, it was {before.kind}"
        for what in ("unique", "indexed", "collation"):
            if getattr(before, what) != getattr(attribute, what) and not (what == "indexed" and attribute.unique):
                yield f"{attribute.name} is {_worded(what, getattr(attribute, what))}"
    for attribute in old.attributes:
        if attribute.name not in new.by_name:
            yield f"{attribute.name} is gone"
    if declared(old, new) is not None:
        yield f"@migrates carries every profile from {old.id.version} to {new.id.version}"


class RowMigration:
    """Makes rows of one version of a specification from those of another; a function of its argument alone."""

    def __init__(self, old: ProfileDescriptor, new: ProfileDescriptor) -> None:
        self.old = old
        self.new = new
        self._function = declared(old, new)
        self._kept = tuple(
            (a.name, a.position, other.position, _reader(a, other))
            for a in old.attributes
            if (other := new.by_name.get(a.name)) is not None and _keeps_type(a, other)
        )

    def __call__(self, row: Row, base: Row | None = None) -> Row:
        """The row in the other version; not judged yet.

        Args:
            row: as it was.
            base: values of attributes that nothing is said of; the defaults of the specification without.

        Raises:
            RowMigrationError: a value cannot be carried over, or the function raised or gave an unknown attribute.
        """
        values = list(self.new.defaults if base is None else base)
        if self._function is None:
            for name, before, after, read in self._kept:
                value = row[before]
                values[after] = value if read is None else _read(name, read, value)
            return tuple(values)
        given = self.old.values(row)
        for name, before, _, read in self._kept:
            if read is not None:
                given[name] = _read(name, read, row[before])
        try:
            made = self._function(types.MappingProxyType(given))
        except Exception as error:  # code of a bundle may raise anything; the cause goes with the refusal
            raise RowMigrationError(f"@migrates raised {type(error).__name__}: {error}") from error
        for name, value in made.items():
            attribute = self.new.by_name.get(name)
            if attribute is None:
                raise RowMigrationError(f"@migrates gives {name}, and there is no such attribute")
            values[attribute.position] = value
        return tuple(values)

    def lost(self) -> tuple[Attribute, ...]:
        """Attributes of the version to come to of which the other one knows nothing."""
        if self._function is not None:
            return ()
        kept = {name for name, *_ in self._kept}
        return tuple(attribute for attribute in self.new.attributes if attribute.name not in kept)


def _keeps_type(old: Attribute, new: Attribute) -> bool:
    """Whether values can be taken over: the same type, or the same with `None` besides."""
    return str(new.kind) in (str(old.kind), f"{old.kind} | None")


def _reader(old: Attribute, new: Attribute) -> Callable[[Any], Any] | None:
    """What makes a value of the other version's own class; two classes of one name are two types."""
    if old.kind.exact and old.kind.exact <= new.kind.exact:
        return None
    annotation = new.annotation
    return lambda value: value if new.kind.accepts(value) else convert(json_builtin(value), annotation)


def _read(name: str, read: Callable[[Any], Any], value: object) -> Any:
    try:
        return read(value)
    except (msgspec.ValidationError, SleeError, ValueError, TypeError) as error:
        raise RowMigrationError(f"{name}: {value!r} cannot be carried over: {error}") from error


def _shown(attribute: Attribute) -> str:
    return "its default" if attribute.secret else repr(attribute.default)


def _worded(what: str, value: object) -> str:
    if what == "collation":
        return f"compared by {getattr(value, 'value', 'code point')}"
    return what if value else f"not {what} any more"


__all__ = ["RowMigration", "RowMigrationError", "declared", "profile_changes", "profile_migration_issues"]

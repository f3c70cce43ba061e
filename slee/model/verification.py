"""The components that modules define, and whether they fit together (DU-5 to DU-7, DU-16, DU-19).

Nothing here calls a handler, a selector or a life-cycle callback, and nothing is changed: verifying twice gives the
same report.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from types import ModuleType
from typing import Final

from slee.api.errors import Issue, VerificationError
from slee.api.event import event_type_id
from slee.api.facilities import VolatileTable
from slee.api.ids import BundleID, ComponentID, ProfileSpecificationID, ResourceAdaptorID, SbbID
from slee.api.resource import ResourceAdaptorType
from slee.api.sbb import Sbb
from slee.api.view import ActivityContextView
from slee.model.descriptor import SbbDescriptor, ServiceDescriptor, describe_sbb
from slee.model.repository import Component, ComponentDescriptor, Repository
from slee.model.sharing import sharing_issues
from slee.spi.adaptor import ResourceAdaptor

_OWN_IDS: Final[tuple[tuple[str, type[ComponentID]], ...]] = (
    ("sbb_id", SbbID),
    ("id", ResourceAdaptorID),
    ("specification_id", ProfileSpecificationID),
)
"""Where a class holds its identity, by the kind of component."""

Reference = tuple[ComponentID, object]
"""A component id and the object that stands for it where it is used."""

_NOT_RESOLVED: Final = "install the bundle that holds it first, or list its module in modules"


def schema_hash(sbb: SbbDescriptor) -> str:
    """The sha256 over names and types of an SBB's CMP fields: equal for two versions with the same state."""
    lines = "".join(f"{name}: {kind}\n" for name, kind in sorted(sbb.fields.items(), key=lambda item: item[0]))
    return hashlib.sha256(lines.encode()).hexdigest()


class Verification:
    """Collects the components of one bundle with all issues; `finish` gives them, or raises."""

    def __init__(self, bundle: BundleID, repository: Repository) -> None:
        self.bundle = bundle
        self.repository = repository
        self.issues: list[Issue] = []
        self.components: dict[ComponentID, Component] = {}
        self.views: dict[type[ActivityContextView], None] = {}
        """Views of activity contexts that the modules define or the SBBs use."""
        self._references: dict[ComponentID, tuple[Reference, ...]] = {}

    def add_module(self, name: str, module: ModuleType, assigned: Collection[str]) -> None:
        """Take in the components that a module defines.

        Args:
            name: the module's name inside the bundle.
            module: the module, imported.
            assigned: names that it assigns itself; a token that it imports is another module's.
        """
        for attribute, value in vars(module).items():
            own = attribute in assigned
            if isinstance(value, type):
                own = value.__module__ == module.__name__ and value.__qualname__ == attribute
                if own and issubclass(value, ActivityContextView):
                    self.views[value] = None
            identity = component_id(value) if own else None
            if identity is not None:
                self.add(identity, f"{name}:{attribute}", value)

    def add_service(self, service: ServiceDescriptor, source: str) -> None:
        """Take in a service."""
        self._define(service.id, source, service, ((service.root.id, service.root.cls),), None)

    def finish(self) -> tuple[Component, ...]:
        """The components, in the order of their ids.

        Raises:
            VerificationError: lists everything found to be wrong.
        """
        for identity, component in self.components.items():
            for reference, used in self._references[identity]:
                self.issues.extend(self._judge(reference, used, component.descriptor.source))
        self.issues.extend(sharing_issues(self.views, self.repository.views))
        if self.issues:
            raise VerificationError(sorted(self.issues, key=lambda issue: (issue.component, issue.rule)))
        return tuple(self.components[identity] for identity in sorted(self.components))

    def add(self, identity: ComponentID, source: str, value: object) -> None:
        """Take in one component by the object that defines it; once more has no effect."""
        if identity in self.components and self.components[identity].definition is value:
            return
        definition = value
        digest: str | None = None
        references: Iterator[Reference] = iter(())
        if isinstance(value, ResourceAdaptorType):
            references = _types(value.event_types)
        elif isinstance(value, type) and issubclass(value, ResourceAdaptor):
            references = ((ra_type.id, ra_type) for ra_type in value.ra_types)
        elif isinstance(value, type) and issubclass(value, Sbb):
            try:
                descriptor = describe_sbb(value)
            except VerificationError as error:
                self.issues.extend(error.issues)
            else:
                digest = schema_hash(descriptor)
                references = _sbb_references(descriptor)
                self.views |= dict.fromkeys(descriptor.views)
        self._define(identity, source, definition, tuple(references), digest)

    def _define(
        self,
        identity: ComponentID,
        source: str,
        definition: object,
        references: tuple[Reference, ...],
        digest: str | None,
    ) -> None:
        if identity in self.components:
            other = self.components[identity].descriptor.source
            self.issues.append(Issue(source, "DU-16", f"{identity} is {other} as well", "give each an id of its own"))
            return
        named = tuple(dict.fromkeys(reference for reference, _ in references))
        descriptor = ComponentDescriptor(identity, self.bundle, source, named, digest)
        self.components[identity] = Component(descriptor, definition)
        self._references[identity] = references

    def _judge(self, reference: ComponentID, used: object, source: str) -> Iterator[Issue]:
        """A reference resolves to the very object that is installed or comes with the bundle (DU-19)."""
        found = self.components.get(reference) or self.repository.find(reference)
        if found is None:
            yield Issue(source, "DU-19", f"it refers to {reference}, which is not installed", _NOT_RESOLVED)
        elif found.definition is not used:
            yield Issue(
                source,
                "DU-19",
                f"its {reference} is not the one that {found.descriptor.bundle} installed",
                "import it from that bundle, and name the bundle in [depends]",
            )


def component_id(value: object) -> ComponentID | None:
    """The identity of an object that defines a component, `None` for any other."""
    if isinstance(value, VolatileTable | ResourceAdaptorType):
        identity: ComponentID = value.id
        return identity
    if not isinstance(value, type):
        return None
    for attribute, kind in _OWN_IDS:
        own: object = vars(value).get(attribute)
        if isinstance(own, kind):
            return own
    return event_type_id(value)


def _sbb_references(sbb: SbbDescriptor) -> Iterator[Reference]:
    """What an SBB uses directly."""
    yield from ((child.sbb.sbb_id, child.sbb) for child in sbb.children.values())
    yield from ((ra_type.id, ra_type) for ra_type in sbb.resources.values())
    yield from ((table.id, table) for table in sbb.tables.values())
    yield from ((p.specification.specification_id, p.specification) for p in sbb.profiles.values())
    yield from _types((*sbb.handlers, *sbb.fires.values()))


def _types(event_classes: Iterable[type]) -> Iterator[Reference]:
    for event_class in event_classes:
        identity = event_type_id(event_class)
        if identity is not None:
            yield identity, event_class

"""What is installed: bundles, their components, and who refers to whom (DU-31 to DU-35)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from slee.api.errors import (
    InvalidArgumentError,
    UnrecognizedBundleError,
    UnrecognizedComponentError,
    UnrecognizedEventError,
    UnrecognizedResourceAdaptorError,
    UnrecognizedResourceAdaptorTypeError,
    UnrecognizedSbbError,
    UnrecognizedServiceError,
)
from slee.api.ids import (
    BundleID,
    ComponentID,
    EventTypeID,
    LibraryID,
    ProfileSpecificationID,
    ResourceAdaptorID,
    ResourceAdaptorTypeID,
    SbbID,
    ServiceID,
)
from slee.api.view import ActivityContextView

C = TypeVar("C", bound=ComponentID)

KINDS: Final[dict[str, type[ComponentID]]] = {
    "event": EventTypeID,
    "sbb": SbbID,
    "service": ServiceID,
    "adaptor": ResourceAdaptorID,
    "resource-type": ResourceAdaptorTypeID,
    "profile-specification": ProfileSpecificationID,
    "library": LibraryID,
}
"""The kinds of components by the words that an operator types."""

_UNRECOGNIZED: Final[dict[type[ComponentID], type[UnrecognizedComponentError]]] = {
    EventTypeID: UnrecognizedEventError,
    SbbID: UnrecognizedSbbError,
    ServiceID: UnrecognizedServiceError,
    ResourceAdaptorID: UnrecognizedResourceAdaptorError,
    ResourceAdaptorTypeID: UnrecognizedResourceAdaptorTypeError,
}


@dataclass(frozen=True, slots=True)
class ComponentDescriptor:
    """One component (DU-33)."""

    id: ComponentID
    bundle: BundleID
    source: str
    """Module and name that define it."""
    references: tuple[ComponentID, ...] = ()
    """The components that it uses directly, in order."""
    schema_hash: str | None = None
    """Of an SBB: the hash of names and types of its CMP fields."""


@dataclass(frozen=True, slots=True)
class BundleDescriptor:
    """One bundle (DU-33)."""

    id: BundleID
    source: str
    """Path or URL that it was installed from."""
    installed_at: float
    """Seconds since the epoch."""
    components: tuple[ComponentID, ...]
    depends: tuple[BundleID, ...] = ()
    digest: str = ""
    """sha256 of the archive; empty for the built-in bundle."""


@dataclass(frozen=True, slots=True)
class Component:
    """A component and the object that defines it: a class, or the token of an RA type or table."""

    descriptor: ComponentDescriptor
    definition: object


class Repository:
    """The installed bundles and components, by identity."""

    def __init__(self) -> None:
        self._bundles: dict[BundleID, BundleDescriptor] = {}
        self._components: dict[ComponentID, Component] = {}
        self._views: dict[BundleID, tuple[type[ActivityContextView], ...]] = {}

    def add(
        self,
        bundle: BundleDescriptor,
        components: Iterable[Component],
        views: Iterable[type[ActivityContextView]] = (),
    ) -> None:
        """Take a bundle in that has been verified, with the views of activity contexts that its SBBs use."""
        self._bundles[bundle.id] = bundle
        self._views[bundle.id] = tuple(views)
        self._components |= {component.descriptor.id: component for component in components}

    def remove(self, bundle: BundleID) -> None:
        """Forget a bundle with its components (DU-26)."""
        self._views.pop(bundle)
        for component in self._bundles.pop(bundle).components:
            del self._components[component]

    @property
    def views(self) -> Iterator[type[ActivityContextView]]:
        """The views of activity contexts that installed bundles use (SHR-5)."""
        return (view for views in self._views.values() for view in views)

    @property
    def bundles(self) -> tuple[BundleDescriptor, ...]:
        """Every bundle once, in the order of installation."""
        return tuple(self._bundles.values())

    def components(self, kind: str | None = None) -> tuple[ComponentDescriptor, ...]:
        """Every component, or those of one kind, in the order of their ids (DU-31).

        Raises:
            InvalidArgumentError: there is no such kind.
        """
        if kind is not None and kind not in KINDS:
            raise InvalidArgumentError(f"{kind!r} is no kind of component [DU-31]; kinds are {', '.join(KINDS)}")
        wanted = KINDS[kind] if kind else ComponentID
        return tuple(self._components[i].descriptor for i in sorted(self._components) if isinstance(i, wanted))

    def bundle(self, identity: BundleID) -> BundleDescriptor:
        """One bundle; `UnrecognizedBundleError` if it is not installed (DU-32)."""
        found = self._bundles.get(identity)
        if found is None:
            raise UnrecognizedBundleError(f"{identity}: it is not installed [DU-32]; list the bundles")
        return found

    def bundle_from(self, source: str) -> BundleDescriptor:
        """The bundle installed from a path or URL (DU-14)."""
        found = next((bundle for bundle in self._bundles.values() if bundle.source == source), None)
        if found is None:
            raise UnrecognizedBundleError(f"{source}: no bundle came from there [DU-14]; list the bundles")
        return found

    def component(self, identity: ComponentID) -> Component:
        """One component; the error is that of its kind (DU-32)."""
        found = self._components.get(identity)
        if found is None:
            error = _UNRECOGNIZED.get(type(identity), UnrecognizedComponentError)
            raise error(f"{identity}: it is not installed [DU-32]; list the components")
        return found

    def find(self, identity: ComponentID) -> Component | None:
        """One component, or `None`."""
        return self._components.get(identity)

    def descriptors(self, identities: Sequence[ComponentID]) -> tuple[ComponentDescriptor | None, ...]:
        """As many elements as ids, in their order, `None` for each unknown one (DU-32)."""
        found = (self._components.get(identity) for identity in identities)
        return tuple(component.descriptor if component else None for component in found)

    def is_installed(self, identity: BundleID | ComponentID) -> bool:
        """Whether a bundle or component is installed; never raises for an unknown one (DU-34)."""
        return identity in self._bundles or identity in self._components

    def referring_components(self, identity: ComponentID) -> tuple[ComponentID, ...]:
        """The components that use this one directly, in the order of their ids (DU-35)."""
        self.component(identity)
        return tuple(i for i in sorted(self._components) if identity in self._components[i].descriptor.references)

    def sbbs_of(self, service: ServiceID) -> tuple[SbbID, ...]:
        """Root SBB and every SBB reachable by child relations (DU-31)."""
        found: dict[SbbID, None] = {}
        waiting = list(self.component(service).descriptor.references)
        while waiting:
            identity = waiting.pop(0)
            if isinstance(identity, SbbID) and identity not in found:
                found[identity] = None
                waiting.extend(self.component(identity).descriptor.references)
        return tuple(found)

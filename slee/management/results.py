"""What management operations return: plain immutable values, the same in Python, HTTP and `--json` (MGT-2)."""

from __future__ import annotations

from dataclasses import dataclass

from slee.management.identities import AdaptorRef, BundleRef, ComponentRef, SbbRef, ServiceRef
from slee.model.repository import BundleDescriptor, ComponentDescriptor


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """One installed bundle."""

    id: BundleRef
    source: str
    installed_at: float
    """Seconds since the epoch."""
    components: tuple[ComponentRef, ...]
    depends: tuple[BundleRef, ...]
    digest: str

    @classmethod
    def of(cls, bundle: BundleDescriptor) -> BundleInfo:
        """What a bundle's descriptor says."""
        return cls(bundle.id, bundle.source, bundle.installed_at, bundle.components, bundle.depends, bundle.digest)


@dataclass(frozen=True, slots=True)
class ComponentInfo:
    """One installed component."""

    id: ComponentRef
    bundle: BundleRef
    source: str
    references: tuple[ComponentRef, ...]

    @classmethod
    def of(cls, component: ComponentDescriptor) -> ComponentInfo:
        """What a component's descriptor says."""
        return cls(component.id, component.bundle, component.source, component.references)


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """Desired and actual state of one service (MGT-3)."""

    id: ServiceRef
    state: str
    desired: str
    reason: str = ""
    """Why the two differ, empty while they do not."""


@dataclass(frozen=True, slots=True)
class ResourceInfo:
    """Desired and actual state of one resource adaptor entity (MGT-3)."""

    name: str
    adaptor: AdaptorRef
    state: str
    desired: str
    links: tuple[str, ...]
    reason: str = ""
    """Why the two differ, or why the adaptor is not at work; else empty."""


@dataclass(frozen=True, slots=True)
class PropertyInfo:
    """One property of a resource adaptor entity's configuration (RA-49)."""

    name: str
    type: str
    value: str
    """As text; a mask for a secret (RA-50)."""
    secret: bool


@dataclass(frozen=True, slots=True)
class LinkInfo:
    """One link name (RA-16)."""

    name: str
    entity: str
    sbbs: tuple[SbbRef, ...]
    """SBBs of installed services that are bound to it."""


@dataclass(frozen=True, slots=True)
class SleeInfo:
    """Desired and actual state of the SLEE, and who it is (SLE-13, MGT-3)."""

    state: str
    desired: str
    name: str
    vendor: str
    version: str

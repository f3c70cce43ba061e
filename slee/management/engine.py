"""What management needs of the kernel and of the runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from slee.api.facilities import VolatileTable

if TYPE_CHECKING:
    import enum

    from slee.api.ids import ProfileSpecificationID, SbbID, ServiceID
    from slee.model.descriptor import ServiceDescriptor
    from slee.spi.adaptor import ResourceAdaptor, ResourceAdaptorContext


class Entity(Protocol):
    """A resource adaptor entity in the kernel."""

    @property
    def adaptor(self) -> ResourceAdaptor: ...
    @property
    def state(self) -> enum.Enum: ...
    @property
    def is_object_active(self) -> bool: ...
    @property
    def failure(self) -> BaseException | None: ...
    def callback(self, name: str, function: Callable[..., Any], *arguments: object) -> None: ...
    def activate(self) -> None: ...
    def deactivate(self) -> None: ...


class Engine(Protocol):
    """The kernel as management drives it."""

    @property
    def state(self) -> enum.Enum: ...
    @property
    def resources(self) -> Mapping[str, Any]: ...
    @property
    def services(self) -> Mapping[ServiceID, Any]: ...
    def start(self) -> None: ...
    def stop(self, *, within: float | None = None) -> None: ...
    def add_service(self, descriptor: ServiceDescriptor, bound: Mapping[SbbID, Mapping[str, object]]) -> None: ...
    def remove_service(self, identity: ServiceID, /) -> None: ...
    def activate_service(self, *identities: ServiceID) -> None: ...
    def deactivate_service(self, *identities: ServiceID) -> None: ...
    def service_state(self, identity: ServiceID, /) -> enum.Enum: ...
    def add_event_type(self, event_class: type) -> None: ...
    def remove_event_type(self, event_class: type) -> None: ...
    def create_resource(self, name: str, adaptor: ResourceAdaptor) -> Any: ...
    def remove_resource(self, name: str) -> None: ...


class Host(Protocol):
    """The runtime as management uses it."""

    def context(self, name: str, endpoint: Any) -> ResourceAdaptorContext:
        """What the adaptor object of an entity is given first of all (RA-1)."""
        ...

    def table(self, table: VolatileTable[Any]) -> object:
        """The rows of a volatile table, made when first asked for."""

    def drop_table(self, table: ProfileSpecificationID) -> None:
        """Forget the rows of a table whose bundle is uninstalled."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def pump(self) -> None:
        """Let the kernel work on what an operation has set going."""

    def shut_down(self) -> None:
        """End the server process once the present operation has been answered (SLE-12)."""

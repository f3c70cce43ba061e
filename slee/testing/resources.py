"""A resource adaptor for tests that fires any event and records what it is handed (TST-4)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from slee.api.ids import ResourceAdaptorID
from slee.api.resource import ResourceAdaptorType
from slee.spi.adaptor import ReceivableService, ResourceAdaptor, ResourceAdaptorContext
from slee.spi.endpoint import SleeEndpoint
from slee.spi.flags import FailureReason
from slee.spi.interface import ResourceInterface, command, opening_command, query

if TYPE_CHECKING:
    from pydantic import BaseModel

    from slee.api.activity import ActivityContext


class Recorder(ResourceInterface):
    """What SBBs call on a `RecordingResource`."""

    @query
    def caller(self) -> str:
        """The id of the service that is calling (RA-41)."""
        raise NotImplementedError

    @command
    def send(self, text: str, *, on: ActivityContext | None = None) -> None:
        """Have `text` recorded after the commit; `TypeError` if it is no `str`."""
        raise NotImplementedError

    @opening_command
    def open(self, handle: str) -> ActivityContext:
        """Start an activity that exists from the commit on, and have it recorded."""
        raise NotImplementedError

    @command
    def close(self, handle: str) -> None:
        """End an activity at the commit."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, eq=False)
class Handed:
    """One command of an SBB."""

    command: object
    transaction: int | None
    """Number of the transaction that enlisted it."""
    activity: Hashable | None
    """Handle of the activity that it concerned, if it named one."""
    time: float
    """When it was enlisted."""


class RecordingResource(ResourceAdaptor):
    """Fires the event types it is made for; keeps commands and callbacks, in order.

    RA = recording_type(Ping)
    resource = slee.add_resource("test", RecordingResource(RA))
    resource.endpoint.start_activity("call-1", "activity")
    resource.endpoint.fire("call-1", Ping())
    """

    id: ClassVar[ResourceAdaptorID] = ResourceAdaptorID("recording", "slee", "1.0")

    def __init__(self, ra_type: ResourceAdaptorType[Recorder]) -> None:
        self.ra_types = (ra_type,)  # type: ignore[misc]  # of one instance, so that each test has its own events
        self.enlisted: list[Handed] = []
        """Every command that an SBB has called, whatever became of its transaction."""
        self.handed: list[Handed] = []
        """The commands handed over, in order."""
        self.callbacks: list[tuple[object, ...]] = []
        """Every callback of the SLEE with its arguments, in order."""
        self.receivable: list[ReceivableService] = []
        """What the service callbacks were given, in order."""
        self.restored: dict[Hashable, bytes] = {}
        """The activities that a restart has asked for, with what was saved of them."""
        self.restores = True
        """Whether it takes activities back after a restart (DUR-7)."""
        self.repeated: list[object] = []
        """The commands that a restart has offered (OUT-16)."""
        self._context: ResourceAdaptorContext | None = None

    @property
    def commands(self) -> list[object]:
        """The commands handed over, as the SBBs gave them."""
        return [handed.command for handed in self.handed]

    @property
    def dropped(self) -> list[object]:
        """Commands that were enlisted and rolled back; ask when no transaction is open."""
        return [command.command for command in self.enlisted if command not in self.handed]

    @property
    def context(self) -> ResourceAdaptorContext:
        """What the harness gave this adaptor."""
        assert self._context is not None, "add_resource() it first"
        return self._context

    @property
    def endpoint(self) -> SleeEndpoint:
        """The endpoint, to start activities and fire events from a test."""
        return self.context.endpoint

    def provider(self, ra_type: ResourceAdaptorType[ResourceInterface]) -> ResourceInterface:
        return _Provider(self)

    def perform(self, command: object) -> None:
        assert isinstance(command, Handed)
        self.handed.append(command)

    # Callbacks.

    def note(self, callback: str, *arguments: object) -> None:
        """Keep a callback with its arguments."""
        self.callbacks.append((callback, *arguments))

    def set_context(self, context: ResourceAdaptorContext) -> None:
        self._context = context
        self.note("set_context")

    def unset_context(self) -> None:
        self.note("unset_context")

    def ra_verify_configuration(self, configuration: BaseModel) -> None:
        self.note("ra_verify_configuration", configuration)

    def ra_configure(self, configuration: BaseModel) -> None:
        self.note("ra_configure", configuration)

    def ra_unconfigure(self) -> None:
        self.note("ra_unconfigure")

    def ra_active(self) -> None:
        self.note("ra_active")

    def ra_stopping(self) -> None:
        self.note("ra_stopping")

    def ra_inactive(self) -> None:
        self.note("ra_inactive")

    def restore_activity(self, handle: Hashable, state: bytes) -> object | None:
        self.note("restore_activity", handle, state)
        if not self.restores:
            return None
        self.restored[handle] = state
        return handle

    def recover_output(self, command: object) -> bool:
        self.repeated.append(command)
        return True

    def query_liveness(self, handle: Hashable) -> None:
        self.note("query_liveness", handle)

    def administrative_remove(self, handle: Hashable) -> None:
        self.note("administrative_remove", handle)

    def activity_ended(self, handle: Hashable) -> None:
        self.note("activity_ended", handle)

    def activity_unreferenced(self, handle: Hashable) -> None:
        self.note("activity_unreferenced", handle)

    def event_processing_successful(self, handle: Hashable, event: object, flags: int) -> None:
        self.note("event_processing_successful", handle, event, flags)

    def event_processing_failed(self, handle: Hashable, event: object, flags: int, reason: FailureReason) -> None:
        self.note("event_processing_failed", handle, event, flags, reason)

    def event_unreferenced(self, handle: Hashable, event: object, flags: int) -> None:
        self.note("event_unreferenced", handle, event, flags)

    def service_active(self, service: ReceivableService) -> None:
        self._service("service_active", service)

    def service_stopping(self, service: ReceivableService) -> None:
        self._service("service_stopping", service)

    def service_inactive(self, service: ReceivableService) -> None:
        self._service("service_inactive", service)

    def _service(self, callback: str, service: ReceivableService) -> None:
        self.receivable.append(service)
        self.note(callback, service.id)


class _Provider(Recorder):
    def __init__(self, resource: RecordingResource) -> None:
        self._resource = resource

    def caller(self) -> str:
        return str(self._resource.context.invoking_service)

    def send(self, text: str, *, on: ActivityContext | None = None) -> None:
        given: object = text
        if not isinstance(given, str):
            raise TypeError(f"send({text!r}) [OUT-10]; give a str, which cannot change until it is handed over")
        self._enlist(text, None if on is None else self._resource.context.handle_of(on))

    def open(self, handle: str) -> ActivityContext:
        context = self._resource.endpoint.start_activity_transacted(handle, handle)
        self._enlist(("open", handle), handle)
        return context

    def close(self, handle: str) -> None:
        self._resource.endpoint.end_activity_transacted(handle)
        self._enlist(("close", handle), handle)

    def _enlist(self, command: object, activity: Hashable | None) -> None:
        context = self._resource.context
        handed = Handed(command, context.transaction_id, activity, context.now)
        context.enlist(handed)
        self._resource.enlisted.append(handed)


def recording_type(*events: type) -> ResourceAdaptorType[Recorder]:
    """An RA type that fires `events`, for a `RecordingResource`."""
    return ResourceAdaptorType("Recording", vendor="slee", version="1.0", interface=Recorder, events=events)

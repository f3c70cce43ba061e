"""A resource adaptor for tests that fires any event and records what it is handed (TST-4)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, ClassVar

from slee.api.ids import ResourceAdaptorID
from slee.api.resource import ResourceAdaptorType
from slee.spi.adaptor import ReceivableService, ResourceAdaptor, ResourceAdaptorContext, SleeEndpoint
from slee.spi.flags import FailureReason
from slee.spi.interface import ResourceInterface, command, opening_command

if TYPE_CHECKING:
    from slee.api.activity import ActivityContext


class Recorder(ResourceInterface):
    """What SBBs call on a `RecordingResource`."""

    @command
    def send(self, text: str) -> None:
        """Have `text` recorded after the commit."""
        raise NotImplementedError

    @opening_command
    def open(self, handle: str) -> ActivityContext:
        """Start an activity that exists from the commit on, and have it recorded."""
        raise NotImplementedError


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
        self.commands: list[object] = []
        self.callbacks: list[tuple[object, ...]] = []
        self._context: ResourceAdaptorContext | None = None

    @property
    def context(self) -> ResourceAdaptorContext:
        """What the harness gave this adaptor."""
        assert self._context is not None, "add_resource() it first"
        return self._context

    @property
    def endpoint(self) -> SleeEndpoint:
        """The endpoint, to start activities and fire events from a test."""
        return self.context.endpoint

    def set_context(self, context: ResourceAdaptorContext) -> None:
        self._context = context

    def provider(self, ra_type: ResourceAdaptorType[ResourceInterface]) -> ResourceInterface:
        return _Provider(self)

    def perform(self, command: object) -> None:
        self.commands.append(command)

    def ra_active(self) -> None:
        self.callbacks.append(("ra_active",))

    def ra_stopping(self) -> None:
        self.callbacks.append(("ra_stopping",))

    def ra_inactive(self) -> None:
        self.callbacks.append(("ra_inactive",))

    def activity_ended(self, handle: Hashable) -> None:
        self.callbacks.append(("activity_ended", handle))

    def activity_unreferenced(self, handle: Hashable) -> None:
        self.callbacks.append(("activity_unreferenced", handle))

    def event_processing_successful(self, handle: Hashable, event: object, flags: int) -> None:
        self.callbacks.append(("event_processing_successful", handle, event, flags))

    def event_processing_failed(self, handle: Hashable, event: object, flags: int, reason: FailureReason) -> None:
        self.callbacks.append(("event_processing_failed", handle, event, flags, reason))

    def event_unreferenced(self, handle: Hashable, event: object, flags: int) -> None:
        self.callbacks.append(("event_unreferenced", handle, event, flags))

    def service_active(self, service: ReceivableService) -> None:
        self.callbacks.append(("service_active", service.id))

    def service_stopping(self, service: ReceivableService) -> None:
        self.callbacks.append(("service_stopping", service.id))

    def service_inactive(self, service: ReceivableService) -> None:
        self.callbacks.append(("service_inactive", service.id))


class _Provider(Recorder):
    def __init__(self, resource: RecordingResource) -> None:
        self._resource = resource

    def send(self, text: str) -> None:
        self._resource.context.enlist(text)

    def open(self, handle: str) -> ActivityContext:
        context = self._resource.endpoint.start_activity_transacted(handle, handle)
        self._resource.context.enlist(("open", handle))
        return context


def recording_type(*events: type) -> ResourceAdaptorType[Recorder]:
    """An RA type that fires `events`, for a `RecordingResource`."""
    return ResourceAdaptorType("Recording", vendor="slee", version="1.0", interface=Recorder, events=events)

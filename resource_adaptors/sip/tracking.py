"""The dialogs that services follow: their activities, and what is kept of them over a restart (SIP-160, SIP-183)."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.sip import api
from resource_adaptors.sip.protocol import events
from resource_adaptors.sip.protocol.followed import FollowedBranch, HeldAnswer, ProxyDialog
from slee.api.address import Address, AddressPlan
from slee.api.errors import ActivityError, FireEventError, InvalidStateError
from slee.spi import ActivityFlags

if TYPE_CHECKING:
    from resource_adaptors.sip.protocol.core import SipCore
    from slee.api.activity import ActivityContext
    from slee.spi import ResourceAdaptorContext, TimerTask

_FORMAT: Final = 1


class Release(msgspec.Struct, frozen=True):
    """What began or ended a call is recorded: send on the answer that waited for it."""

    held: FollowedBranch | HeldAnswer


class Record(msgspec.Struct, frozen=True, array_like=True):
    """What the journal has of a dialog."""

    format: int
    dialog: api.ProxyDialog
    expires_at: float


class Tracked:
    """One dialog that is an activity."""

    __slots__ = ("activity", "dialog", "expires_at", "handle", "held", "timer")

    def __init__(self, handle: str, dialog: ProxyDialog, activity: api.ProxyDialog, expires_at: float) -> None:
        self.handle = handle
        self.dialog = dialog
        self.activity = activity
        self.expires_at = expires_at
        self.timer: TimerTask | None = None
        self.held: HeldAnswer | None = None
        """The answer that waits until the end has been processed."""


class Tracking:
    """The dialogs of one entity that services follow."""

    def __init__(self, core: SipCore, context: ResourceAdaptorContext, boot: str, lifetime: float) -> None:
        """Take what it works with; `boot` makes handles unique, `lifetime` is in seconds."""
        self._core = core
        self._context = context
        self._boot = boot
        self._lifetime = lifetime
        self._count = 0
        self.by_handle: dict[Hashable, Tracked] = {}
        self._by_dialog: dict[ProxyDialog, Tracked] = {}
        self.handlers: dict[type, Callable[..., None]] = {
            events.DialogBegun: self._on_begun,
            events.DialogRequest: self._on_request,
            events.DialogOver: self._on_over,
        }
        """What is done about events of the core."""
        self.received: frozenset[type] = frozenset()
        """Event classes that an active service receives."""

    def context_of(self, dialog: ProxyDialog | None) -> ActivityContext | None:
        """The activity context of a dialog."""
        tracked = None if dialog is None else self._by_dialog.get(dialog)
        return None if tracked is None else self._context.activity_context(tracked.handle)

    def confirm(self, dialog: ProxyDialog) -> None:
        """A 2xx has come: from now on the dialog survives a restart."""
        tracked = self._by_dialog.get(dialog)
        if tracked is not None and self._context.activity_context(tracked.handle) is not None:
            record = Record(_FORMAT, tracked.activity, tracked.expires_at)
            self._context.endpoint.save_activity(tracked.handle, msgspec.msgpack.encode(record))

    def release(self, held: FollowedBranch | HeldAnswer) -> None:
        """Send an answer on once all that has been committed is durable."""
        self._context.perform_recorded(Release(held))

    def restore(self, handle: str, state: bytes) -> api.ProxyDialog | None:
        """Follow a dialog again after a restart; `None` if its lifetime is over."""
        record = msgspec.msgpack.decode(state, type=Record)
        if record.expires_at <= self._context.now:
            return None
        activity = record.dialog
        dialog = self._core.dialogs.restore((activity.call_id, activity.caller_tag, activity.callee_tag))
        self._add(Tracked(handle, dialog, activity, record.expires_at))
        return activity

    def ended(self, handle: Hashable) -> None:
        """The end of an activity has been processed by everybody who followed it."""
        tracked = self.by_handle.pop(handle, None)
        if tracked is None:
            return
        self._by_dialog.pop(tracked.dialog, None)
        self._core.dialogs.forget(tracked.dialog)
        if tracked.timer is not None:
            tracked.timer.cancel()
        if tracked.held is not None:
            self.release(tracked.held)

    # Events of the core.

    def _on_begun(self, event: events.DialogBegun, now: float) -> None:
        call_id, caller_tag, callee_tag = event.dialog.key
        response = event.response
        caller, callee = response.from_.uri.aor, response.to.uri.aor
        activity = api.ProxyDialog(call_id, caller_tag, callee_tag, caller, callee)
        self._count += 1
        handle = f"{self._boot}-dialog-{self._count}"
        try:
            self._context.endpoint.start_activity(handle, activity, ActivityFlags.ENDED, continuing=True)
        except InvalidStateError as error:
            self._core.dialogs.forget(event.dialog)
            self._context.tracer.warning(f"{activity} is not followed: {error}")
            return
        self._add(Tracked(handle, event.dialog, activity, now + self._lifetime))

    def _add(self, tracked: Tracked) -> None:
        self.by_handle[tracked.handle] = self._by_dialog[tracked.dialog] = tracked
        tracked.timer = self._context.timer.call_at(tracked.expires_at, self._expire, tracked)

    def _on_request(self, event: events.DialogRequest, now: float) -> None:
        event_class = api.INSIDE_EVENTS.get(event.request.method, api.DialogRequest)
        tracked = self._by_dialog.get(event.dialog)
        if tracked is not None and event_class in self.received:
            address = Address(AddressPlan.SIP, event.request.from_.uri.aor)
            self._fire(tracked, event_class(event.request, event.is_from_caller), address)

    def _on_over(self, event: events.DialogOver, now: float) -> None:
        tracked = self._by_dialog.get(event.dialog)
        if tracked is None or self._context.activity_context(tracked.handle) is None:
            if event.held is not None:
                self.release(event.held)
            return
        tracked.held = event.held
        if api.DialogTerminated in self.received:
            self._fire(tracked, api.DialogTerminated(event.cause, event.status))
        self._end(tracked)

    def _expire(self, tracked: Tracked) -> None:
        tracked.timer = None
        self._core.dialogs.forget(tracked.dialog)
        if api.DialogExpired in self.received:
            self._fire(tracked, api.DialogExpired())
        self._end(tracked)

    def _fire(self, tracked: Tracked, event: object, address: Address | None = None) -> None:
        try:
            self._context.endpoint.fire(tracked.handle, event, address)
        except (ActivityError, FireEventError, InvalidStateError) as error:
            self._context.tracer.warning(f"{tracked.activity}: {type(event).__name__} could not be told: {error}")

    def _end(self, tracked: Tracked) -> None:
        if self._context.activity_context(tracked.handle) is not None:
            self._context.endpoint.end_activity(tracked.handle)

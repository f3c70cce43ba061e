"""Callbacks: URLs that name an activity, and what becomes of those who call them (HTTP-32)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.http import events
from resource_adaptors.http.census import unavailable
from resource_adaptors.http.commands import Acknowledge
from resource_adaptors.http.exchange import Exchange
from resource_adaptors.http.message.errors import RemoteProtocolError
from resource_adaptors.http.message.request import Request
from resource_adaptors.http.protocol.tokens import Token, read_token, write_token
from slee.api.errors import ActivityError, FireEventError, InvalidStateError
from slee.spi import EventFlags

if TYPE_CHECKING:
    from resource_adaptors.http.access_config import CallbackSection
    from resource_adaptors.http.serving import Serving
    from slee.spi import ResourceAdaptorContext, TimerTask

_OUTCOME: Final = int(EventFlags.PROCESSING_SUCCESSFUL | EventFlags.PROCESSING_FAILED)
_PROCESSED: Final = int(EventFlags.SBB_PROCESSED)
_ROLLED_BACK: Final = int(EventFlags.SBB_ROLLED_BACK)
_USED: Final = "used/"


class _Call(msgspec.Struct, frozen=True):
    """A call whose event is being processed."""

    event: object
    text: str
    """The token."""
    exchange: Exchange


class Callbacks:
    """The callback URLs of one entity: nothing is remembered of one that has not been called."""

    def __init__(self, context: ResourceAdaptorContext, serving: Serving) -> None:
        self._context = context
        self._serving = serving
        self._used: dict[str, int] = {}
        """When the time of a token ends that was good for one call and has had it."""
        self._calls: dict[int, _Call] = {}
        """Calls whose event has not been processed, by the identity of that."""
        self._running: set[str] = set()
        """Their tokens, of those that are good for one call."""
        self._timers: dict[Hashable, TimerTask] = {}
        for key, octets in context.kept.items():
            if key.startswith(_USED):
                self._used[key.removeprefix(_USED)] = int(octets)

    @property
    def _section(self) -> CallbackSection:
        section = self._serving.settings.callbacks
        assert section is not None
        return section

    @property
    def _key(self) -> bytes:
        return self._section.key.get_secret_value().encode()

    def url(self, handle: str, ttl: float, *, single_use: bool) -> str:
        """A URL for an activity."""
        token = Token(handle, int(self._context.now + ttl) + 1, single_use)
        return f"{self._section.base.rstrip('/')}{self._section.path}/{write_token(self._key, token)}"

    # Activities of their own.

    def follow(self, handle: str, activity: events.CallbackActivity) -> None:
        """Have an activity of its own end with its time."""
        self._timers[handle] = self._context.timer.call_at(activity.until, self.close, handle)

    def restore(self, handle: str, state: bytes) -> events.CallbackActivity:
        """Go on with one after a restart."""
        activity = msgspec.msgpack.decode(state, type=events.CallbackActivity)
        self.follow(handle, activity)
        return activity

    def close(self, handle: Hashable) -> None:
        """End one; without effect if it has ended."""
        timer = self._timers.pop(handle, None)
        if timer is not None:
            timer.cancel()
            if self._context.activity_context(handle) is not None:
                self._context.endpoint.end_activity(handle)
                self._context.pump()

    def close_all(self) -> None:
        """The entity stops."""
        for handle in tuple(self._timers):
            self.close(handle)

    # Calls.

    def judge(self, exchange: Exchange, text: str, now: float) -> None:
        """Find out what a token says: before the body is read, and again when it is there.

        Raises:
            RemoteProtocolError: 404, nobody made it or its time is over; 409, a call of it is being processed; 410, it
                was good for one call.
        """
        token = None if self._serving.settings.callbacks is None else read_token(self._key, text, now)
        if token is None or self._context.activity_context(token.handle) is None:
            raise RemoteProtocolError(404, "callback", "There is nothing here.")
        if token.is_single and text in self._used:
            raise RemoteProtocolError(410, "callback_used", "This was good for one call.")
        if text in self._running:
            raise RemoteProtocolError(409, "callback_running", "A call of this is being processed.")
        exchange.callback = token

    def call(self, exchange: Exchange, body: bytes) -> None:
        """The request has come: fire the event on its activity."""
        target, token = exchange.target, exchange.callback
        assert target is not None
        assert token is not None
        text = target.segments[-1]
        try:
            if exchange.is_streamed:
                raise RemoteProtocolError(413, "callback_body", "Send less.", close=True)
            self.judge(exchange, text, self._serving.moment)  # others may have called while the body came
        except RemoteProtocolError as error:
            self._refuse(exchange, error)
            return
        headers, source = exchange.headers, self._serving.source(exchange)
        path = self._section.path
        request = Request(exchange.method, path, target.query, path, {}, headers, body, source)
        event = events.CallbackReceived(request)
        self._calls[id(event)] = _Call(event, text, exchange)
        if token.is_single:
            self._running.add(text)
        try:
            self._context.endpoint.fire(token.handle, event, None, None, _OUTCOME)
        except (ActivityError, InvalidStateError):
            self._end(event)
            self._refuse(exchange, RemoteProtocolError(404, "callback", "There is nothing here."))
        except FireEventError:
            self._end(event)
            self._refuse(exchange, unavailable("overload"))

    def _end(self, event: object) -> _Call | None:
        call = self._calls.pop(id(event), None)
        if call is not None:
            self._running.discard(call.text)
        return call

    def processed(self, event: object, flags: int) -> None:
        """The event has been processed: tell the caller."""
        call = self._end(event)
        if call is None:
            return
        exchange = call.exchange
        if flags & _ROLLED_BACK:
            self._refuse(exchange, RemoteProtocolError(500, "service_failed", "The service failed."))
            return
        if not flags & _PROCESSED:
            self._refuse(exchange, RemoteProtocolError(404, "callback", "There is nothing here."))
            return
        token = exchange.callback
        if token is not None and token.is_single:
            self._used[call.text] = token.until
            self._context.kept.put(f"{_USED}{call.text}", b"%d" % token.until)
            self.close(token.handle)
        self._context.perform_recorded(Acknowledge(exchange))

    def acknowledge(self, exchange: Exchange) -> None:
        """What the call brought about is durable: the caller may forget it."""
        self._refuse(exchange, RemoteProtocolError(204, "callback"))

    def failed(self, event: object) -> None:
        """The event could not be delivered."""
        call = self._end(event)
        if call is not None:
            self._refuse(call.exchange, unavailable("overload"))

    def _refuse(self, exchange: Exchange, error: RemoteProtocolError) -> None:
        if not exchange.gone and not exchange.is_done:
            self._serving.refuse_unread(exchange, error)

    def look(self, now: float) -> None:
        """Answer those who have waited too long, and forget tokens whose time is over."""
        before = now - self._serving.settings.deadlines.response
        for call in tuple(self._calls.values()):
            if call.exchange.started <= before:
                self._refuse(call.exchange, RemoteProtocolError(504, "deadline", "The service took too long."))
        for text in [text for text, until in self._used.items() if until <= now]:
            del self._used[text]
            self._context.kept.remove(f"{_USED}{text}")

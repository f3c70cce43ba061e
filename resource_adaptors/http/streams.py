"""Streams of server-sent events, and what is kept for clients that come back (HTTP-21)."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import TYPE_CHECKING

from resource_adaptors.http import events
from resource_adaptors.http.message.errors import LocalProtocolError, RemoteProtocolError
from resource_adaptors.http.message.event_stream import COMMENT, RESET, format_event
from slee.api.errors import ActivityError, FireEventError, InvalidStateError

if TYPE_CHECKING:
    from resource_adaptors.http.commands import OpenEvents
    from resource_adaptors.http.exchange import Exchange
    from resource_adaptors.http.serving import Serving
    from slee.spi import ResourceAdaptorContext


class EventStreams:
    """The open streams of one entity."""

    def __init__(self, context: ResourceAdaptorContext, serving: Serving) -> None:
        self._context = context
        self._serving = serving
        self.open: dict[Hashable, Exchange] = {}
        self._by_key: dict[str, dict[Hashable, Exchange]] = {}
        self._keys: dict[Hashable, str] = {}
        self._kept: dict[str, deque[tuple[str, bytes]]] = {}
        """Ids and octets of the latest events by key, the key published to longest ago first."""
        self._serial = 0
        self._boot = context.random_bytes(3).hex()
        serving.stream_closed = self.lost

    def begin(self, command: OpenEvents) -> None:
        """Answer a request with a stream, and send what its client has missed."""
        exchange, stream, key = command.exchange, command.stream, command.key
        settings = self._serving.settings
        if exchange.gone:
            self._serving.counts.drop("answer_to_gone_client")
            self._closed(stream)
            return
        if len(self.open) >= settings.limits.event_streams:
            self._serving.limit_hit("event_streams")
            self._closed(stream)
            exchange.keep_alive = False
            self._serving.refuse(exchange, RemoteProtocolError(503, "event_streams", headers=[("Retry-After", "10")]))
            return
        exchange.stream = stream
        exchange.open(200, command.fields)
        self.open[stream] = exchange
        if key is not None:
            self._by_key.setdefault(key, {})[stream] = exchange
            self._keys[stream] = key
        if command.first:
            exchange.send(command.first)
        last, missed, is_reset = self._missed(exchange, key)
        for data in missed:
            exchange.send(data)
        exchange.body_since = self._context.now
        self._fire(stream, events.SseOpened(last, 0 if is_reset else len(missed), is_reset))
        self._serving.conclude(exchange)

    def _missed(self, exchange: Exchange, key: str | None) -> tuple[str | None, list[bytes], bool]:
        """The client's last id, and the octets that follow it."""
        activity = exchange.activity
        last = None if activity is None else activity.request.header("last-event-id")
        if last is None or key is None:
            return last, [], False
        kept = list(self._kept.get(key, ()))
        for place, (identity, _) in enumerate(kept):
            if identity == last:
                return last, [data for _, data in kept[place + 1 :]], False
        return last, [RESET], True

    def send(self, stream: Hashable, data: bytes) -> None:
        """Send to one stream; `LocalProtocolError` if it was closed meanwhile."""
        exchange = self.open.get(stream)
        if exchange is None:
            raise LocalProtocolError(f"send_event: {stream} was closed meanwhile [HTTP-21]; the event was not sent")
        self._write(exchange, data)

    def publish(self, key: str, data: str, event: str | None) -> None:
        """Send to all streams of a key, and keep it for those to come."""
        self._serial += 1
        identity = f"{self._boot}-{self._serial}"
        octets = format_event(data, event, identity)
        settings = self._serving.settings
        kept = self._kept.pop(key, None)
        if kept is None:
            kept = deque[tuple[str, bytes]](maxlen=settings.sse_ring)
        self._kept[key] = kept
        while len(self._kept) > settings.limits.event_keys:
            del self._kept[next(iter(self._kept))]
        kept.append((identity, octets))
        for exchange in tuple(self._by_key.get(key, {}).values()):
            self._write(exchange, octets)

    def _write(self, exchange: Exchange, data: bytes) -> None:
        if exchange.connection.stalled_since:  # it will come back with the id of what it has
            self._serving.limit_hit("unsent")
            exchange.connection.transport.abort()
            return
        exchange.body_since = self._context.now
        exchange.send(data)

    def close(self, stream: Hashable) -> None:
        """Close a stream; without effect if it is closed."""
        exchange = self._forget(stream)
        if exchange is not None:
            exchange.stream = None
            exchange.close()
        self._end(stream)

    def lost(self, exchange: Exchange) -> None:
        """The client has closed its stream."""
        stream = exchange.stream
        self._forget(stream)
        self._closed(stream)

    def comment(self, now: float) -> None:
        """Keep idle streams alive."""
        before = now - self._serving.settings.deadlines.event_stream_comment
        for exchange in tuple(self.open.values()):
            if exchange.body_since <= before:
                self._write(exchange, COMMENT)

    def _forget(self, stream: Hashable) -> Exchange | None:
        key = self._keys.pop(stream, None)
        if key is not None:
            same = self._by_key[key]
            del same[stream]
            if not same:
                del self._by_key[key]
        return self.open.pop(stream, None)

    def _closed(self, stream: Hashable) -> None:
        self._fire(stream, events.SseClosed())
        self._end(stream)

    def _fire(self, stream: Hashable, event: object) -> None:
        if type(event) not in self._serving.received:
            return
        try:
            self._context.endpoint.fire(stream, event)
        except (ActivityError, FireEventError, InvalidStateError):
            self._serving.counts.drop("unfired")

    def _end(self, stream: Hashable) -> None:
        if self._context.activity_context(stream) is not None:
            self._context.endpoint.end_activity(stream)

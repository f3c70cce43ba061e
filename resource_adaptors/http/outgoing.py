"""Requests to other servers: queues, tries and circuits around a sender (HTTP-23 to HTTP-27)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from resource_adaptors.http import events
from resource_adaptors.http.message.event_stream import EventStreamReader
from resource_adaptors.http.protocol.calls import (
    OPEN,
    Call,
    Circuit,
    Failure,
    Opened,
    Outcome,
    Reply,
    redirected,
    retry_delay,
)
from slee.api.alarm import AlarmID, AlarmLevel
from slee.api.errors import ActivityError, FireEventError, InvalidStateError

if TYPE_CHECKING:
    from resource_adaptors.http.config import ClientSection
    from resource_adaptors.http.serving import Serving
    from slee.spi import ResourceAdaptorContext, TimerTask

_ALARM: Final = "http.circuit_open"
_MANY_ORIGINS: Final = 1024
"""From so many on, origins whose failures are past are forgotten."""
Done = Callable[[Outcome], None]
Told = Callable[[Opened | bytes], None]


class Sender(Protocol):
    """Makes one try of a call: the library's client, or a double."""

    def send(self, call: Call, done: Done, told: Told) -> Callable[[], None]:
        """Begin; `done` is told the outcome later, once, unless the result of this is called before.

        Of a streamed call `told` is told the beginning of a 2xx and each piece of its body before.
        """
        ...

    def take(self, settings: ClientSection) -> None:
        """Take a changed configuration, for the tries to come."""

    def close(self) -> None:
        """Let go of connections."""


class _Pool:
    """What one origin is asked."""

    __slots__ = ("circuit", "queue", "running")

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.running = 0
        self.queue: deque[_Running] = deque()


class _Running:
    """A call that has no outcome yet."""

    __slots__ = ("call", "cancel", "done", "opened", "reader", "retry", "timeout", "tries")

    def __init__(self, call: Call, done: Done) -> None:
        self.call = call
        self.done = done
        self.tries = 0
        self.opened: Opened | None = None
        """The answer that is being handed over."""
        self.reader: EventStreamReader | None = None
        self.cancel: Callable[[], None] | None = None
        """Ends the try that is under way."""
        self.timeout: TimerTask | None = None
        self.retry: TimerTask | None = None


class Outgoing:
    """All requests of one entity."""

    def __init__(
        self,
        context: ResourceAdaptorContext,
        settings: ClientSection,
        sender: Sender,
        serving: Serving,
    ) -> None:
        self._context = context
        self.settings = settings
        self._sender = sender
        self._serving = serving
        self._counts = serving.counts
        self._pools: dict[str, _Pool] = {}
        self._calls: dict[Hashable, _Running] = {}
        self._alarms: dict[str, AlarmID] = {}
        """Of open circuits, by origin."""

    def take(self, settings: ClientSection) -> None:
        """Take a changed configuration, for the requests to come (HTTP-42)."""
        self.settings = settings
        self._sender.take(settings)

    @property
    def circuits(self) -> dict[str, int]:
        """State of each circuit by origin."""
        return {origin: pool.circuit.state for origin, pool in self._pools.items()}

    def start(self, call: Call) -> None:
        """Make a call for a service: its outcome is an event on the call's activity."""
        self.call(call, lambda outcome: self._tell(call.handle, outcome))

    def call(self, call: Call, done: Done) -> None:
        """Make a call, and tell its outcome once."""
        running = self._calls[call.handle] = _Running(call, done)
        running.timeout = self._context.timer.call_later(call.timeout, self._expire, running)
        self._try(running)

    def cancel(self, handle: Hashable) -> None:
        """Give a call up; its activity ends without an outcome."""
        running = self._calls.get(handle)
        if running is not None:
            if running.cancel is not None:
                self._pools[running.call.origin].circuit.abandon()
            self._drop(running)
            self._end(handle)

    def close(self) -> None:
        """Give everything up that has no outcome yet."""
        for running in tuple(self._calls.values()):
            self._finish(running, Failure("stopping"))
        self._sender.close()

    # Tries.

    def _pool(self, origin: str) -> _Pool:
        pool = self._pools.get(origin)
        if pool is None:
            if len(self._pools) >= _MANY_ORIGINS:
                self._forget_failures()
            breaker = self.settings.breaker
            pool = self._pools[origin] = _Pool(Circuit(breaker.failures, breaker.within, breaker.open))
        return pool

    def _try(self, running: _Running) -> None:
        running.retry = None
        pool = self._pool(running.call.origin)
        if pool.running >= self.settings.connections:
            if len(pool.queue) >= self.settings.queue:
                self._finish(running, Failure("queue_full"))
            else:
                pool.queue.append(running)
        elif not pool.circuit.allow(self._context.now):
            self._finish(running, Failure("circuit_open"))
        else:
            pool.running += 1
            running.tries += 1
            running.cancel = self._sender.send(
                running.call,
                lambda outcome: self._tried(running, outcome),
                lambda piece: self._told(running, piece),
            )

    def _told(self, running: _Running, piece: Opened | bytes) -> None:
        """Hand over the beginning or a piece of a streamed answer; the time that it may take begins anew (HTTP-23)."""
        call = running.call
        if running.timeout is not None:
            running.timeout.cancel()
        running.timeout = self._context.timer.call_later(call.timeout, self._expire, running)
        if isinstance(piece, Opened):
            running.opened = piece
            running.reader = EventStreamReader() if piece.is_event_stream else None
            found: list[object] = [events.HttpStreamOpened(piece.status, piece.headers)]
        elif running.reader is None:
            found = [events.HttpBodyChunk(piece)]
        else:
            found = [
                events.SseMessage(message.id, message.event, message.data) for message in running.reader.feed(piece)
            ]
        if not all(self._fire(call.handle, event) for event in found):
            self._finish(running, Failure("overload"))  # a service that misses a piece must not take it for the whole
        self._context.pump()

    def _tried(self, running: _Running, outcome: Outcome) -> None:
        """A try has come out."""
        call = running.call
        failed = isinstance(outcome, Failure) or outcome.status >= 500
        self._report(call.origin, success=not failed)  # first: it decides whether the next in the queue is sent
        self._release(running)
        retries = self.settings.retries
        delay = retry_delay(
            call,
            outcome,
            running.tries,
            most=retries.tries,
            backoff=retries.backoff,
            longest=retries.longest_retry_after,
            jitter=self._context.random_bytes(1)[0] / 255,
        )
        following = redirected(call, outcome) if isinstance(outcome, Reply) else None
        if running.opened is not None:  # what has been handed over cannot be taken back
            self._finish(running, outcome)
        elif following is not None:
            running.call = following
            self._try(running)
        elif delay is not None:
            running.retry = self._context.timer.call_later(delay, self._try_again, running)
        else:
            self._finish(running, outcome)
        self._context.pump()

    def _try_again(self, running: _Running) -> None:
        self._try(running)

    def _release(self, running: _Running) -> None:
        """A try is over: the next in the queue has its turn."""
        running.cancel = None
        pool = self._pools[running.call.origin]
        pool.running -= 1
        while pool.queue and pool.running < self.settings.connections:
            self._try(pool.queue.popleft())

    def _report(self, origin: str, *, success: bool) -> None:
        circuit = self._pools[origin].circuit
        if not circuit.report(self._context.now, success=success):
            return
        alarms = self._context.alarms
        if circuit.state == OPEN:
            text = f"{origin} fails; it is left alone for {self.settings.breaker.open:g} s at a time"
            self._alarms[origin] = alarms.raise_alarm(_ALARM, origin, level=AlarmLevel.MAJOR, message=text)
        elif success and (alarm := self._alarms.pop(origin, None)) is not None:
            alarms.clear(alarm)

    def _expire(self, running: _Running) -> None:
        """The call's time is up."""
        if self._calls.get(running.call.handle) is running:
            if running.cancel is not None:
                self._report(running.call.origin, success=False)
            self._finish(running, Failure("timeout"))

    def _drop(self, running: _Running) -> None:
        self._calls.pop(running.call.handle, None)
        for task in (running.timeout, running.retry):
            if task is not None:
                task.cancel()
        pool = self._pools.get(running.call.origin)
        if pool is not None and running in pool.queue:
            pool.queue.remove(running)
        if running.cancel is not None:
            running.cancel()
            self._release(running)

    def _finish(self, running: _Running, outcome: Outcome) -> None:
        self._drop(running)
        result = outcome.reason if isinstance(outcome, Failure) else f"{outcome.status // 100}xx"
        self._counts.call_done(running.call.origin, result)
        self._prune(running.call.origin)
        running.done(msgspec.structs.replace(outcome, tries=running.tries))

    def _prune(self, origin: str) -> None:
        """Forget an origin that is not in use and has not failed: services may ask any number of them."""
        pool = self._pools.get(origin)
        if pool is not None and not pool.running and not pool.queue and pool.circuit.is_calm:
            del self._pools[origin]

    def _forget_failures(self) -> None:
        """Forget the origins whose failures are past: services may ask any number that do not answer, too."""
        now = self._context.now
        for origin, pool in tuple(self._pools.items()):
            if not pool.running and not pool.queue and pool.circuit.is_past(now):
                del self._pools[origin]
                if (alarm := self._alarms.pop(origin, None)) is not None:
                    self._context.alarms.clear(alarm)

    def _tell(self, handle: Hashable, outcome: Outcome) -> None:
        """Fire the outcome of a service's call, and end its activity."""
        self._fire(handle, outcome_event(outcome))
        self._end(handle)

    def _fire(self, handle: Hashable, event: object) -> bool:
        """Fire an event, if a service receives it; `False` if the SLEE does not take it."""
        if type(event) in self._serving.received:
            try:
                self._context.endpoint.fire(handle, event)
            except (ActivityError, FireEventError, InvalidStateError):
                self._counts.drop("unfired")
                return False
        return True

    def _end(self, handle: Hashable) -> None:
        if self._context.activity_context(handle) is not None:
            self._context.endpoint.end_activity(handle)


def outcome_event(outcome: Outcome) -> object:
    """The event that tells an outcome (HTTP-23)."""
    if isinstance(outcome, Failure):
        if outcome.reason == "timeout":
            return events.HttpTimeout(outcome.tries)
        return events.HttpTransportError(outcome.reason, outcome.tries)
    response = events.Response(outcome.status, outcome.headers, outcome.body, outcome.tries)
    return events.response_event(outcome.status)(response)

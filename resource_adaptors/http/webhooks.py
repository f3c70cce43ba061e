"""Web-hooks: delivered at least once, in order where that is asked for, or given up (HTTP-30, HTTP-31)."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import TYPE_CHECKING

import msgspec

from resource_adaptors.http import events
from resource_adaptors.http.letters import Letters
from resource_adaptors.http.message.errors import LocalProtocolError
from resource_adaptors.http.protocol.calls import Outcome, Reply, new_call
from resource_adaptors.http.protocol.webhooks import Record, Verdict, judge, next_due, signature
from slee.api.alarm import AlarmLevel
from slee.api.errors import ActivityError, FireEventError, InvalidStateError

if TYPE_CHECKING:
    from resource_adaptors.http.config import WebhookSection, WebhookTarget
    from resource_adaptors.http.outgoing import Outgoing
    from resource_adaptors.http.serving import Serving
    from slee.spi import ResourceAdaptorContext, TimerTask

_ALARM = "http.webhook_dead_letter"


class Webhooks:
    """All web-hooks of one entity."""

    def __init__(
        self,
        context: ResourceAdaptorContext,
        settings: WebhookSection,
        outgoing: Outgoing,
        serving: Serving,
    ) -> None:
        self._context = context
        self.settings = settings
        self._outgoing = outgoing
        self._serving = serving
        self._counts = serving.counts
        self.letters = Letters(context.kept)
        self._is_stopping = False
        self.disabled: set[str] = set()
        """Targets that answered 410."""
        self._chains: dict[tuple[str, str], deque[str]] = {}
        """Ids in order, by target and ordering key: only the first of each is tried."""
        self._ready: dict[str, deque[str]] = {}
        """Ids that are due, by target."""
        self._running: dict[str, int] = {}
        """Tries under way, by target."""
        self._trying: set[str] = set()
        """Ids whose try is under way."""
        self._sending: set[str] = set()
        """Targets whose ready ones are being sent: a try may come out at once, and asks for the next."""
        self._timers: dict[str, TimerTask] = {}

    @property
    def pending(self) -> dict[str, Record]:
        """What is to be delivered, oldest first."""
        return self.letters.pending

    @property
    def dead(self) -> dict[str, Record]:
        """What was given up, for an operator to retry or drop (HTTP-31)."""
        return self.letters.dead

    def begin(self) -> None:
        """Go on with what was kept; what was under way is sent again with its id (HTTP-43)."""
        for record in self.letters.restore():
            self._take(record)
        if self.dead:
            self._alarm(next(reversed(self.dead.values())).target)

    def tell(self, record: Record) -> None:
        """Take a record over: the transaction that kept it has committed; the next start does if we stop."""
        if self._is_stopping:
            self._end(record.id)
        else:
            self._take(record)

    def activity(self, handle: str) -> events.WebhookActivity | None:
        """The activity of a record after a restart; `None` if that has come out."""
        record = self.pending.get(handle)
        return None if record is None else events.WebhookActivity(record.id, record.target)

    def retry(self, identity: str) -> None:
        """Try a dead letter again, as if it were new; `KeyError` if there is none of that id."""
        record = self.dead[identity]
        self._context.endpoint.start_activity(identity, events.WebhookActivity(identity, record.target))
        self._context.endpoint.save_activity(identity, b"")
        self.letters.unearth(identity)  # not before: it stays where it is if its activity cannot begin
        self.disabled.discard(record.target)
        record = msgspec.structs.replace(record, attempts=0, status=0, due=0.0, created=self._context.now)
        self.letters.keep(record)
        self._take(record)
        self._clear_alarm()

    def drop(self, identity: str) -> None:
        """Forget a dead letter; `KeyError` if there is none of that id."""
        self.letters.unearth(identity)
        self._clear_alarm()

    def stop(self) -> None:
        """Begin no further try: what is not under way is kept for the next start, and its activity ends."""
        self._is_stopping = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for identity in tuple(self.pending):
            if identity not in self._trying:
                self._set_aside(identity)

    def forget(self, handle: Hashable) -> None:
        """An operator removed the activity: what has not been delivered is given up; not if it is the stop's end."""
        record = self.pending.get(str(handle))
        if record is None:
            return
        if self._is_stopping:
            self._set_aside(record.id)
        else:
            self._bury(record, 0)

    def close(self) -> None:
        """Stop trying; what was kept is taken up again after a restart."""
        for identity in tuple(self.pending):
            self._set_aside(identity)

    def _set_aside(self, identity: str) -> None:
        del self.pending[identity]
        self._end(identity)

    def _take(self, record: Record) -> None:
        self.pending[record.id] = record
        if record.ordering_key:
            chain = self._chains.setdefault((record.target, record.ordering_key), deque())
            chain.append(record.id)
            if len(chain) > 1:
                return
        self._plan(record)

    def _plan(self, record: Record) -> None:
        """Have a record tried when it is due."""
        now = self._context.now
        if record.due > now:
            self._timers[record.id] = self._context.timer.call_at(record.due, self._due, record.id)
        else:
            self._due(record.id)

    def _due(self, identity: str) -> None:
        self._timers.pop(identity, None)
        target = self.pending[identity].target
        self._ready.setdefault(target, deque()).append(identity)
        self._send_next(target)

    def _send_next(self, target: str) -> None:
        if target in self._sending:  # as many may come out at once as are ready: each within the other is too deep
            return
        ready = self._ready.get(target)
        self._sending.add(target)
        try:
            while ready and self._running.get(target, 0) < self.settings.parallel:
                record = self.pending.get(ready.popleft())
                if record is not None:
                    self._running[target] = self._running.get(target, 0) + 1
                    self._try(record)
        finally:
            self._sending.discard(target)

    def _try(self, record: Record) -> None:
        record = msgspec.structs.replace(record, attempts=record.attempts + 1)
        self.pending[record.id] = record
        self._trying.add(record.id)
        section = self.settings.targets.get(record.target)
        if section is None or record.target in self.disabled:
            self._tried(record.id, record.target, Reply(410, (), b""))
            return
        try:
            call = new_call(
                f"{record.id}/{record.attempts}",
                "POST",
                section.url,
                self._headers(record, section),
                record.body,
                self.settings.timeout,
            )
        except LocalProtocolError as error:
            self._context.tracer.severe(f"web-hook target {record.target}: {error}")
            self._tried(record.id, record.target, Reply(410, (), b""))
            return
        self._outgoing.call(call, lambda outcome: self._tried(record.id, record.target, outcome))

    def _headers(self, record: Record, section: WebhookTarget) -> tuple[tuple[str, str], ...]:
        timestamp = int(self._context.now)
        keys = [key.get_secret_value().encode() for key in section.keys]
        return (
            ("Content-Type", record.content_type),
            ("Webhook-Id", record.id),
            ("Webhook-Timestamp", str(timestamp)),
            ("Webhook-Signature", signature(keys, record.id, timestamp, record.body)),
        )

    def _tried(self, identity: str, target: str, outcome: Outcome) -> None:
        self._trying.discard(identity)
        self._running[target] -= 1
        record = self.pending.get(identity)
        if record is None:
            return
        status = outcome.status if isinstance(outcome, Reply) else 0
        verdict = judge(status)
        self._counts.webhook_done("delivered" if verdict is Verdict.DELIVERED else "failed")
        if verdict is Verdict.DELIVERED:
            self._finish(record, events.WebhookDelivered(record.attempts))
        elif verdict is Verdict.RETRY:
            self._retry(record, status)
        else:
            if verdict is Verdict.DISABLE:
                self.disabled.add(record.target)
            self._bury(record, status)
        if not self._is_stopping:
            self._send_next(record.target)

    def _retry(self, record: Record, status: int) -> None:
        settings, now = self.settings, self._context.now
        jitter = self._context.random_bytes(1)[0] / 255
        due = next_due(record, now, settings.schedule, settings.give_up, jitter)
        if due is None:
            self._bury(record, status)
            return
        record = msgspec.structs.replace(record, due=due, status=status)
        self.pending[record.id] = record
        self.letters.keep(record)
        if self._is_stopping:
            self._set_aside(record.id)
        else:
            self._plan(record)

    def _bury(self, record: Record, status: int) -> None:
        """Give up: the record is kept for an operator."""
        self._context.tracer.severe(f"web-hook {record.id} to {record.target}: given up after status {status}")
        self._counts.webhook_done("dead")
        self.letters.bury(msgspec.structs.replace(record, status=status))
        self._alarm(record.target)
        self._finish(record, events.WebhookDeadLettered(status))

    def _alarm(self, target: str) -> None:
        text = f"{len(self.dead)} web-hooks were given up; retry or drop them: slee letter list"
        self._context.alarms.raise_alarm(_ALARM, target, level=AlarmLevel.MAJOR, message=text)

    def _clear_alarm(self) -> None:
        if not self.dead:
            self._context.alarms.clear_type(_ALARM)

    def _finish(self, record: Record, event: object) -> None:
        """Tell the outcome, and let the next of its chain go."""
        self.letters.delivered(record)
        timer = self._timers.pop(record.id, None)
        if timer is not None:
            timer.cancel()
        if type(event) in self._serving.received and self._context.activity_context(record.id) is not None:
            try:
                self._context.endpoint.fire(record.id, event)
            except (ActivityError, FireEventError, InvalidStateError):
                self._counts.drop("unfired")
        self._end(record.id)
        self._next_in_chain(record)

    def _end(self, identity: str) -> None:
        if self._context.activity_context(identity) is not None:
            self._context.endpoint.end_activity(identity)

    def _next_in_chain(self, record: Record) -> None:
        chain = self._chains.get((record.target, record.ordering_key))
        if chain is None:
            return
        is_first = chain[0] == record.id
        chain.remove(record.id)
        if not chain:
            del self._chains[record.target, record.ordering_key]
        elif is_first and not self._is_stopping:
            self._plan(self.pending[chain[0]])

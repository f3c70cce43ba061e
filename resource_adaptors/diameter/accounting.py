"""Our accounting sessions: records go to the outbox, interim records are made when the server wants them (DIA-38)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.diameter import api
from resource_adaptors.diameter.message.avp import Avp
from resource_adaptors.diameter.message.message import Message
from resource_adaptors.diameter.protocol.accounting import Accounting, Realtime, RecordType, accounting_request
from slee.spi.wheel import Timer, TimerWheel

if TYPE_CHECKING:
    from resource_adaptors.diameter.adaptor import DiameterAdaptor

_RESOLUTION: Final = 0.1
_decoder: Final = msgspec.msgpack.Decoder(Accounting)


class AccountingClients:
    """The owner of accounting sessions."""

    def __init__(self, adaptor: DiameterAdaptor) -> None:
        self._adaptor = adaptor
        self.sessions: dict[str, Accounting] = {}
        """Live sessions by Session-Id, which is the handle of their activity."""
        self.lost = 0
        """Records that were given up, as the server allowed."""
        self._timers: TimerWheel[Accounting] = TimerWheel(_RESOLUTION)
        self._interim: dict[str, Timer[Accounting]] = {}

    def next_deadline(self) -> float | None:
        """When to call `tick` next."""
        return self._timers.next_deadline()

    def tick(self, now: float) -> None:
        """Make the interim records that are due (DIA-38)."""
        for accounting in self._timers.expire(now):
            self._interim.pop(accounting.session_id, None)
            if not accounting.is_closing:
                number = accounting.ask(RecordType.INTERIM)
                self.record(accounting.session_id, number, RecordType.INTERIM, accounting.avps)

    def new(self, realm: str) -> Accounting:
        """A session that begins with the next commit."""
        accounting = Accounting(self._adaptor.new_session_id(), realm, Realtime[self._adaptor.settings.realtime])
        self.sessions[accounting.session_id] = accounting
        return accounting

    # What services ask for.

    def record(self, session_id: str, number: int, kind: RecordType, avps: tuple[Avp, ...]) -> None:
        """Keep a record, which is sent until it is answered; one that is kept already is left alone (OUT-16)."""
        accounting, adaptor = self.sessions.get(session_id), self._adaptor
        if accounting is None or number < accounting.made:
            return
        key = f"{session_id} {number}"
        if key not in adaptor.outbox:
            message = accounting_request(accounting, kind, number, avps, adaptor.node.settings, adaptor.now)
            message = msgspec.structs.replace(message, end_to_end=adaptor.node.new_end_to_end())
            adaptor.outbox.add(key, message, adaptor.now, was_sent=False)
        accounting.next_number = max(accounting.next_number, number + 1)
        accounting.take(kind, avps, adaptor.now)
        self._plan(accounting)
        self._save(accounting)

    # What the network tells.

    def answered(self, key: str, message: Message, result: int) -> None:
        """A record was answered: it is taken, refused, or to be sent again (DIA-39, DIA-40)."""
        adaptor = self._adaptor
        session_id, _, number = key.rpartition(" ")
        fate = "taken" if result // 1000 == 2 else adaptor.settings.fate_of_record(result)
        if fate == "retry":
            adaptor.try_again(key, result)
            return
        accounting = self.sessions.get(session_id)
        if fate == "dead_letter":
            adaptor.outbox.bury(key, result)
        else:
            adaptor.outbox.answered(key)
        if fate == "taken":
            if accounting is not None:
                accounting.obey(message, adaptor.now)
                self._plan(accounting)
            adaptor.fire(session_id, api.AccountingAccepted(session_id, int(number), message))
        else:
            adaptor.fire(session_id, api.AccountingRejected(session_id, int(number), result))
        self._done(accounting, int(number))

    def unanswered(self, key: str) -> None:
        """A record was not answered: who is served is to know, once for each record (DIA-38)."""
        session_id, _, said = key.rpartition(" ")
        accounting, number = self.sessions.get(session_id), int(said)
        if accounting is None or number <= accounting.undelivered:
            return
        accounting.undelivered = number
        realtime = accounting.realtime
        is_kept = realtime is not Realtime.GRANT_AND_LOSE
        goes_on = realtime is not Realtime.DELIVER_AND_GRANT
        self._adaptor.fire(session_id, api.AccountingUndelivered(session_id, number, goes_on, is_kept))
        if not is_kept:
            self.lost += 1
            self._adaptor.outbox.answered(key)
        self._done(None if is_kept else accounting, number)
        self._save(accounting)

    def _done(self, accounting: Accounting | None, number: int) -> None:
        """A record is done with: after the last one the session is over."""
        if accounting is None:
            return
        if accounting.is_over and number == accounting.made - 1:
            self.sessions.pop(accounting.session_id, None)
            self._plan(accounting)
            self._adaptor.end(accounting.session_id)
        else:
            self._save(accounting)

    def remove(self, session_id: str) -> None:
        """Nobody is left, or an operator ends the session: make its last record."""
        accounting = self.sessions.get(session_id)
        if accounting is not None and not accounting.is_closing:
            self.record(session_id, accounting.ask(RecordType.STOP), RecordType.STOP, accounting.avps)

    # Over restarts.

    def restore(self, handle: str, state: bytes) -> api.AccountingSession | None:
        """Take up a session; one whose last record has been answered is over."""
        accounting = _decoder.decode(state)
        if accounting.is_over and f"{handle} {accounting.made - 1}" not in self._adaptor.outbox:
            return None
        accounting.next_number, accounting.is_closing = accounting.made, accounting.is_over
        self.sessions[handle] = accounting
        self._plan(accounting)
        return api.AccountingSession(handle)

    def save(self, accounting: Accounting) -> None:
        """Have a session kept from the commit of the delivery that opens it."""
        self._adaptor.save(accounting.session_id, b"A", msgspec.msgpack.encode(accounting))

    def _save(self, accounting: Accounting) -> None:
        if accounting.session_id in self.sessions:
            self.save(accounting)

    def _plan(self, accounting: Accounting) -> None:
        timer = self._interim.pop(accounting.session_id, None)
        if timer is not None:
            timer.cancel()
        if accounting.interim_at is not None and accounting.session_id in self.sessions:
            self._interim[accounting.session_id] = self._timers.set(accounting.interim_at, accounting)

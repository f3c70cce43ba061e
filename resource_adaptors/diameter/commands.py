"""What SBBs have asked for, as values: performed once their transaction has committed, or after a crash (OUT-16).

Commands on sessions are numbered: one whose number a session has seen is not carried out again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.diameter.message.avp import Avp
from resource_adaptors.diameter.message.message import Message
from resource_adaptors.diameter.protocol.accounting import RecordType
from resource_adaptors.diameter.protocol.charging import Action, CreditAnswer
from resource_adaptors.diameter.protocol.units import Service

if TYPE_CHECKING:
    from resource_adaptors.diameter.adaptor import DiameterAdaptor
    from resource_adaptors.diameter.protocol.session import CreditSession


class Command(msgspec.Struct, frozen=True):
    """What `DiameterAdaptor.perform` is given."""

    def perform(self, adaptor: DiameterAdaptor) -> None:
        """Carry it out."""
        raise NotImplementedError


class SessionCommand(Command, frozen=True):
    """Something to do with a credit-control session of ours."""

    session_id: str
    serial: int
    """Rises with each command on the session."""

    def perform(self, adaptor: DiameterAdaptor) -> None:
        """Carry it out, unless the session has it behind it."""
        adaptor.clients.perform(self)

    def act(self, session: CreditSession, now: float) -> None:
        """Do it."""
        raise NotImplementedError


class Begin(SessionCommand, frozen=True):
    """Ask for credit."""

    services: tuple[Service, ...]

    def act(self, session: CreditSession, now: float) -> None:
        session.begin(self.services, now)


class ChargeEvent(SessionCommand, frozen=True):
    """Charge once."""

    action: Action
    services: tuple[Service, ...]
    correlation: bytes

    def act(self, session: CreditSession, now: float) -> None:
        session.event(self.action, self.services, now, self.correlation)


class Report(SessionCommand, frozen=True):
    """Tell what was used."""

    services: tuple[Service, ...]

    def act(self, session: CreditSession, now: float) -> None:
        session.report(self.services, now)


class End(SessionCommand, frozen=True):
    """End a session."""

    services: tuple[Service, ...]
    cause: int

    def act(self, session: CreditSession, now: float) -> None:
        session.end(self.services, self.cause, now)


class Record(Command, frozen=True):
    """Make an accounting record."""

    session_id: str
    number: int
    """Accounting-Record-Number."""
    kind: RecordType
    avps: tuple[Avp, ...]

    def perform(self, adaptor: DiameterAdaptor) -> None:
        """Keep the record, which is sent until it is answered; one that is kept already is left alone."""
        adaptor.accounting.record(self.session_id, self.number, self.kind, self.avps)


class Send(Command, frozen=True):
    """Send a request of a service."""

    key: str
    message: Message

    def perform(self, adaptor: DiameterAdaptor) -> None:
        """Send it; its activity is told of the outcome."""
        adaptor.clients.request(self.key, self.message)


class ReplyCredit(Command, frozen=True):
    """Answer a CCR."""

    handle: str
    answer: CreditAnswer

    def perform(self, adaptor: DiameterAdaptor) -> None:
        """Send the answer, unless the request has been answered or given up meanwhile."""
        adaptor.servers.answer_credit(self.handle, self.answer)


class Reply(Command, frozen=True):
    """Answer another request."""

    handle: str
    result: int
    avps: tuple[Avp, ...]
    vendor: int = 0
    """Of an experimental result."""

    def perform(self, adaptor: DiameterAdaptor) -> None:
        """Send the answer, unless the request has been answered or given up meanwhile."""
        adaptor.servers.answer_other(self.handle, self.result, self.avps, self.vendor)


class Ask(Command, frozen=True):
    """Send a RAR or ASR for a session of a peer."""

    handle: str
    command: int

    def perform(self, adaptor: DiameterAdaptor) -> None:
        """Send it; what comes of it shows in the requests of the session."""
        adaptor.servers.ask(self.handle, self.command)


class Disconnect(Command, frozen=True):
    """Say goodbye to a peer."""

    host: str
    cause: int

    def perform(self, adaptor: DiameterAdaptor) -> None:
        """Say it."""
        adaptor.node.disconnect(self.host, self.cause, adaptor.now)


class Subscribe(Command, frozen=True):
    """Begin or end a subscription to user data."""

    handle: str
    message: Message
    is_end: bool

    def perform(self, adaptor: DiameterAdaptor) -> None:
        """Send the SNR."""
        adaptor.user_data.ask(self.handle, self.message, is_end=self.is_end)


class AskUserData(Command, frozen=True):
    """Send a UDR, PUR or PNR."""

    key: str
    message: Message

    def perform(self, adaptor: DiameterAdaptor) -> None:
        """Send it; `ShAnswer` tells of the answer."""
        adaptor.user_data.request(self.key, self.message)


RECOVERED: Final[tuple[type, ...]] = (Begin, ChargeEvent, Report, End, Record, Subscribe)
"""Commands that may be given twice: the numbers in them tell that they have been carried out (OUT-16)."""

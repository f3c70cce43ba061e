"""The Diameter resource adaptor type: its events, its activities, and what SBBs call.

Each side of credit control is here: a service that charges opens sessions and is told of grants (client); a service
that keeps balances is told of requests and answers them (server). Names follow RFC 6733 and RFC 8506.
"""

from __future__ import annotations

from typing import Final

import msgspec

from resource_adaptors.diameter.message.avp import Avp
from resource_adaptors.diameter.message.errors import LocalProtocolError, ProtocolError, RemoteProtocolError
from resource_adaptors.diameter.message.message import Message
from resource_adaptors.diameter.protocol.charging import (
    Action,
    CreditAnswer,
    CreditRequest,
    FailureHandling,
    RequestType,
    Subscription,
    SubscriptionKind,
)
from resource_adaptors.diameter.protocol.units import FinalUnit, Grant, Money, PoolShare, Service, Units
from slee.api.activity import ActivityContext
from slee.api.event import event_type
from slee.api.resource import ResourceAdaptorType
from slee.spi import ResourceInterface, command, opening_command, query

# Activities.


class CreditControlSession(msgspec.Struct, frozen=True):
    """Activity of one credit-control session, ours or a peer's; ends with the session."""

    session_id: str
    is_client: bool

    def __repr__(self) -> str:
        return f"{'client' if self.is_client else 'server'} session {self.session_id}"


class AccountingSession(msgspec.Struct, frozen=True):
    """Activity of one accounting session; ends when its last record has been answered."""

    session_id: str


class DiameterTransaction(msgspec.Struct, frozen=True):
    """Activity of one request and its answer outside a session of credit control; ends with the answer."""

    key: str
    command: str
    """Abbreviation of the request, such as `UDR`; `other` for commands without one."""

    def __repr__(self) -> str:
        return f"{self.command} {self.key}"


class PeerActivity(msgspec.Struct, frozen=True):
    """Activity of one configured peer; lives while the adaptor works."""

    host: str


# Client events.


@event_type("diameter.CreditGranted", vendor="slee", version="1.0")
class CreditGranted:
    """Credit was granted; `grants` is empty where nothing is charged (4011), and in the answer to a termination."""

    session_id: str
    kind: RequestType
    answer: CreditAnswer
    is_free: bool
    """Whether the server says that nothing is charged, so that the session is over."""


@event_type("diameter.CreditDenied", vendor="slee", version="1.0")
class CreditDenied:
    """Credit was denied: the service may not go on, and the session is over."""

    session_id: str
    kind: RequestType
    result: int
    answer: CreditAnswer


@event_type("diameter.QuotaExhausted", vendor="slee", version="1.0")
class QuotaExhausted:
    """What was granted has been used; more is being asked for unless these were the final units."""

    session_id: str
    rating_group: int | None
    service_ids: tuple[int, ...]


@event_type("diameter.FinalUnitGranted", vendor="slee", version="1.0")
class FinalUnitGranted:
    """The units just granted are the last: `final` says what comes after them."""

    session_id: str
    rating_group: int | None
    final: FinalUnit


@event_type("diameter.ReauthRequested", vendor="slee", version="1.0")
class ReauthRequested:
    """The server wants to hear of use now; the adaptor reports by itself (DIA-34)."""

    session_id: str
    rating_group: int | None


@event_type("diameter.SessionAborted", vendor="slee", version="1.0")
class SessionAborted:
    """The server has aborted the session; the adaptor has sent its termination (DIA-34)."""

    session_id: str


@event_type("diameter.FailureHandled", vendor="slee", version="1.0")
class FailureHandled:
    """No server could be asked; `action` says whether the service goes on uncharged or ends (DIA-32)."""

    session_id: str
    kind: RequestType
    action: FailureHandling
    """`CONTINUE`, or `TERMINATE` where all that could be tried has been."""
    reason: str


@event_type("diameter.AccountingAccepted", vendor="slee", version="1.0")
class AccountingAccepted:
    """An accounting record has been taken; the answer may name an interval for interim records."""

    session_id: str
    number: int
    answer: Message


@event_type("diameter.AccountingRejected", vendor="slee", version="1.0")
class AccountingRejected:
    """An accounting record was refused for good, and is not sent again."""

    session_id: str
    number: int
    result: int


@event_type("diameter.DiameterAnswer", vendor="slee", version="1.0")
class DiameterAnswer:
    """The answer to a request sent by `send`."""

    key: str
    message: Message
    error: int
    """0, or the Result-Code that what is wrong with the answer deserves (DIA-5)."""


@event_type("diameter.AnswerTimeout", vendor="slee", version="1.0")
class AnswerTimeout:
    """No answer to a request sent by `send` came in time."""

    key: str


@event_type("diameter.Undeliverable", vendor="slee", version="1.0")
class Undeliverable:
    """A request sent by `send` could go nowhere: `unroutable`, `unknown_realm` or `queue_full`."""

    key: str
    reason: str


@event_type("diameter.PeerUp", vendor="slee", version="1.0")
class PeerUp:
    """A peer takes requests."""

    host: str


@event_type("diameter.PeerDown", vendor="slee", version="1.0")
class PeerDown:
    """A peer takes no requests any more."""

    host: str
    reason: str


@event_type("diameter.PeerRestarted", vendor="slee", version="1.0")
class PeerRestarted:
    """A peer has restarted and lost its sessions; on its activity and on those sessions (DIA-16)."""

    host: str


# Server events.


@event_type("diameter.InitialRequest", vendor="slee", version="1.0")
class InitialRequest:
    """CCR-Initial; answer it with `grant` or `deny`."""

    request: CreditRequest
    message: Message


@event_type("diameter.UpdateRequest", vendor="slee", version="1.0")
class UpdateRequest:
    """CCR-Update."""

    request: CreditRequest
    message: Message


@event_type("diameter.TerminationRequest", vendor="slee", version="1.0")
class TerminationRequest:
    """CCR-Termination; the session ends when it has been answered."""

    request: CreditRequest
    message: Message


@event_type("diameter.EventRequest", vendor="slee", version="1.0")
class EventRequest:
    """CCR-Event: a debit, a refund, or a question."""

    request: CreditRequest
    message: Message


@event_type("diameter.DiameterRequest", vendor="slee", version="1.0")
class DiameterRequest:
    """Any other request of an application served; answer it with `answer`."""

    message: Message


class Diameter(ResourceInterface):
    """What SBBs call."""

    @opening_command
    def open_session(
        self,
        subscriptions: tuple[Subscription, ...],
        services: tuple[Service, ...],
        *,
        realm: str,
        context: str | None = None,
        failure_handling: FailureHandling | None = None,
    ) -> ActivityContext:
        """Ask for credit for a session; `CreditGranted`, `CreditDenied` or `FailureHandled` follows on its activity.

        Args:
            subscriptions: who is charged.
            services: what for, each with the units wanted.
            realm: Destination-Realm.
            context: Service-Context-Id; the configured one unless given.
            failure_handling: what to do when no server can be asked; configured unless given, an answer's wins.

        Raises:
            LocalProtocolError: there is no service, or a value does not fit.
        """
        raise NotImplementedError

    @command
    def report(self, session: ActivityContext, services: tuple[Service, ...]) -> None:
        """Tell what was used, and what is wanted anew.

        The server is asked when a grant is used up, at once where something is wanted, and never twice at a time.

        Raises:
            LocalProtocolError: the session is over.
        """
        raise NotImplementedError

    @command
    def close(self, session: ActivityContext, services: tuple[Service, ...] = (), *, cause: int = 1) -> None:
        """End a session, with what was used last and a Termination-Cause."""
        raise NotImplementedError

    @opening_command
    def charge_event(
        self,
        action: Action,
        subscriptions: tuple[Subscription, ...],
        services: tuple[Service, ...],
        *,
        realm: str,
        context: str | None = None,
        correlation: bytes = b"",
    ) -> ActivityContext:
        """Debit, refund, check a balance or ask a price, once; the answer comes on the activity returned (DIA-33)."""
        raise NotImplementedError

    @opening_command
    def open_accounting(self, avps: tuple[Avp, ...] = (), *, realm: str, is_event: bool = False) -> ActivityContext:
        """Begin an accounting session with a START record, or make a single EVENT record.

        Records are kept until they are answered; `AccountingAccepted` or `AccountingRejected` tells of each (DIA-39).
        """
        raise NotImplementedError

    @command
    def record(self, accounting: ActivityContext, avps: tuple[Avp, ...] = (), *, is_last: bool = False) -> None:
        """Make an INTERIM record, or with `is_last` the STOP record that ends the session."""
        raise NotImplementedError

    @opening_command
    def send(self, message: Message) -> ActivityContext:
        """Send a request of any application; `DiameterAnswer`, `AnswerTimeout` or `Undeliverable` follows.

        Session-Id, Origin-Host and Origin-Realm are added where they are missing.

        Raises:
            LocalProtocolError: it is no request, or breaks the grammar of its command (DIA-7).
        """
        raise NotImplementedError

    @command
    def grant(self, session: ActivityContext, grants: tuple[Grant, ...], *, answer: CreditAnswer | None = None) -> None:
        """Answer the CCR of a server session with 2001; `answer` adds what else a CCA can say.

        Raises:
            LocalProtocolError: no request of the session waits for an answer.
        """
        raise NotImplementedError

    @command
    def deny(self, session: ActivityContext, result: int) -> None:
        """Answer the CCR of a server session with another result, such as 4012 or 5030."""
        raise NotImplementedError

    @command
    def answer(self, aci: ActivityContext, result: int, avps: tuple[Avp, ...] = ()) -> None:
        """Answer a `DiameterRequest`; session, result and origin are added."""
        raise NotImplementedError

    @command
    def reauthorise(self, session: ActivityContext) -> None:
        """Ask the client of a server session to report now (RAR)."""
        raise NotImplementedError

    @command
    def abort(self, session: ActivityContext) -> None:
        """Ask the client of a server session to end it (ASR)."""
        raise NotImplementedError

    @command
    def disconnect(self, host: str, cause: int = 0) -> None:
        """Say goodbye to a peer: 0 rebooting, 1 busy, 2 do not want to talk to you."""
        raise NotImplementedError

    @query
    def is_reachable(self, realm: str, application: int = 4) -> bool:
        """Whether a peer for a realm takes requests now."""
        raise NotImplementedError


SERVER_EVENTS: Final[dict[RequestType, type]] = {
    RequestType.INITIAL: InitialRequest,
    RequestType.UPDATE: UpdateRequest,
    RequestType.TERMINATION: TerminationRequest,
    RequestType.EVENT: EventRequest,
}

DIAMETER: Final[ResourceAdaptorType[Diameter]] = ResourceAdaptorType(
    "Diameter",
    vendor="slee",
    version="1.0",
    interface=Diameter,
    events=(
        CreditGranted,
        CreditDenied,
        QuotaExhausted,
        FinalUnitGranted,
        ReauthRequested,
        SessionAborted,
        FailureHandled,
        AccountingAccepted,
        AccountingRejected,
        DiameterAnswer,
        AnswerTimeout,
        Undeliverable,
        PeerUp,
        PeerDown,
        PeerRestarted,
        *SERVER_EVENTS.values(),
        DiameterRequest,
    ),
    activities=(CreditControlSession, AccountingSession, DiameterTransaction, PeerActivity),
)

__all__ = [
    "DIAMETER",
    "SERVER_EVENTS",
    "AccountingAccepted",
    "AccountingRejected",
    "AccountingSession",
    "Action",
    "AnswerTimeout",
    "Avp",
    "CreditAnswer",
    "CreditControlSession",
    "CreditDenied",
    "CreditGranted",
    "CreditRequest",
    "Diameter",
    "DiameterAnswer",
    "DiameterRequest",
    "DiameterTransaction",
    "EventRequest",
    "FailureHandled",
    "FailureHandling",
    "FinalUnit",
    "FinalUnitGranted",
    "Grant",
    "InitialRequest",
    "LocalProtocolError",
    "Message",
    "Money",
    "PeerActivity",
    "PeerDown",
    "PeerRestarted",
    "PeerUp",
    "PoolShare",
    "ProtocolError",
    "QuotaExhausted",
    "ReauthRequested",
    "RemoteProtocolError",
    "RequestType",
    "Service",
    "SessionAborted",
    "Subscription",
    "SubscriptionKind",
    "TerminationRequest",
    "Undeliverable",
    "Units",
    "UpdateRequest",
]

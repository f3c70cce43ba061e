"""The Diameter resource adaptor type: its events, its activities, and what SBBs call.

Each side of credit control is here: a service that charges opens sessions and is told of grants (client); a service
that keeps balances is told of requests and answers them (server). Names follow RFC 6733 and RFC 8506.
"""

from __future__ import annotations

import datetime
from typing import Final

import msgspec

from resource_adaptors.diameter.message import codes
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
from resource_adaptors.diameter.protocol.ims import ImsInformation, NodeFunctionality, RoleOfNode
from resource_adaptors.diameter.protocol.sh_document import RepositoryData, UserData, next_sequence
from resource_adaptors.diameter.protocol.units import FinalUnit, Grant, Money, PoolShare, Service, Units
from resource_adaptors.diameter.protocol.user_data import (
    DataReference,
    ShReply,
    ShRequest,
    ShResult,
    UserIdentity,
)
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


class ShSubscription(msgspec.Struct, frozen=True):
    """Activity of one subscription to user data; ends when it expires, is refused, or is given up."""

    user: UserIdentity
    reference: DataReference
    service: str
    """Service-Indication, of repository data."""


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
    """No server could be asked; `action` says whether the service goes on or ends (DIA-32).

    After the failure of an INITIAL or EVENT the session is over. After that of an UPDATE it is there until it is
    closed: what was used meanwhile is charged when a server can be reached.
    """

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


@event_type("diameter.ShAnswer", vendor="slee", version="1.0")
class ShAnswer:
    """The answer to a request for user data, an update of it, a subscription, or a notification (DIA-41)."""

    kind: str
    """`UDA`, `PUA`, `SNA` or `PNA`."""
    user: UserIdentity
    reply: ShReply
    """Its result, and the data where they were asked for."""


@event_type("diameter.ShNotification", vendor="slee", version="1.0")
class ShNotification:
    """User data have changed; on the activity of the subscription, and answered by the adaptor (DIA-43)."""

    user: UserIdentity
    data: UserData


@event_type("diameter.AccountingUndelivered", vendor="slee", version="1.0")
class AccountingUndelivered:
    """An accounting record did not reach its server when it was sent first (DIA-38; RFC 6733 9.8.7)."""

    session_id: str
    number: int
    goes_on: bool
    """Whether the service may be given all the same: not where the server said DELIVER_AND_GRANT."""
    is_kept: bool
    """Whether the record is sent until it is answered: not where the server said GRANT_AND_LOSE."""


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


@event_type("diameter.UserDataRequest", vendor="slee", version="1.0")
class UserDataRequest:
    """UDR; answer it with `answer_user_data`."""

    request: ShRequest
    message: Message


@event_type("diameter.ProfileUpdateRequest", vendor="slee", version="1.0")
class ProfileUpdateRequest:
    """PUR: `request.data.repository` is to be kept, if its number is the next one (`next_sequence`)."""

    request: ShRequest
    message: Message


@event_type("diameter.SubscribeRequest", vendor="slee", version="1.0")
class SubscribeRequest:
    """SNR: tell `request.origin_host` of changes by `notify`, or no more where `request.is_end`."""

    request: ShRequest
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
        information: ImsInformation | None = None,
    ) -> ActivityContext:
        """Ask for credit for a session; `CreditGranted`, `CreditDenied` or `FailureHandled` follows on its activity.

        Args:
            subscriptions: who is charged.
            services: what for, each with the units wanted.
            realm: Destination-Realm.
            context: Service-Context-Id; the configured one unless given.
            failure_handling: what to do when no server can be asked; configured unless given, an answer's wins.
            information: of the call or message, for Service-Information.

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
        information: ImsInformation | None = None,
    ) -> ActivityContext:
        """Debit, refund, check a balance or ask a price, once; the answer comes on the activity returned (DIA-33)."""
        raise NotImplementedError

    @opening_command
    def open_accounting(self, avps: tuple[Avp, ...] = (), *, realm: str, is_event: bool = False) -> ActivityContext:
        """Begin an accounting session with a START record, or make a single EVENT record.

        Where the server wants interim records, they are made at its interval with the AVPs of the last record (DIA-38).
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

    @opening_command
    def user_data(
        self,
        user: UserIdentity,
        references: tuple[DataReference, ...],
        *,
        realm: str,
        host: str = "",
        services: tuple[str, ...] = (),
    ) -> ActivityContext:
        """Ask for data of a user (UDR); `ShAnswer` follows, or `AnswerTimeout` or `Undeliverable`.

        Args:
            user: whose.
            references: which data.
            realm: Destination-Realm.
            host: Destination-Host, where the server of the user is known.
            services: Service-Indications, of repository data.

        Raises:
            LocalProtocolError: nothing is asked for, or a value does not fit.
        """
        raise NotImplementedError

    @opening_command
    def profile_update(
        self, user: UserIdentity, data: RepositoryData, *, realm: str, host: str = ""
    ) -> ActivityContext:
        """Write what a service keeps of a user (PUR); `ShAnswer` follows, with 5105 if its number is not the next."""
        raise NotImplementedError

    @opening_command
    def subscribe(
        self,
        user: UserIdentity,
        reference: DataReference,
        *,
        realm: str,
        host: str = "",
        service: str = "",
        wants_data: bool = False,
        expires: datetime.datetime | None = None,
    ) -> ActivityContext:
        """Ask to be told of changes (SNR): `ShAnswer`, then `ShNotification` on the activity while it lives.

        The activity ends when the subscription expires, and the subscription when no entity is attached any more.
        """
        raise NotImplementedError

    @command
    def unsubscribe(self, subscription: ActivityContext) -> None:
        """End a subscription; its activity ends with the answer."""
        raise NotImplementedError

    @opening_command
    def notify(self, user: UserIdentity, data: UserData, *, realm: str, host: str) -> ActivityContext:
        """As a server of user data, tell a subscriber of a change (PNR); `ShAnswer` follows."""
        raise NotImplementedError

    @command
    def answer_user_data(
        self,
        aci: ActivityContext,
        result: int,
        data: UserData | None = None,
        *,
        expires: datetime.datetime | None = None,
    ) -> None:
        """Answer a `UserDataRequest`, `ProfileUpdateRequest` or `SubscribeRequest`.

        A member of `ShResult` is sent as Experimental-Result, any other number as Result-Code.
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

SH_EVENTS: Final[dict[int, type]] = {
    codes.USER_DATA: UserDataRequest,
    codes.PROFILE_UPDATE: ProfileUpdateRequest,
    codes.SUBSCRIBE_NOTIFICATIONS: SubscribeRequest,
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
        AccountingUndelivered,
        ShAnswer,
        ShNotification,
        DiameterAnswer,
        AnswerTimeout,
        Undeliverable,
        PeerUp,
        PeerDown,
        PeerRestarted,
        *SERVER_EVENTS.values(),
        *SH_EVENTS.values(),
        DiameterRequest,
    ),
    activities=(CreditControlSession, AccountingSession, DiameterTransaction, ShSubscription, PeerActivity),
)

__all__ = [
    "DIAMETER",
    "SERVER_EVENTS",
    "SH_EVENTS",
    "AccountingAccepted",
    "AccountingRejected",
    "AccountingSession",
    "AccountingUndelivered",
    "Action",
    "AnswerTimeout",
    "Avp",
    "CreditAnswer",
    "CreditControlSession",
    "CreditDenied",
    "CreditGranted",
    "CreditRequest",
    "DataReference",
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
    "ImsInformation",
    "InitialRequest",
    "LocalProtocolError",
    "Message",
    "Money",
    "NodeFunctionality",
    "PeerActivity",
    "PeerDown",
    "PeerRestarted",
    "PeerUp",
    "PoolShare",
    "ProfileUpdateRequest",
    "ProtocolError",
    "QuotaExhausted",
    "ReauthRequested",
    "RemoteProtocolError",
    "RepositoryData",
    "RequestType",
    "RoleOfNode",
    "Service",
    "SessionAborted",
    "ShAnswer",
    "ShNotification",
    "ShReply",
    "ShRequest",
    "ShResult",
    "ShSubscription",
    "SubscribeRequest",
    "Subscription",
    "SubscriptionKind",
    "TerminationRequest",
    "Undeliverable",
    "Units",
    "UpdateRequest",
    "UserData",
    "UserDataRequest",
    "UserIdentity",
    "next_sequence",
]

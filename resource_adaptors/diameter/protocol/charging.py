"""Messages of credit control: what a session knows as a CCR, and what requests and answers say (RFC 8506 3)."""

from __future__ import annotations

import datetime
import enum
from typing import Final

import msgspec

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, find, find_all, group, i32, octets, text, time, u32
from resource_adaptors.diameter.message.message import Message, P, R
from resource_adaptors.diameter.protocol.units import Grant, Money, Service, Units


class RequestType(enum.IntEnum):
    """CC-Request-Type (RFC 8506 8.3)."""

    INITIAL = 1
    UPDATE = 2
    TERMINATION = 3
    EVENT = 4


class Action(enum.IntEnum):
    """Requested-Action of an event (RFC 8506 8.41)."""

    DEBIT = 0
    REFUND = 1
    BALANCE = 2
    PRICE = 3


class FailureHandling(enum.IntEnum):
    """Credit-Control-Failure-Handling (RFC 8506 8.14)."""

    TERMINATE = 0
    CONTINUE = 1
    RETRY_AND_TERMINATE = 2


class SubscriptionKind(enum.IntEnum):
    """Subscription-Id-Type (RFC 8506 8.47)."""

    E164 = 0
    IMSI = 1
    SIP_URI = 2
    NAI = 3
    PRIVATE = 4


_KINDS: Final = frozenset(map(int, SubscriptionKind))
_HANDLINGS: Final = frozenset(map(int, FailureHandling))


class Subscription(msgspec.Struct, frozen=True):
    """Who is charged (DIA-37)."""

    kind: SubscriptionKind
    data: str

    def avp(self) -> Avp:
        """Subscription-Id."""
        members = (i32(codes.SUBSCRIPTION_ID_TYPE, self.kind), text(codes.SUBSCRIPTION_ID_DATA, self.data))
        return group(codes.SUBSCRIPTION_ID, members)

    @classmethod
    def read(cls, avp: Avp) -> Subscription:
        """What a Subscription-Id says; `RemoteProtocolError` if it is malformed."""
        members = avp.group()
        kind, data = find(members, codes.SUBSCRIPTION_ID_TYPE), find(members, codes.SUBSCRIPTION_ID_DATA)
        number = 0 if kind is None else kind.unsigned32()
        known = SubscriptionKind(number) if number in _KINDS else SubscriptionKind.PRIVATE
        return cls(known, "" if data is None else data.text())


class CreditRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a CCR says."""

    session_id: str
    kind: RequestType
    number: int
    context: str
    origin_host: str = ""
    origin_realm: str = ""
    realm: str = ""
    host: str = ""
    subscriptions: tuple[Subscription, ...] = ()
    services: tuple[Service, ...] = ()
    action: Action | None = None
    cause: int | None = None
    """Termination-Cause, of a TERMINATION."""
    at: datetime.datetime | None = None
    correlation: bytes = b""
    """CC-Correlation-Id: names the event that a refund takes back (DIA-33)."""
    extra: tuple[Avp, ...] = ()
    """AVPs of the service, such as Service-Information."""

    def message(self) -> Message:
        """The CCR; identifiers are the sender's to set."""
        avps = [
            text(codes.SESSION_ID, self.session_id),
            text(codes.ORIGIN_HOST, self.origin_host),
            text(codes.ORIGIN_REALM, self.origin_realm),
            text(codes.DESTINATION_REALM, self.realm),
            u32(codes.AUTH_APPLICATION_ID, codes.CREDIT_CONTROL_APPLICATION),
            text(codes.SERVICE_CONTEXT_ID, self.context),
            i32(codes.CC_REQUEST_TYPE, self.kind),
            u32(codes.CC_REQUEST_NUMBER, self.number),
        ]
        if self.host:
            avps.append(text(codes.DESTINATION_HOST, self.host))
        if self.at is not None:
            avps.append(time(codes.EVENT_TIMESTAMP, self.at))
        avps += [subscription.avp() for subscription in self.subscriptions]
        if self.cause is not None:
            avps.append(i32(codes.TERMINATION_CAUSE, self.cause))
        if self.action is not None:
            avps.append(i32(codes.REQUESTED_ACTION, self.action))
        if self.correlation:
            avps.append(octets(codes.CC_CORRELATION_ID, self.correlation, flags=0))
        if self.services:
            avps.append(i32(codes.MULTIPLE_SERVICES_INDICATOR, 1))
        avps += [service.avp() for service in self.services]
        avps += self.extra
        return Message(codes.CREDIT_CONTROL, codes.CREDIT_CONTROL_APPLICATION, R | P, 0, 0, tuple(avps))


def read_request(message: Message) -> CreditRequest:
    """What a CCR that was found sound says; `RemoteProtocolError` if something within is not."""
    avps = message.avps
    action, correlation = find(avps, codes.REQUESTED_ACTION), find(avps, codes.CC_CORRELATION_ID)
    return CreditRequest(
        session_id=message.session_id,
        kind=RequestType(message.number(codes.CC_REQUEST_TYPE) or 0),
        number=message.number(codes.CC_REQUEST_NUMBER) or 0,
        context=message.text(codes.SERVICE_CONTEXT_ID),
        origin_host=message.text(codes.ORIGIN_HOST),
        origin_realm=message.text(codes.ORIGIN_REALM),
        realm=message.text(codes.DESTINATION_REALM),
        host=message.text(codes.DESTINATION_HOST),
        subscriptions=tuple(Subscription.read(a) for a in find_all(avps, codes.SUBSCRIPTION_ID)),
        services=_services(avps),
        action=None if action is None else Action(action.unsigned32()),
        cause=message.number(codes.TERMINATION_CAUSE),
        correlation=b"" if correlation is None else correlation.data,
    )


def _services(avps: tuple[Avp, ...]) -> tuple[Service, ...]:
    several = tuple(Service.read(a) for a in find_all(avps, codes.MULTIPLE_SERVICES_CREDIT_CONTROL))
    if several:
        return several
    requested = find(avps, codes.REQUESTED_SERVICE_UNIT)
    used = tuple(Units.read(a) for a in find_all(avps, codes.USED_SERVICE_UNIT))
    if requested is None and not used:
        return ()
    return (Service(requested=None if requested is None else Units.read(requested), used=used),)


class CreditAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a CCA says."""

    result: int
    grants: tuple[Grant, ...] = ()
    failure_handling: FailureHandling | None = None
    session_failover: bool | None = None
    cost: Money | None = None
    debits_anyway: bool | None = None
    """Direct-Debiting-Failure-Handling: whether a service goes on though its debit cannot be delivered."""
    has_balance: bool | None = None
    """Check-Balance-Result: enough credit, of a balance check."""

    def avps(self) -> tuple[Avp, ...]:
        """The AVPs of a CCA beside session, origin and the request's type and number."""
        avps = [grant.avp() for grant in self.grants]
        if self.failure_handling is not None:
            avps.append(i32(codes.CREDIT_CONTROL_FAILURE_HANDLING, self.failure_handling))
        if self.debits_anyway is not None:
            avps.append(i32(codes.DIRECT_DEBITING_FAILURE_HANDLING, int(self.debits_anyway)))
        if self.session_failover is not None:
            avps.append(i32(codes.CC_SESSION_FAILOVER, int(self.session_failover)))
        if self.cost is not None:
            money = self.cost.avp()
            avps.append(Avp(codes.COST_INFORMATION, money.data))
        if self.has_balance is not None:
            avps.append(i32(codes.CHECK_BALANCE_RESULT, 0 if self.has_balance else 1))
        return tuple(avps)


def read_answer(message: Message) -> CreditAnswer:
    """What a CCA says; `RemoteProtocolError` if something within is malformed."""
    avps = message.avps
    grants = tuple(Grant.read(a.group()) for a in find_all(avps, codes.MULTIPLE_SERVICES_CREDIT_CONTROL))
    if not grants and find(avps, codes.GRANTED_SERVICE_UNIT) is not None:
        grants = (Grant.read(avps),)
    handling, failover = find(avps, codes.CREDIT_CONTROL_FAILURE_HANDLING), find(avps, codes.CC_SESSION_FAILOVER)
    cost, balance = find(avps, codes.COST_INFORMATION), find(avps, codes.CHECK_BALANCE_RESULT)
    debit = find(avps, codes.DIRECT_DEBITING_FAILURE_HANDLING)
    number = None if handling is None else handling.unsigned32()
    return CreditAnswer(
        result=message.result,
        grants=grants,
        failure_handling=FailureHandling(number) if number is not None and number in _HANDLINGS else None,
        session_failover=None if failover is None else failover.unsigned32() == 1,
        cost=None if cost is None else Money.read(cost),
        debits_anyway=None if debit is None else debit.unsigned32() == 1,
        has_balance=None if balance is None else balance.unsigned32() == 0,
    )

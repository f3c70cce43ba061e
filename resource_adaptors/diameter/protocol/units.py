"""What is charged for: units of service, and money without rounding (DIA-29, DIA-36; RFC 8506 8.17 to 8.26)."""

from __future__ import annotations

import datetime
from decimal import Decimal

import msgspec

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, find, find_all, group, i32, i64, time, u32, u64


class Money(msgspec.Struct, frozen=True):
    """An exact amount: digits times ten to the exponent."""

    digits: int
    exponent: int = 0
    currency: int | None = None
    """Number of ISO 4217, such as 978 for the euro."""

    @property
    def amount(self) -> Decimal:
        """The amount, exact whatever its length."""
        sign = int(self.digits < 0)
        return Decimal((sign, tuple(map(int, str(abs(self.digits)))), self.exponent))

    @classmethod
    def of(cls, amount: Decimal, currency: int | None = None) -> Money:
        """Money of a finite decimal number."""
        sign, digits, exponent = amount.as_tuple()
        if not isinstance(exponent, int):
            raise ValueError(f"{amount} is no amount [DIA-36]; give a finite number")
        number = int("".join(map(str, digits)))
        return cls(-number if sign else number, exponent, currency)

    def avp(self) -> Avp:
        """CC-Money."""
        value = [i64(codes.VALUE_DIGITS, self.digits)]
        if self.exponent:
            value.append(i32(codes.EXPONENT, self.exponent))
        members = [group(codes.UNIT_VALUE, value)]
        if self.currency is not None:
            members.append(u32(codes.CURRENCY_CODE, self.currency))
        return group(codes.CC_MONEY, members)

    @classmethod
    def read(cls, avp: Avp) -> Money:
        """The money of a CC-Money or Cost-Information; `RemoteProtocolError` if it is malformed."""
        members = avp.group()
        value = find(members, codes.UNIT_VALUE)
        parts = () if value is None else value.group()
        digits, exponent = find(parts, codes.VALUE_DIGITS), find(parts, codes.EXPONENT)
        currency = find(members, codes.CURRENCY_CODE)
        return cls(
            0 if digits is None else digits.integer64(),
            0 if exponent is None else exponent.integer32(),
            None if currency is None else currency.unsigned32(),
        )


class Units(msgspec.Struct, frozen=True, kw_only=True):
    """Units of service: those that are `None` are not spoken of."""

    time: int | None = None
    """Seconds."""
    money: Money | None = None
    total_octets: int | None = None
    input_octets: int | None = None
    output_octets: int | None = None
    specific: int | None = None
    """Events, messages: whatever the service counts."""
    tariff_change: datetime.datetime | None = None
    """When the tariff changes, in granted units."""
    change_usage: int | None = None
    """In used units: 0 before the tariff change, 1 after it, 2 undecided (RFC 8506 8.27)."""

    def avp(self, code: int) -> Avp:
        """Requested-, Granted- or Used-Service-Unit."""
        members: list[Avp] = []
        if self.change_usage is not None:
            members.append(i32(codes.TARIFF_CHANGE_USAGE, self.change_usage))
        if self.tariff_change is not None:
            members.append(time(codes.TARIFF_TIME_CHANGE, self.tariff_change))
        if self.time is not None:
            members.append(u32(codes.CC_TIME, self.time))
        if self.money is not None:
            members.append(self.money.avp())
        for number, value in (
            (codes.CC_TOTAL_OCTETS, self.total_octets),
            (codes.CC_INPUT_OCTETS, self.input_octets),
            (codes.CC_OUTPUT_OCTETS, self.output_octets),
            (codes.CC_SERVICE_SPECIFIC_UNITS, self.specific),
        ):
            if value is not None:
                members.append(u64(number, value))
        return group(code, members)

    @classmethod
    def read(cls, avp: Avp) -> Units:
        """The units of an AVP; `RemoteProtocolError` if it is malformed."""
        members = avp.group()
        money = find(members, codes.CC_MONEY)
        change = find(members, codes.TARIFF_TIME_CHANGE)
        usage = find(members, codes.TARIFF_CHANGE_USAGE)
        seconds = find(members, codes.CC_TIME)
        return cls(
            time=None if seconds is None else seconds.unsigned32(),
            money=None if money is None else Money.read(money),
            total_octets=_u64(members, codes.CC_TOTAL_OCTETS),
            input_octets=_u64(members, codes.CC_INPUT_OCTETS),
            output_octets=_u64(members, codes.CC_OUTPUT_OCTETS),
            specific=_u64(members, codes.CC_SERVICE_SPECIFIC_UNITS),
            tariff_change=None if change is None else change.time(),
            change_usage=None if usage is None else usage.unsigned32(),
        )


def _u64(members: tuple[Avp, ...], code: int) -> int | None:
    found = find(members, code)
    return None if found is None else found.unsigned64()


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says of one service: how much was used, and how much is wanted."""

    rating_group: int | None = None
    service_ids: tuple[int, ...] = ()
    requested: Units | None = None
    """Empty `Units()` leaves the amount to the server."""
    used: tuple[Units, ...] = ()
    """Several where a tariff changed in between."""

    def avp(self) -> Avp:
        """Multiple-Services-Credit-Control."""
        members: list[Avp] = []
        if self.requested is not None:
            members.append(self.requested.avp(codes.REQUESTED_SERVICE_UNIT))
        members += [used.avp(codes.USED_SERVICE_UNIT) for used in self.used]
        members += [u32(codes.SERVICE_IDENTIFIER, number) for number in self.service_ids]
        if self.rating_group is not None:
            members.append(u32(codes.RATING_GROUP, self.rating_group))
        return group(codes.MULTIPLE_SERVICES_CREDIT_CONTROL, members)

    @classmethod
    def read(cls, avp: Avp) -> Service:
        """What a Multiple-Services-Credit-Control of a request says."""
        members = avp.group()
        requested, rating = find(members, codes.REQUESTED_SERVICE_UNIT), find(members, codes.RATING_GROUP)
        return cls(
            rating_group=None if rating is None else rating.unsigned32(),
            service_ids=tuple(a.unsigned32() for a in find_all(members, codes.SERVICE_IDENTIFIER)),
            requested=None if requested is None else Units.read(requested),
            used=tuple(Units.read(a) for a in find_all(members, codes.USED_SERVICE_UNIT)),
        )


class FinalUnit(msgspec.Struct, frozen=True, kw_only=True):
    """These are the last units, and what comes after them (RFC 8506 8.34)."""

    action: int
    """0 TERMINATE, 1 REDIRECT, 2 RESTRICT_ACCESS."""
    redirect: str = ""
    filters: tuple[str, ...] = ()

    def avp(self) -> Avp:
        """Final-Unit-Indication."""
        members = [i32(codes.FINAL_UNIT_ACTION, self.action)]
        members += [Avp(codes.RESTRICTION_FILTER_RULE, rule.encode()) for rule in self.filters]
        if self.redirect:
            is_sip = self.redirect.startswith(("sip:", "sips:"))
            server = (
                i32(codes.REDIRECT_ADDRESS_TYPE, 3 if is_sip else 2),
                Avp(codes.REDIRECT_SERVER_ADDRESS, self.redirect.encode()),
            )
            members.append(group(codes.REDIRECT_SERVER, server))
        return group(codes.FINAL_UNIT_INDICATION, members)

    @classmethod
    def read(cls, avp: Avp) -> FinalUnit:
        """What a Final-Unit-Indication says."""
        members = avp.group()
        action, server = find(members, codes.FINAL_UNIT_ACTION), find(members, codes.REDIRECT_SERVER)
        target = None if server is None else find(server.group(), codes.REDIRECT_SERVER_ADDRESS)
        rules = find_all(members, codes.RESTRICTION_FILTER_RULE)
        return cls(
            action=0 if action is None else action.unsigned32(),
            redirect="" if target is None else target.text(),
            filters=tuple(rule.data.decode(errors="replace") for rule in rules),
        )


class PoolShare(msgspec.Struct, frozen=True):
    """A service's share of a pool of credit: units times the multiplier (RFC 8506 8.30)."""

    pool: int
    unit_type: int
    multiplier: Money
    """Digits and exponent of Unit-Value."""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer says of one service."""

    rating_group: int | None = None
    service_ids: tuple[int, ...] = ()
    granted: Units | None = None
    result: int = codes.SUCCESS
    validity: int | None = None
    """Seconds after which use is to be reported in any case."""
    holding_time: int | None = None
    """Seconds without use after which the quota is to be given back."""
    time_threshold: int | None = None
    """Report when so many seconds are left."""
    volume_threshold: int | None = None
    unit_threshold: int | None = None
    final: FinalUnit | None = None
    pools: tuple[PoolShare, ...] = ()

    def avp(self) -> Avp:
        """Multiple-Services-Credit-Control."""
        members: list[Avp] = []
        if self.granted is not None:
            members.append(self.granted.avp(codes.GRANTED_SERVICE_UNIT))
        members += [u32(codes.SERVICE_IDENTIFIER, number) for number in self.service_ids]
        if self.rating_group is not None:
            members.append(u32(codes.RATING_GROUP, self.rating_group))
        if self.validity is not None:
            members.append(u32(codes.VALIDITY_TIME, self.validity))
        members.append(u32(codes.RESULT_CODE, self.result))
        if self.final is not None:
            members.append(self.final.avp())
        for code, value in (
            (codes.TIME_QUOTA_THRESHOLD, self.time_threshold),
            (codes.VOLUME_QUOTA_THRESHOLD, self.volume_threshold),
            (codes.UNIT_QUOTA_THRESHOLD, self.unit_threshold),
            (codes.QUOTA_HOLDING_TIME, self.holding_time),
        ):
            if value is not None:
                members.append(u32(code, value, vendor=codes.TGPP))
        return group(codes.MULTIPLE_SERVICES_CREDIT_CONTROL, members)

    @classmethod
    def read(cls, members: tuple[Avp, ...]) -> Grant:
        """What a Multiple-Services-Credit-Control of an answer says, or an answer itself for a single service."""
        granted, rating = find(members, codes.GRANTED_SERVICE_UNIT), find(members, codes.RATING_GROUP)
        final, result = find(members, codes.FINAL_UNIT_INDICATION), find(members, codes.RESULT_CODE)
        return cls(
            rating_group=None if rating is None else rating.unsigned32(),
            service_ids=tuple(a.unsigned32() for a in find_all(members, codes.SERVICE_IDENTIFIER)),
            granted=None if granted is None else Units.read(granted),
            result=codes.SUCCESS if result is None else result.unsigned32(),
            validity=_u32(members, codes.VALIDITY_TIME),
            holding_time=_u32(members, codes.QUOTA_HOLDING_TIME, codes.TGPP),
            time_threshold=_u32(members, codes.TIME_QUOTA_THRESHOLD, codes.TGPP),
            volume_threshold=_u32(members, codes.VOLUME_QUOTA_THRESHOLD, codes.TGPP),
            unit_threshold=_u32(members, codes.UNIT_QUOTA_THRESHOLD, codes.TGPP),
            final=None if final is None else FinalUnit.read(final),
            pools=tuple(_pool(a.group()) for a in find_all(members, codes.GSU_POOL_REFERENCE)),
        )


def _u32(members: tuple[Avp, ...], code: int, vendor: int = 0) -> int | None:
    found = find(members, code, vendor)
    return None if found is None else found.unsigned32()


def _pool(members: tuple[Avp, ...]) -> PoolShare:
    value = find(members, codes.UNIT_VALUE)
    parts = () if value is None else value.group()
    digits, exponent = find(parts, codes.VALUE_DIGITS), find(parts, codes.EXPONENT)
    multiplier = Money(0 if digits is None else digits.integer64(), 0 if exponent is None else exponent.integer32())
    pool, kind = _u32(members, codes.GSU_POOL_IDENTIFIER), _u32(members, codes.CC_UNIT_TYPE)
    return PoolShare(pool or 0, kind or 0, multiplier)

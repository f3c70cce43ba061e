"""Messages of Sh: UDR, PUR, SNR and PNR, and what their answers say (DIA-41; TS 29.329).

Sh keeps no session state: each request has a Session-Id of its own.
"""

from __future__ import annotations

import datetime
import enum
from typing import Final

import msgspec

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, find, find_all, group, i32, octets, text, time, u32
from resource_adaptors.diameter.message.errors import LocalProtocolError, RemoteProtocolError
from resource_adaptors.diameter.message.message import Message, P, R
from resource_adaptors.diameter.protocol.sh_document import UserData, read_document

_DIGITS: Final = "0123456789*#abc"
_FILLER: Final = 15


class DataReference(enum.IntEnum):
    """Which data of a user (TS 29.328 7.6)."""

    REPOSITORY_DATA = 0
    IMS_PUBLIC_IDENTITY = 10
    IMS_USER_STATE = 11
    S_CSCF_NAME = 12
    INITIAL_FILTER_CRITERIA = 13
    LOCATION_INFORMATION = 14
    USER_STATE = 15
    MSISDN = 17


class ShResult(enum.IntEnum):
    """Codes of Experimental-Result that Sh adds to those of the base protocol (TS 29.329 6.2)."""

    USER_DATA_NOT_AVAILABLE = 4100
    PRIOR_UPDATE_IN_PROGRESS = 4101
    USER_UNKNOWN = 5001
    USER_DATA_NOT_RECOGNIZED = 5100
    OPERATION_NOT_ALLOWED = 5101
    USER_DATA_CANNOT_BE_READ = 5102
    USER_DATA_CANNOT_BE_MODIFIED = 5103
    USER_DATA_CANNOT_BE_NOTIFIED = 5104
    TRANSPARENT_DATA_OUT_OF_SYNC = 5105
    SUBS_DATA_ABSENT = 5106
    NO_SUBSCRIPTION_TO_DATA = 5107
    DSAI_NOT_AVAILABLE = 5108


_REFERENCES: Final = frozenset(map(int, DataReference))


class UserIdentity(msgspec.Struct, frozen=True):
    """Whose data: a public identity, or a number."""

    public_identity: str = ""
    """SIP or tel URI."""
    msisdn: str = ""
    """Digits in international format, without +."""

    def avp(self) -> Avp:
        """User-Identity; `LocalProtocolError` unless exactly one of the two is given."""
        if bool(self.public_identity) is bool(self.msisdn):
            raise LocalProtocolError(f"{self} [DIA-41]; give a public identity or an MSISDN")
        if self.public_identity:
            member = text(codes.PUBLIC_IDENTITY, self.public_identity, vendor=codes.TGPP)
        else:
            member = octets(codes.SH_MSISDN, _tbcd(self.msisdn), vendor=codes.TGPP)
        return group(codes.SH_USER_IDENTITY, (member,), vendor=codes.TGPP)

    @classmethod
    def read(cls, avp: Avp) -> UserIdentity:
        """Whom a User-Identity names; `RemoteProtocolError` if nobody."""
        members = avp.group()
        identity = find(members, codes.PUBLIC_IDENTITY, codes.TGPP)
        number = find(members, codes.SH_MSISDN, codes.TGPP)
        if identity is None and number is None:
            raise avp.wrong_value("it names nobody")
        return cls("" if identity is None else identity.text(), "" if number is None else _from_tbcd(number))


def _tbcd(digits: str) -> bytes:
    """Digits two to an octet, the first one in the low half (TS 29.329 6.3.2)."""
    if not digits or any(digit not in _DIGITS for digit in digits):
        raise LocalProtocolError(f"MSISDN {digits!r} [DIA-41]; give digits only")
    halves = [_DIGITS.index(digit) for digit in digits]
    if len(halves) % 2:
        halves.append(_FILLER)
    return bytes(low | high << 4 for low, high in zip(halves[::2], halves[1::2], strict=True))


def _from_tbcd(avp: Avp) -> str:
    halves = [half for octet in avp.data for half in (octet & 15, octet >> 4)]
    if halves and halves[-1] == _FILLER:
        halves.pop()
    if not halves or _FILLER in halves:
        raise avp.wrong_value("it holds no digits")
    return "".join(_DIGITS[half] for half in halves)


class ShRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a request of Sh says."""

    user: UserIdentity
    references: tuple[DataReference, ...] = ()
    services: tuple[str, ...] = ()
    """Service-Indications, of repository data."""
    data: UserData | None = None
    """Of an update or a notification."""
    wants_data: bool = False
    """Whether the answer to a subscription is to hold the data as they are."""
    is_end: bool = False
    """Whether a subscription is to end."""
    expires: datetime.datetime | None = None
    session_id: str = ""
    origin_host: str = ""
    origin_realm: str = ""
    realm: str = ""
    host: str = ""

    def message(self, command: int) -> Message:
        """The request; `LocalProtocolError` if something does not fit."""
        avps = [
            text(codes.SESSION_ID, self.session_id),
            *_application(),
            text(codes.ORIGIN_HOST, self.origin_host),
            text(codes.ORIGIN_REALM, self.origin_realm),
            text(codes.DESTINATION_REALM, self.realm),
        ]
        if self.host:
            avps.append(text(codes.DESTINATION_HOST, self.host))
        avps.append(self.user.avp())
        avps += [text(codes.SH_SERVICE_INDICATION, name, vendor=codes.TGPP) for name in self.services]
        if command == codes.SUBSCRIBE_NOTIFICATIONS:
            avps.append(i32(codes.SH_SUBS_REQ_TYPE, int(self.is_end), vendor=codes.TGPP))
            if not self.is_end:
                avps.append(i32(codes.SH_SEND_DATA_INDICATION, int(self.wants_data), vendor=codes.TGPP))
            if self.expires is not None:
                avps.append(time(codes.SH_EXPIRY_TIME, self.expires, vendor=codes.TGPP))
        avps += [i32(codes.SH_DATA_REFERENCE, reference, vendor=codes.TGPP) for reference in self.references]
        if self.data is not None:
            avps.append(octets(codes.SH_USER_DATA, self.data.document(), vendor=codes.TGPP))
        return Message(command, codes.SH, R | P, 0, 0, tuple(avps))


def _application() -> tuple[Avp, Avp]:
    """Vendor-Specific-Application-Id, and Auth-Session-State: none is maintained."""
    members = (u32(codes.VENDOR_ID, codes.TGPP), u32(codes.AUTH_APPLICATION_ID, codes.SH))
    return group(codes.VENDOR_SPECIFIC_APPLICATION_ID, members), i32(codes.AUTH_SESSION_STATE, 1)


def read_sh_request(message: Message) -> ShRequest:
    """What a request that was found sound says; `RemoteProtocolError` if something within is not."""
    avps = message.avps
    user = find(avps, codes.SH_USER_IDENTITY, codes.TGPP)
    if user is None:  # the grammar has it; a dictionary of an operator's might not
        raise RemoteProtocolError(codes.MISSING_AVP, "User-Identity is missing")
    kind = find(avps, codes.SH_SUBS_REQ_TYPE, codes.TGPP)
    wants = find(avps, codes.SH_SEND_DATA_INDICATION, codes.TGPP)
    return ShRequest(
        user=UserIdentity.read(user),
        references=tuple(_reference(avp) for avp in find_all(avps, codes.SH_DATA_REFERENCE, codes.TGPP)),
        services=tuple(avp.text() for avp in find_all(avps, codes.SH_SERVICE_INDICATION, codes.TGPP)),
        data=_data(avps),
        wants_data=wants is not None and wants.unsigned32() == 1,
        is_end=kind is not None and kind.unsigned32() == 1,
        expires=_expiry(avps),
        session_id=message.session_id,
        origin_host=message.text(codes.ORIGIN_HOST),
        origin_realm=message.text(codes.ORIGIN_REALM),
        realm=message.text(codes.DESTINATION_REALM),
        host=message.text(codes.DESTINATION_HOST),
    )


def _reference(avp: Avp) -> DataReference:
    number = avp.unsigned32()
    if number not in _REFERENCES:
        raise avp.wrong_value(f"data reference {number} is not served")
    return DataReference(number)


def _data(avps: tuple[Avp, ...]) -> UserData | None:
    found = find(avps, codes.SH_USER_DATA, codes.TGPP)
    return None if found is None else read_document(found.data)


def _expiry(avps: tuple[Avp, ...]) -> datetime.datetime | None:
    found = find(avps, codes.SH_EXPIRY_TIME, codes.TGPP)
    return None if found is None else found.time()


class ShReply(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer of Sh says."""

    result: int
    is_experimental: bool = False
    """Whether the result is one of `ShResult`."""
    data: UserData | None = None
    expires: datetime.datetime | None = None

    @property
    def is_success(self) -> bool:
        """Whether what was asked for was done."""
        return self.result // 1000 == 2

    def avps(self) -> tuple[Avp, ...]:
        """The AVPs of the answer beside session, result and origin."""
        found = [*_application()]
        if self.data is not None:
            found.append(octets(codes.SH_USER_DATA, self.data.document(), vendor=codes.TGPP))
        if self.expires is not None:
            found.append(time(codes.SH_EXPIRY_TIME, self.expires, vendor=codes.TGPP))
        return tuple(found)


def read_sh_reply(message: Message) -> ShReply:
    """What an answer says; `RemoteProtocolError` if something within is malformed."""
    return ShReply(
        result=message.result,
        is_experimental=message.find(codes.RESULT_CODE) is None,
        data=_data(message.avps),
        expires=_expiry(message.avps),
    )


def data_kinds(data: UserData) -> frozenset[tuple[int, str]]:
    """Which data a document holds, each as reference and Service-Indication: what subscriptions are told apart by."""
    spoken: dict[DataReference, object] = {
        DataReference.IMS_PUBLIC_IDENTITY: data.public_identities,
        DataReference.IMS_USER_STATE: data.ims_user_state is not None,
        DataReference.S_CSCF_NAME: data.scscf,
        DataReference.INITIAL_FILTER_CRITERIA: data.filter_criteria,
        DataReference.LOCATION_INFORMATION: data.cs_location or data.ps_location,
        DataReference.USER_STATE: data.cs_user_state is not None or data.ps_user_state is not None,
        DataReference.MSISDN: data.msisdns,
    }
    found = {(int(reference), "") for reference, is_there in spoken.items() if is_there}
    return frozenset(found | {(0, kept.service) for kept in data.repository})

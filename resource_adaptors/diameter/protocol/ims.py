"""Service-Information of IMS: who calls whom, when, and who says so (DIA-37; TS 32.299 7.2.192)."""

from __future__ import annotations

import datetime
import enum
from typing import Final

import msgspec

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, find, find_all, group, i32, text, time

_TGPP: Final = codes.TGPP


class NodeFunctionality(enum.IntEnum):
    """Which part of a network speaks (TS 32.299 7.2.113)."""

    S_CSCF = 0
    P_CSCF = 1
    I_CSCF = 2
    MRFC = 3
    MGCF = 4
    BGCF = 5
    AS = 6


class RoleOfNode(enum.IntEnum):
    """For whom it speaks (TS 32.299 7.2.164)."""

    ORIGINATING = 0
    TERMINATING = 1
    PROXY = 2
    B2BUA = 3


_NODES: Final = frozenset(map(int, NodeFunctionality))
_ROLES: Final = frozenset(map(int, RoleOfNode))


class ImsInformation(msgspec.Struct, frozen=True, kw_only=True):
    """What a request says of a call or message; parts that are empty or `None` are left out."""

    node: NodeFunctionality = NodeFunctionality.AS
    role: RoleOfNode | None = None
    method: str = ""
    """SIP-Method of Event-Type, such as `INVITE`."""
    event: str = ""
    """The Event header's value, where there is one."""
    calling: tuple[str, ...] = ()
    """SIP or tel URIs."""
    called: str = ""
    call_id: str = ""
    """User-Session-ID: the Call-ID of the dialog."""
    requested_at: datetime.datetime | None = None
    answered_at: datetime.datetime | None = None

    def avp(self) -> Avp:
        """Service-Information with its IMS-Information; `LocalProtocolError` if a time is naive."""
        members: list[Avp] = []
        event = [
            text(code, value, vendor=_TGPP)
            for code, value in ((codes.SIP_METHOD, self.method), (codes.EVENT, self.event))
            if value
        ]
        if event:
            members.append(group(codes.EVENT_TYPE, event, vendor=_TGPP))
        if self.role is not None:
            members.append(i32(codes.ROLE_OF_NODE, self.role, vendor=_TGPP))
        members.append(i32(codes.NODE_FUNCTIONALITY, self.node, vendor=_TGPP))
        if self.call_id:
            members.append(text(codes.USER_SESSION_ID, self.call_id, vendor=_TGPP))
        members += [text(codes.CALLING_PARTY_ADDRESS, party, vendor=_TGPP) for party in self.calling]
        if self.called:
            members.append(text(codes.CALLED_PARTY_ADDRESS, self.called, vendor=_TGPP))
        stamps = [
            time(code, at, vendor=_TGPP)
            for code, at in (
                (codes.SIP_REQUEST_TIMESTAMP, self.requested_at),
                (codes.SIP_RESPONSE_TIMESTAMP, self.answered_at),
            )
            if at is not None
        ]
        if stamps:
            members.append(group(codes.TIME_STAMPS, stamps, vendor=_TGPP))
        information = group(codes.IMS_INFORMATION, members, vendor=_TGPP)
        return group(codes.SERVICE_INFORMATION, (information,), vendor=_TGPP)

    @classmethod
    def read(cls, avp: Avp) -> ImsInformation | None:
        """What a Service-Information says of IMS, `None` if nothing; `RemoteProtocolError` if it is malformed."""
        information = find(avp.group(), codes.IMS_INFORMATION, _TGPP)
        if information is None:
            return None
        members = information.group()
        event, stamps = _members(members, codes.EVENT_TYPE), _members(members, codes.TIME_STAMPS)
        role, node = _number(members, codes.ROLE_OF_NODE), _number(members, codes.NODE_FUNCTIONALITY)
        return cls(
            node=NodeFunctionality(node) if node in _NODES else NodeFunctionality.AS,
            role=RoleOfNode(role) if role in _ROLES else None,
            method=_text(event, codes.SIP_METHOD),
            event=_text(event, codes.EVENT),
            calling=tuple(a.text() for a in find_all(members, codes.CALLING_PARTY_ADDRESS, _TGPP)),
            called=_text(members, codes.CALLED_PARTY_ADDRESS),
            call_id=_text(members, codes.USER_SESSION_ID),
            requested_at=_time(stamps, codes.SIP_REQUEST_TIMESTAMP),
            answered_at=_time(stamps, codes.SIP_RESPONSE_TIMESTAMP),
        )


def _members(avps: tuple[Avp, ...], code: int) -> tuple[Avp, ...]:
    found = find(avps, code, _TGPP)
    return () if found is None else found.group()


def _text(avps: tuple[Avp, ...], code: int) -> str:
    found = find(avps, code, _TGPP)
    return "" if found is None else found.text()


def _number(avps: tuple[Avp, ...], code: int) -> int | None:
    found = find(avps, code, _TGPP)
    return None if found is None else found.unsigned32()


def _time(avps: tuple[Avp, ...], code: int) -> datetime.datetime | None:
    found = find(avps, code, _TGPP)
    return None if found is None else found.time()

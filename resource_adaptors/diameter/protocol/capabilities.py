"""The messages of a connection: capabilities, watchdog, goodbye (RFC 6733 5.3 to 5.5; DIA-12, DIA-15)."""

from __future__ import annotations

from typing import Final

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, address, find, group, text, u32
from resource_adaptors.diameter.message.message import E, Message, R
from resource_adaptors.diameter.protocol.settings import Settings

REBOOTING: Final = 0
BUSY: Final = 1
DO_NOT_WANT_TO_TALK_TO_YOU: Final = 2
_PROTOCOL_ERRORS: Final = range(3000, 4000)


def origin(settings: Settings) -> tuple[Avp, ...]:
    """Origin-Host and Origin-Realm."""
    return text(codes.ORIGIN_HOST, settings.identity), text(codes.ORIGIN_REALM, settings.realm)


def capabilities(settings: Settings) -> tuple[Avp, ...]:
    """What CER and CEA say of us beside the origin."""
    vendors = sorted({vendor for vendor, _ in settings.vendor_applications})
    return (
        *(address(codes.HOST_IP_ADDRESS, one) for one in settings.addresses),
        u32(codes.VENDOR_ID, settings.vendor),
        text(codes.PRODUCT_NAME, settings.product, flags=0),
        u32(codes.ORIGIN_STATE_ID, settings.origin_state),
        *(u32(codes.SUPPORTED_VENDOR_ID, vendor) for vendor in vendors),
        *(u32(codes.AUTH_APPLICATION_ID, number) for number in sorted(settings.auth_applications)),
        *(u32(codes.ACCT_APPLICATION_ID, number) for number in sorted(settings.acct_applications)),
        *(
            group(
                codes.VENDOR_SPECIFIC_APPLICATION_ID,
                (u32(codes.VENDOR_ID, vendor), u32(codes.AUTH_APPLICATION_ID, number)),
            )
            for vendor, number in sorted(settings.vendor_applications)
        ),
    )


def capabilities_request(settings: Settings, hop_by_hop: int, end_to_end: int) -> Message:
    """A CER."""
    avps = origin(settings) + capabilities(settings)
    return Message(codes.CAPABILITIES_EXCHANGE, codes.BASE, R, hop_by_hop, end_to_end, avps)


def capabilities_answer(settings: Settings, request: Message, result: int, reason: str = "") -> Message:
    """A CEA."""
    head = (u32(codes.RESULT_CODE, result), *origin(settings))
    message = (text(codes.ERROR_MESSAGE, reason, flags=0),) if reason else ()
    return request.answer((*head, *capabilities(settings), *message), error=result in _PROTOCOL_ERRORS)


def advertised(message: Message) -> frozenset[int]:
    """The applications that a CER or CEA names."""
    found: set[int] = set()
    for avp in message.avps:
        if avp.vendor:
            continue
        if avp.code in (codes.AUTH_APPLICATION_ID, codes.ACCT_APPLICATION_ID):
            found.add(avp.unsigned32())
        elif avp.code == codes.VENDOR_SPECIFIC_APPLICATION_ID:
            members = avp.group()
            found.update(
                member.unsigned32()
                for member in members
                if member.code in (codes.AUTH_APPLICATION_ID, codes.ACCT_APPLICATION_ID) and not member.vendor
            )
    return frozenset(found)


def common_applications(settings: Settings, message: Message) -> frozenset[int]:
    """The applications that both sides serve; a relay serves all of ours (RFC 6733 2.4)."""
    theirs = advertised(message)
    return settings.applications if codes.RELAY in theirs else settings.applications & theirs


def judge_capabilities(settings: Settings, message: Message) -> tuple[int, str]:
    """Result-Code and reason that a CER deserves (DIA-12)."""
    securities = [a.unsigned32() for a in message.avps if a.code == codes.INBAND_SECURITY_ID and not a.vendor]
    if securities and 0 not in securities:
        return codes.NO_COMMON_SECURITY, "no in-band security is served"
    if not common_applications(settings, message):
        return codes.NO_COMMON_APPLICATION, "no application is served by both sides"
    return codes.SUCCESS, ""


def watchdog_request(settings: Settings, hop_by_hop: int, end_to_end: int) -> Message:
    """A DWR."""
    avps = (*origin(settings), u32(codes.ORIGIN_STATE_ID, settings.origin_state))
    return Message(codes.DEVICE_WATCHDOG, codes.BASE, R, hop_by_hop, end_to_end, avps)


def watchdog_answer(settings: Settings, request: Message) -> Message:
    """A DWA."""
    head = (u32(codes.RESULT_CODE, codes.SUCCESS), *origin(settings))
    return request.answer((*head, u32(codes.ORIGIN_STATE_ID, settings.origin_state)))


def disconnect_request(settings: Settings, hop_by_hop: int, end_to_end: int, cause: int) -> Message:
    """A DPR."""
    avps = (*origin(settings), u32(codes.DISCONNECT_CAUSE, cause))
    return Message(codes.DISCONNECT_PEER, codes.BASE, R, hop_by_hop, end_to_end, avps)


def disconnect_answer(settings: Settings, request: Message) -> Message:
    """A DPA."""
    return request.answer((u32(codes.RESULT_CODE, codes.SUCCESS), *origin(settings)))


def error_answer(
    settings: Settings,
    request: Message,
    result: int,
    reason: str,
    *,
    failed: bytes = b"",
    session: bool = True,
    vendor: int = 0,
) -> Message:
    """The answer that a broken or refused request gets: with E for protocol errors, and Failed-AVP (DIA-51)."""
    avps: list[Avp] = []
    session_id = find(request.avps, codes.SESSION_ID)
    if session and session_id is not None:
        avps.append(session_id)
    avps += [result_avp(result, vendor), *origin(settings)]
    is_protocol_error = result in _PROTOCOL_ERRORS and not vendor
    if not is_protocol_error:
        # The command's own answer names its application and, of credit control, the request (RFC 8506 3.2).
        for code in (
            codes.AUTH_APPLICATION_ID,
            codes.ACCT_APPLICATION_ID,
            codes.CC_REQUEST_TYPE,
            codes.CC_REQUEST_NUMBER,
            codes.ACCOUNTING_RECORD_TYPE,
            codes.ACCOUNTING_RECORD_NUMBER,
        ):
            found = find(request.avps, code)
            if found is not None and session:
                avps.append(found)
    avps.append(text(codes.ERROR_MESSAGE, reason, flags=0))
    if failed:
        avps.append(Avp(codes.FAILED_AVP, failed))
    destination = request.text(codes.DESTINATION_HOST)
    if destination and destination.lower() != settings.identity.lower():
        avps.append(text(codes.ERROR_REPORTING_HOST, settings.identity, flags=0))
    answer = request.answer(tuple(avps), error=is_protocol_error)
    return Message(
        answer.command,
        answer.application,
        answer.flags & ~R & (0xFF if is_protocol_error else ~E),
        answer.hop_by_hop,
        answer.end_to_end,
        answer.avps,
    )


def result_avp(result: int, vendor: int = 0) -> Avp:
    """Result-Code; Experimental-Result if the code is a vendor's."""
    if not vendor:
        return u32(codes.RESULT_CODE, result)
    members = (u32(codes.VENDOR_ID, vendor), u32(codes.EXPERIMENTAL_RESULT_CODE, result))
    return group(codes.EXPERIMENTAL_RESULT, members)

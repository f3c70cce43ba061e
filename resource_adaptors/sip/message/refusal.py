"""What can still be read of a malformed message, and the error that says how to answer it (SIP-22 to SIP-24)."""

from __future__ import annotations

import re
from typing import Final

from resource_adaptors.sip.message.errors import PartialRequest, RemoteProtocolError, ValueSyntaxError
from resource_adaptors.sip.message.framing import join_folded
from resource_adaptors.sip.message.limits import Limits
from resource_adaptors.sip.message.message import line_value
from resource_adaptors.sip.message.names import canonical
from resource_adaptors.sip.message.values import TOKEN_CHARACTERS, WHITE

SENT_BY: Final = re.compile(
    rf"SIP[ \t]*+/[ \t]*+[0-9.]++[ \t]*+/[ \t]*+[{TOKEN_CHARACTERS}]++[ \t]++([A-Za-z0-9\-._]++|\[[0-9A-Fa-f:.]++\])"
    r"(?:[ \t]*+:[ \t]*+([0-9]{1,5}+))?+(?=[ \t;,]|\Z)",
    re.IGNORECASE,
)
_METHOD: Final = re.compile(rf"[ \t]*+([{TOKEN_CHARACTERS}]++)")
_RPORT: Final = re.compile(r";[ \t]*+rport[ \t]*+(?=[;,=]|\Z)", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def refusal(data: bytes, fault: ValueSyntaxError, limits: Limits) -> RemoteProtocolError:
    """The error for a malformed message; its status is 0 if the message is to be dropped.

    A request is answered if its top Via can be read and it is no ACK; a response never (SIP-22, SIP-23).
    """
    if data[:4].upper() == b"SIP/":
        return RemoteProtocolError(0, fault.reason, fault.kind)
    partial = _read_partial(data, limits)
    if partial is None or partial.method == "ACK":
        return RemoteProtocolError(0, fault.reason, fault.kind)
    return RemoteProtocolError(fault.status, fault.reason, fault.kind, partial)


def _read_partial(data: bytes, limits: Limits) -> PartialRequest | None:
    """What a stateless answer needs, `None` if the top Via cannot be read."""
    head = data[: limits.headers].partition(b"\r\n\r\n")[0]
    lines = join_folded(head.decode("utf-8", "surrogateescape").split("\r\n"))
    method = _METHOD.match(lines[0])
    found: dict[str, list[str]] = {}
    for line in lines[1 : limits.lines + 1]:
        found.setdefault(canonical(line.partition(":")[0].rstrip(WHITE)), []).append(line_value(line))
    vias = found.get("via", [])
    top = SENT_BY.match(vias[0]) if vias else None
    port = int(top[2]) if top is not None and top[2] else None
    if top is None or any(_CONTROL.search(via) for via in vias) or (port is not None and port > 65_535):
        return None
    return PartialRequest(
        method=method[1] if method is not None else "",
        via=tuple(_octets(via) for via in vias),
        from_=_first(found, "from", limits),
        to=_first(found, "to", limits),
        call_id=_first(found, "call-id", limits),
        cseq=_first(found, "cseq", limits),
        host=top[1],
        port=port,
        has_rport=_RPORT.search(vias[0].partition(",")[0]) is not None,
    )


def _first(found: dict[str, list[str]], key: str, limits: Limits) -> bytes | None:
    """A value that an answer can repeat: of reasonable length, and without octets that could end the line."""
    values = found.get(key)
    if not values or not values[0] or len(values[0]) > limits.line or _CONTROL.search(values[0]):
        return None
    return _octets(values[0])


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")

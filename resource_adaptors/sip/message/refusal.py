"""Refusing a message: what could be read of it is kept for the answer (SIP-22)."""

from __future__ import annotations

import re
from typing import Final, NoReturn

from resource_adaptors.sip.message.errors import PartialRequest, RemoteProtocolError
from resource_adaptors.sip.message.limits import MAX_LINE, MAX_TOKEN, MAX_VIAS
from resource_adaptors.sip.message.message import value_of
from resource_adaptors.sip.message.names import COMPACT
from resource_adaptors.sip.message.values import (
    TOKEN,
    ValueSyntaxError,
    parse_cseq,
    parse_name_addr,
    parse_via,
    split_outside,
)

_READABLE_VIA: Final = re.compile(
    r"(SIP[ \t]*+/[ \t]*+[0-9.]+[ \t]*+/[ \t]*+[A-Za-z0-9\-]+)[ \t]+([A-Za-z0-9\-._]+|\[[0-9A-Fa-f:.]+\])"
    r"[ \t]*+(?::[ \t]*+([0-9]{1,5}))?[ \t]*+(?![^;,])",
    re.IGNORECASE,
)
"""As much of a Via as an answer needs: who sent the request, whatever the version and the parameters are."""
_PLAIN_PARAMETER: Final = re.compile(r"[A-Za-z0-9\-]+(?:=[A-Za-z0-9\-.!%*_+`'~:\[\]]+)?\Z")
_CALL_ID: Final = re.compile(rf"[!-~]{{1,{MAX_TOKEN}}}\Z")
_UNFIT: Final = re.compile("[\r\n\0]")


def refuse(lines: list[str], status: int, reason: str, kind: str) -> NoReturn:
    """Refuse a message that has been split into lines, folded or not.

    Raises:
        RemoteProtocolError: always; with status 0 for a response, an ACK, or where the top Via cannot be read.
    """
    partial = None if lines[0][:4].upper() == "SIP/" else _readable(lines)
    if partial is None or partial.method == "ACK":
        status = 0
    raise RemoteProtocolError(status, reason, kind, partial)


def join_folded(lines: list[str]) -> list[str]:
    """Each line with its continuation lines, which keep their line breaks for forwarding (SIP-4)."""
    joined: list[str] = []
    group: list[str] = []
    for line in lines:
        if group and line[:1] not in {" ", "\t"}:
            joined.append("\r\n".join(group))
            group = []
        group.append(line)
    joined.append("\r\n".join(group))
    return joined


def _readable(lines: list[str]) -> PartialRequest | None:
    """What a stateless answer needs, `None` if the top Via cannot be read."""
    found: dict[str, list[str]] = {}
    for line in join_folded(lines)[1:]:
        name = line[: line.find(":")].strip(" \t").lower()
        value = value_of(line)
        if not _UNFIT.search(value):
            found.setdefault(COMPACT.get(name, name), []).append(value)
    vias = [part.strip(" \t") for value in found.get("via", ()) for part in split_outside(value, ",")]
    top = _READABLE_VIA.match(vias[0]) if vias else None
    if top is None:
        return None
    sent_by, host, port = top.groups()
    method = lines[0].partition(" ")[0]
    if not TOKEN.match(method):
        return None

    def first(key: str) -> bytes | None:
        text = found.get(key, [""])[0]
        return _octets(text) if len(text) <= MAX_LINE and _is_sound(key, text) else None

    text = vias[0]
    if not _is_via(text):
        params = [param.strip(" \t") for param in text[top.end() :].split(";")]
        head = f"{sent_by} {host}" if port is None else f"{sent_by} {host}:{port}"
        text = ";".join((head, *(param for param in params if _PLAIN_PARAMETER.match(param))))
    return PartialRequest(
        method=method,
        via=(_octets(text), *(_octets(via) for via in vias[1 : 2 * MAX_VIAS] if _is_via(via))),
        from_=first("from"),
        to=first("to"),
        call_id=first("call-id"),
        cseq=first("cseq"),
        host=host,
        port=None if port is None or int(port) > 65_535 else int(port),
        has_rport=any(param.partition("=")[0].strip(" \t").lower() == "rport" for param in text.split(";")),
    )


def _is_sound(key: str, text: str) -> bool:
    """Whether a value can be repeated: an answer must not be malformed because the request was."""
    try:
        if key == "cseq":
            parse_cseq(text)
        elif key == "call-id":
            return _CALL_ID.match(text) is not None
        else:
            parse_name_addr(text, key)
    except ValueSyntaxError:
        return False
    return True


def _is_via(text: str) -> bool:
    try:
        parse_via(text)
    except ValueSyntaxError:
        return False
    return True


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")

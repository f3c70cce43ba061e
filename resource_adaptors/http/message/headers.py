"""Header fields: judged before they are written, compared and read by name (RFC 9110 5)."""

from __future__ import annotations

import http
import re
from collections.abc import Iterable, Sequence
from typing import Final

from resource_adaptors.http.message.errors import LocalProtocolError

RawHeaders = Sequence[tuple[bytes, bytes]]
"""Names in lower case and values as received, in order."""

_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UNFIT: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING: Final = frozenset(
    {"connection", "content-length", "date", "keep-alive", "trailer", "transfer-encoding", "te"}
)
"""Fields that say how the message is framed, which is the adaptor's business alone (HTTP-7)."""

STATUS_LINES: Final[dict[int, bytes]] = {
    status: b"HTTP/1.1 %d %s\r\n"
    % (status, (http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else "").encode())
    for status in range(100, 600)
}
BODILESS: Final = frozenset({204, 304, *range(100, 200)})
"""Statuses whose answer has no body (RFC 9110 6.4.1)."""


def is_token(text: str) -> bool:
    """Whether the text is a token (RFC 9110 5.6.2)."""
    return _TOKEN.fullmatch(text) is not None


def header_lines(headers: Iterable[tuple[str, str]]) -> bytes:
    """Fields of ours as octets of the wire.

    Raises:
        LocalProtocolError: a name is no token, belongs to the framing, or a value cannot stand on the wire (HTTP-7).
    """
    lines: list[str] = []
    for name, value in headers:
        if not _TOKEN.fullmatch(name):
            raise LocalProtocolError(f"header {name!r}: the name is no token [HTTP-7]; use letters, digits and hyphens")
        if name.lower() in _FRAMING:
            raise LocalProtocolError(f"header {name}: framing is the adaptor's [HTTP-7]; leave it out")
        if _UNFIT.search(value) or value != value.strip(" \t"):
            raise LocalProtocolError(
                f"header {name}: a value without control characters and surrounding space is needed [HTTP-7, COM-4]"
            )
        lines.append(f"{name}: {value}\r\n")
    try:
        return "".join(lines).encode("latin-1")
    except UnicodeEncodeError as error:
        raise LocalProtocolError("header values are Latin-1 [HTTP-7]; encode other characters") from error


def find(headers: RawHeaders, name: bytes) -> bytes | None:
    """The first value of a field by its name in lower case."""
    for key, value in headers:
        if key == name:
            return value
    return None


def cookie(header: str | None, name: str) -> str | None:
    """The first value of a cookie in a Cookie field, without quotes around it; `None` if it is not there.

    RFC 6265 5.4: pairs with a semicolon between. Scripts of pages set them in any form, so none is judged.
    """
    for pair in (header or "").split(";"):
        key, equals, value = pair.strip(" \t").partition("=")
        if key == name and equals:
            return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    return None


def media_type(value: str | None) -> str:
    """The media type without parameters, in lower case; empty if there is none."""
    return "" if value is None else value.partition(";")[0].strip().lower()


def is_same_entity(tag: str, condition: str, *, weak: bool = True) -> bool:
    """Whether an entity tag matches If-None-Match (`weak`) or If-Match (RFC 9110 8.8.3.2, 13.1).

    Args:
        tag: the current tag, quotes included; `W/` before it makes it weak.
        condition: the field's value: `*`, or tags with commas between.
        weak: compare weakly, as If-None-Match does; If-Match compares strongly.
    """
    if condition.strip() == "*":
        return True
    wanted = [part.strip() for part in condition.split(",")]
    if weak:
        bare = tag.removeprefix("W/")
        return any(part.removeprefix("W/") == bare for part in wanted)
    return not tag.startswith("W/") and tag in wanted


def single_range(value: str, length: int) -> tuple[int, int] | None:
    """First and last octet of a Range with one range; `None` if the field is to be ignored (RFC 9110 14.1.2).

    Raises:
        ValueError: it cannot be satisfied: answer 416.
    """
    match = re.fullmatch(r"bytes=(\d{0,18})-(\d{0,18})", value.replace(" ", ""))
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        count = min(int(match[2]), length)
        if not count:
            raise ValueError(f"{value}: an empty range [HTTP-9]; answer 416")
        return length - count, length - 1
    first = int(match[1])
    last = min(int(match[2]), length - 1) if match[2] else length - 1
    if match[2] and int(match[2]) < first:
        return None
    if first >= length:
        raise ValueError(f"{value}: beyond {length} octets [HTTP-9]; answer 416")
    return first, last

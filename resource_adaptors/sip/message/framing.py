"""From octets to header lines, with care: odd line ends, folding, odd names, sizes, and how long the body is.

The parser comes here with what its fast path does not take for granted.
"""

from __future__ import annotations

import re
from typing import Final

from resource_adaptors.sip.message.errors import ValueSyntaxError
from resource_adaptors.sip.message.limits import Limits
from resource_adaptors.sip.message.message import Message, line_value
from resource_adaptors.sip.message.names import LISTS, PARAMETRISED, SINGLE, canonical
from resource_adaptors.sip.message.values import QUOTED, TOKEN, WHITE, parse_number, split_outside

_LINE_END: Final = re.compile("\r\n|\r|\n")
_BLANK_LINE: Final = re.compile("(?>\r\n|\r|\n)(?>\r\n|\r|\n)")
_QUOTED_PAIR: Final = re.compile(r"\\.", re.DOTALL)


class Framed:
    """A message split into lines."""

    __slots__ = ("body", "keys", "leniencies", "lines")

    def __init__(self, lines: list[str], keys: list[str], body: bytes, leniencies: tuple[str, ...]) -> None:
        self.lines = lines
        """Start line, then header lines with their folding."""
        self.keys = keys
        """Canonical names of the header lines."""
        self.body = body
        """Everything behind the empty line."""
        self.leniencies = leniencies


def frame(data: bytes, limits: Limits, *, tolerant: bool) -> Framed:
    """Split a message into its lines.

    Raises:
        ValueSyntaxError: it is too large, or its lines are malformed (SIP-25, SIP-27, table B2).
    """
    if len(data) > limits.message:
        raise ValueSyntaxError("Message Too Large", "message_too_large", 513)
    head, separator, body = data.partition(b"\r\n\r\n")
    leniencies: tuple[str, ...] = ()
    text = head.decode("utf-8", "surrogateescape")
    if tolerant:
        text, found, body = _tolerant_head(data)
        separator = b"\r\n\r\n" if found else b""
        leniencies = ("line_end",) if _has_odd_line_end(data[: len(data) - len(body)]) else ()
    if len(head) > limits.headers:
        raise ValueSyntaxError("Message Too Large", "header_section_too_large", 513)
    if not separator:
        raise ValueSyntaxError("Missing Empty Line After Headers", "end_of_headers")
    lines = join_folded(text.split("\r\n"))
    if len(lines) > limits.lines + 1:
        raise ValueSyntaxError("Too Many Header Lines", "too_many_lines")
    _judge_characters(text, lines)
    return Framed(lines, [_key(line) for line in lines[1:]], body, leniencies)


def _tolerant_head(data: bytes) -> tuple[str, bool, bytes]:
    """Header text with every line end as CRLF, whether an empty line ends it, and what follows."""
    text = data.decode("latin-1")
    blank = _BLANK_LINE.search(text)
    end, start = (len(data), len(data)) if blank is None else blank.span()
    head = _LINE_END.sub("\r\n", text[:end]).encode("latin-1").decode("utf-8", "surrogateescape")
    return head, blank is not None, data[start:]


def _has_odd_line_end(head: bytes) -> bool:
    rest = head.replace(b"\r\n", b"")
    return b"\r" in rest or b"\n" in rest


def join_folded(lines: list[str]) -> list[str]:
    """Lines with their continuation lines, which keep their line breaks for forwarding (SIP-4)."""
    joined: list[str] = []
    folded: list[str] = []
    for line in lines:
        if line[:1] in (" ", "\t") and len(joined) > 1:
            folded.append(line)
            continue
        if folded:
            joined[-1] = "\r\n".join((joined[-1], *folded))
            folded.clear()
        joined.append(line)
    if folded:
        joined[-1] = "\r\n".join((joined[-1], *folded))
    return joined


def _judge_characters(text: str, lines: list[str]) -> None:
    """Refuse bare CR and LF anywhere, and NUL but for the escaped one that RFC 4475 3.1.1.2 has in a quoted string."""
    rest = text.replace("\r\n", "")
    if "\r" in rest or "\n" in rest:
        raise ValueSyntaxError("Bare CR Or LF In Header", "line_end")
    if "\0" in rest:
        for line in lines:
            if "\0" in QUOTED.sub(_without_pairs, line):
                raise ValueSyntaxError("NUL In Header", "nul")


def _without_pairs(quoted: re.Match[str]) -> str:
    return _QUOTED_PAIR.sub("", quoted[0]) if quoted[1] else quoted[0]


def _key(line: str) -> str:
    """Canonical name of a header line, white space before the colon allowed (SIP-5)."""
    name, colon, _ = line.partition(":")
    name = name.rstrip(WHITE)
    if not colon or not TOKEN.match(name):
        raise ValueSyntaxError("Bad Header Line", "header_line")
    return canonical(name)


def judge_repetition(keys: list[str]) -> None:
    """Refuse a header that may stand once only and stands twice (SIP-7)."""
    seen: set[str] = set()
    for key in keys:
        if key in SINGLE:
            if key in seen:
                raise ValueSyntaxError(f"Repeated {WRITTEN.get(key, key.title())}", "repeated_header")
            seen.add(key)


def judge_sizes(lines: list[str], limits: Limits) -> None:
    """Measure the lines of a message (table B2)."""
    if len(lines) > limits.lines + 1:
        raise ValueSyntaxError("Too Many Header Lines", "too_many_lines")
    if len(lines[0]) * 4 > limits.start_line and len(_wire(lines[0])) > limits.start_line:
        raise ValueSyntaxError("Start Line Too Long", "start_line_too_long")
    for line in lines[1:]:
        if len(line) * 4 > limits.line and _octets(line) > limits.line:
            raise ValueSyntaxError("Header Line Too Long", "line_too_long")


def judge_tokens(message: Message, limits: Limits) -> None:
    """Refuse a Call-ID, tag or branch that is longer than what has to be kept for a transaction (table B2)."""
    for token in (message.call_id, message.from_tag, message.to_tag, message.top_via.branch):
        if token is not None and len(token) > limits.token:
            raise ValueSyntaxError("Call-ID, Tag Or Branch Too Long", "token_too_long")


def _octets(line: str) -> int:
    """Size of a header line on the wire, folding left out."""
    return len(_wire(line_value(f":{line}")))


def _wire(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def judge_numbers(lines: list[str], keys: list[str], limits: Limits) -> None:
    """Count the values of list headers and the parameters of values (table B2)."""
    totals: dict[str, int] = {}
    for position in range(1, len(lines)):
        key = keys[position]
        if key not in PARAMETRISED:
            continue
        text = line_value(lines[position])
        try:
            values = split_outside(text, ",") if key in LISTS else [text]
            most = max(len(split_outside(value, ";")) for value in values) - 1
        except ValueSyntaxError:
            continue  # the headers that have to be well-formed are judged by themselves
        totals[key] = totals.get(key, 0) + len(values)
        if key == "via":
            if totals[key] > limits.vias:
                raise ValueSyntaxError("Too Many Hops", "too_many_vias", 483)
        elif totals[key] > limits.values:
            raise ValueSyntaxError("Too Many Values", "too_many_values")
        if most > limits.parameters:
            raise ValueSyntaxError("Too Many Parameters", "too_many_parameters")


def cut_body(line: str | None, body: bytes, limits: Limits) -> tuple[bytes, bool]:
    """The body that Content-Length announces in a datagram, and whether octets behind it were discarded (SIP-16).

    Args:
        line: the Content-Length line, if there is one.
        body: everything behind the empty line.
        limits: how large a body may be.

    Raises:
        ValueSyntaxError: Content-Length is no number or larger than the body, or the body is too large.
    """
    extra = False
    if line is not None:
        length = parse_number(line_value(line), 10**12)
        if length is None:
            raise ValueSyntaxError("Bad Content-Length", "content_length")
        if length > len(body):
            raise ValueSyntaxError("Content-Length Larger Than Message", "content_length")
        extra = length < len(body)
        body = body[:length]
    if len(body) > limits.body:
        raise ValueSyntaxError("Request Entity Too Large", "body_too_large", 413)
    return body, extra


WRITTEN: Final = {
    "via": "Via",
    "from": "From",
    "to": "To",
    "call-id": "Call-ID",
    "cseq": "CSeq",
    "min-se": "Min-SE",
    "rack": "RAck",
    "rseq": "RSeq",
    "sip-etag": "SIP-ETag",
    "sip-if-match": "SIP-If-Match",
}
"""Names whose usual spelling is not capital letters after hyphens only."""

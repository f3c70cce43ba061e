"""Server-sent events as octets (the WHATWG event-stream format, HTTP-21)."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from resource_adaptors.http.message.errors import LocalProtocolError, RemoteProtocolError

COMMENT = b":\n\n"
"""What keeps an idle stream alive."""
RESET = b"event: reset\ndata:\n\n"
"""Tells a client that what it missed is not kept any more."""
MOST_OCTETS: Final = 1024 * 1024
"""Octets of one event that is read."""
_BREAKS = re.compile(r"\r\n|\r|\n")
_OCTET_BREAKS: Final = re.compile(rb"\r\n|\r|\n")


def format_event(data: str, event: str | None, event_id: str | None) -> bytes:
    """One event; data of several lines stays so.

    Raises:
        LocalProtocolError: name or id hold a line break, or the id a NUL.
    """
    lines: list[str] = []
    for field, value in (("id", event_id), ("event", event)):
        if value is not None:
            if _BREAKS.search(value) or "\0" in value:
                raise LocalProtocolError(f"server-sent event: its {field} is one line [HTTP-21]; put text into data")
            lines.append(f"{field}: {value}")
    lines += [f"data: {line}" for line in _BREAKS.split(data)]
    return ("\n".join(lines) + "\n\n").encode()


def retry_line(seconds: float) -> bytes:
    """How long a client should wait before it comes back."""
    if not 0 <= seconds < 1e6:
        raise LocalProtocolError(f"open_events: retry={seconds} [HTTP-21]; give seconds, 0 or more")
    return b"retry: %d\n\n" % round(seconds * 1000)


class Message(msgspec.Struct, frozen=True):
    """One event of a stream."""

    id: str
    """The last id that the stream has given."""
    event: str
    data: str


class EventStreamReader:
    """Reads a stream as it comes; what is cut anywhere, within a line break too, is put together."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_first = True
        self._id = ""
        self._event = ""
        self._data: list[str] = []
        self._octets = 0

    def feed(self, data: bytes) -> list[Message]:
        """The events that the octets complete.

        Raises:
            RemoteProtocolError: an event is longer than is read.
        """
        text = self._rest + data
        held = b""
        if text.endswith(b"\r"):  # a line feed may follow, which belongs to it
            text, held = text[:-1], b"\r"
        lines = _OCTET_BREAKS.split(text)
        self._rest = lines.pop() + held
        found: list[Message] = []
        for line in lines:
            self._line(line, found)
        if self._octets + len(self._rest) > MOST_OCTETS:
            raise RemoteProtocolError(502, "event_stream", "An event is longer than is read.")
        return found

    def _line(self, octets: bytes, found: list[Message]) -> None:
        if self._is_first:
            octets = octets.removeprefix(b"\xef\xbb\xbf")
            self._is_first = False
        if not octets:
            if self._data:
                found.append(Message(self._id, self._event or "message", "\n".join(self._data)))
            self._event, self._data, self._octets = "", [], 0
            return
        self._octets += len(octets)
        name, _, value = octets.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value

"""Server-sent events as octets (the WHATWG event-stream format, HTTP-21)."""

from __future__ import annotations

import re

from resource_adaptors.http.message.errors import LocalProtocolError

COMMENT = b":\n\n"
"""What keeps an idle stream alive."""
RESET = b"event: reset\ndata:\n\n"
"""Tells a client that what it missed is not kept any more."""
_BREAKS = re.compile(r"\r\n|\r|\n")


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

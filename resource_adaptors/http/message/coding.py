"""Content codings: gzip out, gzip in within bounds (RFC 9110 8.4, HTTP-10)."""

from __future__ import annotations

import gzip
import zlib
from typing import Final

from resource_adaptors.http.message.errors import RemoteProtocolError

_GZIP_WINDOW: Final = 31
"""Window size of zlib that means: with gzip's header and trailer."""
_SMALL: Final = 4096
"""Octets that a body may always become: the ratio of short ones says nothing."""


def takes_gzip(accept: str | None) -> bool:
    """Whether an Accept-Encoding allows gzip; a weight of 0 forbids it (RFC 9110 12.5.3)."""
    if accept is None:
        return False
    wildcard = False
    for part in accept.lower().split(","):
        name, _, parameters = part.partition(";")
        name = name.strip()
        weight = parameters.replace(" ", "").removeprefix("q=")
        is_wanted = weight.strip("0.") != "" or not parameters
        if name in ("gzip", "x-gzip"):
            return is_wanted
        if name == "*":
            wildcard = is_wanted
    return wildcard


def compress(body: bytes, level: int) -> bytes:
    """The body in gzip; the same octets for the same body."""
    return gzip.compress(body, level, mtime=0)


class Inflater:
    """Decodes a body as it arrives; what becomes too long, or of too little, is refused."""

    __slots__ = ("_decoder", "_most", "_ratio", "_received", "_written")

    def __init__(self, ratio: int, most: int) -> None:
        """Begin a body.

        Args:
            ratio: how many times as long as what was received it may become.
            most: octets that it may become in any case.
        """
        self._decoder = zlib.decompressobj(_GZIP_WINDOW)
        self._ratio = ratio
        self._most = most
        self._received = 0
        self._written = 0

    def feed(self, data: bytes) -> bytes:
        """What the octets stand for.

        Raises:
            RemoteProtocolError: 400, they are no gzip; 413, the body becomes too long.
        """
        self._received += len(data)
        allowed = min(self._most, max(_SMALL, self._ratio * self._received))
        try:
            found = self._decoder.decompress(data, allowed - self._written + 1)
        except zlib.error as error:
            raise RemoteProtocolError(400, "content_coding", "The body is no gzip.", close=True) from error
        self._written += len(found)
        if self._written > allowed or self._decoder.unconsumed_tail:
            raise RemoteProtocolError(413, "content_coding", "The body becomes too long.", close=True)
        if self._decoder.unused_data:
            raise RemoteProtocolError(400, "content_coding", "Something follows the compressed body.", close=True)
        return found

    @property
    def is_whole(self) -> bool:
        """Whether the end of the compressed body has come."""
        return self._decoder.eof

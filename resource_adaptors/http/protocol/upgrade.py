"""The opening handshake of WebSocket: judged as the server must, before a service sees it (RFC 6455 4.2, HTTP-11)."""

from __future__ import annotations

import binascii
from typing import Final

import msgspec
from websockets.utils import accept_key

from resource_adaptors.http.message.errors import RemoteProtocolError
from resource_adaptors.http.message.headers import RawHeaders

VERSION: Final = b"13"
NEEDED: Final = (("Upgrade", "websocket"), ("Sec-WebSocket-Version", VERSION.decode()))
"""What an answer of 426 tells: how to ask (RFC 9110 15.5.22, RFC 6455 4.4)."""
UPGRADE: Final = b"connection: upgrade\r\n"
"""The line that goes with the Upgrade field of an answer (RFC 9110 7.8)."""
_KEY_LENGTH: Final = 16


class Upgrade(msgspec.Struct, frozen=True):
    """A handshake that can be accepted."""

    accept: str
    """Value of Sec-WebSocket-Accept."""
    subprotocol: str | None
    """The one of the route's subprotocols that is spoken."""

    def lines(self) -> bytes:
        """Header lines of the 101."""
        chosen = "" if self.subprotocol is None else f"sec-websocket-protocol: {self.subprotocol}\r\n"
        text = f"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: {self.accept}\r\n{chosen}"
        return text.encode("ascii")


def is_asked(headers: RawHeaders) -> bool:
    """Whether a request whose Connection says "upgrade" asks for WebSocket; other protocols may stand beside it."""
    return any(name == b"upgrade" and b"websocket" in _listed(value) for name, value in headers)


def judge_upgrade(headers: RawHeaders, subprotocols: tuple[str, ...], *, has_body: bool) -> Upgrade:
    """Judge the handshake of a request that asks for WebSocket.

    Args:
        headers: of the request.
        subprotocols: of the route, the one that is liked best first; a route without any speaks none.
        has_body: the header section announces a body.

    Raises:
        RemoteProtocolError: 426 for another version; 400 for a handshake that is none, or offers no subprotocol of the
            route.
    """
    versions = _values(headers, b"sec-websocket-version")
    if versions != [VERSION]:
        status = 426 if versions else 400
        raise RemoteProtocolError(status, "websocket_version", "Version 13 is spoken.", headers=NEEDED)
    keys = _values(headers, b"sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        raise RemoteProtocolError(400, "websocket_key", "One Sec-WebSocket-Key of 16 octets is needed.")
    if has_body:
        raise RemoteProtocolError(400, "websocket_body", "A handshake has no body.", close=True)
    return Upgrade(accept_key(keys[0].decode("ascii")), _chosen(headers, subprotocols))


def _chosen(headers: RawHeaders, subprotocols: tuple[str, ...]) -> str | None:
    if not subprotocols:
        return None
    offered = {
        word.strip()
        for value in _values(headers, b"sec-websocket-protocol")
        for word in value.decode("latin-1").split(",")
    }
    chosen = next((name for name in subprotocols if name in offered), None)
    if chosen is None:
        text = f"The route speaks {', '.join(subprotocols)}."
        raise RemoteProtocolError(400, "websocket_protocol", text)
    return chosen


def _is_key(value: bytes) -> bool:
    try:
        return len(binascii.a2b_base64(value, strict_mode=True)) == _KEY_LENGTH
    except ValueError:
        return False


def _values(headers: RawHeaders, name: bytes) -> list[bytes]:
    return [value.strip() for key, value in headers if key == name]


def _listed(value: bytes) -> list[bytes]:
    return [word.strip().lower() for word in value.split(b",")]

"""Lanes of hostile input: whatever comes, the server goes on answering, and what it says itself is flawless."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.conformance.rfc4475.messages import MESSAGES
from tests.interop.peers import HOST, Sipp
from tests.interop.servers import Server

_JUNK: Final[Mapping[str, bytes]] = {
    "nothing": b"",
    "keep-alive": b"\r\n\r\n",
    "zeros": bytes(1200),
    "high octets": bytes(range(128, 256)) * 8,
    "longest datagram": b"INVITE " + b"a" * 65_000,
    "start line alone": b"INVITE sip:bob@example.test SIP/2.0\r\n\r\n",
    "cut in a header": b"INVITE sip:bob@example.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;bra",
    "answer to nothing": b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKnone\r\n\r\n",
}


def _send(server: Server, datagrams: Mapping[str, bytes]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind((HOST, 0))
        for datagram in datagrams.values():
            stranger.sendto(datagram, server.sip)


def _require_answers(server: Server, folder: Path) -> None:
    with Sipp("options", folder, server=server.sip, calls=10) as prober:
        prober.finish().require(10)


def test_junk_leaves_the_server_answering(server: Server, tmp_path: Path) -> None:
    """What is no SIP at all ends in the parser."""
    _send(server, _JUNK)
    _require_answers(server, tmp_path)


def test_rfc4475_messages_leave_the_server_answering(server: Server, tmp_path: Path) -> None:
    """The torture messages, to a server on a socket; which verdict each of them gets is judged without sockets."""
    _send(server, {message.name: message.data for message in MESSAGES})
    _require_answers(server, tmp_path)

"""HTTP for service tests: the adaptor itself without a socket, clients that speak to it, and servers that it asks.

with SleeHarness() as slee:
    http = slee.add_resource("http-main", HttpSimulator())
    slee.install(ClickToDial)
    answer = http.client().post("/calls", json={"to": "sip:bob@example.test"})
    assert answer.status == 201
    http.calls[0].answer(200, b"{}")        # a request that the service has made
    socket = http.client().websocket("/ws") # and a WebSocket: socket.send("hello"), socket.messages
"""

from __future__ import annotations

from resource_adaptors.http.testing.answers import Answer, Pending, parse_answers
from resource_adaptors.http.testing.client import HOST, HttpClient
from resource_adaptors.http.testing.sender import MadeCall, RecordingSender
from resource_adaptors.http.testing.simulator import HttpSimulator
from resource_adaptors.http.testing.transport import MemoryTransport
from resource_adaptors.http.testing.websocket import SocketClient

__all__ = [
    "HOST",
    "Answer",
    "HttpClient",
    "HttpSimulator",
    "MadeCall",
    "MemoryTransport",
    "Pending",
    "RecordingSender",
    "SocketClient",
    "parse_answers",
]

"""A receiver of web-hooks: it fails as often as it is told to, checks signatures, and counts each id once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

from tests.interop.peers import HOST

KEY: Final = "a secret of the lane"


class Receiver:
    """Listens from its making on; use it as a context manager."""

    def __init__(self, port: int, *, failures: int = 0) -> None:
        """Answer the first `failures` web-hooks with 503, the others with 204."""
        self.failures = failures
        self.received: list[dict[str, Any]] = []
        """Bodies in the order in which they were first acknowledged; each `Webhook-Id` counts once."""
        self.tries = 0
        self.forged = 0
        self._ids: set[str] = set()
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(receiver.take(dict(self.headers.items()), body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((HOST, port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """Judge one web-hook; the status of the answer."""
        named = {name.lower(): value for name, value in headers.items()}
        identity = named["webhook-id"]
        signed = f"{identity}.{named['webhook-timestamp']}.".encode() + body
        made = "v1," + base64.b64encode(hmac.digest(KEY.encode(), signed, hashlib.sha256)).decode()
        with self._lock:
            self.tries += 1
            self.forged += made not in named["webhook-signature"].split()
            if self.failures:
                self.failures -= 1
                return 503
            if identity not in self._ids:
                self._ids.add(identity)
                self.received.append(json.loads(body))
            return 204

    def wait(self, count: int, *, within: float = 20.0) -> list[dict[str, Any]]:
        """What was received, once it is so much; `AssertionError` if it is not in time."""
        end = time.monotonic() + within
        while len(self.received) < count:
            assert time.monotonic() < end, f"{len(self.received)} of {count} web-hooks, {self.tries} tries"
            time.sleep(0.02)
        return list(self.received)

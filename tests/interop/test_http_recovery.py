"""HTTP over kills and stops of the real server: web-hooks are told once by their ids, sessions go on (HTTP-43).

The receiver fails at first: for two seconds, or for a minute in the long form.
"""

from __future__ import annotations

import http.client
import http.server
import json
import signal
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Final

from tests.interop.killing import deploy
from tests.interop.peers import HOST
from tests.interop.servers import HttpSlee

_CONFIGURATION: Final = """
[http.sessions."POST /count"]
source = "query"
name = "s"

[http.client]
allow-networks = ["127.0.0.0/8"]
breaker = {{ failures = 10000 }}

[http.webhooks]
schedule = [0.2, 0.5, 1]
timeout = 2
parallel = 16

[http.webhooks.targets.receiver]
url = "http://127.0.0.1:{receiver}/hook"
keys = ["a key"]
"""


class Receiver(http.server.ThreadingHTTPServer):
    """Fails until it is told not to, and notes what it has acknowledged."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Handler)
        self.fails = True
        self.refused = 0
        self.lock = threading.Lock()
        self.taken: dict[str, bytes] = {}
        """Body by id, of the first time: what a receiver does that goes by the id."""
        self.repeated = 0
        self.bodies: dict[bytes, set[str]] = defaultdict(set)
        """Ids by body, of every try."""

    def handle_error(self, request: object, client_address: object) -> None:
        """A server that is killed resets its connections."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) != length:  # the server was killed while it sent
            self.close_connection = True
            return
        identity, receiver = str(self.headers["Webhook-Id"]), self.server
        with receiver.lock:
            receiver.bodies[body].add(identity)
            status = 503 if receiver.fails else 204
            if receiver.fails:
                receiver.refused += 1
            elif identity in receiver.taken:
                receiver.repeated += 1
            else:
                receiver.taken[identity] = body
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """The lane says what it finds."""


class _Server(HttpSlee):
    """The product with a receiver of its web-hooks."""

    def __init__(self, folder: Path, receiver: int) -> None:
        super().__init__(folder, _CONFIGURATION.format(receiver=receiver))

    def post(self, target: str, body: bytes = b"", serial: int = 0) -> tuple[int, bytes]:
        """Ask, and return status and body of the answer."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("POST", target, body, {"X-Serial": str(serial)})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def _wait(condition: object, seconds: float) -> bool:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(condition())


def test_web_hooks_and_sessions_survive_kills_and_stops(tmp_path: Path, is_long: bool) -> None:
    """HTTP-30, HTTP-31, HTTP-43: at least once with one id each, exactly once by id; nothing is given up."""
    receiver = Receiver()
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    server = _Server(tmp_path, receiver.server_address[1])
    promised: list[bytes] = []
    began = time.monotonic()

    def tell(count: int) -> None:
        for _ in range(count):
            body = b"message %d" % len(promised)
            assert server.post("/tell", body, len(promised) + 1)[0] == 202
            promised.append(body)

    try:
        server.start()
        deploy(server, tmp_path, "teller", "Teller")
        assert server.post("/count?s=a") == (200, b"1")
        tell(40)
        for _ in range(3):
            tell(20)
            server.child.send(signal.SIGKILL)
            server.child.wait(5.0)
            server.child.__exit__()
            server.start()
        assert server.post("/count?s=a") == (200, b"2")
        tell(20)
        assert server.stop() == 0  # an orderly stop gives nothing up
        server.child.__exit__()
        server.start()
        tell(20)
        time.sleep(max(0.0, (60.0 if is_long else 2.0) - (time.monotonic() - began)))
        assert receiver.refused > len(promised)
        receiver.fails = False
        assert _wait(lambda: len(receiver.taken) >= len(promised), 30), f"{len(receiver.taken)} of {len(promised)}"
        assert sorted(receiver.taken.values()) == sorted(promised)
        assert {body: ids for body, ids in receiver.bodies.items() if len(ids) != 1} == {}
        status, letters = server.cli("letter", "list", "--json")
        assert (status, json.loads(letters)) == (0, [])
        assert server.stop() == 0
    finally:
        server.child.__exit__()
        receiver.shutdown()
        receiver.server_close()

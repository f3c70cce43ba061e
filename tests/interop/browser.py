"""A headless Chromium, driven over its DevTools protocol: tabs that are opened, run a function each, and are closed.

A function of JavaScript runs in the page as the page's own script would; what it returns comes back as JSON. No driver
stands between: `/json/new` and `/json/close` of the browser's HTTP server, and one WebSocket for each tab.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import httpx
from websockets.sync.client import ClientConnection, connect

from tests.interop.peers import HOST, Child, program

_FLAGS: Final = (
    "--headless",
    "--no-sandbox",  # which needs more rights than the containers of tests have
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP localhost {HOST}, MAP * ~NOTFOUND, EXCLUDE {HOST}",  # nobody but the lane is asked
    "--remote-debugging-port=0",
)
_PATIENCE: Final = 10.0
"""Seconds that a page may take for what it is asked."""


class Browser:
    """One browser with a fresh profile; use it as a context manager."""

    def __init__(self, folder: Path, certificate: Path) -> None:
        """Start it, with its profile in `folder`; it trusts whoever has that certificate."""
        environment = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
        profile = f"--user-data-dir={folder / 'profile'}"
        trust = f"--ignore-certificate-errors-spki-list={_pin(certificate)}"
        self.child: Final = Child([program("chromium"), *_FLAGS, profile, trust, "about:blank"], env=environment)
        line = self.child.wait_line("DevTools listening on ")
        found = re.search(r"ws://([^/]+)/", line)
        assert found is not None, line
        self._control: Final = httpx.Client(base_url=f"http://{found[1]}", trust_env=False, timeout=_PATIENCE)

    @contextmanager
    def open(self, url: str) -> Iterator[Tab]:
        """Open a tab, and wait until its page has loaded; on leaving, it is closed, whatever it is doing."""
        answer = self._control.put("/json/new?about:blank").raise_for_status().json()
        with connect(answer["webSocketDebuggerUrl"], proxy=None, max_size=None) as pipe:
            tab = Tab(pipe)
            tab.go(url)
            yield tab
            self._control.get(f"/json/close/{answer['id']}").raise_for_status()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._control.close()
        self.child.__exit__()


class Tab:
    """One page."""

    def __init__(self, pipe: ClientConnection) -> None:
        self._pipe: Final = pipe
        self._serial = 0
        self._ask("Page.enable")

    def go(self, url: str) -> None:
        """Have it show another page, and wait until that has loaded."""
        answer = self._ask("Page.navigate", url=url)
        assert "errorText" not in answer, f"{url}: {answer['errorText']}"
        self._loaded()

    def run(self, function: str, *arguments: object, loads: bool = False) -> Any:
        """Call a function of JavaScript, asynchronous or not, and return what it returns.

        Args:
            function: its text.
            arguments: JSON values.
            loads: it makes the tab show another page: wait until that has loaded.
        """
        call = f"({function})({', '.join(json.dumps(argument) for argument in arguments)})"
        answer = self._ask("Runtime.evaluate", expression=call, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        if loads:
            self._loaded()
        return answer["result"].get("value")

    def _ask(self, method: str, **parameters: object) -> dict[str, Any]:
        self._serial += 1
        self._pipe.send(json.dumps({"id": self._serial, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._pipe.recv(_PATIENCE))
            if answer.get("id") == self._serial:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])

    def _loaded(self) -> None:
        while json.loads(self._pipe.recv(_PATIENCE)).get("method") != "Page.loadEventFired":
            pass


def _pin(certificate: Path) -> str:
    """SHA-256 of a certificate's public key, by which the browser knows it."""
    openssl = program("openssl")
    key = subprocess.run([openssl, "x509", "-in", certificate, "-pubkey", "-noout"], check=True, capture_output=True)
    to_der = [openssl, "pkey", "-pubin", "-outform", "der"]
    der = subprocess.run(to_der, input=key.stdout, check=True, capture_output=True)
    return base64.b64encode(hashlib.sha256(der.stdout).digest()).decode()


__all__ = ["Browser", "Tab"]

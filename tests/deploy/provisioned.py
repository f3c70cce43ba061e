"""The product with its shipped bundles on one profile database, and the commands of an operator against it."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from click.testing import CliRunner, Result

from deploy.cli import main

ROOT = Path(__file__).parents[2]
HEADER = "profile_name,identity,display_name,max_contacts\n"
GOOD = HEADER + 'alice@example.net,+4930123,"Alice ""A""",2\nbob@example.net,,Bob,3\n'


class Server:
    """The product, with its shipped bundles, on one profile database."""

    def __init__(self, folder: Path, url: str, *settings: str) -> None:
        self.folder = folder
        self.url = url
        self.settings = settings
        self.start()

    def start(self) -> None:
        options = ["--state-dir", str(self.folder / "state"), "--set", f"profiles.database={self.url}"]
        for option in ("--sip", "--http", "--metrics"):
            options += [option, "127.0.0.1:0"]
        for setting in self.settings:
            options += ["--set", setting]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "run", *options],
            cwd=ROOT,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()

    def slee(self, command: str) -> Result:
        """Run `slee COMMAND` against it."""
        return CliRunner().invoke(main, [*shlex.split(command), "--state-dir", str(self.folder / "state")])

    def json(self, command: str) -> Any:
        """What a command prints with --json."""
        result = self.slee(f"{command} --json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def http(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask the management API itself."""
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.folder / "state" / "slee.sock"))) as client:
            return client.request(method, f"http://slee{path}", timeout=30.0, **options)

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def resident_octets(self) -> int:
        """The most memory that the process has had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])

    def until(self, command: str | Callable[[], str], condition: Callable[[Result], bool]) -> Result:
        """Run a command until it says what is waited for."""
        end = time.monotonic() + 10.0
        while not condition(result := self.slee(command if isinstance(command, str) else command())):
            assert time.monotonic() < end, result.output
        return result

    def end(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=15)
        return self.process.returncode, errors

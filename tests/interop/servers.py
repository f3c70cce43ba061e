"""The servers under test: the product, and Kamailio with the same routing as the yardstick.

A lane that fails against the product and passes against Kamailio shows a fault of the product; one that fails against
both shows a fault of the lane.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.interop.peers import HOST, Child, free_port, program, run

ROOT: Final = Path(__file__).parents[2]
READY: Final = "SLEE running"


@dataclass(frozen=True, slots=True)
class Timers:
    """SIP timers of a server, in seconds; timer B is 64 times `t1` (RFC 3261 17.1.1.1)."""

    t1: float = 0.5
    timer_c: float = 185.0


class Slee:
    """The product, started as its users start it, with a state directory and ports of its own."""

    name: Final = "slee"

    def __init__(
        self,
        folder: Path,
        *,
        timers: Timers | None = None,
        core: int | None = None,
        prefix: Sequence[str] = (),
        config: Path | None = None,
    ) -> None:
        """Choose ports and the state directory `folder`/state; `prefix` comes before the command, a profiler say.

        `config` is a configuration file.

        The command is `python -m deploy.cli run`, or what SLEE_COMMAND says instead.
        """
        self.state_dir = folder / "state"
        self.sip: Final = (HOST, free_port())
        self.metrics: Final = (HOST, free_port())
        self.http: Final = (HOST, free_port())
        self._timers: Final = timers
        self._core: Final = core
        self._prefix: Final = tuple(prefix)
        self._config: Final = config
        self.child: Child

    @property
    def argv(self) -> list[str]:
        """The command line."""
        given = os.environ.get("SLEE_COMMAND")
        command = shlex.split(given) if given else [*(self._prefix or [sys.executable]), "-m", "deploy.cli", "run"]
        command += ["--state-dir", str(self.state_dir)]
        if self._config is not None:
            command += ["--config", str(self._config)]
        for option, (host, port) in (("--sip", self.sip), ("--http", self.http), ("--metrics", self.metrics)):
            command += [option, f"{host}:{port}"]
        if self._timers:
            command += ["--set", f"sip.t1={self._timers.t1:g}", "--set", f"sip.timer_c={self._timers.timer_c:g}"]
        return command

    def start(self) -> Slee:
        """Start it and wait until it says that it is ready."""
        self.child = Child(self.argv, core=self._core, cwd=ROOT, env={"PYTHONUNBUFFERED": "1"})
        self.child.wait_line(re.escape(READY))
        return self

    def cli(self, *arguments: str) -> tuple[int, str]:
        """Run a management command of the product against this server; exit status and output."""
        return run([sys.executable, "-m", "deploy.cli", *arguments, "--state-dir", str(self.state_dir)], cwd=ROOT)

    def stop(self) -> int:
        """End it as an operator does, by SIGTERM, and return its exit status."""
        return self.child.stop()


class HttpSlee(Slee):
    """The product with a configuration of HTTP, and its first listener on `port`."""

    def __init__(self, folder: Path, section: str, *, port: int | None = None) -> None:
        """Write the configuration into `folder`; `section` follows the first listener in it, on a free port without."""
        self.port: Final = port or free_port()
        file = folder / "slee.toml"
        file.write_text(f"[[http.listeners]]\nport = {self.port}\n\n{section}", encoding="utf-8")
        super().__init__(folder, config=file)

    @property
    def argv(self) -> list[str]:
        """The command line, without an address for HTTP: the file has it."""
        command = super().argv
        place = command.index("--http")
        return [*command[:place], *command[place + 2 :]]


class Kamailio:
    """Kamailio as registrar and record-routing proxy, with its packaged or with its fast allocator."""

    def __init__(
        self,
        folder: Path,
        *,
        timers: Timers | None = None,
        core: int | None = None,
        fast_allocator: bool = False,
        shared_mb: int = 64,
    ) -> None:
        """Choose a port and write the configuration into `folder`; `shared_mb` bounds the memory of its state.

        It has one worker process: two may pass on a 180 after the 200 that came behind it.
        """
        self.name: Final = "kamailio fm" if fast_allocator else "kamailio"
        self.sip: Final = (HOST, free_port())
        self._core: Final = core
        self._folder: Final = folder
        self._options: Final = ["-m", str(shared_mb), *(["-x", "fm", "-X", "fm"] if fast_allocator else [])]
        self.child: Child
        used = timers or Timers()
        fields = {
            "HOST": self.sip[0],
            "PORT": self.sip[1],
            "T1_MS": round(used.t1 * 1000),
            "TIMER_B_MS": round(used.t1 * 64_000),
            "TIMER_C_MS": round(used.timer_c * 1000),
        }
        text = (Path(__file__).parent / "kamailio.cfg").read_text(encoding="utf-8")
        (folder / "kamailio.cfg").write_text(re.sub(r"@(\w+)@", lambda m: str(fields.get(m[1], m[0])), text))

    @property
    def argv(self) -> list[str]:
        """The command line; everything it writes goes into its folder."""
        place = str(self._folder)
        files = ["-f", f"{place}/kamailio.cfg", "-w", place, "-Y", place, "-P", f"{place}/kamailio.pid"]
        return [program("kamailio"), *files, *self._options, "-M", "8", "-DD", "-E"]

    def start(self) -> Kamailio:
        """Start it and wait until its first worker says that it is ready."""
        self.child = Child(self.argv, core=self._core, cwd=self._folder)
        self.child.wait_line("yardstick ready")
        return self

    def stop(self) -> int:
        """End it by SIGTERM and return its exit status."""
        return self.child.stop()


Server = Slee | Kamailio

"""The real programs of the interop lanes, run in the foreground and ended by process id.

A program is a :class:`Child`: its output is read line by line as it comes, so that a test waits for what the program
says and never for a guessed time. :class:`Sipp` adds the verdict of a SIPp run, taken from its statistics file.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import itertools
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

HOST: Final = "127.0.0.1"
DOMAIN: Final = "example.test"
SCENARIOS: Final = Path(__file__).parent / "scenarios"

# Below the kernel's ephemeral range, so that no outgoing socket of another program takes a port between choice and use.
_PORTS: Final = range(20_000, 32_000)
_given_ports: set[int] = set()


class PeerError(RuntimeError):
    """A real program did not do what the lane needs: it is missing, did not get ready, or did not end."""


def find_program(name: str) -> str | None:
    """Return the path of the program called `name`, or None; Debian keeps servers in /usr/sbin, off a user's PATH."""
    return shutil.which(name, path=os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin")


def program(name: str) -> str:
    """Return the path of the program called `name`; raises PeerError when this machine has none."""
    if (path := find_program(name)) is None:
        raise PeerError(f"{name} is not installed; run scripts/peers")
    return path


def free_port() -> int:
    """Return a port of the loopback address that is free for UDP and TCP, and that this process gives only once."""
    for port in random.sample(_PORTS, len(_PORTS)):
        if port not in _given_ports and _is_free(port):
            _given_ports.add(port)
            return port
    raise PeerError(f"no free port in {_PORTS.start}-{_PORTS.stop - 1} on {HOST}")


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind((HOST, port))
            except OSError as error:
                if error.errno in (errno.EADDRINUSE, errno.EACCES):
                    return False
                raise
    return True


class Child:
    """A running program, its output so far, and its orderly end.

    Use it as a context manager; on leaving, a program that still runs gets SIGTERM and, 15 s later, SIGKILL.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        core: int | None = None,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start `argv`, on the processor `core` alone if one is given and this machine has it."""
        self.name: Final = Path(argv[0]).name
        pinned = [program("taskset"), "-c", str(core), *argv] if core in range(os.cpu_count() or 1) else argv
        self.argv: Final = tuple(pinned)
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._process: Final = subprocess.Popen(
            self.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=None if env is None else {**os.environ, **env},
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name=f"{self.name}-output", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self._lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    @property
    def pid(self) -> int:
        """Process id; with a processor given it is still the program's own, as taskset ends in exec."""
        return self._process.pid

    @property
    def output(self) -> str:
        """What the program has written so far, standard error included."""
        with self._news:
            return "\n".join(self._lines)

    @property
    def is_running(self) -> bool:
        """Whether the program has not ended."""
        return self._process.poll() is None

    def wait_line(self, pattern: str, timeout: float = 15.0) -> str:
        """Return the first line of output that matches `pattern`, waiting up to `timeout` seconds for it.

        Raises PeerError, with the output so far, when the time is over or the program's output has ended.
        """
        wanted = re.compile(pattern)
        deadline = time.monotonic() + timeout
        seen = 0
        with self._news:
            while True:
                for line in self._lines[seen:]:
                    if wanted.search(line):
                        return line
                seen = len(self._lines)
                if self._ended or not self._news.wait(timeout=max(0.0, deadline - time.monotonic())):
                    break
        raise PeerError(f"{self.name} did not say {pattern!r} within {timeout} s; it said:\n{self.output}")

    def wait_udp(self, port: int, timeout: float = 15.0) -> None:
        """Wait until UDP `port` of the loopback address is bound: the one sign of readiness of a silent program."""
        wanted = f":{port:04X} "
        deadline = time.monotonic() + timeout
        while wanted not in Path("/proc/net/udp").read_text(encoding="ascii"):
            if not self.is_running or time.monotonic() > deadline:
                raise PeerError(f"{self.name} did not bind UDP port {port} within {timeout} s; it said:\n{self.output}")
            self.pause(0.005)

    def pause(self, seconds: float) -> None:
        """Wait for the next line of output, or for so long; the step of a loop that looks at something else."""
        with self._news:
            if not self._news.wait(timeout=seconds) or not self._ended:
                return
        time.sleep(seconds)

    def wait(self, timeout: float) -> int:
        """Return the exit status; a negative number is the signal that ended the program.

        Raises PeerError when it still runs after `timeout` seconds; it is then killed.
        """
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            self._clear()
            raise PeerError(f"{self.name} had not ended after {timeout} s; it said:\n{self.output}") from None
        self._clear()
        return status

    def _clear(self) -> None:
        """End what the program left behind of its own group, which would keep ports and this program's pipe."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._reader.join()

    def send(self, number: signal.Signals) -> None:
        """Send the signal `number` to the program, if it still runs."""
        if self.is_running:
            self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout: float = 15.0) -> int:
        """Send the signal `number` and return the exit status; see `wait` for the errors."""
        self.send(number)
        return self.wait(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self.is_running:
            self.stop()
        if self._process.stdout is not None:
            self._process.stdout.close()


def run(argv: Sequence[str], *, timeout: float = 15.0, cwd: Path | None = None) -> tuple[int, str]:
    """Run a program to its end and return its exit status and output; PeerError after `timeout` seconds."""
    with Child(argv, cwd=cwd) as child:
        return child.wait(timeout), child.output


@dataclass(frozen=True, slots=True)
class SippVerdict:
    """What one SIPp process says about its calls after its end."""

    scenario: str
    status: int
    """Exit status: 0 when every call went as written."""
    calls: int
    successful: int
    failed: int
    unexpected: int
    """Calls failed because a message came that the scenario does not have at that place."""
    retransmissions: int
    """Messages that SIPp sent again."""
    seconds: float
    """From the start of the process to the last call's end."""
    errors: str
    """The end of SIPp's own error log."""

    def require(self, calls: int) -> SippVerdict:
        """Return itself when all of `calls` calls succeeded and nothing else happened; AssertionError if not."""
        wanted = (0, calls, calls, 0, 0)
        found = (self.status, self.calls, self.successful, self.failed, self.unexpected)
        if found != wanted:
            raise AssertionError(f"{self.scenario}: {self.summary}\n{self.errors}")
        return self

    @property
    def summary(self) -> str:
        """One line for reports."""
        return (
            f"exit {self.status}, {self.successful} of {self.calls} calls good, {self.failed} failed, "
            f"{self.unexpected} unexpected messages, {self.retransmissions} retransmissions, {self.seconds:.1f} s"
        )


class Sipp:
    """One SIPp process that plays a scenario for a given number of calls and then ends by itself."""

    _serial: Final = itertools.count(1)

    def __init__(
        self,
        scenario: str,
        folder: Path,
        *,
        calls: int,
        server: tuple[str, int] | None = None,
        rows: Iterable[Sequence[object]] = (),
        domain: str = DOMAIN,
        rate: float = 50.0,
        hold_ms: int = 0,
        timeout: float = 60.0,
        lost_percent: int = 0,
        messages: bool = False,
        response_times: bool = False,
        core: int | None = None,
        **fields: object,
    ) -> None:
        """Start SIPp with the scenario file of that name; with `server` it calls, without it answers.

        `rows` become the scenario's [field0], [field1]...; `fields` replace @NAME@ in the scenario file; `hold_ms` is
        the length of its <pause/>; `lost_percent` is for scenarios that can lose what they send; `timeout`, in seconds,
        makes a run that hangs a failed one.
        """
        self.port: Final = free_port()
        self.calls: Final = calls
        self._scenario: Final = scenario
        self._timeout: Final = timeout
        self._stem: Final = folder / f"{scenario}-{next(self._serial)}"
        arguments = [program("sipp")] + ([f"{server[0]}:{server[1]}"] if server else [])
        arguments += ["-sf", str(self._write(_render(scenario, {**fields, "lost": lost_percent}), "xml"))]
        arguments += ["-i", HOST, "-bind_local", "-p", str(self.port), "-cp", str(free_port()), "-nostdin"]
        arguments += ["-m", str(calls), "-d", str(hold_ms), "-timeout", f"{timeout:.0f}s", "-timeout_error"]
        arguments += ["-key", "domain", domain, "-timer_resol", "1", "-buff_size", "4194304", "-f", "3600"]
        arguments += ["-trace_stat", "-fd", "3600", "-stf", self._name("csv")]
        arguments += ["-trace_err", "-error_file", self._name("errors")]
        if server:
            arguments += ["-r", f"{rate:g}", "-l", str(max(100, int(rate * (hold_ms / 1000 + 8))))]
        if table := [";".join(map(str, row)) + ";" for row in rows]:
            arguments += ["-inf", str(self._write("\n".join(["SEQUENTIAL", *table, ""]), "users"))]
        if lost_percent:
            arguments += ["-max_retrans", "10", "-max_invite_retrans", "10"]
        if messages:
            arguments += ["-trace_msg", "-message_file", self._name("messages")]
        if response_times:
            arguments += ["-trace_rtt", "-rtt_freq", "1"]
        self.started: Final = time.monotonic()
        self.child: Final = Child(arguments, core=core, cwd=folder)
        if server is None:
            self.child.wait_udp(self.port)

    def _name(self, suffix: str) -> str:
        return f"{self._stem}.{suffix}"

    def _write(self, text: str, suffix: str) -> Path:
        path = Path(self._name(suffix))
        path.write_text(text, encoding="utf-8")
        return path

    def finish(self) -> SippVerdict:
        """Wait for the end of the run and return its verdict; PeerError if SIPp could not even begin."""
        status = self.child.wait(self._timeout + 15.0)
        seconds = time.monotonic() - self.started
        counts = self._counts()
        if status not in (0, 1) and not counts.get("TotalCallCreated"):
            raise PeerError(f"{self._scenario}: SIPp made no call (exit {status}):\n{self.child.output[-2000:]}")
        return SippVerdict(
            scenario=self._scenario,
            status=status,
            calls=counts.get("TotalCallCreated", 0),
            successful=counts.get("SuccessfulCall(C)", 0),
            failed=counts.get("FailedCall(C)", 0),
            unexpected=counts.get("FailedUnexpectedMessage(C)", 0),
            retransmissions=counts.get("Retransmissions(C)", 0),
            seconds=seconds,
            errors="\n".join([self._read("errors")[-2000:], self.child.output[-500:] if status > 1 else ""]).strip(),
        )

    def _counts(self) -> dict[str, int]:
        lines = self._read("csv").splitlines()
        if len(lines) < 2:
            return {}
        # The columns differ between versions of SIPp: they are found by name.
        last = dict(zip(*csv.reader([lines[0], lines[-1]], delimiter=";"), strict=False))
        return {name: int(value) for name, value in last.items() if value.isdigit()}

    def _read(self, suffix: str) -> str:
        path = Path(self._name(suffix))
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    @property
    def message_log(self) -> str:
        """Everything sent and received, as SIPp writes it; needs `messages=True`."""
        return self._read("messages")

    def received(self, start_line: str, header: str = "") -> int:
        """Count the messages received whose start line begins with `start_line` and that contain the line `header`.

        Needs `messages=True`; repetitions that SIPp absorbs are counted, too.
        """
        return self._logged("received", start_line, header)

    def wait_received(self, start_line: str, timeout: float = 10.0) -> None:
        """Wait up to `timeout` seconds until one such message has come; PeerError if none does."""
        deadline = time.monotonic() + timeout
        while not self.received(start_line):
            if time.monotonic() > deadline or not self.child.is_running:
                raise PeerError(f"{self._scenario} received no {start_line!r} within {timeout} s")
            self.child.pause(0.02)

    def sent(self, start_line: str, header: str = "") -> int:
        """Count the messages sent, as `received` does."""
        return self._logged("sent", start_line, header)

    def _logged(self, direction: str, start_line: str, header: str) -> int:
        entries = re.split(r"^-{20,}.*$", self._read("messages"), flags=re.MULTILINE)
        ours = (entry.split("\n\n", 1) for entry in entries if f"message {direction} " in entry)
        return sum(rest[0].startswith(start_line) and header in rest[0] for _, *rest in ours if rest)

    @property
    def response_times(self) -> dict[str, list[float]]:
        """Response times in milliseconds by the number of their clock in the scenario; needs `response_times=True`."""
        path = self._stem.parent / f"{self._stem.name}_{self.child.pid}_rtt.csv"
        times: dict[str, list[float]] = {}
        for line in path.read_text(encoding="ascii").splitlines()[1:]:
            _, milliseconds, clock = line.split(";")[:3]
            times.setdefault(clock, []).append(float(milliseconds))
        return times

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.child.__exit__(*exc_info)


def _render(scenario: str, fields: Mapping[str, object]) -> str:
    text = (SCENARIOS / f"{scenario}.xml").read_text(encoding="utf-8")
    for name, value in fields.items():
        text = text.replace(f"@{name.upper()}@", str(value))
    if left := sorted(set(re.findall(r"@[A-Z_]+@", text))):
        raise PeerError(f"scenario {scenario} needs a value for {', '.join(left)}")
    return text

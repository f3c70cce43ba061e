"""The loads: each drives one kind of operation through a started server with SIPp."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar, Final, Protocol

from benchmarks.contenders import LOAD_CORE
from tests.interop.peers import Sipp, SippVerdict
from tests.interop.servers import Server

_USERS: Final = 1_000


class Load(Protocol):
    """One kind of operation at a steady rate."""

    name: ClassVar[str]
    """What is done, in one word."""

    @property
    @abstractmethod
    def rate(self) -> float:
        """Operations a second."""

    @abstractmethod
    def prepare(self, server: Server, folder: Path, operations: int, stack: ExitStack) -> None:
        """Set up what the load needs for that many operations in all; `stack` ends it."""

    @abstractmethod
    def drive(self, server: Server, folder: Path, operations: int) -> Sipp:
        """Start the load of that many operations."""

    @abstractmethod
    def finish(self) -> list[SippVerdict]:
        """Return the verdicts of the other ends, once all operations are done."""


class Calls:
    """INVITE 100 180 200 ACK BYE 200 through the record-routing proxy to registered users."""

    name: ClassVar[str] = "calls"

    def __init__(self, rate: float) -> None:
        """Make `rate` calls a second."""
        self.rate: Final = rate
        self._callee: Sipp

    def prepare(self, server: Server, folder: Path, operations: int, stack: ExitStack) -> None:
        """Start the callee and register the users with it."""
        timeout = operations / self.rate * 2 + 60
        self._callee = stack.enter_context(
            Sipp("uas_rr", folder, calls=operations, ring="", linger=1000, timeout=timeout, core=LOAD_CORE)
        )
        register_users(server, folder, _USERS, port=self._callee.port, rate=1_000.0)

    def drive(self, server: Server, folder: Path, operations: int) -> Sipp:
        """Call the users in turn."""
        rows = [(f"user{number}",) for number in range(_USERS)]
        return _sipp("uac_rr", server, folder, operations, self.rate, rows)

    def finish(self) -> list[SippVerdict]:
        """Return what the callee says."""
        return [self._callee.finish()]


class Registrations:
    """REGISTER of users who register again and again, one delivery and one location write each."""

    name: ClassVar[str] = "register"

    def __init__(self, rate: float) -> None:
        """Make `rate` registrations a second."""
        self.rate: Final = rate

    def prepare(self, server: Server, folder: Path, operations: int, stack: ExitStack) -> None:
        """Need nothing beforehand."""

    def drive(self, server: Server, folder: Path, operations: int) -> Sipp:
        """Register one user after the other; with more operations than users, their bindings are refreshed."""
        # Every operation has a Call-ID of its own, as after a restart of the telephone (RFC 3261 10.2.4).
        rows = [(f"user{number}", 9) for number in range(10 * _USERS)]
        return _sipp("register", server, folder, operations, self.rate, rows)

    def finish(self) -> list[SippVerdict]:
        """There is no other end."""
        return []


class Options:
    """OPTIONS to the served domain, answered by an SBB of the product and by sl_send_reply of Kamailio."""

    name: ClassVar[str] = "options"

    def __init__(self, rate: float) -> None:
        """Ask `rate` times a second."""
        self.rate: Final = rate

    def prepare(self, server: Server, folder: Path, operations: int, stack: ExitStack) -> None:
        """Need nothing beforehand."""

    def drive(self, server: Server, folder: Path, operations: int) -> Sipp:
        """Ask for the domain."""
        return _sipp("options", server, folder, operations, self.rate, ())

    def finish(self) -> list[SippVerdict]:
        """There is no other end."""
        return []


def register_users(server: Server, folder: Path, users: int, *, port: int, rate: float) -> None:
    """Register user0 to user<users - 1> with a contact at `port`; AssertionError unless all are answered 200."""
    rows = [(f"user{number}", port) for number in range(users)]
    with _sipp("register", server, folder, users, rate, rows) as phones:
        phones.finish().require(users)


def _sipp(
    scenario: str, server: Server, folder: Path, operations: int, rate: float, rows: Sequence[Sequence[object]]
) -> Sipp:
    return Sipp(
        scenario,
        folder,
        server=server.sip,
        calls=operations,
        rows=rows,
        rate=rate,
        timeout=operations / rate * 2 + 40,
        response_times=scenario == "uac_rr",
        core=LOAD_CORE,
    )

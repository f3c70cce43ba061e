"""The double of a charging server answers like the real one by python-diameter: the same exchanges on both (COM-21)."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from resource_adaptors.diameter.api import Action, Message
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp
from resource_adaptors.diameter.message.message import decode
from resource_adaptors.diameter.testing import DiameterSimulator
from slee.testing import SleeHarness
from tests.interop import charging
from tests.interop.charging import FAR_REALM, HOST, OCS, OURS, REALM, Live
from tests.interop.peers import Child, free_port
from tests.resource_adaptors.diameter.meter import ASKED, CALLER, Meter, used

PLACE = {"peers": [{"host": OCS, "address": HOST}], "realms": [{"realm": FAR_REALM, "peers": [OCS]}], "tc": 0.2}


@dataclass
class Outcome:
    """What an exchange has come to."""

    answers: list[tuple[int, int, list[tuple[int, str]]]] = field(default_factory=list)
    """Of each CCA: flags, Result-Code, and its AVPs but for the Session-Id."""
    told: list[str] = field(default_factory=list)
    """What the service was told."""
    booked: int = 0
    left: tuple[int, int] = (0, 0)
    """Sessions and stored requests that are left."""

    def hear(self, data: bytes) -> None:
        """An answer may have come."""
        message = decode(data)
        if message.name == "CCA":
            self.answers.append((message.flags, message.result, sorted(_shown(message))))

    def end(self, live: Live, booked: int) -> None:
        """Note the state after the exchange."""
        self.told = [event if isinstance(event, str) else type(event).__name__ for event in Meter.told]
        self.booked = booked
        self.left = len(live.adaptor.clients.sessions), len(live.adaptor.outbox)


def _shown(message: Message) -> list[tuple[int, str]]:
    return [(avp.code, _value(avp)) for avp in message.avps if avp.code != codes.SESSION_ID]


def _value(avp: Avp) -> str:
    """The value of an AVP; of a group those of its members, in whatever order they stand."""
    if avp.code in (codes.MULTIPLE_SERVICES_CREDIT_CONTROL, codes.GRANTED_SERVICE_UNIT):
        return str(sorted((one.code, _value(one)) for one in avp.group()))
    return avp.data.hex()


class OnDouble(Live):
    """A life with the double, in simulated time."""

    def __init__(self, slee: SleeHarness, balance: int) -> None:
        self.simulator = DiameterSimulator(OURS, REALM)
        self.double = self.simulator.peer(OCS, realm=FAR_REALM)
        self.double.balance, self.double.validity = balance, 60
        super().__init__(slee, self.simulator, **PLACE)

    async def until(self, holds: Callable[[], bool], *, within: float = 20.0) -> None:
        for _ in range(int(within / 0.05)):
            if holds():
                return
            self.slee.advance(0.05)
        raise AssertionError(Meter.told)

    async def kill(self) -> None:
        self.double.kill()
        await self.until(lambda: not self.adaptor.node.peers[OCS].is_open)

    async def restart(self) -> None:
        self.double.restart()

    async def stop(self) -> None:
        self.adaptor.ra_inactive()


class OnSockets(Live):
    """A life with the server by python-diameter."""

    def __init__(self, slee: SleeHarness, balance: int, folder: Path, stack: contextlib.ExitStack) -> None:
        self._folder, self._port, self._balance, self._stack = folder, free_port(), balance, stack
        self._start()
        super().__init__(slee, **{**PLACE, "peers": [{"host": OCS, "address": HOST, "port": self._port}]})

    def _start(self) -> None:
        self._ocs: Child = self._stack.enter_context(
            charging.charging_server(self._folder, self._port, balance=self._balance)
        )
        self._ocs.wait_line("OCS ready")

    async def kill(self) -> None:
        self._ocs.send(signal.SIGKILL)
        await self.until(lambda: not self.adaptor.node.peers[OCS].is_open)

    async def restart(self) -> None:
        self._start()


Exchange = Callable[[OnDouble | OnSockets], Awaitable[None]]


async def run(live: OnDouble | OnSockets, exchange: Exchange, booked: Callable[[], int]) -> Outcome:
    outcome = Outcome()
    received = live.adaptor.received
    live.adaptor.received = lambda number, data: (outcome.hear(data), received(number, data))[1]
    await live.until(lambda: live.adaptor.node.peers[OCS].is_up)
    await exchange(live)
    outcome.end(live, booked())
    await live.stop()
    return outcome


async def to_the_end_of_the_credit(live: OnDouble | OnSockets) -> None:
    live.open()
    await live.told(1)
    live.do(lambda meter: meter.diameter.report(meter.session, used(30)))
    await live.told(3)
    live.do(lambda meter: meter.diameter.close(meter.session, used(12)))
    await live.told(5)


async def denied_in_between(live: OnDouble | OnSockets) -> None:
    live.open()
    await live.told(1)
    live.do(lambda meter: meter.diameter.report(meter.session, used(45)))
    await live.told(4)


async def closed_at_once(live: OnDouble | OnSockets) -> None:
    live.open()
    await live.told(1)
    live.do(lambda meter: meter.diameter.close(meter.session))
    await live.told(3)


async def one_event(live: OnDouble | OnSockets) -> None:
    live.do(lambda meter: meter.diameter.charge_event(Action.DEBIT, CALLER, ASKED, realm=FAR_REALM).attach(meter))
    await live.told(2)


async def over_a_restart(live: OnDouble | OnSockets) -> None:
    live.open()
    await live.told(1)
    await live.kill()
    live.do(lambda meter: meter.diameter.close(meter.session, used(17)))
    await live.restart()
    await live.until(lambda: not live.adaptor.clients.sessions and len(live.adaptor.outbox) == 0)


async def two_sessions(live: OnDouble | OnSockets) -> None:
    for count in (1, 4):
        live.open()
        await live.told(count)
        live.do(lambda meter: meter.diameter.close(meter.session, used(7)))
        await live.told(count + 2)


async def refused(live: OnDouble | OnSockets) -> None:
    live.open()
    await live.told(2)


@pytest.mark.parametrize(
    ("exchange", "balance"),
    [
        (to_the_end_of_the_credit, 45),
        (denied_in_between, 45),
        (closed_at_once, 1000),
        (one_event, 1000),
        (over_a_restart, 45),
        (two_sessions, 1000),
        (refused, 0),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_double_answers_like_the_real_server(tmp_path: Path, exchange: Exchange, balance: int) -> None:
    """Equal answers, AVP by AVP, equal events, and an equal state afterwards."""

    async def both() -> tuple[Outcome, Outcome]:
        with SleeHarness(leftovers_allowed=True) as slee:
            live = OnDouble(slee, balance)
            double = await run(live, exchange, lambda: live.double.charged)
        with SleeHarness(leftovers_allowed=True) as slee, contextlib.ExitStack() as stack:
            real = await run(OnSockets(slee, balance, tmp_path, stack), exchange, lambda: charging.booked(tmp_path))
        return double, real

    double, real = asyncio.run(both())
    assert double == real
    assert double.answers

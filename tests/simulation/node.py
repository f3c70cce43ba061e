"""One process of the server: the product's kernel, driver, adaptors and services on a virtual loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from resource_adaptors.sip.adaptor import Listener, SipAdaptor
from resource_adaptors.sip.config import SipConfiguration, UdpListener
from resource_adaptors.sip.testing import SERVER
from sbbs.proxy.sbb import Proxy
from sbbs.registrar.sbb import Registrar
from slee import ServiceID
from slee.facilities.profiles.following import journalled_profiles
from slee.kernel.conservation import unaccounted
from slee.kernel.journal import JournalStatus
from slee.kernel.kernel import Kernel
from slee.kernel.ports import Limits
from slee.model.descriptor import Durability
from slee.runtime.driver import Driver
from slee.runtime.journal import JournalKeeper
from slee.testing import SleeHarness
from tests.simulation.picture import picture
from tests.simulation.services import Boom, Keeper, Prober
from tests.simulation.telephones import DOMAIN
from tests.simulation.virtual import VirtualLoop
from tests.simulation.wire import Address, SeededWire
from tests.simulation.witness import Witness

if TYPE_CHECKING:
    from tests.simulation.world import World

KEEPERS = {"sync": Durability.SYNC, "async": Durability.ASYNC, "memory": Durability.MEMORY}

DATABASE_LAG = 2.0
"""Seconds of virtual time that the profile database is behind the journal, at most, unless it is away."""


class WireListener:
    """The adaptor's listener, hung on the wire."""

    def __init__(self, wire: SeededWire, adaptor: SimulatedSip) -> None:
        self.host, self.port = SERVER
        self._wire = wire
        self._reach = adaptor.reach
        wire.attach(SERVER, adaptor.arrive)

    def send(self, data: bytes, address: Address) -> str | None:
        self._reach("send")
        self._wire.send(data, SERVER, address)
        return None

    def close(self) -> None:
        self._wire.detach(SERVER)


class SimulatedSip(SipAdaptor):
    """The SIP adaptor with a listener on the wire."""

    def __init__(self, wire: SeededWire, reach: Callable[[str], None]) -> None:
        super().__init__()
        self._wire = wire
        self.reach = reach

    def _open_listener(self) -> Listener:
        return WireListener(self._wire, self)

    def arrive(self, data: bytes, source: Address) -> None:
        self._now = self.context.now
        self.receive(data, source)
        self.context.pump()


class Node(SleeHarness):
    """From start to crash. Only what stands in the journal, and what clients have seen, outlives it."""

    witness_class = Witness

    def __init__(self, world: World, seed: int) -> None:
        world.node = self  # from its first instruction on it can be killed
        self._time = time = world.time
        self._wire = wire = world.wire
        self.loop = VirtualLoop(time)
        self._world = world
        super().__init__(seed=seed, failures_allowed=True, leftovers_allowed=True, serialise=False, start=False)
        self.clock.move_to(time.now)
        self.kernel.now = time.now
        with self.loop.running():
            self.driver = Driver(self.kernel, self.loop)
            self.keeper = JournalKeeper(
                self.kernel, self._open, self.facilities, pump=self.pump, now=self.now, lost=self._lost
            )
        self.keeper.journalling.join(self.tables)
        self._open_profiles()
        self.driver.pumped = self.keeper.pumped
        self.sip = self.add_resource(
            "sip",
            SimulatedSip(wire, world.reach),
            SipConfiguration(domains=frozenset({DOMAIN}), listeners=(UdpListener(host=SERVER[0], port=SERVER[1]),)),
        )
        self.prober = self.add_resource("prober", Prober(world.hand_over))
        self.keepers: dict[str, ServiceID] = {
            name: self.install(Keeper, name=name, durability=durability) for name, durability in KEEPERS.items()
        }
        self.install(Proxy)
        self.install(Registrar, durability=Durability.SYNC)
        self.keeper.recover()

    def _engine(self, limits: Limits | None) -> Kernel:
        """The product's kernel; a simulation needs no watch."""
        return Kernel(
            observer=self.observer,
            random=self.random.randbytes,
            ticks=lambda: self._time.now,
            limits=limits,
            thread=threading.get_ident,
        )

    # What adaptors ask of their host: the driver answers, as it does in the server.

    def now(self) -> float:
        return self._time.now

    def pump(self) -> None:
        self.clock.now = self._time.now
        self.driver.pump()

    def pump_soon(self) -> None:
        self.pump()

    def die(self) -> None:
        """End as a process does that is killed: nothing is told, closed or written."""
        self.loop.alive = False
        self._wire.detach(SERVER)

    def begin(self) -> None:
        """Work on what is ready and due."""
        self.kernel.start()
        self.pump()

    @property
    def recovered_sequence(self) -> int:
        """The last record that it began with."""
        return self.journal.recovery.sequence

    @property
    def journal(self) -> Witness:
        journal = self.keeper.journal
        assert isinstance(journal, Witness)
        return journal

    def _open(self, *, on_acknowledged: Callable[[int], None], on_status: Callable[[JournalStatus], None]) -> Witness:
        """The journal on the simulated disk."""
        world = self._world

        def acknowledged(sequence: int) -> None:
            world.acknowledged = max(world.acknowledged, sequence)
            on_acknowledged(sequence)

        def due(when: float) -> None:
            self.loop.call_at(when, witness.advance)

        disk = world.disk.open(world.time.now, on_acknowledged=acknowledged, on_status=on_status, on_due=due)
        witness = self.witness_class(disk, world, lambda: picture(self.kernel, self.bindings, self.ledgers))
        return witness

    def _open_profiles(self) -> None:
        """The profile database, brought up to the journal; what writes it looks at it again and again."""
        found = journalled_profiles(self.journal.recovery.entries)
        self.profiles.follow_with(self._world.disk.profiles.open(found), self.keeper.journalling)
        self.loop.call_later(self.random.uniform(0.0, DATABASE_LAG), self._write_profiles)

    def _write_profiles(self) -> None:
        if self._world.disk.profiles.is_behind:
            self._world.reach("before database")
            self._world.disk.profiles.write()
            self._world.reach("after database")
        self.profiles.following.let_go()
        self.pump()
        self.loop.call_later(self.random.uniform(0.0, DATABASE_LAG), self._write_profiles)

    def _lost(self) -> None:
        self._world.problems.append("the server gave its journal up [DUR-14]")

    def problems(self, *, between: bool = True) -> list[str]:
        """What must never be, whatever happens outside; `between` two steps, all that was accepted is accounted for."""
        failures = [
            str(failure)
            for failure in self.failures
            if not isinstance(failure.cause, Boom) and failure.kind not in ("event", "command")  # what crashes may end
        ]
        return failures + (unaccounted(self.kernel) if between else [])

    @property
    def ledgers(self) -> dict[str, Any]:
        """The rows of the keepers' ledgers, by name."""
        table = self.profiles.by_name.get("Ledger")
        return {} if table is None else dict(table.resident.rows)

    @property
    def bindings(self) -> dict[str, Any]:
        """The rows of the location table by address-of-record."""
        return {key: group.rows for table in self.tables.tables.values() for key, group in table._groups.items()}

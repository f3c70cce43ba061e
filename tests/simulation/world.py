"""One simulated history: telephones and keepers use a server that is killed, and what they saw is judged."""

from __future__ import annotations

import random
from collections import Counter

from slee.stores.simulated import SimulatedDisk, StoreFaults
from tests.simulation.judgement import (
    judge_clients,
    judge_database,
    judge_hand_over,
    judge_keepers,
    judge_ledgers,
    judge_recovery,
)
from tests.simulation.node import KEEPERS, Node
from tests.simulation.picture import Picture, logged
from tests.simulation.services import Work
from tests.simulation.telephones import History, Telephone
from tests.simulation.virtual import START, VirtualTime
from tests.simulation.wire import SeededWire, Weather
from tests.simulation.witness import Killed

BUSY = 60.0
"""Seconds of virtual time in which the telephones and keepers are used and the server is killed."""
SETTLING = 140.0
"""Seconds after that, in which calls end and requests get their answers."""
TASKS = ("timer", "timer", "repeat", "cancel", "help", "note", "note", "hold", "quiet", "end", "boom")
PLACES = ("before append", "after append", "hand-over", "after hand-over", "send", "before database", "after database")
FLUSH = 0.002
"""Seconds within which a commit is given to the journal."""


class Broken(AssertionError):
    """An invariant does not hold."""


def drawn_faults(lot: random.Random) -> StoreFaults:
    """How the disk of one history behaves."""
    slowest = lot.choice((0.0, 0.001, 0.02, 0.3))
    return StoreFaults(
        delay=(0.0, slowest),
        acknowledgement_delay=(0.0, lot.choice((0.0, 0.001, 0.05))),
        lost_acknowledgement=lot.choice((0.0, 0.0, 0.2)),
        survives=lot.choice((0.0, 0.5, 0.9)),
        torn=lot.choice((0.0, 0.5)),
    )


class World:
    """Everything in one seed."""

    def __init__(self, seed: int, *, node_class: type[Node] = Node) -> None:
        self.seed = seed
        self._node_class = node_class
        self.lot = lot = random.Random(seed)
        self.time = VirtualTime()
        self.weather = Weather.drawn(lot)
        self.wire = SeededWire(self.time, random.Random(lot.random()), self.weather)
        self.disk = SimulatedDisk(lot.randrange(2**32), drawn_faults(lot))
        self.history = History()
        self.problems: list[str] = []
        self.works: dict[int, tuple[Work, str, float]] = {}
        """Work asked for, by serial: with the keeper and the time."""
        self.handed: list[tuple[str, float, int]] = []
        """What was handed over, when, and in which life of the server."""
        self.pictures: dict[int, Picture] = {}
        """What each record must bring back."""
        self.covered: dict[tuple[str, int], int] = {}
        """The first record that brings back that a keeper has done a work."""
        self.acknowledged = 0
        """The last record that the server was told to be durable."""
        self.crashes: list[float] = []
        self.refused = 0
        """Works refused while the disk was full."""
        self.started_at = 0.0
        self.life = 0
        self._countdown: dict[str, int] = {}
        """Places at which the process dies the next time but so many."""
        self.phones = [
            Telephone(number, self.time, self.wire, random.Random(lot.random()), self.history) for number in range(1, 6)
        ]
        self.node: Node | None = None
        self.start()
        self._plan()

    def _plan(self) -> None:
        """Draw what happens when."""
        lot, at = self.lot, self.time.at
        for phone in self.phones:
            at(START + lot.uniform(0.0, 2.0), phone.register, 3600)
            for _ in range(lot.randrange(1, 5)):
                at(START + lot.uniform(2.0, BUSY), phone.register, lot.choice((0, 120, 600, 3600)))
        for _ in range(lot.randrange(4, 12)):
            caller, callee = lot.sample(self.phones, 2)
            at(START + lot.uniform(3.0, BUSY), caller.call, callee)
        for _ in range(lot.randrange(10, 40)):
            at(START + lot.uniform(0.0, BUSY), self.work)
        for _ in range(lot.randrange(4)):
            at(START + lot.uniform(0.5, BUSY), self.doom, lot.choice(("now", *PLACES)), lot.randrange(5))
        if lot.random() < 0.3:
            away = START + lot.uniform(1.0, BUSY)
            at(away, self.lose_database)
            at(away + lot.choice((1.0, 5.0, 20.0)), self.find_database)
        if lot.random() < 0.2:
            full = START + lot.uniform(1.0, BUSY)
            at(full, self.disk.fill)
            at(full + lot.choice((0.05, 0.5, 3.0)), self.disk.free)

    @property
    def how_to_repeat(self) -> str:
        return f"repeat it with scripts/simulate --seed {self.seed}"

    # The server.

    def start(self) -> None:
        self.life += 1
        self.started_at = self.time.now
        try:
            node = self._node_class(self, self.lot.randrange(2**32))
            if self.life > 1:
                self.problems += judge_recovery(self, node)
            node.begin()
        except Killed:
            self.crash(between=False)

    def doom(self, place: str, after: int) -> None:
        """Kill the server now, or when it comes to a place so many times."""
        if place == "now":
            self.crash()
        else:
            self._countdown[place] = after

    def reach(self, place: str) -> None:
        """The server comes to a place where it may die."""
        left = self._countdown.get(place)
        if left == 0:
            del self._countdown[place]
            raise Killed(place)
        if left is not None:
            self._countdown[place] = left - 1

    def crash(self, *, between: bool = True) -> None:
        """End the server, between two steps or in the midst of one, and start it again soon."""
        node = self.node
        if node is None:
            return
        self.node = None
        self.crashes.append(self.time.now)
        self.problems += [f"before crash {len(self.crashes)}: {told}" for told in node.problems(between=between)]
        node.die()
        node.journal.advance()
        self.disk.crash()
        self.time.after(self.lot.uniform(0.05, 4.0), self.start)

    def hand_over(self, text: str) -> None:
        """The prober is given a command."""
        self.reach("hand-over")
        self.handed.append((text, self.time.now, self.life))
        kind, keeper, _, serial = text.split()
        if kind == "work" and self.node is not None:
            self.problems += judge_hand_over(self, self.node, keeper, int(serial))
        self.reach("after hand-over")

    # What is done to it.

    def lose_database(self) -> None:
        """The profile database does not answer."""
        self.disk.profiles.is_away = True

    def find_database(self) -> None:
        """It does again."""
        self.disk.profiles.is_away = False

    def work(self) -> None:
        """Ask a keeper for something."""
        node = self.node
        if node is None:
            return
        lot = self.lot
        serial = len(self.works) + 1
        tasks = tuple(lot.choice(TASKS) for _ in range(lot.randrange(4)))
        keeper = lot.choice((*KEEPERS, "all"))
        work = Work(serial, f"k{lot.randrange(4)}", tasks, lot.choice((0.2, 1.0, 5.0)))
        self.works[serial] = work, keeper, self.time.now
        if not node.prober.ask(work, node.keepers.get(keeper)):
            self.refused += 1
            if keeper == "memory" or not self.disk.is_full:
                self.problems.append(f"work {serial} of the {keeper} keeper was refused [DUR-13]")

    # Playing.

    def play(self) -> None:
        """Let the history happen, and judge it.

        Raises:
            Broken: something that must hold does not.
        """
        end = START + BUSY + SETTLING
        while self.time.now < end:
            try:
                self.time.run_until(end)
            except Killed:
                self.crash(between=False)
        assert self.node is not None
        self.disk.profiles.write()
        if self.disk.profiles.reason:
            self.problems.append(self.disk.profiles.reason)
        problems = [*self.problems, *self.node.problems(), *judge_clients(self), *judge_keepers(self)]
        problems += judge_ledgers(self, self.node) + judge_database(self, self.node)
        if problems:
            raise Broken("\n".join([*problems, self.how_to_repeat]))

    def happened(self) -> Counter[str]:
        """What there was of everything, to see that a history is worth its time."""
        calls = self.history.calls.values()
        told = Counter(
            {
                "crashes": len(self.crashes),
                "records": len(self.pictures),
                "works": len(self.works),
                "works that a record covers": len(self.covered),
                "confirmed calls": sum(call.confirmed_at is not None for call in calls),
                "refused calls": sum(call.refused is not None for call in calls),
                "refused works": self.refused,
                "outputs": len(self.handed),
            }
        )
        for attempts in self.history.registrations.values():
            told.update(f"REGISTERs answered {attempt.status}" for attempt in attempts)
        return told


__all__ = ["FLUSH", "Broken", "World", "logged"]

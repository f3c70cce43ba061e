"""One simulated history: telephones and keepers use a server that is killed, and what they saw is judged."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.simulation.node import KEEPERS, Node
from tests.simulation.services import Work
from tests.simulation.telephones import History, Telephone
from tests.simulation.virtual import START, VirtualTime
from tests.simulation.wire import SeededWire, Weather

LENGTH = 60.0
"""Seconds of virtual time in which the world is busy."""
SETTLING = 140.0
"""Seconds after that, in which calls end and requests get their answers."""
TASKS = ("timer", "timer", "repeat", "cancel", "help", "note", "note", "end", "boom")


class Broken(AssertionError):
    """An invariant does not hold."""


@dataclass
class Handed:
    """What the keepers' commands said, and when they were handed over."""

    text: str
    time: float
    life: int


@dataclass
class Seen:
    """Everything seen from outside."""

    history: History = field(default_factory=History)
    handed: list[Handed] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class World:
    """Everything in one seed."""

    def __init__(self, seed: int, *, crashes: bool = True) -> None:
        self.seed = seed
        self.lot = random.Random(seed)
        self.time = VirtualTime()
        self.weather = Weather.drawn(self.lot)
        self.wire = SeededWire(self.time, random.Random(self.lot.random()), self.weather)
        self.seen = Seen()
        self.life = 0
        self.serial = 0
        self.phones = [
            Telephone(number, self.time, self.wire, random.Random(self.lot.random()), self.seen.history)
            for number in range(1, 6)
        ]
        self.node: Node | None = None
        self.start()
        if crashes:
            for _ in range(self.lot.randrange(4)):
                self.time.at(START + self.lot.uniform(0.5, LENGTH), self.crash)
        self._plan()

    def _plan(self) -> None:
        """Draw what happens when."""
        lot, at = self.lot, self.time.at
        for phone in self.phones:
            at(START + lot.uniform(0.0, 2.0), phone.register, 3600)
            for _ in range(lot.randrange(1, 5)):
                at(START + lot.uniform(2.0, LENGTH), phone.register, lot.choice((0, 120, 600, 3600)))
        for _ in range(lot.randrange(4, 12)):
            caller, callee = lot.sample(self.phones, 2)
            at(START + lot.uniform(3.0, LENGTH), caller.call, callee)
        for _ in range(lot.randrange(10, 40)):
            at(START + lot.uniform(0.0, LENGTH), self.work)

    # The server.

    def start(self) -> None:
        self.life += 1
        self.node = Node(self.time, self.wire, self.lot.randrange(2**32), self._handed)

    def crash(self) -> None:
        node = self.node
        if node is None:
            return
        self.seen.problems += node.problems()
        node.die()
        self.node = None
        self.time.after(self.lot.uniform(0.05, 4.0), self.start)

    def _handed(self, text: str) -> None:
        self.seen.handed.append(Handed(text, self.time.now, self.life))

    # What is done to it.

    def work(self) -> None:
        node = self.node
        if node is None:
            return
        lot = self.lot
        self.serial += 1
        tasks = tuple(lot.choice(TASKS) for _ in range(lot.randrange(4)))
        work = Work(self.serial, f"k{lot.randrange(4)}", tasks, lot.choice((0.2, 1.0, 5.0)))
        node.prober.ask(work, node.keepers[lot.choice(tuple(KEEPERS))])

    def play(self) -> None:
        """Let the history happen, and judge it.

        Raises:
            Broken: something that must hold does not.
        """
        self.time.run_until(START + LENGTH + SETTLING)
        self.judge()

    def judge(self) -> None:
        problems = list(self.seen.problems)
        assert self.node is not None
        problems += self.node.problems()
        for call in self.seen.history.calls.values():
            if call.confirmed_at is not None and call.bye_status != 200:
                problems.append(f"{call.call_id} was confirmed at {call.confirmed_at}; BYE got {call.bye_status}")
        if problems:
            raise Broken("\n".join([*problems, f"repeat it with scripts/simulate --seed {self.seed}"]))

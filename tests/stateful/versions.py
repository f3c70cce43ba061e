"""Two versions of a service, switched to and fro while events of many activities are queued (UPG-7).

    python -m tests.stateful.versions --events 100000 --activities 1000 --seed 1

plays by lot; the machine in `test_versions.py` plays what hypothesis chooses. Both look at every step: an event is
handled by one version alone, an activity by the version that is attached to it, and events of an activity in order.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from dataclasses import dataclass, field

from slee import ActivityContext, ActivityEnd, Sbb, ServiceID, cmp, event_type, handles, initial_event
from slee.api.declaration import Cmp
from slee.kernel.conservation import unaccounted
from slee.kernel.context import Context
from slee.kernel.firing import Firing
from slee.kernel.states import ServiceState
from slee.testing import RecordingResource, SleeHarness, recording_type

V1 = ServiceID("Call", "test", "1.0")
V2 = ServiceID("Call", "test", "2.0")


class Boom(Exception):
    """What a handler raises, so that its delivery is rolled back."""


@event_type("versions.Begin", vendor="test", version="1.0")
class Begin:
    """Initial for both versions, and handled by what is attached."""

    number: int
    key: str
    act: str = ""


@event_type("versions.More", vendor="test", version="1.0")
class More:
    """Not initial for anybody."""

    number: int
    key: str = ""
    act: str = ""


RA = recording_type(Begin, More)
ACTS = ("", "", "", "", "leave", "fail", "mask")


@dataclass
class Board:
    """What the SBBs did, whether or not it was rolled back."""

    handled: dict[int, list[str]] = field(default_factory=dict)
    """Versions that handled each event, one entry for each delivery."""


BOARD = Board()


def key(event: Begin) -> str:
    return event.key


class One(Sbb, name="Call", vendor="test", version="1.0"):
    """The first version."""

    count: Cmp[int] = cmp(0)

    @initial_event(selector=key)
    def on_begin(self, event: Begin, aci: ActivityContext) -> None:
        self.take(event, aci)

    @handles
    def on_more(self, event: More, aci: ActivityContext) -> None:
        self.take(event, aci)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        self.count += 1

    def take(self, event: Begin | More, aci: ActivityContext) -> None:
        """Note who handles the event, and do what it says."""
        self.count += 1
        BOARD.handled.setdefault(event.number, []).append(self.service_id.version)
        if event.act == "fail":
            raise Boom
        if event.act == "leave":
            aci.detach(self)
        if event.act == "mask":
            aci.mask_events(self, () if aci.event_mask(self) else (More,))


class Two(One, name="Call", vendor="test", version="2.0"):
    """The second version."""


class Bouncer(Sbb, name="Bouncer", vendor="test", version="1.0"):
    """Of another service: takes those attached off the context before their turn."""

    @initial_event(selector=lambda event: event.key if event.act == "bounce" else None)
    def on_begin(self, event: Begin, aci: ActivityContext) -> None:
        aci.detach(self)
        assert isinstance(aci, Context)
        for entity in [entity for entity in aci.attached if entity.env.service.id.name == "Call"]:
            tx = entity.env.kernel.transaction
            assert tx is not None
            aci.detach_entity(entity, tx)


class Play:
    """A SLEE with both versions, and what every event must have come to."""

    def __init__(self, activities: int, seed: int = 0) -> None:
        BOARD.handled.clear()
        self.slee = SleeHarness(seed=seed, failures_allowed=True, leftovers_allowed=True, serialise=False)
        self.kernel = self.slee.kernel
        self.ra = self.slee.add_resource("ra", RecordingResource(RA))
        self.slee.install(One)
        self.slee.install(Two, activate=False)
        self.slee.install(Bouncer, default_priority=50)
        self.handles = [f"a{number}" for number in range(activities)]
        for handle in self.handles:
            self.ra.endpoint.start_activity(handle, handle)
        self.numbers = 0
        self.generation = 0
        self.switches = 0
        self.events: dict[int, Begin | More] = {}
        """Events that wait or are in process."""
        self.expected: dict[int, frozenset[str]] = {}
        """Versions of which one has to handle the event, as it was when its processing began; empty for none."""
        self.last: dict[str, int] = {}
        """The event of an activity that ended last."""
        self.ended = Counter[str]()

    # Moves.

    def fire(self, at: int, *, initial: bool, act: str, other: int | None = None) -> None:
        """Queue an event on an activity; `other` gives the activity whose tree it names."""
        handle = self.handles[at % len(self.handles)]
        named = handle if other is None else self.handles[other % len(self.handles)]
        self.numbers += 1
        event = Begin(self.numbers, named, act) if initial else More(self.numbers, named, act)
        self.events[self.numbers] = event
        self.ra.endpoint.fire(handle, event)

    def end(self, at: int) -> None:
        """End an activity; a new one takes its place."""
        at %= len(self.handles)
        self.ra.endpoint.end_activity(self.handles[at])
        self.generation += 1
        self.handles[at] = handle = f"a{at}-{self.generation}"
        self.ra.endpoint.start_activity(handle, handle)

    def switch(self) -> None:
        """The version that is not Active takes the place of the other one."""
        old, new = (V1, V2) if self.kernel.service_state(V1) is ServiceState.ACTIVE else (V2, V1)
        self.kernel.registry.switch([(old, new)], resume=True)
        self.switches += 1
        actives = [v for v in (V1, V2) if self.kernel.service_state(v) is ServiceState.ACTIVE]
        assert actives == [new]

    def step(self) -> bool:
        """Make one step of the kernel, and judge it."""
        ready = self.kernel.ready
        entry = ready[0].first if ready else None
        event = entry.event if type(entry) is Firing else None
        if isinstance(event, Begin | More):
            assert isinstance(entry, Firing)
            if entry.initial is None:
                self.expected[event.number] = self._expected(entry, event)
            made = self.kernel.step(self.slee.clock.now)
            if entry.done:
                self._judge(str(entry.context.handle), event)
            return made
        return self.kernel.step(self.slee.clock.now)

    # Judgement.

    def _expected(self, firing: Firing, event: Begin | More) -> frozenset[str]:
        """Who has to handle an event whose processing begins now."""
        attached = [
            (entity.env.service.id.version, type(event) in mask)
            for entity, mask in firing.context.attached.items()
            if entity.env.service.id.name == "Call"
        ]
        if event.act == "bounce" and isinstance(event, Begin):
            return frozenset({"1.0", "2.0"})
        if attached:
            assert len({version for version, _ in attached}) == 1, f"{event}: both versions are attached"
            return frozenset(version for version, is_masked in attached if not is_masked)
        active = "1.0" if self.kernel.service_state(V1) is ServiceState.ACTIVE else "2.0"
        return frozenset({active}) if isinstance(event, Begin) else frozenset()

    def _judge(self, handle: str, event: Begin | More) -> None:
        number = event.number
        handled, expected = set(BOARD.handled.pop(number, ())), self.expected.pop(number)
        assert len(handled) <= 1, f"{event} was handled by both versions"
        assert handled <= expected, f"{event} was handled by {handled}, not by {set(expected)}"
        assert handled or not expected, f"{event} was handled by nobody"
        assert self.last.get(handle, 0) < number, f"{event} came after {self.last[handle]}"
        self.last[handle] = number
        del self.events[number]
        self.ended.update(handled or {"nobody"})

    def check(self) -> None:
        """The sums of events hold."""
        assert unaccounted(self.kernel) == []

    def finish(self) -> None:
        """Run until nothing is ready: every event has come to its end."""
        while self.step():
            pass
        self.check()
        assert self.events == {}
        assert BOARD.handled == {}


def play(events: int, activities: int, seed: int) -> Play:
    """Fire so many events on so many activities, with switches at random steps."""
    lot, game = random.Random(seed), Play(activities, seed)
    while game.numbers < events:
        for _ in range(lot.randrange(1, 40)):
            act = lot.choice((*ACTS, "bounce")) if lot.random() < 0.5 else ""
            other = lot.randrange(activities) if lot.random() < 0.02 else None
            game.fire(lot.randrange(activities), initial=lot.random() < 0.6, act=act, other=other)
        if lot.random() < 0.5:
            game.end(lot.randrange(activities))
        for _ in range(lot.randrange(60)):
            game.step()
        if lot.random() < 0.1:
            game.switch()
        if lot.random() < 0.01:
            game.check()
    game.finish()
    return game


def main() -> None:
    """Play, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--activities", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began = time.perf_counter()
    game = play(given.events, given.activities, given.seed)
    seconds = time.perf_counter() - began
    print(f"seed {given.seed}: {game.numbers} events on {given.activities} activities, {game.switches} switches")
    print(f"handled: {dict(sorted(game.ended.items()))}; {seconds:.1f} s")


if __name__ == "__main__":
    main()

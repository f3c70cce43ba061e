"""Drives the real kernel and the model with the same moves, and compares them after each.

`scripts/test tests/stateful --hypothesis-profile=long` plays for long. A failure prints the moves that lead to it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from slee import ServiceID
from slee.kernel.context import Context as KernelContext
from slee.kernel.entity import SbbEntity
from slee.kernel.firing import Firing
from slee.kernel.router import Router
from slee.kernel.states import ContextState
from slee.spi import ActivityFlags
from slee.testing import RecordingResource, SleeHarness
from tests.conformance.naive.router import NaiveRouter
from tests.stateful.model import Context, Entity, Event, Model
from tests.stateful.operations import HANDLES, KEYS, SCRIPTS
from tests.stateful.services import BOARD, RA, Branch, Go, Note, Root, Twig

PRIORITIES = {"low": 0, "high": 2}
KINDS: dict[type, str] = {Root: "root", Branch: "branch", Twig: "twig"}
STEPS = 2_000


class Watched:
    """Of a router: note on which context it made its last step, and of what kind."""

    made: tuple[KernelContext, str] | None = None

    def _advance(self, firing: Firing) -> None:
        before = len(firing.served or ())
        super()._advance(firing)
        self.made = firing.context, "delivery" if len(firing.served or ()) > before else "end"


class WatchedRouter(Watched, Router):
    """The product's."""


class WatchedNaiveRouter(Watched, NaiveRouter):
    """The one that is wrong on purpose."""


class Machine(RuleBasedStateMachine):
    """Moves from outside; the scripts in the events are the moves inside."""

    router: type[Router] = WatchedRouter

    @initialize()
    def set_up(self) -> None:
        BOARD.__init__()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("slee.kernel.kernel.Router", self.router)
            self.slee = SleeHarness(failures_allowed=True, leftovers_allowed=True)
        self.kernel = self.slee.kernel
        self.ra = self.slee.add_resource("test", RecordingResource(RA))
        self.ids: dict[str, ServiceID] = {
            name: self.slee.install(Root, name=name, default_priority=priority) for name, priority in PRIORITIES.items()
        }
        self.model = Model(PRIORITIES)
        self.model.now = self.slee.clock.now

        self.service_contexts = {service.activity for service in self.kernel.services.values()}

    # Moves.

    @rule(handle=st.sampled_from(HANDLES))
    def start(self, handle: str) -> None:
        if handle not in self.model.state.contexts:
            self.ra.endpoint.start_activity(handle, handle, ActivityFlags(0))
            BOARD.contexts[handle] = self.ra.context.activity_context(handle)
            BOARD.held.pop(handle, None)
            self.model.state.contexts[handle] = Context()

    @rule(handle=st.sampled_from(HANDLES))
    def end(self, handle: str) -> None:
        if handle in self.model.state.contexts:
            self.ra.endpoint.end_activity(handle)
            self.model.end(handle)

    @rule(
        handle=st.sampled_from(HANDLES),
        key=st.sampled_from((*KEYS, "")),
        service=st.sampled_from((None, None, *PRIORITIES)),
        scripts=SCRIPTS,
    )
    def fire(self, handle: str, key: str, service: str | None, scripts: tuple[Any, ...]) -> None:
        """An initial event, or a note if there is no key."""
        self.start(handle)
        if self.model.state.contexts[handle].ending:
            return
        number = self.model.number()
        assert BOARD.number() == number
        BOARD.scripts[number] = self.model.scripts[number] = scripts
        event = Go(number, key) if key else Note(number)
        self.ra.endpoint.fire(handle, event, None, None if service is None else self.ids[service])
        self.model.accept(handle, Event(number, "go" if key else "note", key, service))

    @rule(count=st.integers(1, 6))
    def steps(self, count: int) -> None:
        for _ in range(count):
            if not self.step():
                break

    @rule()
    def run(self) -> None:
        """Until nothing is ready; then the model has nothing ready either."""
        for _ in range(STEPS):
            if not self.step():
                return
        pytest.fail("the services run for ever")

    @rule(seconds=st.sampled_from((0.5, 1.0, 4.0, 61.0)))
    def wait(self, seconds: float) -> None:
        self.slee.clock.move_to(self.slee.clock.now + seconds)
        self.step()

    @rule(name=st.sampled_from(tuple(PRIORITIES)))
    def change_service(self, name: str) -> None:
        state = self.model.services[name]
        if state == "Inactive":
            self.kernel.activate_service(self.ids[name])
            self.service_contexts.add(self.kernel.service(self.ids[name]).activity)
            self.model.services[name] = "Active"
        elif state == "Active":
            self.kernel.deactivate_service(self.ids[name])
            self.model.services[name] = "Stopping"
            self.model.settle()

    def step(self) -> bool:
        """One step of both; the kernel chooses the context, the model says what happens there."""
        self.model.move_to(self.slee.clock.now)
        router: Any = self.kernel.router
        router.made = None
        self.slee.step()
        if router.made is None:
            assert not self.model.ready()
            return False
        context, kind = router.made
        if context in self.service_contexts:
            return True
        assert self.model.step(BOARD.label(context)) == kind
        self.compare()
        return True

    # What must hold.

    @invariant()
    def compare(self) -> None:
        """The kernel stands where the model stands."""
        assert BOARD.log == self.model.log
        assert self.ra.commands == self.model.state.sent
        assert BOARD.serial == self.model.serial
        assert {name: self.kernel.service_state(self.ids[name]).value for name in PRIORITIES} == self.model.services
        assert self.entities() == self.model.state.entities
        contexts = {BOARD.label(context): seen(context) for context in self.contexts()}
        assert contexts == {label: told(context, self.model) for label, context in self.model.state.contexts.items()}

    @invariant()
    def nobody_is_served_twice(self) -> None:
        served = Counter((number, who) for number, who, _ in BOARD.log if number)
        assert not [once for once, count in served.items() if count > 1]

    @invariant()
    def order_is_kept_on_each_context(self) -> None:
        """Numbers of fired events grow in the order of acceptance, and once past an event nobody goes back to it."""
        past: dict[str, list[int]] = {}
        for number, _, label in BOARD.log:
            seen_here = past.setdefault(label, [])
            if number and (not seen_here or seen_here[-1] != number):
                assert number not in seen_here
                seen_here.append(number)

    @invariant()
    def counts_equal_the_graph(self) -> None:
        everybody = self.real_entities()
        for entity in everybody:
            assert all(entity in context.attached for context in entity.contexts)
            assert (entity.root is entity) == (entity.parent is None)
        for context in self.contexts():
            assert all(context in entity.contexts and entity in everybody for entity in context.attached)
        for root in [entity for entity in everybody if entity.parent is None]:
            assert root.count == sum(len(entity.contexts) for entity in everybody if entity.root is root) > 0

    @invariant()
    def every_accepted_event_is_accounted_for(self) -> None:
        self.slee.check()

    def teardown(self) -> None:
        """When all activities have ended, nothing is left."""
        if not hasattr(self, "model"):
            return
        self.run()
        for _ in range(100):
            self.end_everything()
            self.run()
            if not self.contexts():
                break
            self.slee.clock.move_to(self.slee.clock.now + 61)
        self.compare()
        assert not self.contexts()
        assert not self.real_entities()
        assert sum(service.entities for service in self.kernel.statistics().services) == 0
        assert not self.kernel.timers.records
        self.slee.check()

    def end_everything(self) -> None:
        """Handlers that run yet may open null activities: so it is done again and again."""
        for label in list(self.model.state.contexts):
            context = BOARD.contexts[label]
            if label in HANDLES:
                self.ra.endpoint.end_activity(label)
            else:
                context.end_now()
            self.model.end(label)

    # Looking at the kernel.

    def contexts(self) -> list[KernelContext]:
        return [context for context in self.kernel.contexts() if context not in self.kernel.own_contexts]

    def real_entities(self) -> list[SbbEntity]:
        found: list[SbbEntity] = []
        waiting = [root for service in self.kernel.services.values() for root in service.roots]
        while waiting:
            found.append(entity := waiting.pop())
            for members in (entity.children or {}).values():
                waiting.extend(members)
        return found

    def entities(self) -> dict[Any, Entity]:
        return {
            entity.state["label"]: Entity(
                kind=KINDS[entity.env.descriptor.cls],
                service=entity.service_id.name,
                parent=None if entity.parent is None else entity.parent.state["label"],
                priority=entity.priority,
                key="" if entity.parent is not None else entity.convergence_name[-1],
                hits=entity.state["hits"],
            )
            for entity in self.real_entities()
        }


def seen(context: KernelContext) -> tuple[object, ...]:
    """What the kernel knows of a context."""
    queue: list[tuple[object, ...]] = []
    entry = context.first
    while entry is not None:
        assert isinstance(entry, Firing)
        event: Any = entry.event
        number = BOARD.timers[event.timer_id] if hasattr(event, "timer_id") else getattr(event, "number", 0)
        queue.append((number, {who.state["label"] for who in entry.served or () if not who.removed}, entry.suspended))
        entry = entry.next
    masks = {entity.state["label"]: {kind.__name__ for kind in mask} for entity, mask in context.attached.items()}
    return context.state is ContextState.ENDING, queue, masks, len(context.timers or ())


def told(context: Context, model: Model) -> tuple[object, ...]:
    """The same of the model's."""
    names = {"note": "Note", "timer": "TimerEvent"}
    return (
        context.ending,
        [
            (event.number, {who for who in event.served if who in model.state.entities}, event.resumes is not None)
            for event in context.queue
        ],
        {who: {names[kind] for kind in mask} for who, mask in context.attached.items()},
        len(context.timers),
    )


_IS_LONG = settings.get_current_profile_name() == "long"


@pytest.mark.timeout(0 if _IS_LONG else 60)
class TestMachine(Machine.TestCase):
    settings = settings() if _IS_LONG else settings(max_examples=250, stateful_step_count=30)


class NaiveMachine(Machine):
    router = WatchedNaiveRouter


@pytest.mark.timeout(60)
def test_the_model_notices_a_naive_router() -> None:
    few = settings(
        max_examples=50, phases=[Phase.generate], derandomize=True, database=None, report_multiple_bugs=False
    )
    with pytest.raises(AssertionError):
        run_state_machine_as_test(NaiveMachine, settings=few)

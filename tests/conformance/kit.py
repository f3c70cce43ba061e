"""SBBs, events and a harness that the conformance tests share.

A test says what a handler does by putting a function into the event: `world.do("a", lambda sbb, aci: ...)`. What the
other handlers and the callbacks do is said by `world.on(Root, "on_note", ...)`. An assertion that fails inside a
handler is an exception of that SBB, and leaving the world reports it.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from slee import (
    ActivityContext,
    ActivityEnd,
    Cmp,
    EventContext,
    RolledBackContext,
    Sbb,
    SbbLocal,
    ServiceID,
    ServiceStarted,
    TimerEvent,
    TimerID,
    child,
    cmp,
    event_type,
    fires,
    handles,
    initial_event,
    local,
    resource,
)
from slee.kernel.context import Context
from slee.kernel.entity import SbbEntity
from slee.kernel.ports import Limits
from slee.spi import ActivityFlags, EventFlags
from slee.testing import RecordingResource, SleeHarness, recording_type

Act = Callable[..., object]
ALL_EVENT_FLAGS = EventFlags.PROCESSING_SUCCESSFUL | EventFlags.PROCESSING_FAILED | EventFlags.UNREFERENCED
ALL_ACTIVITY_FLAGS = ActivityFlags.ENDED | ActivityFlags.UNREFERENCED

LOG: list[str] = []
"""What code of SBBs ran: `Root.on_do`, in order."""
SCRIPT: dict[tuple[str, str], Act] = {}
"""What an SBB's handler or callback does, by class and method name."""


@event_type("test.Do", vendor="test", version="1.0")
class Do:
    """Initial for Root and Traced: the handler calls `act(sbb, aci)`."""

    act: Any = None
    key: str = "root"


@event_type("test.Note", vendor="test", version="1.0")
class Note:
    """Not initial for anybody."""

    text: str = ""


@event_type("test.Other", vendor="test", version="1.0")
class Other:
    """A second type that is not initial."""

    text: str = ""


RA = recording_type(Do, Note, Other)


def key(event: Do) -> str:
    return event.key


class Boom(Exception):
    """What SBBs raise in tests of failures."""


def boom(*_: object) -> None:
    raise Boom


def play(sbb: Any, method: str, *arguments: Any) -> None:
    name = type(sbb).__name__
    LOG.append(f"{name}.{method}")
    act = SCRIPT.get((name, method))
    if act is not None:
        act(sbb, *arguments)


class Leaf(Sbb, vendor="test", version="1.0"):
    """A child that runs any function, and handles notes."""

    ra = resource(RA)
    note = fires(Note)
    count: Cmp[int] = cmp(0)
    text: Cmp[str] = cmp("new")

    @local
    def run(self, act: Act) -> object:
        return act(self)

    @local(raises=(LookupError,))
    def look(self, act: Act) -> object:
        return act(self)

    def secret(self) -> None:
        """Not offered through local objects."""

    @handles
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        play(self, "on_note", aci)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        play(self, "on_end", aci)


class Node(Sbb, vendor="test", version="1.0", reentrant=True):
    """May be called back into, and may be a child of itself through `Chain`."""

    count: Cmp[int] = cmp(0)
    leaves = child(Leaf)

    @local
    def run(self, act: Act) -> object:
        return act(self)

    @handles
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        play(self, "on_note", aci)


class Traced(Sbb, vendor="test", version="1.0"):
    """Has every callback; each logs itself."""

    ra = resource(RA)
    note = fires(Note)
    count: Cmp[int] = cmp(0)

    @initial_event(selector=key)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        LOG.append(f"{type(self).__name__}.on_do")
        if event.act is not None:
            event.act(self, aci)

    @handles
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        play(self, "on_note", aci)

    @local
    def run(self, act: Act) -> object:
        LOG.append(f"{type(self).__name__}.run")
        return act(self)

    def sbb_create(self) -> None:
        play(self, "sbb_create")

    def sbb_post_create(self) -> None:
        play(self, "sbb_post_create")

    def sbb_activate(self) -> None:
        play(self, "sbb_activate")

    def sbb_passivate(self) -> None:
        play(self, "sbb_passivate")

    def sbb_load(self) -> None:
        play(self, "sbb_load")

    def sbb_store(self) -> None:
        play(self, "sbb_store")

    def sbb_remove(self) -> None:
        play(self, "sbb_remove")

    def sbb_exception_thrown(self, exception: BaseException, event: object | None, aci: ActivityContext | None) -> None:
        play(self, "sbb_exception_thrown", exception, event, aci)

    def sbb_rolled_back(self, context: RolledBackContext) -> None:
        play(self, "sbb_rolled_back", context)


class TracedLeaf(Traced, vendor="test", version="1.0"):
    """A child with every callback."""

    twigs = child(Leaf)


class TracedRoot(Traced, vendor="test", version="1.0"):
    """A root with every callback, and traced children in two relations."""

    first = child(TracedLeaf)
    second = child(TracedLeaf)


class Root(Sbb, vendor="test", version="1.0"):
    """A root without callbacks: the kernel's shortest ways."""

    ra = resource(RA)
    note = fires(Note)
    other = fires(Other)
    leaves = child(Leaf)
    twins = child(Leaf, default_priority=7)
    nodes = child(Node)
    traced = child(TracedLeaf)

    count: Cmp[int] = cmp(0)
    text: Cmp[str] = cmp("")
    leaf: Cmp[SbbLocal[Leaf] | None] = cmp(None)
    needed: Cmp[SbbLocal[Leaf]] = cmp()
    context: Cmp[ActivityContext | None] = cmp(None)
    held: Cmp[EventContext | None] = cmp(None)
    timer: Cmp[TimerID | None] = cmp(None)

    @initial_event(selector=key)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        LOG.append(f"{type(self).__name__}.on_do")
        if event.act is not None:
            event.act(self, aci)

    @handles
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        play(self, "on_note", aci)

    @handles
    def on_other(self, event: Other, aci: ActivityContext, event_context: EventContext) -> None:
        play(self, "on_other", aci, event_context)

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        play(self, "on_timer", event, aci)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        play(self, "on_end", aci)

    @initial_event()
    def on_started(self, event: ServiceStarted, aci: ActivityContext) -> None:
        act = SCRIPT.get(("Root", "on_started"), lambda sbb, event, aci: aci.detach(sbb))
        act(self, event, aci)


class World:
    """A harness with one recording resource, and `Root` or other services installed."""

    def __init__(
        self,
        *services: type[Sbb],
        failures_allowed: bool = False,
        leftovers_allowed: bool = True,
        limits: Limits | None = None,
        seed: int = 0,
        random_schedule: bool = False,
    ) -> None:
        LOG.clear()
        SCRIPT.clear()
        self.slee = SleeHarness(
            failures_allowed=failures_allowed,
            leftovers_allowed=leftovers_allowed,
            limits=limits,
            seed=seed,
            random_schedule=random_schedule,
        )
        self.prepare()
        self.kernel = self.slee.kernel
        self.ra = self.slee.add_resource("test", RecordingResource(RA))
        self.services = [self.slee.install(service) for service in services]
        LOG.clear()

    def prepare(self) -> None:
        """What a special world does before anything is installed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.slee.__exit__(kind, error, trace)

    @property
    def service(self) -> ServiceID:
        return self.services[0]

    def on(self, sbb: type[Sbb], method: str, act: Act) -> None:
        """Say what a handler or callback does."""
        SCRIPT[sbb.__name__, method] = act

    def start(self, handle: str, flags: ActivityFlags = ALL_ACTIVITY_FLAGS) -> Context:
        """Start an activity, unless it is known."""
        context = self.context(handle)
        if context is None:
            self.ra.endpoint.start_activity(handle, f"activity {handle}", flags)
            context = self.context(handle)
        assert context is not None
        return context

    def context(self, handle: str) -> Context | None:
        found = self.ra.context.activity_context(handle)
        assert found is None or isinstance(found, Context)
        return found

    def queue(self, handle: str, event: object, service: ServiceID | None = None) -> None:
        """Fire an event on an activity, without running the SLEE."""
        self.start(handle)
        self.ra.endpoint.fire(handle, event, None, service, ALL_EVENT_FLAGS)

    def fire(self, handle: str, event: object, service: ServiceID | None = None) -> None:
        """Fire an event on an activity, and run."""
        self.queue(handle, event, service)
        self.slee.run()

    def do(self, handle: str, act: Act | None = None, key: str = "root") -> None:
        """Have the root of a convergence name run a function, in the handler of an initial event."""
        self.fire(handle, Do(act, key))

    def end(self, handle: str) -> None:
        self.ra.endpoint.end_activity(handle)
        self.slee.run()

    def stop(self, within: float | None = None) -> None:
        """Stop the SLEE, and run."""
        self.kernel.stop(within=within)
        self.slee.run()

    def restart(self) -> None:
        """Start the SLEE again, and run."""
        self.kernel.start()
        self.slee.run()

    def roots(self, sbb: type[Sbb] = Root) -> list[SbbEntity]:
        return self.slee.entities(sbb)

    def state(self, sbb: type[Sbb] = Root) -> dict[str, object]:
        """The committed CMP values of the only root."""
        (root,) = self.roots(sbb)
        return root.state

    def entities(self) -> int:
        """Entities of every service."""
        return sum(service.entities for service in self.kernel.statistics().services)

    def causes(self) -> list[type]:
        """Classes of the exceptions reported so far."""
        return [type(failure.cause) for failure in self.slee.failures]

    def told(self, name: str) -> list[tuple[object, ...]]:
        """The arguments of every call of one callback of the adaptor."""
        return [callback[1:] for callback in self.ra.callbacks if callback[0] == name]

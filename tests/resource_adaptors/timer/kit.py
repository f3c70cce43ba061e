"""What the tests of the timer adaptor share: a service that does errands, and one that notes what it is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from resource_adaptors.timer.api import TIMER, Once, Plan, ScheduleEnded, ScheduleFired, ScheduleMissed, by_name
from resource_adaptors.timer.config import TimerConfiguration
from resource_adaptors.timer.protocol.schedule import Origin
from resource_adaptors.timer.testing import TimerSimulator
from slee import ActivityContext, Sbb, handles, initial_event, resource
from slee.testing import SleeHarness


class Worker(Sbb, vendor="test", version="1.0"):
    """Does an errand whenever `desk` fires, and notes everything else that it is told."""

    timer = resource(TIMER)
    told: ClassVar[list[object]] = []
    errands: ClassVar[list[object]] = []
    failing: ClassVar[int] = 0
    """Occurrences whose handler raises."""

    @initial_event(selector=by_name)
    def on_fired(self, event: ScheduleFired, aci: ActivityContext) -> None:
        if event.name == "desk":
            errand = Worker.errands.pop(0)
            errand(self)
            return
        if Worker.failing:
            Worker.failing -= 1
            raise RuntimeError("not now")
        Worker.told.append(event)

    @initial_event(selector=by_name)
    def on_missed(self, event: ScheduleMissed, aci: ActivityContext) -> None:
        Worker.told.append(event)

    @handles
    def on_ended(self, event: ScheduleEnded, aci: ActivityContext) -> None:
        if event.name != "desk":
            Worker.told.append(event)


class Office:
    """A harness with the timer adaptor and the worker."""

    def __init__(self, slee: SleeHarness, configuration: Mapping[str, object] | None = None, **installing: object):
        self.slee = slee
        Worker.told.clear()
        Worker.errands.clear()
        Worker.failing = 0
        checked = TimerConfiguration.model_validate(configuration or {})
        self.timer = slee.add_resource("timer", TimerSimulator(), checked)
        self.service = slee.install(Worker, **installing)

    def do(self, errand: object) -> None:
        """Have the worker do something."""
        Worker.errands.append(errand)
        put(self.timer, Plan(name="desk", timing=Once(self.timer.wall_now())))
        self.slee.advance(0)

    def make(self, plan: Plan) -> None:
        """Have the worker make a schedule."""
        self.do(lambda worker: worker.timer.create(plan))

    @property
    def fired(self) -> list[ScheduleFired]:
        """The occurrences that the worker was told of."""
        return [event for event in Worker.told if isinstance(event, ScheduleFired)]

    @property
    def missed(self) -> list[ScheduleMissed]:
        """The dropped ones."""
        return [event for event in Worker.told if isinstance(event, ScheduleMissed)]


def put(timer: TimerSimulator, plan: Plan) -> None:
    """Make a schedule that is fired to every service."""
    handle, now = timer.new_handle(plan.name), timer.time_of(plan.timing)
    timer.keeping.start(timer.register.make(handle, plan, now, origin=Origin.OPERATOR))

"""What ends is freed by reference counts: nothing of it is left for the cyclic collector, whose pauses hold calls up."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from slee import ActivityContext, Cmp, Sbb, Select, TimerID, child, cmp, event_type, initial_event, resource
from slee.kernel.context import Context
from slee.kernel.entity import SbbEntity
from slee.testing import RecordingResource, SleeHarness, recording_type


@event_type("test.Ring", vendor="test", version="1.0")
class Ring: ...


RA = recording_type(Ring)


class Leg(Sbb, vendor="test", version="1.0"):
    number: Cmp[int] = cmp(0)


class Call(Sbb, vendor="test", version="1.0"):
    ra = resource(RA)
    legs = child(Leg)
    timer: Cmp[TimerID | None] = cmp(None)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_ring(self, event: Ring, aci: ActivityContext) -> None:
        aci.attach(self.legs.create())
        self.timer = self.timers.set(aci, after=5)
        self.ra.send("ringing")


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_a_call_that_has_ended_leaves_nothing_to_the_collector() -> None:
    with SleeHarness() as slee:
        ra = slee.add_resource("test", RecordingResource(RA))
        slee.install(Call)
        for number in range(10):
            ra.endpoint.start_activity(number, "activity")
            ra.endpoint.fire(number, Ring())
        slee.run()
        assert alive() == {SbbEntity: 20, Context: 10}
        for number in range(10):
            ra.endpoint.end_activity(number)
        slee.run()
        assert slee.entities(Call) == []
        assert alive() == {SbbEntity: 0, Context: 0}


def alive() -> dict[type, int]:
    """How many there are of what a call is made of; contexts of activities that the SLEE has of its own are not."""
    return {
        SbbEntity: sum(isinstance(one, SbbEntity) for one in gc.get_objects()),
        Context: sum(isinstance(one, Context) and isinstance(one.activity, str) for one in gc.get_objects()),
    }

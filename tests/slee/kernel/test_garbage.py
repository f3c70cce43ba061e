"""What ends is freed by reference counts: nothing is left to the cyclic collector, whose pauses hold calls up."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from slee import ActivityContext, Cmp, Sbb, Select, TimerID, child, cmp, event_type, initial_event, resource
from slee.api.profile import Profile
from slee.kernel.context import Context
from slee.kernel.entity import SbbEntity
from slee.kernel.transaction import Transaction
from slee.management.profiles import Profiles
from slee.testing import RecordingResource, SleeHarness, recording_type

pytestmark = pytest.mark.usefixtures("no_collector")


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


class Route(Profile, vendor="test", version="1.0"):
    prefix: str = ""


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive(kind: type) -> int:
    return sum(issubclass(type(one), kind) for one in gc.get_objects())


def test_a_call_that_has_ended_leaves_nothing_to_the_collector() -> None:
    with SleeHarness() as slee:
        ra = slee.add_resource("test", RecordingResource(RA))
        slee.install(Call)
        entities, contexts, transactions = alive(SbbEntity), alive(Context), alive(Transaction)
        for number in range(10):
            ra.endpoint.start_activity(number, "activity")
            ra.endpoint.fire(number, Ring())
        slee.run()
        assert (alive(SbbEntity), alive(Context)) == (entities + 20, contexts + 10)
        for number in range(10):
            ra.endpoint.end_activity(number)
        slee.run()
        assert slee.entities(Call) == []
        assert (alive(SbbEntity), alive(Context), alive(Transaction)) == (entities, contexts, transactions)


def test_an_import_leaves_nothing_to_the_collector() -> None:
    with SleeHarness() as slee:
        slee.profiles.provide(Route)
        transactions = alive(Transaction)
        rows = "".join(f"route{number},{number}\n" for number in range(1000))
        Profiles(slee.profiles).import_("Route").run([b"profile_name,prefix\n", rows.encode()])
        assert len(slee.profiles.table("Route").resident.rows) == 1000
        assert alive(Transaction) == transactions

"""CMP fields that refer to profiles: in memory, over a removal, over a crash (CMP-9, CMP-17)."""

from __future__ import annotations

from typing import Any

import pytest

from slee import (
    ActivityContext,
    Cmp,
    Profile,
    Sbb,
    Select,
    cmp,
    event_type,
    initial_event,
    profiles,
    query,
    resource,
    where,
)
from slee.api.errors import NoSuchObjectError, ReadOnlyProfileError, UnsetFieldError
from slee.api.query import Condition
from slee.stores.simulated import SimulatedDisk, StoreFaults
from slee.testing import RecordingResource, SleeHarness, recording_type

AT_ONCE = StoreFaults(delay=(0.0, 0.0), acknowledgement_delay=(0.0, 0.0))


@event_type("refer.Act", vendor="test", version="1.0")
class Act:
    """Does what it says."""

    act: Any


class Card(Profile, vendor="test", version="1.0"):
    """What is referred to."""

    units: int = 0

    @query(read_only=True)
    def any(self, least: int) -> Condition:
        return where(self.units).at_least(least)

    def itself(self) -> object:
        return self


class Other(Profile, vendor="test", version="1.0"):
    """Another specification."""


RA = recording_type(Act)


class Holder(Sbb, vendor="test", version="1.0"):
    """Refers."""

    card: Cmp[Card | None] = cmp(None)
    needed: Cmp[Card] = cmp()
    more: Cmp[tuple[Card, ...]] = cmp(())
    cards = profiles(Card)
    others = profiles(Other)
    ra = resource(RA)

    @initial_event(Select.EVENT_TYPE)
    def on_act(self, event: Act, aci: ActivityContext) -> None:
        if not self.null_activities_made:
            self.null_activities.create().attach(self)
            self.null_activities_made = True
        event.act(self)

    null_activities_made: Cmp[bool] = cmp(False)


def furnished(slee: SleeHarness) -> SleeHarness:
    slee.add_resource("ra", RecordingResource(RA))
    slee.install(Holder)
    return slee


def made() -> SleeHarness:
    disk = SimulatedDisk(faults=AT_ONCE)
    return furnished(SleeHarness(journal=disk, leftovers_allowed=True, failures_allowed=True))


def act(slee: SleeHarness, what: Any) -> object:
    """Do something in a delivery; what it returned."""
    returned: list[object] = []
    endpoint = slee.kernel.resources["ra"]
    handle = f"a{slee.kernel.next_sequence()}"
    endpoint.start_activity(handle, "activity")
    endpoint.fire(handle, Act(lambda sbb: returned.append(what(sbb))))
    endpoint.end_activity(handle)
    slee.run()
    return returned[0] if returned else None


def refer(sbb: Any) -> None:
    sbb.card = sbb.needed = sbb.cards.create("a")
    sbb.card.units = 5
    sbb.more = (sbb.cards.create("b"), sbb.cards.create("c"))


def test_cmp_9_references_to_profiles_are_kept() -> None:
    slee = made()
    act(slee, refer)
    assert act(slee, lambda sbb: (sbb.card == sbb.needed == sbb.cards.get("a"), sbb.card.units)) == (True, 5)
    assert act(slee, lambda sbb: [card.profile_name for card in sbb.more]) == ["b", "c"]


def test_cmp_9_a_reference_of_another_specification_and_an_instance_are_no_values() -> None:
    slee = made()
    act(slee, refer)
    act(slee, lambda sbb: setattr(sbb, "card", sbb.others.create("x")))
    act(slee, lambda sbb: setattr(sbb, "card", sbb.cards.get("a").itself()))
    assert [type(failure.cause) for failure in slee.failures] == [TypeError, TypeError]
    assert act(slee, lambda sbb: sbb.card.units) == 5


def test_cmp_9_references_to_profiles_survive_a_crash() -> None:
    slee = made()
    act(slee, refer)
    slee = furnished(slee.crash())
    slee.restart()
    assert act(slee, lambda sbb: (sbb.card == sbb.needed == sbb.cards.get("a"), sbb.card.units)) == (True, 5)
    assert act(slee, lambda sbb: [card.profile_name for card in sbb.more]) == ["b", "c"]


def test_cmp_9_a_reference_survives_that_its_table_is_renamed() -> None:
    slee = made()
    slee.profiles.create_table("more", Card.specification_id)
    slee.profiles.create("more", "x").commit()
    found = slee.profiles.view("more")
    act(slee, lambda sbb: setattr(sbb, "card", found.get("x")))
    slee.profiles.rename_table("more", "others")
    slee.run()
    slee = furnished(slee.crash())
    slee.restart()
    assert act(slee, lambda sbb: (sbb.card.profile_table, sbb.card.profile_name)) == ("others", "x")


def test_cmp_9_a_read_only_reference_stays_so_over_a_crash() -> None:
    slee = made()
    act(slee, refer)
    act(slee, lambda sbb: setattr(sbb, "card", sbb.cards.query("any", 5)[0]))
    slee = furnished(slee.crash())
    slee.restart()

    def write(sbb: Any) -> None:
        with pytest.raises(ReadOnlyProfileError):
            sbb.card.units = 6

    act(slee, write)
    assert slee.failures == []


@pytest.mark.parametrize("crashes", [False, True])
def test_cmp_17_a_profile_that_is_removed_counts_as_no_value(crashes: bool) -> None:
    slee = made()
    act(slee, refer)
    slee.profiles.remove("Card", "a")
    slee.run()
    if crashes:
        slee = furnished(slee.crash())
        slee.restart()

    def look(sbb: Any) -> object:
        with pytest.raises(UnsetFieldError):
            print(sbb.needed)
        return sbb.card

    assert act(slee, look) is None
    assert slee.failures == []


def test_cmp_17_the_removing_transaction_still_reads_the_reference() -> None:
    slee = made()
    act(slee, refer)

    def remove(sbb: Any) -> str:
        sbb.cards.remove("a")
        with pytest.raises(NoSuchObjectError):
            print(sbb.card.units)
        return sbb.card.profile_name

    assert act(slee, remove) == "a"
    assert act(slee, lambda sbb: sbb.card) is None

"""The test kit with a journal: faults about a record, round trips of commands and timers (TST-6, TST-8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from slee import (
    ActivityContext,
    Address,
    AddressPlan,
    Cmp,
    Sbb,
    Select,
    TimerEvent,
    cmp,
    event_type,
    handles,
    initial_event,
    resource,
)
from slee.model.descriptor import Durability
from slee.stores.simulated import SimulatedDisk, StoreFaults
from slee.testing import Crash, Delay, RecordingResource, SerialisationError, SleeHarness, recording_type

AT_ONCE = StoreFaults(delay=(0.0, 0.0), acknowledgement_delay=(0.0, 0.0))


@event_type("test.Say", vendor="test", version="1.0")
class Say:
    text: str = "hello"


ADDRESS = Address(AddressPlan.SIP, "sip:a@b")
SAID: list[object] = []
TELLERS: list[Any] = []
ADDRESSES: list[Address] = []
RA = recording_type(Say)


@dataclass(frozen=True)
class Telling:
    text: str


class Teller(RecordingResource):
    """Has its commands offered again after a crash."""

    recovers = (Telling,)

    def __init__(self) -> None:
        super().__init__(RA)
        self.told: list[object] = []

    def perform(self, command: object) -> None:
        self.told.append(command)


class Sayer(Sbb, vendor="test", version="1.0"):
    ra = resource(RA)
    heard: Cmp[str] = cmp("")

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_say(self, event: Say, aci: ActivityContext) -> None:
        self.heard = event.text
        self.timers.set(aci, after=5.0, address=ADDRESSES[0])
        TELLERS[-1].context.enlist(SAID[0])

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        self.heard = "timer"


def equip(slee: SleeHarness) -> Teller:
    SAID[:] = [Telling("said by the service")]
    ADDRESSES[:] = [ADDRESS]
    ra = slee.add_resource("test", Teller())
    TELLERS[:] = [ra]
    slee.install(Sayer, durability=Durability.SYNC)
    return ra


@pytest.fixture
def disk() -> SimulatedDisk:
    return SimulatedDisk(faults=AT_ONCE)


@pytest.fixture
def slee(disk: SimulatedDisk) -> SleeHarness:
    return SleeHarness(journal=disk, leftovers_allowed=True, failures_allowed=True)


def say(slee: SleeHarness, ra: Teller, text: str = "hello") -> None:
    ra.endpoint.start_activity(text, text)
    ra.endpoint.save_activity(text, b"state")
    ra.endpoint.fire(text, Say(text))
    slee.run()


@pytest.mark.parametrize(
    ("point", "durable"),
    [("journal.append", 0), ("journal.appended", 1), ("journal.acknowledged", 1), ("output", 1)],
)
def test_tst_6_a_crash_about_the_journal_leaves_just_what_was_appended(
    disk: SimulatedDisk, slee: SleeHarness, point: str, durable: int
) -> None:
    ra = equip(slee)
    slee.faults.inject(point, Crash())
    with pytest.raises(Crash):
        say(slee, ra)
    assert ra.told == []
    again = slee.crash(survivors=1)
    ra = equip(again)
    again.restart()
    assert len(again.entities(Sayer)) == durable


def test_tst_6_a_delay_before_the_append_holds_the_outputs_up(slee: SleeHarness) -> None:
    ra = equip(slee)
    begin = slee.now()
    slee.faults.inject("journal.append", Delay(2.5))
    say(slee, ra)
    assert ra.told == SAID
    assert slee.now() - begin == 2.5


def test_tst_6_an_error_about_the_journal_comes_out_of_the_harness(slee: SleeHarness) -> None:
    ra = equip(slee)
    slee.faults.inject("journal.acknowledged", OSError("unplugged"), nth=1)
    with pytest.raises(OSError, match="unplugged"):
        say(slee, ra)
    assert ra.told == []


def test_tst_8_a_command_that_is_recovered_and_a_timers_address_go_on_as_they_are_read(slee: SleeHarness) -> None:
    ra = equip(slee)
    say(slee, ra)
    assert ra.told == [SAID[0]]
    assert ra.told[0] is not SAID[0]
    (timer,) = slee.kernel.timers.records.values()
    assert timer.address == ADDRESS
    assert timer.address is not ADDRESS


@pytest.mark.parametrize(
    ("said", "address", "names"),
    [
        (Telling("\ud800"), ADDRESS, "command Telling of test"),
        (Telling("hello"), Address(AddressPlan.SIP, "\ud800"), "address of"),
    ],
    ids=["command", "timer"],
)
def test_tst_8_a_command_or_a_timer_that_is_not_read_as_it_was_rolls_back(
    slee: SleeHarness, said: Telling, address: Address, names: str
) -> None:
    ra = equip(slee)
    SAID[:] = [said]
    ADDRESSES[:] = [address]
    say(slee, ra)
    (failure,) = slee.failures
    assert isinstance(failure.cause, SerialisationError)
    assert names in str(failure.cause)
    assert ra.told == []
    assert slee.entities(Sayer) == []

"""The timer wheel against a sorted list, and its promises about cost."""

from __future__ import annotations

import gc
import math
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slee.spi.wheel import Timer, TimerWheel


class SortedTimers:
    """The naive model: a list sorted at each look."""

    def __init__(self) -> None:
        self.live: dict[int, float] = {}

    def expire(self, now: float) -> list[int]:
        due = sorted((deadline, number) for number, deadline in self.live.items() if deadline <= now)
        for _, number in due:
            del self.live[number]
        return [number for _, number in due]


steps = st.lists(
    st.one_of(
        # Few distinct delays, so that equal deadlines and crowded slots are common.
        st.tuples(
            st.just("set"), st.one_of(st.sampled_from([0.0, 0.5, 0.5, 1.0, 32.0, 185.0]), st.floats(-1.0, 200.0))
        ),
        st.tuples(st.just("cancel"), st.integers(0, 50)),
        st.tuples(st.just("advance"), st.one_of(st.just(0.0), st.floats(0.0, 3.0), st.floats(0.0, 100.0))),
    ),
    max_size=80,
)


@given(steps, st.sampled_from([0.0001, 0.01, 1.0]), st.sampled_from([-5.0, 0.0, 1_790_000_000.0]))
@settings(max_examples=300, deadline=None)
def test_the_wheel_is_a_sorted_list(sequence: list[tuple[str, float]], resolution: float, start: float) -> None:
    wheel: TimerWheel[int] = TimerWheel(resolution)
    model = SortedTimers()
    timers: list[Timer[int]] = []
    now = start
    for step, argument in sequence:
        if step == "set":
            model.live[len(timers)] = now + argument
            timers.append(wheel.set(now + argument, len(timers)))
        elif step == "cancel" and timers:
            number = int(argument) % len(timers)
            model.live.pop(number, None)
            timers[number].cancel()
        elif step == "advance":
            now += argument
            assert wheel.expire(now) == model.expire(now)
        assert len(wheel) == len(model.live)
        assert [timer.is_live for timer in timers] == [number in model.live for number in range(len(timers))]
        announced = wheel.next_deadline()
        if model.live:
            assert announced is not None
            assert announced <= min(model.live.values())


def test_next_deadline_is_exact_once_its_slot_is_open() -> None:
    wheel: TimerWheel[str] = TimerWheel(0.01)
    wheel.set(100.1, "a")
    wheel.set(100.2, "b")
    assert wheel.next_deadline() == 100.1
    assert wheel.expire(100.1) == ["a"]
    assert wheel.next_deadline() == 100.2


def test_following_next_deadline_finds_every_item_without_spinning() -> None:
    wheel: TimerWheel[int] = TimerWheel(0.01)
    for number in range(1000):
        wheel.set(10 + number * 0.037, number)
    found: list[int] = []
    looks = 0
    while (deadline := wheel.next_deadline()) is not None:
        looks += 1
        found += wheel.expire(deadline)
    assert found == list(range(1000))
    assert looks < 1000 + 100  # one idle look for each slot of half a second at most


def test_nothing_expires_early() -> None:
    """TMR-13, also when the deadline lies one rounding step ahead."""
    wheel: TimerWheel[str] = TimerWheel(0.01)
    deadline = 1_790_000_000.123
    wheel.set(deadline, "x")
    assert wheel.expire(math.nextafter(deadline, 0)) == []
    assert wheel.expire(deadline) == ["x"]
    assert wheel.next_deadline() is None


def test_a_deadline_in_the_past_is_due_at_once() -> None:
    wheel: TimerWheel[str] = TimerWheel(0.01)
    wheel.set(50.0, "opens the slot")
    wheel.expire(50.0)
    wheel.set(10.0, "late")
    assert wheel.next_deadline() == 10.0
    assert wheel.expire(50.0) == ["late"]


@pytest.mark.parametrize("opened", [False, True])
def test_cancel_frees_the_item_at_once(opened: bool) -> None:
    class Item:
        pass

    wheel: TimerWheel[Item] = TimerWheel(0.01)
    item = Item()
    reference = weakref.ref(item)
    if opened:
        wheel.set(100.0, Item())
        wheel.expire(100.0)
    timer = wheel.set(100.2, item)
    del item
    gc.disable()
    try:
        timer.cancel()
        assert reference() is None
    finally:
        gc.enable()


def test_an_expired_timer_can_be_cancelled_in_vain() -> None:
    wheel: TimerWheel[str] = TimerWheel(0.01)
    timer = wheel.set(1.0, "a")
    other = wheel.set(1.0, "b")
    assert wheel.expire(1.0) == ["a", "b"]
    timer.cancel()
    wheel.cancel(other)
    assert len(wheel) == 0


def test_cancelling_over_and_over_keeps_nothing() -> None:
    """A timer set and cancelled per message, as a retransmission timer is, must not fill the wheel."""
    wheel: TimerWheel[int] = TimerWheel(0.01)
    for number in range(20_000):
        wheel.set(1000 + number % 7, number).cancel()
    wheel.expire(1000.0)
    for number in range(20_000):
        wheel.set(1000.1, number).cancel()
        if number % 100 == 0:
            wheel.expire(1000.0)
    wheel.expire(2000.0)
    assert len(wheel) == 0
    assert wheel.next_deadline() is None


@pytest.mark.parametrize("resolution", [0.0, -1.0, math.inf, math.nan])
def test_a_resolution_is_positive(resolution: float) -> None:
    with pytest.raises(ValueError, match="resolution"):
        TimerWheel(resolution)


@pytest.mark.parametrize("deadline", [math.inf, -math.inf, math.nan])
def test_a_deadline_is_finite(deadline: float) -> None:
    wheel: TimerWheel[str] = TimerWheel(0.01)
    with pytest.raises(ValueError, match="deadline"):
        wheel.set(deadline, "x")
    assert len(wheel) == 0
    assert wheel.next_deadline() is None

"""Versions that are switched to and fro (UPG-7); `python -m tests.stateful.versions` plays for long."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from slee.kernel import succession
from tests.stateful.versions import Play, play

ACTIVITIES = 4
ACTS = ("", "leave", "fail", "mask", "bounce")


class Versions(RuleBasedStateMachine):
    """Moves on few activities, so that they meet."""

    @initialize()
    def set_up(self) -> None:
        self.game = Play(ACTIVITIES)

    @rule(
        at=st.integers(0, ACTIVITIES - 1),
        initial=st.booleans(),
        act=st.sampled_from(ACTS),
        other=st.none() | st.integers(0, ACTIVITIES - 1),
    )
    def fire(self, at: int, initial: bool, act: str, other: int | None) -> None:
        self.game.fire(at, initial=initial, act=act, other=other)

    @rule(at=st.integers(0, ACTIVITIES - 1))
    def end(self, at: int) -> None:
        self.game.end(at)

    @rule(steps=st.integers(1, 5))
    def step(self, steps: int) -> None:
        for _ in range(steps):
            self.game.step()

    @rule()
    def switch(self) -> None:
        self.game.switch()

    def teardown(self) -> None:
        if hasattr(self, "game"):
            self.game.finish()


def test_upg_7_every_event_is_handled_by_one_version_whatever_the_moves() -> None:
    run_state_machine_as_test(Versions, settings=settings(max_examples=60, stateful_step_count=40, deadline=None))


@pytest.mark.parametrize("seed", range(3))
def test_upg_7_so_is_every_event_of_many_activities(seed: int) -> None:
    game = play(events=3_000, activities=1_000, seed=seed)
    assert game.switches
    assert game.ended["1.0"]
    assert game.ended["2.0"]


@pytest.mark.parametrize("part", ["_is_claimed", "_is_taken"])
def test_upg_7_the_play_finds_what_is_wrong(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch without one of its judgements."""
    monkeypatch.setattr(succession, part, lambda *_: False)
    with pytest.raises(AssertionError, match="both versions"):
        for seed in range(10):
            play(events=3_000, activities=100, seed=seed)

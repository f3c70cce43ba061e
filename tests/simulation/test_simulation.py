"""Seeded histories of a server that is killed (DUR-3, DUR-4, DUR-8, DUR-10, OUT-6, CON-3).

`scripts/simulate --seeds 10000 --jobs 2` plays many more.
"""

from __future__ import annotations

import pytest

from tests.simulation.world import World

SEEDS = 300
AT_ONCE = 50


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_nothing_is_lost_or_done_twice(first: int) -> None:
    """DUR-3, DUR-4: in each of these histories; a failure says how to repeat it."""
    for seed in range(first, first + AT_ONCE):
        World(seed).play()


def test_a_seed_makes_one_history() -> None:
    """What a seed finds, it finds again."""
    first, second = World(7), World(7)
    first.play()
    second.play()
    assert first.handed == second.handed
    assert first.happened() == second.happened()
    assert first.crashes


def test_histories_are_worth_their_time() -> None:
    """Over some seeds there is everything that may go wrong: kills at every place, refusals, retransmissions."""
    total = sum((_played(seed) for seed in range(20)), _played(20))
    for what in ("crashes", "records", "works that a record covers", "confirmed calls", "REGISTERs answered 200"):
        assert total[what] > 10, what


def _played(seed: int):
    world = World(seed)
    world.play()
    return world.happened()

"""What is charged is what was used, whatever happens (DIA-57)."""

from __future__ import annotations

import pytest

from tests.resource_adaptors.diameter.prepaid import play


@pytest.mark.parametrize("seed", range(4))
def test_dia_57_every_second_is_charged_once(seed: int) -> None:
    assert play(seed, 60, crashes=False) == []


@pytest.mark.parametrize("seed", range(4))
def test_dia_57_every_second_is_charged_once_though_the_process_is_killed(seed: int) -> None:
    assert play(seed, 60) == []

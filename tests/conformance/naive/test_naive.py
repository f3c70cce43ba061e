"""The conformance tests can fail: with a naive router, at least forty of them do, and failing.txt says which."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.rules import TESTS

LISTED = Path(__file__).with_name("failing.txt").read_text(encoding="utf-8").split()
BY_MISTAKE = {
    "a flat sort by priority": "test_rtr_4_the_first_level_that_differs_decides",
    "no recompute after a delivery": "test_rtr_10_an_entity_attached_by_an_earlier_handler_gets_the_event",
    "served though detached": "test_rtr_11_one_that_was_taken_out_before_its_turn_does_not_get_the_event",
    "served twice": "test_ies_22_no_entity_is_served_twice_as_root_and_as_attached",
    "names joined to text": "test_ies_8_custom_names_of_different_types_are_not_equal",
    "names shared by services": "test_ies_6_names_are_scoped_by_service_and_version",
    "a selector's error is the event's": "test_ies_16_a_selector_that_fails_makes_the_event_not_initial_there",
    "the first failure stops delivery": "test_tx_14_the_others_get_the_event_in_order",
    "a handler's failure is the event's": "test_tx_21_a_handlers_failure_is_no_failure_of_the_event",
    "drop on suspend": "test_ecx_10_events_behind_wait_in_order_and_other_contexts_go_on",
}
pytestmark = pytest.mark.timeout(60)  # runs in a process of its own, on a machine that may be busy


@pytest.fixture(scope="module")
def failing() -> set[str]:
    # A process of its own: the patch of the kernel, and whatever a wrong router leaves behind, end with it.
    run = [sys.executable, "-m", "tests.conformance.naive"]
    return set(subprocess.run(run, cwd=TESTS.parent, capture_output=True, text=True, check=True).stdout.split())


def test_at_least_forty_named_tests_fail_with_the_naive_router(failing: set[str]) -> None:
    assert len(LISTED) >= 40
    missing = set(LISTED) - failing
    assert not missing, "these do not fail any more; see python -m tests.conformance.naive, and mend failing.txt"


def test_each_group_of_the_router_has_tests_that_fail(failing: set[str]) -> None:
    assert {name.split("_")[1] for name in failing} == {"rtr", "ies", "tx", "ecx", "ac", "att"}


@pytest.mark.parametrize("mistake", BY_MISTAKE)
def test_each_mistake_is_seen(failing: set[str], mistake: str) -> None:
    assert BY_MISTAKE[mistake] in failing

"""The pytest plugin: a fixture `slee`, and what a failing test did last (TST-13).

    def test_second_call_is_rejected(slee):
        sip = slee.add_resource("sip-main", SipSimulator())
        ...

`@pytest.mark.slee(failures_allowed=True)` gives the arguments of `SleeHarness`; `--slee-seed` and
`--slee-random-schedule` repeat a failure.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any, Final

import pytest

from slee.testing.harness import SleeHarness

LAST_CALLBACKS: Final = 20
"""How many callbacks are printed of a test that fails."""
_HARNESS: Final = pytest.StashKey[SleeHarness]()
_PASSED: Final = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the fixture."""
    group = parser.getgroup("slee")
    group.addoption("--slee-seed", type=int, default=0, help="seed of the ids and the schedule of the fixture `slee`")
    group.addoption(
        "--slee-random-schedule",
        action="store_true",
        help="let the fixture `slee` choose the next context by lot",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", "slee(**arguments): arguments of the SleeHarness that the fixture `slee` makes")


@pytest.fixture
def slee(request: pytest.FixtureRequest) -> Iterator[SleeHarness]:
    """A running `SleeHarness`, checked when a test that has passed ends (TST-10)."""
    node: pytest.Item = request.node
    arguments: dict[str, Any] = {
        "seed": request.config.getoption("--slee-seed"),
        "random_schedule": request.config.getoption("--slee-random-schedule"),
    }
    marker = node.get_closest_marker("slee")
    if marker is not None:
        arguments |= marker.kwargs
    harness = SleeHarness(**arguments)
    node.stash[_HARNESS] = harness
    yield harness
    if node.stash.get(_PASSED, False):
        harness.check()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Print the last callbacks and the seed of a test that fails."""
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    harness = item.stash.get(_HARNESS, None)
    if report.failed and harness is not None:
        calls = "\n".join(map(str, harness.log.last(LAST_CALLBACKS))) or "no callback"
        report.sections.append(("last callbacks", f"{calls}\n{harness.how_to_repeat}"))
    return report


__all__ = [
    "LAST_CALLBACKS",
    "pytest_addoption",
    "pytest_configure",
    "pytest_runtest_makereport",
    "slee",
]

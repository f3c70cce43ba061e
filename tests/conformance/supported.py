"""Writes docs/supported.md from a run of the conformance tests: every rule, its tests, and what came of them.

`scripts/supported` runs every test that is named by a rule, rewrites the page, and lists what is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.conformance.rules import TESTS, Rule, Rules, read_rules

PAGE: Final = TESTS.parent / "docs" / "supported.md"
PASSED: Final = "pass"
MISSING: Final = "**no test**"

_HEAD: Final = """\
# What is supported

Every rule of the SLEE semantics and of the adaptors' protocols, with the tests that prove it. `scripts/supported`
writes this page from a run of these tests, and the test-suite fails if one was added, renamed or removed since. A rule
that needs what is still to come is *due* with it and is not counted; where only a clause of it waits, the rest is
tested and the clause is named.
"""


class Recorder:
    """A pytest plugin that runs the tests named by rules, no others, and keeps how each function came out."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.outcomes: dict[str, str] = {}
        """`pass` or `FAIL` by name of the test function; one parameter that fails, fails it."""

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        others = [item for item in items if not self._rules.named_by(_function(item.nodeid))]
        config.hook.pytest_deselected(items=others)
        dropped = set(others)
        items[:] = [item for item in items if item not in dropped]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        function = _function(report.nodeid)
        if report.when == "call" or report.outcome != "passed":
            outcome = {"passed": PASSED, "skipped": "skipped", "failed": "**FAIL**"}[report.outcome]
            if self.outcomes.get(function, PASSED) == PASSED:
                self.outcomes[function] = outcome


def _function(nodeid: str) -> str:
    return nodeid.partition("[")[0].rpartition("::")[2]


def outcome(rule: Rule, tests: Mapping[str, str]) -> str:
    """What is to be said of a rule whose tests came out like this."""
    if not tests:
        return MISSING if rule.due is None else f"due with {rule.due}"
    worst = next((said for said in tests.values() if said != PASSED), PASSED)
    return worst if rule.clause is None else f"{worst}; due with {rule.clause}"


def render(rules: Rules, outcomes: Mapping[str, str]) -> str:
    """The page."""
    by_rule: dict[str, dict[str, str]] = {}
    for function in sorted(outcomes):
        for identity in rules.named_by(function):
            by_rule.setdefault(identity, {})[function] = outcomes[function]
    said = {identity: outcome(rule, by_rule.get(identity, {})) for identity, rule in rules.by_id.items()}
    parts = [_HEAD, _summary(rules, said)]
    for group, title in rules.titles.items():
        rows = [
            f"| {rule.id} | {rule.text} | {_names(by_rule.get(rule.id, {}))} | {said[rule.id]} |"
            for rule in rules.of(group)
        ]
        parts.append(
            "\n".join([f"## {title} ({group})\n", "| Rule | About | Tests | |", "| --- | --- | --- | --- |", *rows])
        )
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _names(tests: Mapping[str, str]) -> str:
    return " ".join(f"`{name}`" for name in tests)


def in_scope(said: Mapping[str, str]) -> list[str]:
    """Ids of the rules that are not due with something else."""
    return [identity for identity, text in said.items() if not text.startswith("due with ")]


def _summary(rules: Rules, said: Mapping[str, str]) -> str:
    scope = in_scope(said)
    green = [identity for identity in scope if said[identity].startswith(PASSED)]
    share = 100 * len(green) / len(scope) if scope else 0.0
    lines = [
        f"{len(green)} of {len(scope)} rules in scope pass ({share:.1f} %); {len(said) - len(scope)} are due later.",
        "",
        "| Group | About | Rules | In scope | Pass | Not yet |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for group, title in rules.titles.items():
        ids = [rule.id for rule in rules.of(group)]
        here = [identity for identity in ids if identity in scope]
        passing = [identity for identity in here if identity in green]
        rest = ", ".join(identity for identity in here if identity not in green)
        lines.append(f"| {group} | {title} | {len(ids)} | {len(here)} | {len(passing)} | {rest} |")
    return "\n".join(lines)


def named_in(page: str) -> set[str]:
    """The test functions that a page lists."""
    return {name for name in page.split("`") if name.startswith("test_") and " " not in name}


def main() -> int:
    """Run, write the page, and print what is missing; 1 if a test failed."""
    rules = read_rules()
    recorder = Recorder(rules)
    status = pytest.main(
        ["-q", "--no-header", "-m", "not interop", "--ignore", str(TESTS / "interop"), str(TESTS)], plugins=[recorder]
    )
    page = render(rules, recorder.outcomes)
    PAGE.write_text(page, encoding="utf-8")
    summary = page.split("\n## ", 1)[0].partition("rules in scope")
    print(summary[0].rpartition("\n")[2] + summary[1] + summary[2].partition("\n")[0])
    for line in page.splitlines():
        if line.endswith((f"{MISSING} |", "**FAIL** |")):
            print(line)
    print(f"written: {PAGE.relative_to(Path.cwd()) if PAGE.is_relative_to(Path.cwd()) else PAGE}")
    return int(status != pytest.ExitCode.OK)


if __name__ == "__main__":
    sys.exit(main())

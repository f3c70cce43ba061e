"""Mutates every line of every state table, and lists the mutants that no test notices.

`scripts/mutate [--sample N] [--seed S] [--verbose]`; 1 if a mutant survives. Tests are collected once, and run in this
process for each mutant until the first one fails.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import signal
import sys
from collections.abc import Generator, Iterator
from typing import Final

import pytest
from _pytest.runner import runtestprotocol

from tests.mutation.mutants import TABLES, Mutant, mutants

_SECONDS: Final = 1.0
"""Processor time that a single test may take, many times what each needs: a wrong table may also run for ever."""


class Hunt:
    """A pytest plugin that runs the collected tests once unchanged, and then for each mutant until one fails."""

    def __init__(self, prey: list[Mutant]) -> None:
        self._prey = prey
        self.sound = False
        self.finished = False
        self.killers: dict[Mutant, str] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = list(session.items)
        self.sound = bool(items) and not any(_fails(item) for item in items)
        if self.sound:
            for mutant in self._prey:
                with mutant.applied():
                    killer = next((item for item in items if _fails(item)), None)
                if killer is not None:
                    self.killers[mutant] = killer.nodeid
                    # What noticed one change of a table is likely to notice the next.
                    items.remove(killer)
                    items.insert(0, killer)
        self.finished = True
        return True

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Generator[None, None, None]:
        """Bound what a test takes, and nothing of what pytest does round it."""
        with _bounded():
            yield


def _fails(item: pytest.Item) -> bool:
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"the test ran for {_SECONDS} s of processor time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, _SECONDS, 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def hunt(prey: list[Mutant]) -> Hunt:
    """Hunt mutants that are noticed by the same tests."""
    found = Hunt(prey)
    options = ["-q", "--tb=native", "-p", "no:cacheprovider", "-o", "addopts="]
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        pytest.main([*options, *prey[0].table.paths], plugins=[found])
    if not found.finished:
        sys.exit(f"the hunt broke off:\n{output.getvalue()}")
    if not found.sound:
        sys.exit(f"the tests fail without any mutation:\n{output.getvalue()}")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Hunt all mutants, or a sample of them."""
    parser = argparse.ArgumentParser(prog="scripts/mutate", description=__doc__)
    parser.add_argument("--sample", type=int, metavar="N", help="of each table only N mutants, drawn by the seed")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--verbose", action="store_true", help="name the test that notices each mutant")
    options = parser.parse_args(arguments)
    chance = random.Random(options.seed)
    by_tests: dict[tuple[str, ...], list[Mutant]] = {}
    for table in TABLES:
        made = list(mutants(table))
        chosen = made if options.sample is None else chance.sample(made, min(options.sample, len(made)))
        by_tests.setdefault(table.tests, []).extend(chosen)
    survivors: list[Mutant] = []
    for prey in by_tests.values():
        found = hunt(prey)
        survivors += [mutant for mutant in prey if mutant not in found.killers]
        if options.verbose:
            sys.stdout.writelines(f"{mutant}  <-  {killer}\n" for mutant, killer in found.killers.items())
    total = sum(map(len, by_tests.values()))
    print(f"{total - len(survivors)} of {total} mutants noticed" + "".join(f"\nunnoticed: {one}" for one in survivors))
    return int(bool(survivors))


if __name__ == "__main__":
    sys.exit(main())

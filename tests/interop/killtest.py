"""`kill -9` at random moments under load, for long: `scripts/killtest [--cycles N] [--seconds S] [--seed S]
[--postgresql]`.

It prints a table, and every promise that was not kept; the exit status is 1 if there is one.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.interop.killing import KillLane
from tests.postgresql import programs, running_postgresql
from tests.profile_databases import DatabaseUnderTest, postgresql_database


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/killtest", description=__doc__)
    parser.add_argument("--cycles", type=int, default=200, help="kills, at most")
    parser.add_argument("--seconds", type=float, default=1200.0, help="no new cycle begins after so many")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000), help="of the moments")
    parser.add_argument("--calls", type=float, default=15.0, help="new calls a second")
    parser.add_argument("--messages", type=float, default=40.0, help="messages that set a timer, a second")
    parser.add_argument("--registers", type=float, default=20.0, help="registrations of new users a second")
    parser.add_argument("--profiles", type=float, default=20.0, help="operations on profiles, imports too, a second")
    parser.add_argument("--postgresql", action="store_true", help="keep profiles in PostgreSQL, not in SQLite")
    options = parser.parse_args(arguments)
    rates = {what: getattr(options, what) for what in ("calls", "messages", "registers", "profiles")}
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="killtest-")))
        database = stack.enter_context(_postgresql()) if options.postgresql else None
        lane = stack.enter_context(KillLane(place, seed=options.seed, database=database, **rates))
        report = lane.run(options.cycles, seconds=options.seconds)
    print("| what | figure |\n| --- | ---: |")
    for what, figure in report.rows:
        print(f"| {what} | {figure} |")
    for problem in report.problems[:50]:
        print(problem)
    print(f"seed {options.seed}: {len(report.problems)} promises broken")
    return int(bool(report.problems))


@contextmanager
def _postgresql() -> Iterator[DatabaseUnderTest]:
    binaries = programs()
    if binaries is None:
        raise SystemExit("PostgreSQL is not installed; run scripts/peers")
    with running_postgresql(binaries) as server, postgresql_database(server) as database:
        yield database


if __name__ == "__main__":
    raise SystemExit(main())

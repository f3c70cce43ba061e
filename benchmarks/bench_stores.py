"""What the stores cost: processor time of a record and a batch, latency, compaction, size and recovery.

`scripts/bench stores [--records N] [--directory D] [--profile]`. A record is that of a call's step: its entity, its
context and a timer, 700 octets; a call is four records, of which the last removes what the first three made. Columns:
processor time of `append`, and of the writer's thread per record and per group commit; wall-clock time from append to
acknowledgement. `load` is the records appended a second, as the kernel's flushes would; `flat out` has
no pause.
"""

from __future__ import annotations

import argparse
import cProfile
import itertools
import pstats
import random
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.measurement import percentiles
from benchmarks.report import table
from slee.kernel.journal import Entry, Journal
from slee.stores.memory import MemoryJournal
from slee.stores.sqlite import SqliteJournal
from slee.stores.sqlite.reading import read

LIVE: Final = 50_000
"""Entities of which recovery is measured."""
RECOVERY_BOUND: Final = 2.0
"""Seconds that the recovery of so many may take altogether, the kernel's part included."""
AHEAD: Final = 2_000
"""Records that are appended before acknowledgements are waited for, flat out."""

Open = Callable[[Path, Callable[[int], None]], Journal]


def _sqlite(**options: bool) -> Open:
    return lambda place, told: SqliteJournal(place, full=options.get("full", False), on_acknowledged=told)


STORES: Final[dict[str, Open]] = {
    "memory": lambda _, told: MemoryJournal(on_acknowledged=told),
    "sqlite, normal": _sqlite(),
    "sqlite, full": _sqlite(full=True),
}


def records(count: int, seed: int = 1) -> list[list[Entry]]:
    """Records of calls in progress, about two hundred at a time."""
    rng = random.Random(seed)
    made: list[list[Entry]] = []
    for number in range(count):
        call = number - 600 if number % 4 == 3 else number  # the fourth record ends a call that began 600 records ago
        base = call - call % 4
        keys = [b"%c%016d" % (kind, base) for kind in b"ECT"]
        ending = number % 4 == 3
        made.append(
            [
                Entry(key, None if ending else rng.randbytes(size))
                for key, size in zip(keys, (400, 200, 60), strict=True)
            ]
        )
    return made


class Run:
    """One journal under one load."""

    def __init__(self, make: Open, place: Path) -> None:
        self._condition = threading.Condition()
        self._appended: list[float] = [0.0]
        self._told: list[tuple[int, float]] = [(0, 0.0)]
        self.journal = make(place, self._acknowledged)

    def load(self, made: list[list[Entry]], rate: float | None) -> float:
        """Append the records and wait for the last acknowledgement; returns processor seconds of the appends."""
        appending = 0.0
        due = time.perf_counter()
        pause = threading.Event()
        for record in made:
            if rate is not None:
                due += 1.0 / rate
                if (left := due - time.perf_counter()) > 0.0005:
                    pause.wait(left)
            elif len(self._appended) - self._told[-1][0] > AHEAD:
                self._settle(len(self._appended) - AHEAD // 2)
            self._appended.append(time.perf_counter())
            before = time.thread_time()
            self.journal.append(record)
            appending += time.thread_time() - before
        self._settle(len(self._appended) - 1)
        return appending

    def writing(self) -> float:
        """Processor seconds of the writer's thread until now; 0.0 without one."""
        thread = next((one for one in threading.enumerate() if one.name == "journal"), None)
        return time.clock_gettime(time.pthread_getcpuclockid(thread.ident)) if thread and thread.ident else 0.0

    @property
    def batches(self) -> int:
        """Group commits."""
        return len(self._told) - 1

    def waits(self) -> list[float]:
        """Seconds from append to acknowledgement, of each record."""
        found: list[float] = []
        for (before, _), (last, when) in itertools.pairwise(self._told):
            found += [when - appended for appended in self._appended[before + 1 : last + 1]]
        return found

    def _acknowledged(self, sequence: int) -> None:
        with self._condition:
            self._told.append((sequence, time.perf_counter()))
            self._condition.notify()

    def _settle(self, sequence: int) -> None:
        with self._condition:
            self._condition.wait_for(lambda: self._told[-1][0] >= sequence)


def costs(count: int, directory: Path | None) -> str:
    """The table of costs by store and load."""
    rows: list[list[str]] = []
    for name, make in STORES.items():
        for rate in (500.0, 2000.0, None):
            number = count if rate is None else min(count, round(rate * 3))
            with tempfile.TemporaryDirectory(dir=directory) as place:
                run = Run(make, Path(place) / "journal")
                made = records(number)
                started = time.perf_counter()
                appending, writing = run.load(made, rate), run.writing()
                wall = time.perf_counter() - started
                run.journal.close()
            p50, p99 = percentiles(run.waits())
            rows.append(
                [
                    name,
                    "flat out" if rate is None else f"{rate:.0f}/s",
                    f"{number / wall:,.0f}",
                    f"{appending / number * 1e6:.1f}",
                    f"{writing / number * 1e6:.1f}",
                    f"{number / run.batches:.1f}",
                    f"{writing / run.batches * 1e6:.0f}",
                    f"{p50 * 1e3:.2f}",
                    f"{p99 * 1e3:.2f}",
                ]
            )
    header = ["store", "load", "records/s", "append µs", "writer µs/record", "records/commit", "writer µs/commit"]
    return table([*header, "p50 ms", "p99 ms"], rows)


def recovery(directory: Path | None) -> tuple[str, bool]:
    """The table of sizes and of the time to open, and whether recovery leaves the kernel its time."""
    rng = random.Random(2)
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        place = Path(folder) / "journal"
        run = Run(STORES["sqlite, normal"], place)
        live = {b"E%016d" % number: rng.randbytes(400) for number in range(LIVE)}
        live |= {b"C%016d" % number: rng.randbytes(200) for number in range(LIVE)}
        run.load([[Entry(key, value)] for key, value in live.items()], None)
        before = run.writing()
        keys = list(live)
        again = [[Entry(key, rng.randbytes(len(live[key]))) for key in rng.sample(keys, 2)] for _ in range(100_000)]
        churn = run.load(again, None) + run.writing() - before
        run.journal.close()
        octets = sum(len(key) + len(value) for key, value in live.items())
        size = sum(path.stat().st_size for path in place.iterdir())
        started = time.perf_counter()
        contents = read(place)
        proving = time.perf_counter() - started
        assert contents is not None
        assert contents.entries.keys() == live.keys()
        del contents
        started = time.perf_counter()
        journal = SqliteJournal(place)
        opening = time.perf_counter() - started
        journal.close()
    rows = [
        ["live keys", f"{len(live):,}"],
        ["their octets", f"{octets / 1e6:.1f} MB"],
        ["files after 200,000 changes of them", f"{size / 1e6:.1f} MB, {size / octets:.2f} times"],
        ["processor time of such a change, compaction included", f"{churn / 100_000 * 1e6:.1f} µs per record of two"],
        ["time to read and prove all", f"{proving:.2f} s"],
        ["time to open", f"{opening:.2f} s"],
    ]
    return table(["recovery and size", ""], rows), opening <= RECOVERY_BOUND / 2


def main(arguments: list[str] | None = None) -> int:
    """Print the tables, or the profile of appends and the writer."""
    parser = argparse.ArgumentParser(prog="scripts/bench stores", description=__doc__)
    parser.add_argument("--records", type=int, default=50_000, help="flat out; the loads take 3 s each")
    parser.add_argument("--directory", type=Path, help="where the files lie; the system's temporary directory")
    parser.add_argument("--profile", action="store_true", help="print where the writer's time goes instead")
    options = parser.parse_args(arguments)
    if options.profile:
        profile = cProfile.Profile()
        threading.setprofile(lambda *_: profile.enable())
        with tempfile.TemporaryDirectory(dir=options.directory) as place:
            run = Run(STORES["sqlite, normal"], Path(place) / "journal")
            run.load(records(options.records), None)
            run.journal.close()
        pstats.Stats(profile).sort_stats("tottime").print_stats(16)
        return 0
    print(costs(options.records, options.directory), end="\n\n", flush=True)
    text, kept = recovery(options.directory)
    print(text)
    print(f"\nOpening takes at most half of the {RECOVERY_BOUND:g} s of a recovery: {'yes' if kept else 'NO'}.")
    return int(not kept)


if __name__ == "__main__":
    raise SystemExit(main())

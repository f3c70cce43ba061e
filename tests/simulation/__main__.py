"""Play many histories: `scripts/simulate --seeds 10000 --from 0 --jobs 2`; `--seed S` repeats one of them.

Every history is drawn from its seed alone. One that breaks an invariant prints its seed, what is broken, and the
command that repeats it; the exit status is then 1.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys
import time
import traceback
from collections import Counter

from tests.simulation.world import World


def play(seed: int) -> tuple[int, str, Counter[str]]:
    """The seed, what is broken or nothing, and what happened."""
    world = World(seed)
    try:
        world.play()
    except Exception as error:  # noqa: BLE001  # a seed that breaks the simulation is a find, too
        told = "".join(traceback.format_exception(error)) if not isinstance(error, AssertionError) else str(error)
        return seed, told if world.how_to_repeat in told else f"{told}\n{world.how_to_repeat}", world.happened()
    return seed, "", world.happened()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    options = parser.parse_args(arguments)
    seeds = range(options.first, options.first + options.seeds) if options.seed is None else [options.seed]
    began = time.monotonic()
    total: Counter[str] = Counter()
    broken: list[int] = []
    logging.disable()  # what servers say of torn records and failing disks is what the seeds are for
    with multiprocessing.Pool(options.jobs) as pool:
        for number, (seed, problem, happened) in enumerate(pool.imap_unordered(play, seeds, chunksize=20), 1):
            total += happened
            if problem:
                broken.append(seed)
                print(f"seed {seed} is broken:\n{problem}", flush=True)
            if number % 1_000 == 0:
                print(f"{number} seeds, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    told = ", ".join(f"{count:,} {what}" for what, count in sorted(total.items()))
    print(f"{len(seeds)} seeds in {time.monotonic() - began:.0f} s: {told}; {len(broken)} broken {sorted(broken)[:20]}")
    return int(bool(broken))


if __name__ == "__main__":
    raise SystemExit(main())

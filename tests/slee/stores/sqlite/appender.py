"""A process that appends until it is killed, and says on standard output what was acknowledged."""

from __future__ import annotations

import os
import random
import sys
import threading
from pathlib import Path

from slee.kernel.journal import Entry
from slee.stores.sqlite import SqliteJournal, database

AHEAD = 20


def record(number: int) -> list[Entry]:
    """The record of a number: keys that come, change and go."""
    rng = random.Random(number)
    made = [Entry(b"E%d" % rng.randrange(200), rng.randbytes(rng.choice((50, 400, 2000))))]
    return [*made, Entry(b"T%d" % number, b"timer"), Entry(b"T%d" % (number - 20), None)]


def main(place: Path, *, full: bool) -> None:
    """Append the records after the recovered ones, at most twenty ahead of the acknowledgements."""
    database._CHECKPOINT_OCTETS = 300_000
    room = threading.Semaphore(AHEAD)
    told = 0

    def acknowledged(last: int) -> None:
        nonlocal told
        os.write(1, b"%d\n" % last)
        room.release(last - told)
        told = last

    journal = SqliteJournal(place, full=full, gather=0.0, log_octets=100_000, on_acknowledged=acknowledged)
    number = told = journal.recovery.sequence
    os.write(1, b"%d\n" % number)
    while True:
        room.acquire()
        number += 1
        journal.append(record(number))


if __name__ == "__main__":
    main(Path(sys.argv[1]), full=sys.argv[2] == "full")

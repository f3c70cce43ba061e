"""Provisioning: how fast a file of subscribers comes in, and how soon a server has them again after a restart.

`scripts/bench provisioning` imports 300,000 subscribers with two registrations each into SQLite, and judges against the
bounds of the issue; `--scale 0.1` does a tenth of that, `--database URL` measures PostgreSQL.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from profiles.location.location import Binding
from profiles.subscriber.subscriber import Subscriber
from slee.facilities.facilities import Facilities
from slee.facilities.profiles.tables import ProfileTables
from slee.kernel.kernel import Kernel
from slee.management.profiles import Profiles
from slee.model.profile import describe_profile
from slee.runtime.observer import LoggingObserver
from slee.stores.profiles.database import ProfileDatabase, open_profile_database

SUBSCRIBERS = 300_000
PIECE = 1 << 16


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="part of the 300,000 subscribers")
    parser.add_argument("--database", help="URL of an empty database; a file of SQLite without")
    parser.add_argument("--restarted", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    count = int(SUBSCRIBERS * options.scale)
    if options.restarted:
        return _restart(options.restarted, count)
    with tempfile.TemporaryDirectory() as folder:
        url = options.database or f"sqlite:///{folder}/profiles.sqlite"
        rate = _import(url, count)
        print(f"import       {rate:12,.0f} rows/s   at least 20,000")
        command = [sys.executable, "-m", "benchmarks.bench_provisioning", "--scale", str(options.scale)]
        failed = subprocess.run([*command, "--restarted", url], check=False).returncode
    return int(rate < 20_000) | failed


def _import(url: str, count: int) -> float:
    database, tables = _opened(url)
    tables.create_table("subscriber", Subscriber.specification_id)
    began = time.perf_counter()
    result = Profiles(tables).import_("subscriber").run(_file(count))
    seconds = time.perf_counter() - began
    assert result.added == count
    database.flush(600.0)
    written = time.perf_counter() - began
    database.close()
    print(f"written      {count / written:12,.0f} rows/s   the database, which follows")
    return count / seconds


def _restart(url: str, count: int) -> int:
    before = _resident()
    began = time.perf_counter()
    database, tables = _opened(url)
    tables.load_stored(Subscriber.specification_id)
    seconds = time.perf_counter() - began
    assert len(tables.profiles("subscriber")) == count
    each = (_resident() - before) / count
    _register(count)
    whole = _resident() / 2**20
    database.close()
    print(f"start        {seconds:12.1f} s        at most 10")
    print(f"subscriber   {each:12,.0f} octets   at most 1,200")
    print(f"all          {whole:12,.0f} MiB      at most 2,048; with two registrations each")
    return int(seconds > 10 or each > 1_200 or whole > 2_048)


def _opened(url: str) -> tuple[ProfileDatabase, ProfileTables]:
    facilities = Facilities(now=time.time, random=os.urandom)
    kernel = Kernel(observer=LoggingObserver(facilities), random=os.urandom, ticks=time.perf_counter)
    kernel.now = time.time()
    database = open_profile_database(url, Path("/nowhere"))
    tables = ProfileTables(kernel, facilities, database)
    tables.add_specification(describe_profile(Subscriber))
    return database, tables


def _file(count: int) -> Iterator[bytes]:
    yield b"profile_name,display_name,identity,groups,password\n"
    lines = (
        f'user{n}@example.net,"Subscriber, {n}",+4930{n:07d},"[""national"",""local""]",secret{n}\n'.encode()
        for n in range(count)
    )
    piece = bytearray()
    for line in lines:
        piece += line
        if len(piece) > PIECE:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


_registered: list[dict[str, tuple[Binding, ...]]] = []


def _register(count: int) -> None:
    """Two bindings for each subscriber, as the location table holds them."""
    rows: dict[str, tuple[Binding, ...]] = {}
    for n in range(count):
        rows[f"user{n}@example.net"] = tuple(
            Binding(f"sip:user{n}@192.0.2.{k}:5060", 1e9, 1.0, f"call-{n}-{k}@192.0.2.1", 1) for k in (1, 2)
        )
    _registered.append(rows)


def _resident() -> int:
    """Octets of memory that the process has."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.exit(main())

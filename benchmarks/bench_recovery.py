"""How long a restart takes that finds live entities in the journal, beside one that finds none.

`scripts/bench recovery [--entities N]`. A server is filled with entities, each on a null activity of its own with a
timer running, by one MESSAGE each; it is killed with SIGKILL and started again. Recovery is what its start takes longer
than that of a server whose journal is empty; it fails if that is more than 2 s for 50,000 entities.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.command_line import take_load_core
from benchmarks.contenders import LOAD_CORE, SERVER_CORE
from benchmarks.process_tree import cpu_seconds, memory
from benchmarks.report import machine, table
from tests.interop.clients import Clients, keeper_uri
from tests.interop.killing import deploy
from tests.interop.peers import Sipp
from tests.interop.servers import Slee

ENTITIES = 50_000
BOUND = 2.0
"""Seconds for that many."""
ROUNDS = 3
RATE = 1_200.0


def restart(server: Slee) -> tuple[float, float]:
    """Kill it, start it again; the seconds until it says that it runs, and those of processor time among them."""
    server.child.send(signal.SIGKILL)
    server.child.wait(5.0)
    server.child.__exit__()
    began = time.monotonic()
    server.start()
    return time.monotonic() - began, cpu_seconds(server.child.pid)


def measure(folder: Path, entities: int) -> tuple[tuple[float, float], tuple[float, float], float]:
    """Restarts with an empty journal and with so many entities, the quickest of several, and MiB used then."""
    server = Slee(folder, core=SERVER_CORE)
    server.start()
    try:
        deploy(server, folder, "keeper", "Keeper")
        empty = min(restart(server) for _ in range(ROUNDS))
        print(f"{entities} entities ...", file=sys.stderr, flush=True)
        with Sipp(
            "keep", folder, server=server.sip, calls=entities, rate=RATE, timeout=entities / RATE * 4 + 60,
            core=LOAD_CORE, after=100_000,
        ) as client:  # fmt: skip
            client.finish().require(entities)
        time.sleep(1.0)
        full = min(restart(server) for _ in range(ROUNDS))
        _require(server, entities)
        return empty, full, memory(server.child.pid).rss
    finally:
        server.child.__exit__()


def _require(server: Slee, entities: int) -> None:
    """Raise AssertionError unless the first and the last keeper know what they were told."""
    clients = Clients(server.sip, messages=0.0, registers=0.0, seed=0)
    clients.start()
    for number in (1, entities):
        _, answer = clients.ask("MESSAGE", keeper_uri(number), keeper_uri(number))
        assert f"X-Kept: -{number}\r\n".encode() in answer, f"keeper {number} is not recovered:\n{answer.decode()}"
    clients.close()


def main(arguments: list[str] | None = None) -> int:
    """Print the table, and fail if recovery takes too long."""
    parser = argparse.ArgumentParser(prog="scripts/bench recovery", description=__doc__)
    parser.add_argument("--entities", type=int, default=ENTITIES, help="how many live entities")
    options = parser.parse_args(arguments)
    take_load_core()
    with tempfile.TemporaryDirectory(prefix="recovery-") as place:
        empty, full, used = measure(Path(place), options.entities)
    header = ["entities", "start s, empty journal", "start s", "recovery s", "of processor time", "RSS MiB"]
    took, used_cpu = full[0] - empty[0], full[1] - empty[1]
    figures = [empty[0], full[0], took, used_cpu]
    row = [f"{options.entities:,}", *(f"{figure:.2f}" for figure in figures), f"{used:.0f}"]
    print(machine(), table(header, [row]), sep="\n\n")
    kept = took <= BOUND * options.entities / ENTITIES
    print(f"\nRecovery of {ENTITIES:,} entities takes at most {BOUND} s: {'yes' if kept else 'NO'}.")
    return int(not kept)


if __name__ == "__main__":
    raise SystemExit(main())

"""CPU of an HTTP request: an SBB of the product that answers at once, beside a bare uvicorn application (HTTP-44).

`scripts/bench http [--seconds N] [--rounds N] [--loop asyncio|uvloop]`. Both servers parse with httptools, run on the
same loop and in turn on processor 0, under `wrk` with 64 connections on processor 1. The figure is the CPU of the
server's process for each request; the bound is 1.5 times that of uvicorn.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass

from benchmarks.process_tree import cpu_seconds
from benchmarks.report import table

BOUND = 1.5
"""What a request may cost, as a multiple of uvicorn's."""
CONNECTIONS = 64
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


@dataclass(frozen=True, slots=True)
class Window:
    """One loaded window."""

    requests: int
    seconds: float
    cpu: float
    p50_ms: float
    p99_ms: float
    failed: int

    @property
    def cpu_us(self) -> float:
        """CPU of one request in microseconds."""
        return self.cpu / max(self.requests, 1) * 1e6


def measure(server: str, loop: str, seconds: int) -> Window:
    """Start a server, warm it up, load it, and end it."""
    command = ["taskset", "-c", "0", sys.executable, "-m", "benchmarks.http_servers", server, loop]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            url = f"http://127.0.0.1:{int(child.stdout.readline())}/hello"
            load(url, 1)
            before = cpu_seconds(child.pid)
            output = load(url, seconds)
            cpu = cpu_seconds(child.pid) - before
        finally:
            child.kill()
    done = re.search(r"(\d+) requests in ([\d.]+)s", output)
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    assert done is not None, output
    return Window(
        int(done[1]), float(done[2]), cpu, latency(output, "50"), latency(output, "99"), int(failed[1]) if failed else 0
    )


def load(url: str, seconds: int) -> str:
    """Run wrk, and return what it says."""
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def latency(output: str, percentile: str) -> float:
    """One line of wrk's distribution, in milliseconds."""
    found = re.search(rf"{percentile}%\s+([\d.]+)(us|ms|s)", output)
    return float(found[1]) * _UNITS[found[2]] if found else float("nan")


def main() -> int:
    """Measure both in turn, and print the table; 1 if the bound is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    options = parser.parse_args()
    best: dict[str, Window] = {}
    for _ in range(options.rounds):
        for server in ("uvicorn", "slee"):
            window = measure(server, options.loop, options.seconds)
            if server not in best or window.cpu_us < best[server].cpu_us:
                best[server] = window
    header = ["server", "requests", "per second", "CPU µs each", "p50 ms", "p99 ms", "failed"]
    rows = [
        [
            server,
            f"{one.requests}",
            f"{one.requests / one.seconds:.0f}",
            f"{one.cpu_us:.1f}",
            f"{one.p50_ms:.2f}",
            f"{one.p99_ms:.2f}",
            f"{one.failed}",
        ]
        for server, one in best.items()
    ]
    ratio = best["slee"].cpu_us / best["uvicorn"].cpu_us
    print(table(header, rows))
    print(f"\nOn {options.loop}, slee costs {ratio:.2f} times uvicorn; at most {BOUND} are allowed (HTTP-44).")
    return int(ratio > BOUND)


if __name__ == "__main__":
    sys.exit(main())

"""What journalling adds to a proxied call, by durability class of the proxy, in one run.

`scripts/bench journal [--seconds N] [--rate N] [--rounds N]`. The shipped proxy is installed once more under
another name, in class memory, async or sync; the shipped one is put out of service. Each class has a server of its own,
and the rounds go round the classes, so that all of them see the same neighbours; of each class the cheapest round
counts. It fails if a call in class async costs more than 1.15 times one in class memory.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks.command_line import take_load_core
from benchmarks.contenders import SERVER_CORE, Contender
from benchmarks.loads import Calls
from benchmarks.measurement import Measurement, measure
from benchmarks.report import publish, section
from tests.interop.servers import ROOT, Slee

CLASSES = ("memory", "async", "sync")
RATES = (250.0, 800.0)
BOUND = 1.15
"""What a call in class async may cost, as a multiple of one in class memory."""

_BUNDLE = """\
[bundle]
name = "measured"
vendor = "bench"
version = "1.0.0"
requires-slee = ">=0.1"
modules = ["measured.sbb"]

[depends]
"location#slee" = ">=1.0"

[[service]]
name = "Measured"
root-sbb = "measured.sbb:Proxy"
durability = "{durability}"

[links]
SIP = "sip-main"
"""


class Classified(Slee):
    """The product with its proxy in one durability class."""

    def __init__(self, folder: Path, durability: str) -> None:
        super().__init__(folder, core=SERVER_CORE)
        self._folder = folder
        self._durability = durability

    def start(self) -> Slee:
        """Start it, and put the measured proxy in the place of the shipped one."""
        super().start()
        source = self._folder / "measured"
        source.mkdir()
        code = (ROOT / "sbbs" / "proxy" / "sbb.py").read_text(encoding="utf-8")
        (source / "sbb.py").write_text(code.replace('vendor="slee"', 'vendor="bench"'), encoding="utf-8")
        (source / "__init__.py").touch()
        (source / "bundle.toml").write_text(_BUNDLE.format(durability=self._durability), encoding="utf-8")
        self._do("bundle", "build", str(source), "-o", str(self._folder))
        (archive,) = self._folder.glob("measured-*.whl")
        self._do("bundle", "install", str(archive))
        self._do("service", "deactivate", "Proxy")
        self._do("service", "activate", "Measured")
        return self

    def _do(self, *arguments: str) -> None:
        status, output = self.cli(*arguments)
        if status:
            raise RuntimeError(f"slee {' '.join(arguments)} exits {status}:\n{output}")


def compare(rates: list[float], rounds: int, seconds: float) -> list[Measurement]:
    """The cheapest round of each class at each rate."""
    found: list[Measurement] = []
    for rate in rates:
        best: dict[str, Measurement] = {}
        for number in range(rounds):
            for durability in CLASSES:
                print(f"{durability} at {rate:g}/s, round {number + 1} ...", file=sys.stderr, flush=True)
                contender = Contender(durability, lambda folder, chosen=durability: Classified(folder, chosen))
                one = measure(contender, Calls(rate), seconds)
                if durability not in best or one.cpu_us < best[durability].cpu_us:
                    best[durability] = one
                time.sleep(0.5)
        found += best.values()
    return found


def ratios(measurements: list[Measurement]) -> tuple[list[str], bool]:
    """One line for each rate, and whether async keeps to its bound at all of them."""
    lines: list[str] = []
    kept = True
    for rate in dict.fromkeys(one.asked for one in measurements):
        cost = {one.server: one.cpu_us for one in measurements if one.asked == rate}
        share = {name: cost[name] / cost["memory"] for name in CLASSES[1:]}
        kept = kept and share["async"] <= BOUND
        lines.append(
            f"At {rate:g}/s a call costs {share['async']:.2f} times as much in class async as in class memory "
            f"(bound {BOUND}), {share['sync']:.2f} times in class sync."
        )
    return lines, kept


def main(arguments: list[str] | None = None) -> int:
    """Print the table, and fail if async costs too much."""
    parser = argparse.ArgumentParser(prog="scripts/bench journal", description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of each loaded window")
    parser.add_argument("--rounds", type=int, default=2, help="windows of each class")
    parser.add_argument("--rate", type=float, action="append", help="calls a second; may be repeated")
    options = parser.parse_args(arguments)
    take_load_core()
    measurements = compare(options.rate or list(RATES), options.rounds, options.seconds)
    lines, kept = ratios(measurements)
    title = "Proxied calls by durability class, journal in SQLite"
    publish(["\n\n".join([section(title, measurements), *lines])])
    return int(not kept)


if __name__ == "__main__":
    raise SystemExit(main())

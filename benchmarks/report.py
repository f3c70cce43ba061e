"""Tables of what was measured: on the terminal, in results/last.md, and on demand in the README."""

from __future__ import annotations

import datetime
import os
import platform
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.measurement import Measurement
from tests.interop.peers import find_program, run

_HERE: Final = Path(__file__).parent
LAST: Final = _HERE / "results" / "last.md"
README: Final = _HERE / "README.md"
_MARKS: Final = ("<!-- last table: begin -->", "<!-- last table: end -->")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose first column is text and whose others are figures."""
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows))


def section(title: str, measurements: Sequence[Measurement]) -> str:
    """Return the table of one load, with the ratios of the product below it."""
    header = [
        "server",
        "operations",
        "per second",
        "asked",
        "CPU µs each",
        "probe p50 ms",
        "p99 ms",
        "set-up p50 ms",
        "p99 ms",
    ]
    header += ["RSS MiB", "PSS MiB", "failed", "sent again"]
    rows = [
        [
            one.server + ("" if one.is_clean else " (over 0.1 % went wrong)"),
            f"{one.operations}",
            f"{one.rate:.0f}",
            f"{one.asked:.0f}",
            f"{one.cpu_us:.1f}",
            *(f"{value:.2f}" for value in one.probe_ms),
            *((f"{value:.0f}" for value in one.setup_ms) if one.setup_ms else ("", "")),
            f"{one.memory.rss:.0f}",
            f"{one.memory.pss:.0f}",
            f"{one.failed}",
            f"{one.retransmitted}",
        ]
        for one in measurements
    ]
    return "\n\n".join([f"### {title}", table(header, rows), *_ratios(measurements)])


def _ratios(measurements: Sequence[Measurement]) -> list[str]:
    """Return one line for each rate at which the product and another server were measured."""
    cost = {(one.asked, one.server): one.cpu_us for one in measurements}
    lines: list[str] = []
    for (asked, name), ours in cost.items():
        others = {other: theirs for (at, other), theirs in cost.items() if at == asked and other != name}
        if name == "slee" and others:
            told = ", ".join(f"{ours / theirs:.2f} times {other}" for other, theirs in others.items())
            lines.append(f"At {asked:g}/s slee costs {told}.")
    return lines


def machine() -> str:
    """Return the lines that every report begins with: when, where, with what, how."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    versions = [f"Python {platform.python_version()}", _version("kamailio", "-v"), _version("sipp", "-v")]
    when = datetime.datetime.now(datetime.UTC)
    return "\n".join(
        [
            f"{when:%Y-%m-%d %H:%M} UTC, {model[1] if model else platform.machine()}, "
            f"{os.cpu_count()} processors, Linux {platform.release()}; "
            + "; ".join(filter(None, versions)).rstrip(".")
            + ".",
            f"Server on processor 0, SIPp and probe on processor 1, UDP on loopback; load {os.getloadavg()[0]:.1f}.",
            f"Command: `{' '.join(['scripts/bench', *_command()])}`.",
        ]
    )


def _command() -> list[str]:
    return [Path(sys.argv[0]).stem.removeprefix("bench_"), *sys.argv[1:]]


def _version(name: str, option: str) -> str:
    if find_program(name) is None:
        return ""
    _, output = run([find_program(name) or name, option])
    found = re.search(r"version: (kamailio [\d.]+)|SIPp v[\d.]+", output)
    return (found[1] or found[0]) if found else name


def publish(sections: Sequence[str], *, record: bool = False) -> None:
    """Print the report and write it to results/last.md; with `record`, put it into the README, too."""
    text = "\n\n".join([machine(), *sections]) + "\n"
    print(text)
    LAST.write_text(text, encoding="utf-8")
    if record:
        begin, end = _MARKS
        readme = README.read_text(encoding="utf-8")
        before, _, rest = readme.partition(begin)
        README.write_text(before + begin + "\n\n" + text + "\n" + end + rest.partition(end)[2], encoding="utf-8")

"""All benchmarks against Kamailio, one after the other, in one report."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks import bench_calls, bench_memory, bench_options, bench_register
from benchmarks.command_line import compare, parser
from benchmarks.loads import Calls, Load, Options, Registrations
from benchmarks.report import publish, section

if __name__ == "__main__":
    options = parser("All benchmarks against Kamailio, in one report").parse_args()
    loads: list[tuple[str, Callable[[float], Load], Sequence[float]]] = [
        (bench_calls.TITLE, Calls, bench_calls.RATES),
        (bench_register.TITLE, Registrations, bench_register.RATES),
        (bench_options.TITLE, Options, bench_options.RATES),
    ]
    sections = [
        section(title, compare([make(rate) for rate in rates], options.seconds, options.only))
        for title, make, rates in loads
    ]
    sections.append(bench_memory.compare(bench_memory.USERS, options.only))
    publish(sections, record=options.record)

"""The arithmetic of the reports."""

from __future__ import annotations

import math

from benchmarks.measurement import Measurement, percentiles
from benchmarks.process_tree import Memory
from benchmarks.report import section, table


def _measurement(server: str, cpu_us: float, *, asked: float = 100.0, failed: int = 0) -> Measurement:
    return Measurement(
        server=server,
        asked=asked,
        operations=1000,
        seconds=10.0,
        cpu_us=cpu_us,
        probe_ms=(0.1, 0.2),
        setup_ms=None,
        memory=Memory(rss=50.0, pss=40.0),
        failed=failed,
        retransmitted=0,
    )


def test_percentiles() -> None:
    """Median and 99th percentile, and no figure where there is no value."""
    assert percentiles([float(value) for value in range(100, 0, -1)]) == (51.0, 100.0)
    assert percentiles([7.0]) == (7.0, 7.0)
    assert all(math.isnan(value) for value in percentiles([]))


def test_ratios_compare_rows_of_one_rate_only() -> None:
    """The product is compared with every other server at the same rate."""
    rows = [_measurement("slee", 600.0), _measurement("kamailio", 300.0), _measurement("kamailio-fm", 100.0)]
    rows += [_measurement("kamailio", 200.0, asked=900.0)]
    told = section("calls", rows)
    assert "At 100/s slee costs 2.00 times kamailio, 6.00 times kamailio-fm." in told
    assert "At 900/s" not in told


def test_a_row_where_more_than_a_thousandth_failed_says_so() -> None:
    """One of a thousand operations may fail; two make the row unusable."""
    assert "went wrong" not in section("calls", [_measurement("slee", 600.0, failed=1)])
    assert "went wrong" in section("calls", [_measurement("slee", 600.0, failed=2)])


def test_table_is_markdown() -> None:
    """Figures stand to the right."""
    assert table(["a", "b"], [["x", "1"]]).splitlines() == ["| a | b |", "| --- | ---: |", "| x | 1 |"]

"""Proxied calls: INVITE 100 180 200 ACK BYE 200 with Record-Route (SIP-207)."""

from __future__ import annotations

from benchmarks.command_line import main
from benchmarks.loads import Calls

TITLE = "Proxied calls with Record-Route"
RATES = (250.0, 800.0)

if __name__ == "__main__":
    main(TITLE, Calls, RATES)

"""REGISTER: one delivery and one location write (SIP-208)."""

from __future__ import annotations

from benchmarks.command_line import main
from benchmarks.loads import Registrations

TITLE = "REGISTER"
RATES = (1_000.0, 3_000.0)

if __name__ == "__main__":
    main(TITLE, Registrations, RATES)

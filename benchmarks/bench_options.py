"""OPTIONS, answered by an SBB of the product and by sl_send_reply of Kamailio."""

from __future__ import annotations

from benchmarks.command_line import main
from benchmarks.loads import Options

TITLE = "OPTIONS"
RATES = (1_000.0, 4_000.0)

if __name__ == "__main__":
    main(TITLE, Options, RATES)

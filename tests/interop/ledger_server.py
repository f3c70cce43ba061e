"""A server with the timer adaptor and a service that writes occurrences down: `python -m ...ledger_server SETTING...`.

The wall clock is the system's, changed by what the file named in SLEE_TEST_CLOCK says: `+N` shows N seconds more,
`=N` stands at N.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from deploy.configuration import load_configuration, parse_setting
from deploy.run import prepare, refused, serve_prepared
from deploy.shipment import Shipment
from resource_adaptors.timer.adaptor import TimerAdaptor
from slee.api.errors import SleeError
from slee.management.management import EntityEquipment


class LedgerTimer(TimerAdaptor):
    """The timer adaptor with a wall clock that a test moves."""

    def wall_clock(self) -> float:
        text = Path(os.environ["SLEE_TEST_CLOCK"]).read_text(encoding="ascii")
        return float(text[1:]) if text.startswith("=") else time.time() + float(text)


SHIPMENT = Shipment(
    adaptors=("tests.interop.ledger_server:LedgerTimer",),
    root=Path(__file__).parent / "ledger",
    bundles=("sbbs/ledger",),
    entities=(EntityEquipment("timer", "timer", "timer", ("timer-main",)),),
    services=("Ledger",),
    addresses=lambda name, section: [],
)


def main(settings: list[str]) -> int:
    """Run it; every argument is a setting `key=value`."""
    try:
        configuration = load_configuration(None, dict(parse_setting(text) for text in settings))
        prepared = prepare(configuration, {"timer": configuration.timer}, SHIPMENT)
    except SleeError as error:
        return refused(error)
    return serve_prepared(prepared)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

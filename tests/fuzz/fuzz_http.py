#!/usr/bin/env python3
"""Fuzz HTTP's parsers: no octets may raise anything but RemoteProtocolError, or be read differently by h11 (HTTP-45).

    python tests/fuzz/fuzz_http.py -max_total_time=600 tests/fuzz/corpus/http

Arguments are those of libFuzzer, as for `fuzz_sip_parser.py`; `python tests/fuzz/seed_http.py` writes the seeds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))

with atheris.instrument_imports(include=["resource_adaptors.http"]):
    from tests.fuzz.http_target import check


def main() -> None:
    """Run libFuzzer until it is told to stop."""
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Fuzz the SIP parser: no octets may raise anything but RemoteProtocolError (COM-22, SIP-199).

    python tests/fuzz/fuzz_sip_parser.py -max_total_time=600 tests/fuzz/corpus/sip_parser

Arguments are those of libFuzzer: directories hold the corpus, `-max_total_time` is in seconds, `-runs` is a number,
`-max_len` is in octets (4096 unless given). A crash is written to the working directory as `crash-<hash>`; make it a
failing test first, mend the parser, then keep the input in the corpus. Start the corpus afresh with
`python tests/fuzz/seed_sip_parser.py`; add what a grown one has in addition by running this file, in an activated
environment, with `-merge=1 tests/fuzz/corpus/sip_parser GROWN`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[2]))

with atheris.instrument_imports(include=["resource_adaptors.sip.message"]):
    from tests.fuzz.sip_parser_target import check


def main() -> None:
    """Run libFuzzer until it is told to stop."""
    arguments = sys.argv
    if not any(argument.startswith("-max_len=") for argument in arguments):
        arguments = [arguments[0], "-max_len=4096", *arguments[1:]]
    atheris.Setup(arguments, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

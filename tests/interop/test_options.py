"""Lane of OPTIONS: the server answers for a domain that it serves (RFC 3261 11; SIP-178)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.peers import DOMAIN, Sipp, program, run
from tests.interop.servers import Server


@pytest.mark.programs("sipsak")
def test_sipsak_options_to_a_served_domain(server: Server) -> None:
    """An OPTIONS without a user part is answered 200."""
    status, output = run(
        [program("sipsak"), "-p", f"{server.sip[0]}:{server.sip[1]}", "-s", f"sip:{DOMAIN}", "-vv"], timeout=8.0
    )
    assert status == 0, output
    assert "SIP/2.0 200" in output


def test_sipp_options_to_a_served_domain(server: Server, tmp_path: Path) -> None:
    """The scenario of the benchmark, a hundred times."""
    with Sipp("options", tmp_path, server=server.sip, calls=100, rate=200.0) as prober:
        prober.finish().require(100)

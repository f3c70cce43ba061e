"""Lanes of the transaction layer: repeated messages are absorbed, lost ones replaced (RFC 3261 17, RFC 6026)."""

from __future__ import annotations

from pathlib import Path

from tests.interop.peers import Sipp
from tests.interop.servers import Server
from tests.interop.telephony import answering, register


def test_repeated_requests_and_answers(server: Server, tmp_path: Path) -> None:
    """Repeated requests reach the callee once; all 200 to INVITE reach the caller, one of those to BYE does.

    RFC 3261 17.2.1, 17.2.2 (server transactions), 17.1.2.2 (Completed), RFC 6026 7.2 (Accepted passes each 2xx on).
    """
    with Sipp("uas_repeats", tmp_path, calls=1, messages=True) as callee:
        register(server, tmp_path, [("bob", callee.port)])
        with Sipp("uac_repeats", tmp_path, server=server.sip, calls=1, rows=[("bob",)], messages=True) as caller:
            caller.finish().require(1)
        callee.finish().require(1)
        assert caller.sent("INVITE ") >= 2
        assert callee.received("INVITE ") == 1
        assert caller.sent("BYE ") >= 2
        assert callee.received("BYE ") == 1
        # At least, for Kamailio keeps to RFC 3261 and answers a late INVITE by the 200 that it has.
        assert caller.received("SIP/2.0 200 ", "CSeq: 1 INVITE") >= callee.sent("SIP/2.0 200 ", "CSeq: 1 INVITE") >= 2
        assert callee.sent("SIP/2.0 200 ", "CSeq: 2 BYE") == 2
        assert caller.received("SIP/2.0 200 ", "CSeq: 2 BYE") == 1


def test_calls_survive_lost_messages(server: Server, tmp_path: Path, is_long: bool) -> None:
    """A fifth of the INVITEs, BYEs and 200 is lost before the server, and every call is good all the same."""
    calls = 300 if is_long else 40
    with answering(tmp_path, calls, lost_percent=20, messages=True) as callee:
        register(server, tmp_path, [("bob", callee.port)])
        caller = Sipp(
            "uac_rr", tmp_path, server=server.sip, calls=calls, rows=[("bob",)], lost_percent=20, messages=True
        )
        with caller:
            verdict = caller.finish().require(calls)
        callee.finish().require(calls)
    assert verdict.retransmissions > 0

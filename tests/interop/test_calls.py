"""Lanes of the proxy: SIPp calls SIPp through the server (RFC 3261 16; APP-3).

A call counts only when both ends say so: each plays its scenario to the end, without a failed call or an unexpected
message.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.process_tree import cpu_seconds
from tests.interop.conftest import StartServer
from tests.interop.peers import Sipp, free_port
from tests.interop.servers import Server, Timers
from tests.interop.telephony import answering, refused_call, register, silent_callee, waiting_datagrams


def test_calls_with_record_route_honoured(server: Server, tmp_path: Path, is_long: bool) -> None:
    """INVITE 100 180 200 ACK BYE 200 to registered users: 20,000 calls (500 in the short form), none lost."""
    calls, users, rate = (20_000, 10_000, 250.0) if is_long else (500, 100, 100.0)
    names = [f"user{number}" for number in range(users)]
    timeout = 40.0 + calls / rate
    with answering(tmp_path, calls, timeout=timeout * 2) as callee:
        register(server, tmp_path, [(name, callee.port) for name in names])
        rows = [(name,) for name in names]
        with Sipp("uac_rr", tmp_path, server=server.sip, calls=calls, rows=rows, rate=rate, timeout=timeout) as caller:
            caller.finish().require(calls)
        callee.finish().require(calls)


def test_call_that_rings_and_is_held(server: Server, tmp_path: Path) -> None:
    """The 180 goes through at once, and the dialog's requests find their way after a while."""
    with answering(tmp_path, 5, ring_ms=300) as callee:
        register(server, tmp_path, [("bob", callee.port)])
        with Sipp("uac_rr", tmp_path, server=server.sip, calls=5, rows=[("bob",)], hold_ms=700) as caller:
            caller.finish().require(5)
        callee.finish().require(5)


def test_cancel_while_ringing(server: Server, tmp_path: Path) -> None:
    """RFC 3261 9, 16.10: the CANCEL is answered 200 and goes on to the callee, whose 487 comes back."""
    with Sipp("uas_cancelled", tmp_path, calls=3, cancel="^CANCEL ") as callee:
        register(server, tmp_path, [("bob", callee.port)])
        with Sipp("uac_cancel", tmp_path, server=server.sip, calls=3, rows=[("bob",)]) as caller:
            caller.finish().require(3)
        callee.finish().require(3)


def test_busy_callee(server: Server, tmp_path: Path) -> None:
    """RFC 3261 16.7 step 6: the only branch's 486 is the answer."""
    with Sipp("uas_busy", tmp_path, calls=1) as callee:
        register(server, tmp_path, [("bob", callee.port)])
        refused_call(server, tmp_path, "bob", 486)
        callee.finish().require(1)


def test_silent_callee_is_408_by_timer_b(start_server: StartServer, tmp_path: Path) -> None:
    """RFC 3261 16.8, 17.1.1.2: seven INVITEs in 64 times T1 and then 408."""
    server = start_server(timers=Timers(t1=0.05))
    with silent_callee() as (telephone, port):
        register(server, tmp_path, [("bob", port)])
        verdict = refused_call(server, tmp_path, "bob", 408)
        heard = waiting_datagrams(telephone)
    assert all(datagram == heard[0] for datagram in heard)
    assert heard[0].startswith(b"INVITE ")
    # At 0, 1, 3, 7, 15, 31 and 63 times T1; a yardstick with a coarse clock may lose the last.
    assert 5 <= len(heard) <= 7
    assert verdict.seconds >= 64 * 0.05


def test_ringing_callee_is_408_by_timer_c(start_server: StartServer, tmp_path: Path) -> None:
    """RFC 3261 16.8, SIP-157: a callee that only rings is cancelled when timer C fires, and the caller gets 408."""
    server = start_server(timers=Timers(timer_c=2.0))
    with Sipp("uas_cancelled", tmp_path, calls=1, cancel="^CANCEL ") as callee:
        register(server, tmp_path, [("bob", callee.port)])
        refused_call(server, tmp_path, "bob", 408)
        callee.finish().require(1)


def test_unknown_user_is_404(server: Server, tmp_path: Path) -> None:
    """RFC 3261 16.5: no binding, no target."""
    refused_call(server, tmp_path, "nobody", 404)


@pytest.mark.parametrize("bindings", [1, 2])
def test_user_whose_bindings_cannot_be_reached_is_480(server: Server, tmp_path: Path, bindings: int) -> None:
    """SIP-35: ICMP says at once that nobody listens at the contacts; the user is known but not there.

    The error of one datagram surfaces at the next, and on the socket's error queue. Afterwards the server must hear as
    before, and must not turn in circles about an error that it has left there.
    """
    register(server, tmp_path, [("unreachable", free_port()) for _ in range(bindings)])
    verdict = refused_call(server, tmp_path, "unreachable", 480)
    assert verdict.seconds < 16.0
    before = cpu_seconds(server.child.pid)
    with Sipp("options", tmp_path, server=server.sip, calls=20, rate=10.0, timeout=10.0) as prober:
        prober.finish().require(20)
    # Twenty answers in two seconds are some milliseconds of work.
    assert cpu_seconds(server.child.pid) - before < 1.0


@pytest.mark.parametrize("losers", [1, 2])
def test_fork_with_one_winner(server: Server, tmp_path: Path, losers: int) -> None:
    """RFC 3261 16.7 step 10, SIP-70: all phones ring; one answers, and the others' CANCEL says why."""
    reason = "Reason: *SIP *; *cause=200"
    with ExitStack() as stack:
        winner = stack.enter_context(answering(tmp_path, 1, ring_ms=300))
        others = [stack.enter_context(Sipp("uas_cancelled", tmp_path, calls=1, cancel=reason)) for _ in range(losers)]
        phones = [others[0], winner, *others[1:]]
        register(server, tmp_path, [("carol", phone.port) for phone in phones])
        caller = stack.enter_context(Sipp("uac_rr", tmp_path, server=server.sip, calls=1, rows=[("carol",)]))
        caller.finish().require(1)
        for phone in phones:
            phone.finish().require(1)

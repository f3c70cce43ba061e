"""Lanes of the registrar: SIPp and sipsak bind, ask and take away (RFC 3261 10; APP-1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.peers import DOMAIN, HOST, Sipp, free_port, program, run
from tests.interop.servers import Server
from tests.interop.telephony import answering, refused_call, register


def test_many_distinct_users_register(server: Server, tmp_path: Path, is_long: bool) -> None:
    """Each of 10,000 users (1,000 in the short form) is answered 200 with its contact."""
    users = 10_000 if is_long else 1_000
    register(server, tmp_path, [(f"user{number}", 9) for number in range(users)])


def test_bindings_are_listed_and_taken_away(server: Server, tmp_path: Path) -> None:
    """RFC 3261 10.3 step 8: two contacts, a question, one un-registered, and all by `*`; no call gets through then."""
    first, second = free_port(), free_port()
    with Sipp(
        "unregister", tmp_path, server=server.sip, calls=1, rows=[("alice",)], first=first, second=second
    ) as phone:
        phone.finish().require(1)
    refused_call(server, tmp_path, "alice", 404)


@pytest.mark.programs("sipsak")
def test_sipsak_registers_a_phone_that_is_called(server: Server, tmp_path: Path) -> None:
    """`sipsak -U` binds a contact for another program, and calls reach it."""
    with answering(tmp_path, 1) as callee:
        where = ["-p", f"{server.sip[0]}:{server.sip[1]}", "-s", f"sip:bob@{DOMAIN}"]
        contact = ["-C", f"sip:bob@{HOST}:{callee.port}", "-x", "300"]
        status, output = run([program("sipsak"), "-U", *where, *contact, "-v"])
        assert status == 0, output
        with Sipp("uac_rr", tmp_path, server=server.sip, calls=1, rows=[("bob",)]) as caller:
            caller.finish().require(1)
        callee.finish().require(1)


def test_plain_sipp_phone_registers_and_calls(server: Server, tmp_path: Path) -> None:
    """A phone that knows the server by its address alone registers there, and is called by that address."""
    domain = f"{server.sip[0]}:{server.sip[1]}"
    with answering(tmp_path, 5) as callee:
        register(server, tmp_path, [("bob", callee.port)], domain=domain)
        with Sipp("uac_rr", tmp_path, server=server.sip, calls=5, rows=[("bob",)], domain=domain) as caller:
            caller.finish().require(5)
        callee.finish().require(5)

"""Transactions leave memory at their timer, form no cycles, and are small while they live (SIP-210, SIP-211)."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable

import pytest

from resource_adaptors.sip.protocol.transaction import Transaction
from tests.resource_adaptors.sip.protocol.rig import ALICE, ALL_KINDS, BOB, CAROL, PROXY, Rig, uri_of


def answered(rig: Rig) -> None:
    rig.call(BOB, record_route=True)
    rig.answer(BOB, 180)
    rig.answer(BOB, 200)
    route = (("Route", f"<sip:{PROXY[0]}:{PROXY[1]};lr>"),)
    rig.feed(rig.request("ACK", uri_of(BOB), to_tag="b", headers=route), ALICE)
    rig.feed(rig.request("BYE", uri_of(BOB), to_tag="b", headers=route), ALICE)
    rig.answer(BOB, 200, "BYE")


def refused(rig: Rig) -> None:
    invite, _ = rig.call(BOB)
    rig.answer(BOB, 486)
    rig.feed(rig.ack(invite), ALICE)


def forked(rig: Rig) -> None:
    rig.call(BOB, CAROL)
    rig.answer(CAROL, 180)
    rig.answer(BOB, 200)
    rig.answer(CAROL, 200, "CANCEL")
    rig.answer(CAROL, 487)


def cancelled(rig: Rig) -> None:
    invite, _ = rig.call(BOB)
    rig.answer(BOB, 180)
    rig.cancel(invite)


def unanswered(rig: Rig) -> None:
    rig.call(BOB)


def unreachable(rig: Rig) -> None:
    rig.call(BOB)
    rig.core.transport_error(BOB, "refused", rig.now)


def ignored(rig: Rig) -> None:
    rig.feed(rig.request("INVITE"), ALICE)
    rig.feed(rig.request("MESSAGE"), ALICE)


def served(rig: Rig) -> None:
    rig.feed(rig.request("INVITE"), ALICE)
    rig.core.respond(rig.transaction(), 200, rig.now)


@pytest.mark.parametrize("story", [answered, refused, forked, cancelled, unanswered, unreachable, ignored, served])
def test_sip_211_every_transaction_is_freed_by_its_timers_without_the_garbage_collector(
    story: Callable[[Rig], None],
) -> None:
    rig = Rig()
    gc.collect()
    gc.disable()
    try:
        story(rig)
        rig.drain()
        layer = rig.core._layer
        assert layer.clients or layer.servers
        rig.events.clear()
        for _ in range(20):
            rig.advance(35)
        rig.events.clear()
        assert rig.transactions() == {}
        assert rig.core.statistics().timers == 0
        assert not layer._pending
        assert not layer._initial
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        assert [thing for thing in gc.garbage if isinstance(thing, Transaction)] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_sip_211_a_transaction_takes_at_most_4_kib() -> None:
    """Measured over the transactions that a proxied call leaves for half a minute."""
    rig = Rig()
    answered(rig)
    rig.drain()
    rig.sent.clear()
    rig.events.clear()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            answered(rig)
            rig.sent.clear()
            rig.events.clear()
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    count = sum(rig.transactions().values()) - 4
    assert count == 800
    assert used / count < 4096


def test_sip_211_so_does_one_that_rings() -> None:
    rig = Rig(wanted=ALL_KINDS)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            rig.call(BOB)
            rig.answer(BOB, 180)
            rig.sent.clear()
            rig.events.clear()
        used = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert used / sum(rig.transactions().values()) < 4096

"""Every cell of the four transaction tables: what it does, or that it is rejected with nothing changed (SIP-57).

The expectations are written out from the tables of RFC 3261 17 and RFC 6026 and do not read the product's data, so that
changing or deleting any line of it fails here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import pytest

from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.message.parser import parse_message
from resource_adaptors.sip.protocol.client import ClientInvite, ClientNonInvite, ClientTransaction
from resource_adaptors.sip.protocol.server import ServerInvite, ServerNonInvite, ServerTransaction
from resource_adaptors.sip.protocol.statistics import Counters
from resource_adaptors.sip.protocol.timing import Timing
from resource_adaptors.sip.protocol.transaction import Outlet, Transaction
from slee.spi.wheel import TimerWheel

PEER: Final = ("192.0.2.1", 5060)
NOW: Final = 1000.0
T1, T2, T4 = 0.5, 4.0, 5.0

# Effects, as the recording layer and the transaction's clocks show them.
SENT: Final = "sent"
RESENT: Final = "resent"
ACKED: Final = "acked"
UP: Final = "up"
TIMEOUT: Final = "timeout"
ERROR: Final = "error"

# (state, symbol): (effects, next state, seconds until it sends again, (timer that ends the state, seconds))
Cell = tuple[set[str], str, float | None, tuple[str, float] | None]
KEEP: Final = ("keep", -1.0)
"""The timer that ends the state runs on."""

CLIENT_INVITE: dict[tuple[str, str], Cell] = {
    ("calling", "start"): ({SENT}, "calling", T1, ("B", 64 * T1)),
    ("calling", "A"): ({RESENT}, "calling", 2 * T1, KEEP),
    ("calling", "B"): ({TIMEOUT}, "terminated", None, None),
    ("calling", "1xx"): ({UP}, "proceeding", None, None),
    ("calling", "2xx"): ({UP}, "accepted", None, ("M", 64 * T1)),
    ("calling", "300-699"): ({UP, ACKED}, "completed", None, ("D", 32.0)),
    ("calling", "transport error"): ({ERROR}, "terminated", None, None),
    ("proceeding", "1xx"): ({UP}, "proceeding", None, None),
    ("proceeding", "2xx"): ({UP}, "accepted", None, ("M", 64 * T1)),
    ("proceeding", "300-699"): ({UP, ACKED}, "completed", None, ("D", 32.0)),
    ("proceeding", "transport error"): ({ERROR}, "terminated", None, None),
    ("completed", "300-699"): ({RESENT}, "completed", None, KEEP),
    ("completed", "D"): (set(), "terminated", None, None),
    ("completed", "transport error"): ({ERROR}, "terminated", None, None),
    ("accepted", "1xx"): (set(), "accepted", None, KEEP),
    ("accepted", "2xx"): ({UP}, "accepted", None, KEEP),
    ("accepted", "300-699"): (set(), "accepted", None, KEEP),
    ("accepted", "M"): (set(), "terminated", None, None),
}
SERVER_INVITE: dict[tuple[str, str], Cell] = {
    ("proceeding", "request"): ({RESENT}, "proceeding", None, None),
    ("proceeding", "send 1xx"): ({SENT}, "proceeding", None, None),
    ("proceeding", "send 2xx"): ({SENT}, "accepted", None, ("L", 64 * T1)),
    ("proceeding", "send 300-699"): ({SENT}, "completed", T1, ("H", 64 * T1)),
    ("proceeding", "transport error"): ({ERROR}, "proceeding", None, None),
    ("completed", "request"): ({RESENT}, "completed", T1, KEEP),
    ("completed", "G"): ({RESENT}, "completed", 2 * T1, KEEP),
    ("completed", "ACK"): (set(), "confirmed", None, ("I", T4)),
    ("completed", "H"): ({TIMEOUT}, "terminated", None, None),
    ("completed", "transport error"): ({ERROR}, "completed", T1, KEEP),
    ("confirmed", "I"): (set(), "terminated", None, None),
    ("confirmed", "transport error"): ({ERROR}, "confirmed", None, KEEP),
    ("accepted", "request"): (set(), "accepted", None, KEEP),
    ("accepted", "ACK"): ({UP}, "accepted", None, KEEP),
    ("accepted", "send 2xx"): ({SENT}, "accepted", None, KEEP),
    ("accepted", "L"): (set(), "terminated", None, None),
    ("accepted", "transport error"): ({ERROR}, "accepted", None, KEEP),
}
CLIENT_NON_INVITE: dict[tuple[str, str], Cell] = {
    ("trying", "start"): ({SENT}, "trying", T1, ("F", 64 * T1)),
    ("trying", "E"): ({RESENT}, "trying", 2 * T1, KEEP),
    ("trying", "F"): ({TIMEOUT}, "terminated", None, None),
    ("trying", "1xx"): ({UP}, "proceeding", T1, KEEP),
    ("trying", "2xx"): ({UP}, "completed", None, ("K", T4)),
    ("trying", "300-699"): ({UP}, "completed", None, ("K", T4)),
    ("trying", "transport error"): ({ERROR}, "terminated", None, None),
    ("proceeding", "E"): ({RESENT}, "proceeding", T2, KEEP),
    ("proceeding", "F"): ({TIMEOUT}, "terminated", None, None),
    ("proceeding", "1xx"): ({UP}, "proceeding", T1, KEEP),
    ("proceeding", "2xx"): ({UP}, "completed", None, ("K", T4)),
    ("proceeding", "300-699"): ({UP}, "completed", None, ("K", T4)),
    ("proceeding", "transport error"): ({ERROR}, "terminated", None, None),
    ("completed", "1xx"): (set(), "completed", None, KEEP),
    ("completed", "2xx"): (set(), "completed", None, KEEP),
    ("completed", "300-699"): (set(), "completed", None, KEEP),
    ("completed", "K"): (set(), "terminated", None, None),
}
SERVER_NON_INVITE: dict[tuple[str, str], Cell] = {
    ("trying", "request"): (set(), "trying", None, None),
    ("trying", "send 1xx"): ({SENT}, "proceeding", None, None),
    ("trying", "send 2xx"): ({SENT}, "completed", None, ("J", 64 * T1)),
    ("trying", "send 300-699"): ({SENT}, "completed", None, ("J", 64 * T1)),
    ("proceeding", "request"): ({RESENT}, "proceeding", None, None),
    ("proceeding", "send 1xx"): ({SENT}, "proceeding", None, None),
    ("proceeding", "send 2xx"): ({SENT}, "completed", None, ("J", 64 * T1)),
    ("proceeding", "send 300-699"): ({SENT}, "completed", None, ("J", 64 * T1)),
    ("completed", "request"): ({RESENT}, "completed", None, KEEP),
    ("completed", "J"): (set(), "terminated", None, None),
}
SYMBOLS: Final = (
    *("start", "request", "ACK", "1xx", "2xx", "300-699", "send 1xx", "send 2xx", "send 300-699", "transport error"),
    *"ABDEFGHIJKLM",
)
STATES: Final = {
    ClientInvite: ("calling", "proceeding", "completed", "accepted", "terminated"),
    ServerInvite: ("proceeding", "completed", "confirmed", "accepted", "terminated"),
    ClientNonInvite: ("trying", "proceeding", "completed", "terminated"),
    ServerNonInvite: ("trying", "proceeding", "completed", "terminated"),
}
EXPECTED: Final = {
    ClientInvite: CLIENT_INVITE,
    ServerInvite: SERVER_INVITE,
    ClientNonInvite: CLIENT_NON_INVITE,
    ServerNonInvite: SERVER_NON_INVITE,
}
# How a transaction gets into each state: symbols from its first state on.
WAYS: Final[dict[tuple[type[Transaction], str], tuple[str, ...]]] = {
    (ClientInvite, "calling"): ("start",),
    (ClientInvite, "proceeding"): ("start", "1xx"),
    (ClientInvite, "completed"): ("start", "300-699"),
    (ClientInvite, "accepted"): ("start", "2xx"),
    (ClientInvite, "terminated"): ("start", "B"),
    (ServerInvite, "proceeding"): ("send 1xx",),
    (ServerInvite, "completed"): ("send 300-699",),
    (ServerInvite, "confirmed"): ("send 300-699", "ACK"),
    (ServerInvite, "accepted"): ("send 2xx",),
    (ServerInvite, "terminated"): ("send 2xx", "L"),
    (ClientNonInvite, "trying"): ("start",),
    (ClientNonInvite, "proceeding"): ("start", "1xx"),
    (ClientNonInvite, "completed"): ("start", "2xx"),
    (ClientNonInvite, "terminated"): ("start", "F"),
    (ServerNonInvite, "trying"): (),
    (ServerNonInvite, "proceeding"): ("send 1xx",),
    (ServerNonInvite, "completed"): ("send 2xx",),
    (ServerNonInvite, "terminated"): ("send 2xx", "J"),
}


def message(start: str, method: str) -> bytes:
    return (
        f"{start}\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\r\nFrom: <sip:a@example.net>;tag=f\r\n"
        f"To: <sip:b@example.net>;tag=t\r\nCall-ID: c\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def request(method: str) -> Request:
    parsed = parse_message(message(f"{method} sip:b@example.net SIP/2.0", method))
    assert isinstance(parsed, Request)
    return parsed


def response(status: int, method: str) -> Response:
    parsed = parse_message(message(f"SIP/2.0 {status} Whatever", method))
    assert isinstance(parsed, Response)
    return parsed


class Recorder:
    """A layer and its user that write down what a transaction does."""

    def __init__(self) -> None:
        self.timing = Timing(t1=T1, t2=T2, t4=T4)
        self.wheel: TimerWheel[Transaction] = TimerWheel(0.01)
        self.counters = Counters()
        self.user = self
        self.out: list[tuple[bytes, tuple[str, int]]] = []
        self.told: set[str] = set()
        self.removed: list[Transaction] = []

    def outlet(self, destination: tuple[str, int]) -> Outlet:
        assert destination == PEER
        return self.out

    @property
    def sent(self) -> list[bytes]:
        return [data for data, destination in self.out if destination == PEER]

    def settled(self, transaction: ClientTransaction) -> None:
        pass

    def remove(self, transaction: Transaction) -> None:
        self.removed.append(transaction)

    def on_response(self, transaction: ClientTransaction, response: Response, now: float) -> None:
        self.told.add(UP)

    def on_ack(self, transaction: ServerTransaction, request: Request, now: float) -> None:
        self.told.add(UP)

    def on_timeout(self, transaction: Transaction, now: float) -> None:
        self.told.add(TIMEOUT)

    def on_transport_error(self, transaction: Transaction, reason: str, now: float) -> None:
        assert reason == "refused"
        self.told.add(ERROR)

    def on_guard(self, transaction: Transaction, guard: str, now: float) -> None:
        raise AssertionError("no guard was set")

    def on_unacknowledged(self, transaction: ServerTransaction) -> None:
        raise AssertionError("no acknowledgement was asked for")


def make(kind: type[Transaction], layer: Recorder) -> Transaction:
    if kind is ClientInvite:
        return ClientInvite(layer, "z9hG4bKx", "INVITE", PEER, None)
    if kind is ClientNonInvite:
        return ClientNonInvite(layer, "z9hG4bKx", "OPTIONS", PEER, None)
    if kind is ServerInvite:
        return ServerInvite(layer, ("x",), request("INVITE"), PEER, PEER, NOW)
    return ServerNonInvite(layer, ("x",), request("OPTIONS"), PEER, PEER, NOW)


def payload(kind: type[Transaction], symbol: str) -> object:
    method = "INVITE" if kind in (ClientInvite, ServerInvite) else "OPTIONS"
    given: dict[str, object] = {
        "start": request(method),
        "request": request(method),
        "ACK": request("ACK"),
        "1xx": response(180, method),
        "2xx": response(200, method),
        "300-699": response(486, method),
        "send 1xx": response(180, method).raw,
        "send 2xx": response(200, method).raw,
        "send 300-699": response(486, method).raw,
        "transport error": "refused",
    }
    return given.get(symbol)


def reach(kind: type[Transaction], state: str, layer: Recorder) -> Transaction:
    """A transaction that has come into a state by the lines of the table, its record of that forgotten."""
    transaction = make(kind, layer)
    for symbol in WAYS[kind, state]:
        assert transaction.step(symbol, payload(kind, symbol), NOW)
    assert transaction.state == state
    layer.out.clear()
    layer.told.clear()
    layer.removed.clear()
    return transaction


def kind_keeps(kind: type[Transaction], state: str) -> bool:
    """Whether a transaction in a state has something that it may have to send again."""
    return not (kind is ClientNonInvite and state == "completed") and not (
        kind is ServerNonInvite and state == "trying"
    )


def cells(*, listed: bool) -> Iterator[tuple[type[Transaction], str, str]]:
    for kind, states in STATES.items():
        for state in states:
            for symbol in SYMBOLS:
                if ((state, symbol) in EXPECTED[kind]) is listed:
                    yield kind, state, symbol


def effects(transaction: Transaction, layer: Recorder, data: object, before: bytes) -> set[str]:
    found = set(layer.told)
    for sent in layer.sent:
        if sent.startswith(b"ACK ") and before != sent:
            found.add(ACKED)
        elif (isinstance(data, Request) and data.raw == sent and transaction.kind.startswith("client")) or data == sent:
            found.add(SENT)
        else:
            assert sent == before
            found.add(RESENT)
    assert len(layer.sent) <= 1
    return found


@pytest.mark.parametrize(("kind", "state", "symbol"), list(cells(listed=True)))
def test_sip_57_a_listed_cell_does_what_it_says(kind: type[Transaction], state: str, symbol: str) -> None:
    layer = Recorder()
    # The first send of a client is a step of the table like any other: it starts from a transaction just made.
    transaction = make(kind, layer) if symbol == "start" else reach(kind, state, layer)
    before = transaction.wire
    alarm, expire_at = transaction.alarm, transaction.expire_at
    data = payload(kind, symbol)
    expected, following, resend, ends = EXPECTED[kind][state, symbol]

    assert transaction.step(symbol, data, NOW)

    assert effects(transaction, layer, data, before) == expected
    assert transaction.state == following
    assert layer.removed == ([transaction] if following == "terminated" else [])
    if following == "terminated":
        assert len(layer.wheel) == 0
        return
    # Nothing is kept that cannot be sent again: transactions outlive their answers by half a minute (SIP-211).
    assert bool(transaction.wire) == (following not in {"accepted", "confirmed"} and kind_keeps(kind, following))
    assert transaction.resend_at == (math.inf if resend is None else NOW + resend)
    if ends is None:
        assert transaction.expire_at == math.inf
    elif ends == KEEP:
        assert (transaction.alarm, transaction.expire_at) == (alarm, expire_at)
    else:
        assert (transaction.alarm, transaction.expire_at) == (ends[0], NOW + ends[1])
    due = min(transaction.resend_at, transaction.expire_at)
    if due != math.inf:
        assert layer.wheel.expire(math.nextafter(due, 0)) == []
        assert layer.wheel.expire(due) == [transaction]
    assert len(layer.wheel) == 0


@pytest.mark.parametrize(("kind", "state", "symbol"), list(cells(listed=False)))
def test_sip_57_any_other_cell_is_rejected_with_nothing_changed(
    kind: type[Transaction], state: str, symbol: str
) -> None:
    layer = Recorder()
    transaction = reach(kind, state, layer)
    slots = [name for cls in kind.__mro__ for name in getattr(cls, "__slots__", ())]
    before = [getattr(transaction, name) for name in slots]

    assert not transaction.step(symbol, payload(kind, symbol), NOW + 1)

    assert [getattr(transaction, name) for name in slots] == before
    assert not layer.sent
    assert not layer.told
    assert not layer.removed


@pytest.mark.parametrize(
    ("kind", "way", "timers"),
    [
        (ClientInvite, ("start",), {"A", "B"}),
        (ClientNonInvite, ("start",), {"E", "F"}),
        (ServerInvite, ("send 300-699",), {"G", "H"}),
    ],
)
def test_intervals_double_up_to_t2_but_for_the_invite(
    kind: type[Transaction], way: tuple[str, ...], timers: set[str]
) -> None:
    """Timer A doubles without end until B; E and G stop at T2 (RFC 3261 17.1.1.2, 17.1.2.2, 17.2.1)."""
    layer = Recorder()
    transaction = make(kind, layer)
    for symbol in way:
        transaction.step(symbol, payload(kind, symbol), NOW)
    layer.out.clear()
    instants: list[float] = []
    while transaction.state != "terminated":
        now = min(transaction.resend_at, transaction.expire_at)
        layer.out.clear()
        for due in layer.wheel.expire(now):
            due.expired(now)
        if layer.sent:
            instants.append(now - NOW)
    doubling = [0.5, 1.5, 3.5, 7.5]
    assert instants == doubling + ([15.5, 31.5] if kind is ClientInvite else [11.5, 15.5, 19.5, 23.5, 27.5, 31.5])
    assert now - NOW == 64 * T1
    assert layer.told == {TIMEOUT}
    assert transaction.alarm in timers


@pytest.mark.parametrize(
    ("kind", "symbols"),
    [
        (ClientInvite, ("start", "300-699")),
        (ClientNonInvite, ("start", "2xx")),
        (ServerInvite, ("send 300-699", "ACK")),
        (ServerNonInvite, ("send 2xx",)),
    ],
)
def test_over_a_reliable_transport_nothing_is_sent_again_and_no_state_waits_for_it(
    kind: type[Transaction], symbols: tuple[str, ...]
) -> None:
    """Timers A, E and G are not set; D, I, J and K are 0 (table of B6)."""
    layer = Recorder()
    reliable = type("Reliable", (kind,), {"__slots__": (), "is_reliable": True})
    transaction = make(kind, layer)
    transaction.__class__ = reliable
    for symbol in symbols:
        assert transaction.step(symbol, payload(kind, symbol), NOW)
        assert transaction.resend_at == math.inf
    for due in layer.wheel.expire(NOW):
        due.expired(NOW)
    assert transaction.state == "terminated"

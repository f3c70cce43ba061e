"""The peer table against a model, and what peers do on the wire (DIA-9 to DIA-16)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import u32
from resource_adaptors.diameter.message.message import Message, decode
from resource_adaptors.diameter.protocol import tables, watchdog
from resource_adaptors.diameter.protocol.capabilities import disconnect_request
from resource_adaptors.diameter.protocol.events import (
    Close,
    Down,
    Open,
    Restarted,
    Up,
    Write,
)
from tests.resource_adaptors.diameter.test_codec import REQUEST
from tests.resource_adaptors.diameter.wire import Bench, capabilities_answer_of, theirs

# The RFC's own table, written down once more and by hand: event, state, next state.
MODEL = """
Start            Closed               Wait-Conn-Ack
R-Conn-CER       Closed               R-Open
I-Rcv-Conn-Ack   Wait-Conn-Ack        Wait-I-CEA
I-Rcv-Conn-Nack  Wait-Conn-Ack        Closed
R-Conn-CER       Wait-Conn-Ack        Wait-Conn-Ack/Elect
Timeout          Wait-Conn-Ack        Closed
I-Rcv-CEA        Wait-I-CEA           I-Open
R-Conn-CER       Wait-I-CEA           Wait-Returns
I-Peer-Disc      Wait-I-CEA           Closed
I-Rcv-Non-CEA    Wait-I-CEA           Closed
Timeout          Wait-I-CEA           Closed
I-Rcv-Conn-Ack   Wait-Conn-Ack/Elect  Wait-Returns
I-Rcv-Conn-Nack  Wait-Conn-Ack/Elect  R-Open
R-Peer-Disc      Wait-Conn-Ack/Elect  Wait-Conn-Ack
R-Conn-CER       Wait-Conn-Ack/Elect  Wait-Conn-Ack/Elect
Timeout          Wait-Conn-Ack/Elect  Closed
Win-Election     Wait-Returns         R-Open
I-Peer-Disc      Wait-Returns         R-Open
I-Rcv-CEA        Wait-Returns         I-Open
R-Peer-Disc      Wait-Returns         Wait-I-CEA
R-Conn-CER       Wait-Returns         Wait-Returns
Timeout          Wait-Returns         Closed
Send-Message     R-Open               R-Open
R-Rcv-Message    R-Open               R-Open
R-Rcv-DWR        R-Open               R-Open
R-Rcv-DWA        R-Open               R-Open
R-Conn-CER       R-Open               R-Open
Stop             R-Open               Closing
R-Rcv-DPR        R-Open               Closing
R-Peer-Disc      R-Open               Closed
Send-Message     I-Open               I-Open
I-Rcv-Message    I-Open               I-Open
I-Rcv-DWR        I-Open               I-Open
I-Rcv-DWA        I-Open               I-Open
R-Conn-CER       I-Open               I-Open
Stop             I-Open               Closing
I-Rcv-DPR        I-Open               Closing
I-Peer-Disc      I-Open               Closed
I-Rcv-DPA        Closing              Closed
R-Rcv-DPA        Closing              Closed
Timeout          Closing              Closed
I-Peer-Disc      Closing              Closed
R-Peer-Disc      Closing              Closed
"""
ADDED = {("Closing", "I-Rcv-Message"), ("Closing", "R-Rcv-Message"), ("Closing", "R-Conn-CER")}


@pytest.mark.parametrize("state", tables.STATES)
@pytest.mark.parametrize("event", tables.EVENTS)
def test_dia_10_every_cell_of_the_table(state: str, event: str) -> None:
    rows = {(cells[1], cells[0]): cells[2] for cells in map(str.split, MODEL.strip().splitlines())}
    entry = tables.PEER.get((state, event))
    if (state, event) in ADDED:
        assert entry is not None
        assert entry[1] == state
    else:
        assert (entry and entry[1]) == rows.get((state, event))


class PeerMachine(RuleBasedStateMachine):
    """Drives one peer over its wire, beside a model that knows only which connections have which greetings."""

    @initialize(host=st.sampled_from(["b.b.example", "z.b.example"]))
    def begin(self, host: str) -> None:
        """An election with the first host is won, one with the second is lost."""
        self.host = host
        self.bench = Bench(host)
        self.ours: int | None = None
        self.greeting: Message | None = None
        """Ours, once it is written."""
        self.connected = self.greeted_us = False
        self.their: int | None = None
        self.collect()

    def collect(self) -> None:
        for action in self.bench.node.actions:
            if isinstance(action, Open):
                self.ours, self.connected, self.greeted_us, self.greeting = action.connection, False, False, None
            elif isinstance(action, Write) and action.connection == self.ours and self.greeting is None:
                self.greeting = decode(action.data)
            elif isinstance(action, Close):
                if action.connection == self.ours:
                    self.ours = None
                if action.connection == self.their:
                    self.their = None
        self.bench.node.actions.clear()

    @property
    def peer(self) -> object:
        return self.bench.node.peers[self.host]

    @precondition(lambda self: self.ours is not None and not self.connected)
    @rule(works=st.sampled_from([True, True, True, False]))
    def connect(self, works: bool) -> None:
        if works:
            self.connected = True
            self.bench.node.connected(self.ours, self.bench.now)
        else:
            number, self.ours = self.ours, None
            self.bench.node.closed(number, self.bench.now)
        self.collect()

    @precondition(lambda self: self.greeting is not None and self.ours is not None and not self.greeted_us)
    @rule(result=st.sampled_from([2001, 2001, 5010, 3010]))
    def answer_greeting(self, result: int) -> None:
        self.greeted_us = True
        self.bench.receive(self.ours, capabilities_answer_of(self.host, self.greeting, result))
        self.collect()

    @precondition(lambda self: self.their is None)
    @rule()
    def they_connect(self) -> None:
        self.their = self.bench.node.accept(self.bench.now)
        self.bench.receive(self.their, self.bench.cer(self.host))
        self.collect()

    @precondition(lambda self: self.ours is not None and self.connected)
    @rule()
    def lose_ours(self) -> None:
        number, self.ours = self.ours, None
        self.bench.node.closed(number, self.bench.now)
        self.collect()

    @precondition(lambda self: self.their is not None)
    @rule()
    def lose_theirs(self) -> None:
        number, self.their = self.their, None
        self.bench.node.closed(number, self.bench.now)
        self.collect()

    @precondition(lambda self: self.peer.state == tables.CLOSED)
    @rule()
    def wait_for_the_next_attempt(self) -> None:
        self.bench.advance(self.peer.tc * 1.5)
        self.collect()

    @rule(seconds=st.sampled_from([0.1, 0.5, 0.5, 5.0, 11.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.bench.advance(seconds)
        self.collect()

    @precondition(lambda self: self.peer.is_open)
    @rule()
    def say_goodbye(self) -> None:
        self.bench.node.disconnect(self.host, 0, self.bench.now)
        self.collect()

    @precondition(lambda self: self.peer.is_open)
    @rule()
    def they_say_goodbye(self) -> None:
        number = self.ours if self.peer.state == tables.I_OPEN else self.their
        self.bench.receive(number, disconnect_request(theirs(self.host), 9, 9, 0))
        self.collect()

    @invariant()
    def state_and_connections_agree(self) -> None:
        peer = self.peer
        held = (peer.initiated is not None, peer.responded is not None)
        assert {
            tables.CLOSED: held == (False, False),
            tables.WAIT_CONN_ACK: held == (True, False),
            tables.WAIT_I_CEA: held == (True, False),
            tables.WAIT_CONN_ACK_ELECT: held == (True, True),
            tables.WAIT_RETURNS: held == (True, True),
            tables.R_OPEN: held == (False, True),
            tables.I_OPEN: held == (True, False),
            tables.CLOSING: held != (True, True) and any(held),
        }[peer.state], (peer.state, held)

    @invariant()
    def no_connection_is_left_behind(self) -> None:
        peer = self.peer
        ours = {c.number for c in (peer.initiated, peer.responded) if c is not None}
        assert {n for n in (self.ours, self.their) if n is not None} == ours

    @invariant()
    def up_means_open(self) -> None:
        assert not self.peer.is_up or self.peer.is_open
        REACHED.add(self.peer.state)


REACHED: set[str] = set()


def test_dia_10_peers_against_a_model() -> None:
    """The same histories each time, so that all states are reached each time."""
    REACHED.clear()
    steps = settings(max_examples=600, stateful_step_count=30, deadline=None, derandomize=True, database=None)
    run_state_machine_as_test(PeerMachine, settings=steps)
    assert set(tables.STATES) == REACHED


def test_dia_12_capabilities_say_who_we_are() -> None:
    bench = Bench("b.b.example")
    (wanted,) = bench.actions(Open)
    bench.node.connected(wanted.connection, bench.now)
    (cer,) = bench.written()
    assert cer.name == "CER"
    assert cer.text(codes.ORIGIN_HOST) == "m.example"
    assert cer.number(codes.AUTH_APPLICATION_ID) == 4
    assert cer.number(codes.ACCT_APPLICATION_ID) == 3
    assert cer.number(codes.ORIGIN_STATE_ID) == 1


def test_dia_12_no_common_application_is_5010_and_a_relay_has_all() -> None:
    bench = Bench("b.b.example", opens=False)
    number = bench.let_in("b.b.example", auth_applications=frozenset({99}), acct_applications=frozenset())
    (cea,) = bench.written(number)
    assert cea.result == 5010
    assert bench.actions(Close)
    number = bench.let_in("b.b.example", auth_applications=frozenset({codes.RELAY}), acct_applications=frozenset())
    (cea,) = bench.written(number)
    assert cea.result == 2001


def test_dia_9_unknown_peers_get_3010_unless_they_are_let_in() -> None:
    bench = Bench()
    number = bench.let_in("stranger.example")
    (cea,) = bench.written(number)
    assert (cea.result, cea.is_error) == (3010, True)
    assert bench.actions(Close)
    bench = Bench(accept_unknown=True)
    number = bench.let_in("stranger.example")
    (cea,) = bench.written(number)
    assert cea.result == 2001
    bench.node.closed(number, bench.now)
    assert bench.node.peers == {}


@pytest.mark.parametrize(("host", "ours_stays"), [("a.example", True), ("z.example", False)])
def test_dia_11_the_higher_identity_keeps_the_connection_it_accepted(host: str, ours_stays: bool) -> None:
    bench = Bench(host)
    (wanted,) = bench.actions(Open)
    bench.node.connected(wanted.connection, bench.now)
    number = bench.let_in(host)
    if ours_stays:  # "m" is higher than "a": we keep what we accepted, and drop what we opened
        assert [close.connection for close in bench.actions(Close)] == [wanted.connection]
        assert bench.node.peers[host].state == tables.R_OPEN
    else:
        assert bench.actions(Close) == []
        cer = bench.written(wanted.connection)[0]
        bench.receive(wanted.connection, capabilities_answer_of(host, cer))
        assert [close.connection for close in bench.actions(Close)] == [number]
        assert bench.node.peers[host].state == tables.I_OPEN


def test_dia_13_nothing_is_heard_before_capabilities_and_silence_closes() -> None:
    bench = Bench("b.b.example", opens=False)
    number = bench.node.accept(bench.now)
    bench.receive(number, REQUEST.message())
    assert bench.written() == []
    assert bench.node.statistics.dropped["before_capabilities"] == 1
    bench.advance(9.9)
    assert bench.actions(Close) == []
    bench.advance(0.2)
    assert bench.actions(Close) == [Close(number)]


def test_dia_14_the_watchdog_suspects_then_closes() -> None:
    bench = Bench("b.b.example", opens=False)
    number = bench.let_in("b.b.example")
    assert bench.take(Up) == [Up("b.b.example")]
    bench.written()
    bench.advance(33)
    assert [m.name for m in bench.written()] == ["DWR"]
    bench.advance(33)
    assert bench.node.peers["b.b.example"].watch == watchdog.SUSPECT
    assert bench.take(Down) == [Down("b.b.example", "silent")]
    bench.advance(33)
    assert bench.actions(Close) == [Close(number)]
    assert bench.node.peers["b.b.example"].watch == watchdog.DOWN


def test_dia_14_any_message_calms_the_watchdog_and_reopening_needs_three_answers() -> None:
    bench = Bench("b.b.example", opens=False, tw=6)
    number = bench.let_in("b.b.example")
    bench.advance(30)
    assert bench.node.peers["b.b.example"].watch == watchdog.DOWN
    bench.node.events.clear()
    number = bench.let_in("b.b.example")
    for _ in range(3):
        assert bench.node.peers["b.b.example"].watch == watchdog.REOPEN
        for _ in range(90):
            if requests := [m for m in bench.written(number) if m.name == "DWR"]:
                break
            bench.advance(0.1)
        bench.receive(number, requests[0].answer((u32(codes.RESULT_CODE, 2001),)))
    assert bench.node.peers["b.b.example"].watch == watchdog.OKAY
    assert bench.take(Up) == [Up("b.b.example")]


def test_dia_15_goodbyes_are_said_and_answered() -> None:
    bench = Bench("b.b.example")
    numbers = bench.open()
    bench.node.disconnect("b.b.example", 1, bench.now)
    (dpr,) = bench.written()
    assert (dpr.name, dpr.number(codes.DISCONNECT_CAUSE)) == ("DPR", 1)
    bench.receive(numbers["b.b.example"], dpr.answer((u32(codes.RESULT_CODE, 2001),)))
    assert bench.actions(Close) == [Close(numbers["b.b.example"])]


def test_dia_15_a_peer_that_does_not_want_us_is_not_opened_again() -> None:
    bench = Bench("b.b.example")
    numbers = bench.open()
    bench.receive(numbers["b.b.example"], disconnect_request(theirs("b.b.example"), 1, 2, 2))
    assert [m.name for m in bench.written()] == ["DPA"]
    bench.node.closed(numbers["b.b.example"], bench.now)
    bench.advance(600)
    assert bench.actions(Open) == []


def test_dia_15_a_lost_connection_is_opened_again_at_growing_intervals() -> None:
    bench = Bench("b.b.example")
    times: list[float] = []
    for _ in range(6):
        while not (wanted := bench.actions(Open)):
            bench.advance(0.5)
        times.append(bench.now)
        bench.node.closed(wanted[0].connection, bench.now)
    gaps = [later - sooner for sooner, later in pairwise(times)]
    for gap, nominal in zip(gaps, (30, 60, 120, 240, 300), strict=True):
        assert nominal * 0.89 <= gap <= nominal * 1.11


def test_dia_16_a_risen_origin_state_is_told() -> None:
    bench = Bench("b.b.example", opens=False)
    number = bench.let_in("b.b.example", origin_state=5)
    bench.node.closed(number, bench.now)
    bench.let_in("b.b.example", origin_state=5)
    assert bench.take(Restarted) == []
    bench.node.closed(2, bench.now)
    bench.let_in("b.b.example", origin_state=6)
    assert bench.take(Restarted) == [Restarted("b.b.example", 6)]

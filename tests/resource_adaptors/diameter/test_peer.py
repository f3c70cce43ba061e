"""The peer table against a model, and what peers do on the wire (DIA-9 to DIA-18, DIA-21 to DIA-27)."""

from __future__ import annotations

import ipaddress
import random
from itertools import pairwise

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, find, group, text, u32
from resource_adaptors.diameter.message.dictionary import base_dictionary
from resource_adaptors.diameter.message.message import Message, P, R, decode
from resource_adaptors.diameter.protocol import tables, watchdog
from resource_adaptors.diameter.protocol.capabilities import capabilities_request
from resource_adaptors.diameter.protocol.events import (
    Answered,
    Close,
    Down,
    Open,
    Restarted,
    Unanswered,
    Up,
    Write,
)
from resource_adaptors.diameter.protocol.node import Node
from resource_adaptors.diameter.protocol.peer import Peer
from resource_adaptors.diameter.protocol.settings import PeerSettings, RealmSettings, Settings
from tests.resource_adaptors.diameter.test_codec import REQUEST

HERE = (ipaddress.ip_address("127.0.0.1"),)
OURS = Settings(identity="m.example", realm="example", vendor_applications=frozenset())


def theirs(host: str, **changes: object) -> Settings:
    return Settings(
        **{"identity": host, "realm": "b.example", "vendor_applications": frozenset(), "addresses": HERE, **changes}
    )


class Bench:
    """A node of ours, whose wire a test holds in its hands."""

    def __init__(self, *hosts: str, opens: bool = True, **changes: object) -> None:
        self.now = 1000.0
        self.node = Node(
            Settings(**{"identity": "m.example", "realm": "example", "vendor_applications": frozenset(), **changes}),
            base_dictionary(),
            random.Random(1).randbytes,
            peers=[PeerSettings(host=host, opens=opens) for host in hosts],
            realms=[RealmSettings(realm="b.example", application=4, peers=hosts)] if hosts else (),
        )
        self.node.start(self.now)

    def actions(self, kind: type) -> list[object]:
        found = [action for action in self.node.actions if isinstance(action, kind)]
        self.node.actions[:] = [action for action in self.node.actions if not isinstance(action, kind)]
        return found

    def written(self, connection: int | None = None) -> list[Message]:
        return [decode(w.data) for w in self.actions(Write) if connection is None or w.connection == connection]

    def take(self, kind: type) -> list[object]:
        found = [event for event in self.node.events if isinstance(event, kind)]
        self.node.events[:] = [event for event in self.node.events if not isinstance(event, kind)]
        return found

    def receive(self, connection: int, message: Message) -> None:
        self.node.receive(connection, message.encode(), self.now)

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while (due := self.node.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.node.tick(self.now)
        self.now = end

    def cer(self, host: str, **changes: object) -> Message:
        return capabilities_request(theirs(host, **changes), 7, 8)

    def let_in(self, host: str, **changes: object) -> int:
        """A peer connects to us."""
        number = self.node.accept(self.now)
        self.receive(number, self.cer(host, **changes))
        return number

    def open(self, *hosts: str) -> dict[str, int]:
        """The connections that we open are accepted."""
        numbers: dict[str, int] = {}
        for wanted in self.actions(Open):
            self.node.connected(wanted.connection, self.now)
            (request,) = self.written(wanted.connection)
            answer = capabilities_answer_of(wanted.peer.host, request)
            self.receive(wanted.connection, answer)
            numbers[wanted.peer.host] = wanted.connection
        return numbers


def capabilities_answer_of(host: str, request: Message, result: int = 2001) -> Message:
    from resource_adaptors.diameter.protocol.capabilities import capabilities_answer

    return capabilities_answer(theirs(host), request, result)


def answer_of(request: Message, *, result: int = 2001, host: str = "b.b.example", error: bool = False) -> Message:
    avps = (
        text(codes.SESSION_ID, request.session_id),
        u32(codes.RESULT_CODE, result),
        text(codes.ORIGIN_HOST, host),
        text(codes.ORIGIN_REALM, "b.example"),
        u32(codes.AUTH_APPLICATION_ID, 4),
        u32(codes.CC_REQUEST_TYPE, 1),
        u32(codes.CC_REQUEST_NUMBER, 0),
    )
    return request.answer(avps, error=error)


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

    HOST = "b.b.example"

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(self.HOST)
        self.ours: int | None = None
        self.connected = self.greeted_us = False
        self.their: int | None = None
        self.collect()

    def collect(self) -> None:
        for action in self.bench.node.actions:
            if isinstance(action, Open):
                self.ours, self.connected, self.greeted_us = action.connection, False, False
            elif isinstance(action, Close):
                if action.connection == self.ours:
                    self.ours = None
                if action.connection == self.their:
                    self.their = None
        self.bench.node.actions.clear()

    @property
    def peer(self) -> object:
        return self.bench.node.peers[self.HOST]

    @precondition(lambda self: self.ours is not None and not self.connected)
    @rule(works=st.booleans())
    def connect(self, works: bool) -> None:
        if works:
            self.connected = True
            self.bench.node.connected(self.ours, self.bench.now)
        else:
            number, self.ours = self.ours, None
            self.bench.node.closed(number, self.bench.now)
        self.collect()

    @precondition(lambda self: self.connected and self.ours is not None and not self.greeted_us)
    @rule(result=st.sampled_from([2001, 2001, 5010, 3010]))
    def answer_greeting(self, result: int) -> None:
        self.greeted_us = True
        request = capabilities_request(OURS, 1, 1)
        self.bench.receive(self.ours, capabilities_answer_of(self.HOST, request, result))
        self.collect()

    @precondition(lambda self: self.their is None)
    @rule()
    def they_connect(self) -> None:
        self.their = self.bench.node.accept(self.bench.now)
        self.bench.receive(self.their, self.bench.cer(self.HOST))
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

    @rule(seconds=st.sampled_from([0.5, 5.0, 11.0, 40.0]))
    def wait(self, seconds: float) -> None:
        self.bench.advance(seconds)
        self.collect()

    @rule()
    def say_goodbye(self) -> None:
        self.bench.node.disconnect(self.HOST, 0, self.bench.now)
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


PeerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
test_dia_10_peers_against_a_model = PeerMachine.TestCase


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
    from resource_adaptors.diameter.protocol.capabilities import disconnect_request

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


def test_dia_21_identifiers_are_unique() -> None:
    bench = Bench("b.b.example")
    bench.open()
    for _ in range(500):
        bench.node.send(REQUEST.message(), None, bench.now)
    sent = bench.written()
    assert len({m.hop_by_hop for m in sent}) == len({m.end_to_end for m in sent}) == 500


def test_dia_22_a_lost_peer_hands_over_at_once() -> None:
    bench = Bench("b.b.example", "c.b.example")
    numbers = bench.open()
    bench.node.send(REQUEST.message(), "token", bench.now)
    (first,) = bench.written(numbers["b.b.example"])
    bench.node.closed(numbers["b.b.example"], bench.now)
    (second,) = bench.written(numbers["c.b.example"])
    assert second.is_repeated
    assert not first.is_repeated
    assert second.end_to_end == first.end_to_end
    assert second.hop_by_hop != first.hop_by_hop
    bench.receive(numbers["c.b.example"], answer_of(second))
    bench.receive(numbers["c.b.example"], answer_of(second))
    (told,) = bench.take(Answered)
    assert (told.token, told.error) == ("token", 0)
    assert bench.node.statistics.dropped["hop_unknown"] == 1


def test_dia_23_without_answer_it_is_told_after_tx() -> None:
    bench = Bench("b.b.example")
    bench.open()
    bench.node.send(REQUEST.message(), "token", bench.now)
    bench.advance(9.9)
    assert bench.take(Unanswered) == []
    bench.advance(0.3)
    assert bench.take(Unanswered) == [Unanswered("token", "timeout")]


@pytest.mark.parametrize("result", [3002, 3004])
def test_dia_25_a_peer_that_cannot_is_followed_by_the_next_once(result: int) -> None:
    bench = Bench("b.b.example", "c.b.example")
    numbers = bench.open()
    bench.node.send(REQUEST.message(), "token", bench.now)
    (first,) = bench.written(numbers["b.b.example"])
    bench.receive(numbers["b.b.example"], answer_of(first, result=result, error=True))
    (second,) = bench.written(numbers["c.b.example"])
    bench.receive(numbers["c.b.example"], answer_of(second, result=result, error=True))
    (told,) = bench.take(Answered)
    assert told.message.result == result
    bench.node.send(REQUEST.message(), "later", bench.now)
    assert len(bench.written(numbers["c.b.example" if result == 3004 else "b.b.example"])) <= 1


def test_dia_26_answers_that_do_not_fit_are_dropped_and_counted() -> None:
    bench = Bench("b.b.example")
    numbers = bench.open()
    bench.node.send(REQUEST.message(), "token", bench.now)
    (sent,) = bench.written()
    wrong = Message(271, 4, P, sent.hop_by_hop, sent.end_to_end, ())
    bench.receive(numbers["b.b.example"], wrong)
    assert bench.take(Answered) == []
    assert bench.node.statistics.dropped["mismatched_answer"] == 1


def test_dia_27_the_window_of_a_peer_is_kept_and_the_queue_behind_it() -> None:
    bench = Bench("b.b.example", window=2, queue=1)
    numbers = bench.open()
    for number in range(4):
        bench.node.send(REQUEST.message(), number, bench.now)
    assert bench.take(Unanswered) == [Unanswered(3, "queue_full")]
    first, second = bench.written()
    bench.receive(numbers["b.b.example"], answer_of(second))
    (third,) = bench.written()
    assert not third.is_repeated
    bench.receive(numbers["b.b.example"], answer_of(first))
    bench.receive(numbers["b.b.example"], answer_of(third))
    assert [told.token for told in bench.take(Answered)] == [1, 0, 2]


def test_dia_27_what_is_queued_is_given_up_in_time() -> None:
    bench = Bench("b.b.example", window=1, total=5.0, tx=60.0)
    bench.open()
    for number in range(2):
        bench.node.send(REQUEST.message(), number, bench.now)
    bench.advance(6)
    assert bench.take(Unanswered) == [Unanswered(0, "timeout"), Unanswered(1, "timeout")]


def test_dia_55_a_peer_may_begin_so_much_and_go_on_with_everything() -> None:
    bench = Bench("b.b.example", opens=False, rate=2.0, burst=3)
    number = bench.let_in("b.b.example")
    bench.written()
    results = [arriving(bench, number, end_to_end=1000 + n) for n in range(30)]
    assert [answer is None for answer in results] == [True] * 3 + [False] * 27
    assert {answer.result for answer in results if answer} == {3004}
    assert bench.node.statistics.rate_limited == 27
    last = REQUEST.message()
    kept = tuple(a for a in last.avps if a.code not in (codes.CC_REQUEST_TYPE, codes.DESTINATION_REALM))
    ends = (u32(codes.CC_REQUEST_TYPE, 3), text(codes.DESTINATION_REALM, "example"))
    bench.receive(number, Message(272, 4, R | P, 5, 2000, (*kept, *ends)))
    assert bench.written(number) == []
    bench.advance(0.5)
    assert arriving(bench, number, end_to_end=3000) is None


@pytest.mark.parametrize("refusal", [3002, 5003])
def test_dia_18_requests_from_realms_that_are_not_behind_a_peer_are_refused(refusal: int) -> None:
    bench = Bench()
    peer = PeerSettings(host="b.b.example", opens=False, realms=frozenset({"b.example"}), refusal=refusal)
    bench.node.peers["b.b.example"] = Peer(bench.node, peer)
    number = bench.let_in("b.b.example")
    bench.written()
    answer = arriving(bench, number)  # from realm `here`
    assert (answer.result, answer.is_error) == (refusal, refusal == 3002)
    honest = arriving(bench, number, text(codes.ORIGIN_REALM, "B.example"), without=codes.ORIGIN_REALM)
    assert honest is None


def test_dia_20_a_redirection_is_followed_to_a_peer_that_is_known() -> None:
    bench = Bench("b.b.example", "c.b.example", follow_redirect=True)
    numbers = bench.open()
    bench.node.send(REQUEST.message(), "token", bench.now)
    (sent,) = bench.written(numbers["b.b.example"])
    where = text(codes.REDIRECT_HOST, "aaa://C.b.example:3868;transport=tcp")
    redirect = answer_of(sent, result=3006, error=True)
    bench.receive(
        numbers["b.b.example"],
        Message(272, 4, redirect.flags, sent.hop_by_hop, sent.end_to_end, (*redirect.avps, where)),
    )
    (again,) = bench.written(numbers["c.b.example"])
    assert again.end_to_end == sent.end_to_end
    bench.receive(numbers["c.b.example"], answer_of(again))
    (told,) = bench.take(Answered)
    assert told.message.result == 2001


@pytest.mark.parametrize("follows", [True, False])
def test_dia_20_a_redirection_to_strangers_is_told(follows: bool) -> None:
    bench = Bench("b.b.example", follow_redirect=follows)
    numbers = bench.open()
    bench.node.send(REQUEST.message(), "token", bench.now)
    (sent,) = bench.written()
    where = text(codes.REDIRECT_HOST, "aaa://stranger.example")
    answer = answer_of(sent, result=3006, error=True)
    bench.receive(
        numbers["b.b.example"], Message(272, 4, answer.flags, sent.hop_by_hop, sent.end_to_end, (*answer.avps, where))
    )
    (told,) = bench.take(Answered)
    assert told.message.result == 3006


def test_dia_15_a_peer_that_does_not_want_us_is_opened_again_on_demand() -> None:
    bench = Bench("b.b.example")
    numbers = bench.open()
    origin = (text(codes.ORIGIN_HOST, "b.b.example"), text(codes.ORIGIN_REALM, "b.example"))
    bench.receive(numbers["b.b.example"], Message(282, 0, R, 1, 1, (*origin, u32(codes.DISCONNECT_CAUSE, 2))))
    bench.node.closed(numbers["b.b.example"], bench.now)
    bench.written()
    bench.advance(1000)
    assert bench.actions(Open) == []
    bench.node.send(REQUEST.message(), "token", bench.now)
    assert bench.take(Unanswered) == []
    bench.open()
    (sent,) = [message for message in bench.written() if message.name == "CCR"]
    assert not sent.is_repeated


def test_dia_2_a_vendor_bit_without_vendor_is_5016() -> None:
    bench = Bench("b.b.example", opens=False)
    number = bench.let_in("b.b.example")
    bench.written()
    whole = REQUEST.message().encode() + (1).to_bytes(4) + b"\xc0" + (12).to_bytes(3) + bytes(4)
    bench.node.receive(number, b"\1" + len(whole).to_bytes(3) + whole[4:], bench.now)
    (answer,) = bench.written(number)
    assert answer.result == 5016


def test_dia_2_a_message_has_4096_avps_at_most_on_all_levels_together() -> None:
    bench = Bench("b.b.example", opens=False)
    number = bench.let_in("b.b.example")
    bench.written()
    # The CCR has 11 AVPs, 3 groups of them with 2, 2 and 2 more; two are added on the first level.
    rest = 4096 - (len(REQUEST.message().avps) + 6) - 2
    within = group(codes.SUBSCRIPTION_ID, [Avp(codes.CC_CORRELATION_ID, b"", 0, 0)] * rest)
    fits = arriving(bench, number, within, Avp(codes.CC_CORRELATION_ID, b"", 0, 0), end_to_end=10)
    assert fits is None
    within = group(codes.SUBSCRIPTION_ID, [Avp(codes.CC_CORRELATION_ID, b"", 0, 0)] * (rest + 1))
    answer = arriving(bench, number, within, Avp(codes.CC_CORRELATION_ID, b"", 0, 0), end_to_end=11)
    assert answer.result == 5004


@pytest.mark.parametrize(
    ("more", "without", "result", "failed"),
    [
        ((), codes.CC_REQUEST_NUMBER, 5005, [codes.CC_REQUEST_NUMBER]),
        ((u32(codes.CC_REQUEST_NUMBER, 1),), 0, 5009, [codes.CC_REQUEST_NUMBER]),
        ((u32(codes.RESULT_CODE, 2001),), 0, 5008, [codes.RESULT_CODE]),
        ((Avp(437, b""), Avp(456, b"")), 0, 5007, [437, 456]),
    ],
)
def test_dia_6_faults_of_the_grammar_are_answered_with_the_avp(
    more: tuple[Avp, ...], without: int, result: int, failed: list[int]
) -> None:
    bench = Bench("b.b.example", opens=False)
    number = bench.let_in("b.b.example")
    bench.written()
    answer = arriving(bench, number, *more, without=without)
    assert (answer.result, answer.is_error) == (result, False)
    assert sorted({avp.code for avp in find(answer.avps, codes.FAILED_AVP).group()}) == failed


def test_dia_19_requests_that_go_nowhere_are_told() -> None:
    bench = Bench("b.b.example")
    bench.node.send(REQUEST.message(), 1, bench.now)
    other = Message(272, 4, R, 0, 0, (text(codes.DESTINATION_REALM, "nowhere.example"),))
    bench.node.send(other, 2, bench.now)
    assert bench.take(Unanswered) == [Unanswered(1, "unroutable"), Unanswered(2, "unknown_realm")]


def arriving(bench: Bench, number: int, *more: Avp, without: int = 0, **changes: int) -> Message | None:
    """The answer to a CCR from a peer, if the node gives one itself."""
    message = REQUEST.message()
    kept = tuple(a for a in message.avps if a.code not in (without, codes.DESTINATION_REALM))
    given = {"command": 272, "application": 4, "flags": R | P, "hop_by_hop": 5, "end_to_end": 6, **changes}
    bench.receive(number, Message(**given, avps=(*kept, text(codes.DESTINATION_REALM, "example"), *more)))
    found = bench.written(number)
    return found[0] if found else None

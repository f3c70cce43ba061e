"""Requests of peers answered by a service, and accounting with its outbox (DIA-24, DIA-35, DIA-38, DIA-39, DIA-48)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from resource_adaptors.diameter.api import (
    DIAMETER,
    AccountingAccepted,
    AccountingRejected,
    AccountingUndelivered,
    CreditControlSession,
    DiameterRequest,
    Grant,
    InitialRequest,
    TerminationRequest,
    Units,
    UpdateRequest,
)
from resource_adaptors.diameter.config import DiameterConfiguration
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, text, u32
from resource_adaptors.diameter.message.message import Message, P, R
from resource_adaptors.diameter.protocol.charging import CreditRequest, RequestType, Subscription, SubscriptionKind
from resource_adaptors.diameter.protocol.outbox import Outbox
from resource_adaptors.diameter.protocol.units import Service
from resource_adaptors.diameter.testing import DiameterSimulator
from resource_adaptors.diameter.transport.outbox_file import FileStore
from slee import ActivityContext, ActivityEnd, Sbb, handles, initial_event, resource
from slee.testing import RecordingResource, SleeHarness
from tests.resource_adaptors.diameter.meter import DESK, Do


def session_id(event: InitialRequest) -> str:
    return event.request.session_id


class Balance(Sbb, vendor="test", version="1.0"):
    """Grants what is asked for, unless a test says otherwise."""

    diameter = resource(DIAMETER)
    told: ClassVar[list[str]] = []
    behaviour: ClassVar[Callable[[Balance, ActivityContext], None] | None] = None

    def decide(self, kind: str, aci: ActivityContext) -> None:
        Balance.told.append(kind)
        if Balance.behaviour is not None:
            Balance.behaviour(self, aci)
        else:
            self.diameter.grant(aci, (Grant(rating_group=1, granted=Units(time=20), validity=30),))

    @initial_event(selector=session_id)
    def on_initial(self, event: InitialRequest, aci: ActivityContext) -> None:
        self.decide("INITIAL", aci)

    @handles
    def on_update(self, event: UpdateRequest, aci: ActivityContext) -> None:
        self.decide("UPDATE", aci)

    @handles
    def on_termination(self, event: TerminationRequest, aci: ActivityContext) -> None:
        self.decide("TERMINATION", aci)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        assert isinstance(aci.activity, CreditControlSession)
        Balance.told.append("end")


class House:
    """A harness in which the double is the client."""

    def __init__(self, slee: SleeHarness, *services: type[Sbb], **configuration: object) -> None:
        self.slee = slee
        self.diameter = DiameterSimulator()
        self.client = self.diameter.peer("client.example.net")
        slee.add_resource("diameter", self.diameter, self.diameter.configuration_for(**configuration))
        for service in services:
            slee.install(service)
        Balance.told.clear()
        Balance.behaviour = None
        slee.advance(1)

    def ask(self, kind: RequestType, number: int, *, wait: float = 0.1) -> int:
        request = CreditRequest(
            session_id="client;1;1",
            kind=kind,
            number=number,
            context="x@y",
            origin_host="client.example.net",
            origin_realm="example.net",
            realm="slee.net",
            subscriptions=(Subscription(SubscriptionKind.E164, "43123"),),
            services=(Service(rating_group=1, requested=Units()),),
        )
        before = len(self.client.answers)
        self.client.ask(request.message())
        self.slee.advance(wait)
        return self.client.answers[before].result if len(self.client.answers) > before else 0


def test_dia_35_a_service_answers_a_session_to_its_end() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        house = House(slee, Balance)
        assert house.ask(RequestType.INITIAL, 0) == 2001
        assert house.ask(RequestType.UPDATE, 1) == 2001
        assert house.ask(RequestType.TERMINATION, 2) == 2001
        assert Balance.told == ["INITIAL", "UPDATE", "TERMINATION", "end"]
        assert house.ask(RequestType.UPDATE, 3) == 5002


def test_dia_35_denial_ends_a_session() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        house = House(slee, Balance)
        Balance.behaviour = lambda sbb, aci: sbb.diameter.deny(aci, 4012)
        assert house.ask(RequestType.INITIAL, 0) == 4012
        assert Balance.told == ["INITIAL", "end"]


def test_dia_35_a_session_without_reports_ends_after_twice_its_validity() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        house = House(slee, Balance)
        house.ask(RequestType.INITIAL, 0)
        slee.advance(59)
        assert Balance.told == ["INITIAL"]
        slee.advance(2)
        assert Balance.told == ["INITIAL", "end"]


def test_dia_24_the_same_number_of_a_session_is_answered_alike_and_told_once() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        house = House(slee, Balance)
        house.ask(RequestType.INITIAL, 0)
        assert house.ask(RequestType.INITIAL, 0) == 2001
        assert Balance.told == ["INITIAL"]


def test_dia_48_without_answer_in_time_it_is_5012() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        house = House(slee, Balance)
        Balance.behaviour = lambda sbb, aci: None
        assert house.ask(RequestType.INITIAL, 0, wait=7) == 0
        slee.advance(2)
        assert house.client.answers[-1].result == 5012
        assert house.diameter.statistics().unanswered == 1


def test_com_10_a_failing_service_gives_5012_and_com_9_none_gives_3007_or_3001() -> None:
    def fails(sbb: Balance, aci: ActivityContext) -> None:
        raise RuntimeError("broken")

    with SleeHarness(leftovers_allowed=True, failures_allowed=True) as slee:
        house = House(slee, Balance)
        Balance.behaviour = fails
        assert house.ask(RequestType.INITIAL, 0) == 5012
        assert house.ask(RequestType.EVENT, 0) == 3001  # no handler of this service
    with SleeHarness(leftovers_allowed=True) as slee:
        house = House(slee)
        assert house.ask(RequestType.INITIAL, 0) == 3007


class Other(Sbb, vendor="test", version="1.0"):
    """Answers any other request."""

    diameter = resource(DIAMETER)

    @initial_event(selector=lambda event: event.message.session_id)
    def on_request(self, event: DiameterRequest, aci: ActivityContext) -> None:
        self.diameter.answer(aci, 2001, (Avp(codes.SH_USER_DATA, b"<Sh-Data/>", codes.TGPP),))


def test_dia_45_other_requests_of_an_application_are_answered() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        house = House(slee, Other)
        avps = (
            text(codes.SESSION_ID, "c;1;2"),
            text(codes.ORIGIN_HOST, "client.example.net"),
            text(codes.ORIGIN_REALM, "example.net"),
            text(codes.DESTINATION_REALM, "slee.net"),
        )
        house.client.ask(Message(codes.SESSION_TERMINATION, codes.CREDIT_CONTROL_APPLICATION, R | P, 0, 0, avps))
        slee.advance(1)
        answer = house.client.answers[0]
        assert answer.result == 2001
        assert answer.find(codes.SH_USER_DATA, codes.TGPP) is not None


class Bookkeeper(Sbb, vendor="test", version="1.0"):
    """Does errands of accounting."""

    diameter = resource(DIAMETER)
    desk = resource(DESK)
    told: ClassVar[list[object]] = []
    sessions: ClassVar[list[ActivityContext]] = []

    @initial_event(selector=lambda event: "x")
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        event.errand(self)

    @handles
    def on_accepted(self, event: AccountingAccepted, aci: ActivityContext) -> None:
        Bookkeeper.told.append(event.number)

    @handles
    def on_rejected(self, event: AccountingRejected, aci: ActivityContext) -> None:
        Bookkeeper.told.append((event.number, event.result))

    @handles
    def on_undelivered(self, event: AccountingUndelivered, aci: ActivityContext) -> None:
        Bookkeeper.told.append(event)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        Bookkeeper.told.append("end")


def take_record(results: list[int], house: House, *wishes: Avp) -> Callable[[Message], Message | None]:
    def answer(message: Message) -> Message | None:
        records.append((message.number(codes.ACCOUNTING_RECORD_TYPE), message.number(485), message.is_repeated))
        if not results:
            return None
        kind, number = message.find(codes.ACCOUNTING_RECORD_TYPE), message.find(codes.ACCOUNTING_RECORD_NUMBER)
        head = (text(codes.SESSION_ID, message.session_id), u32(codes.RESULT_CODE, results.pop(0)))
        origin = (text(codes.ORIGIN_HOST, "client.example.net"), text(codes.ORIGIN_REALM, "example.net"))
        return message.answer((*head, *origin, kind, number, *wishes))

    records: list[tuple[int | None, int | None, bool]] = []
    house.client.on_request = answer
    house.records = records
    return answer


def begin_account(house: House, avps: tuple[Avp, ...] = ()) -> None:
    desk = house.slee.add_resource("desk", RecordingResource(DESK))
    house.slee.install(Bookkeeper)
    Bookkeeper.told.clear()
    desk.endpoint.start_activity("desk", "desk")

    def do(errand: Callable[[Bookkeeper], object]) -> None:
        desk.endpoint.fire("desk", Do(errand))
        house.slee.run()
        house.slee.advance(0.1)

    def errand(sbb: Bookkeeper) -> None:
        made = sbb.diameter.open_accounting(avps, realm="example.net")
        made.attach(sbb)
        Bookkeeper.sessions.append(made)

    house.do = do
    do(errand)


def account(house: House) -> None:
    desk = house.slee.add_resource("desk", RecordingResource(DESK))
    house.slee.install(Bookkeeper)
    Bookkeeper.told.clear()
    desk.endpoint.start_activity("desk", "desk")

    def errand(sbb: Bookkeeper) -> None:
        made = sbb.diameter.open_accounting(realm="example.net")
        made.attach(sbb)
        sbb.diameter.record(made)
        sbb.diameter.record(made, is_last=True)

    desk.endpoint.fire("desk", Do(errand))
    house.slee.run()


def test_dia_38_records_go_in_order_with_rising_numbers() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        house = House(slee)
        take_record([2001, 2001, 2001], house)
        account(house)
        slee.advance(1)
        assert house.records == [(2, 0, False), (3, 1, False), (4, 2, False)]
        assert Bookkeeper.told == [0, 1, 2, "end"]
        assert len(house.diameter.outbox) == 0


def test_dia_39_records_survive_an_outage_and_permanent_refusals_are_told() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        house = House(slee)
        take_record([5012, 2001, 5004, 2001], house)
        house.client.is_silent = True
        account(house)
        slee.advance(25)
        (told,) = Bookkeeper.told  # once, however often it is tried
        assert (told.number, told.goes_on, told.is_kept) == (0, True, True)
        Bookkeeper.told.clear()
        assert [m.is_repeated for m in house.diameter.messages_sent("ACR")] == [False, True]
        house.client.is_silent = False
        slee.advance(400)
        assert house.records[0] == (2, 0, True)
        assert Bookkeeper.told == [0, (1, 5004), 2, "end"]


def test_dia_38_interim_records_are_made_at_the_servers_interval() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        house = House(slee)
        wishes = (u32(codes.ACCT_INTERIM_INTERVAL, 60),)
        take_record([2001] * 5, house, *wishes)
        content = (Avp(codes.CC_CORRELATION_ID, b"call", 0, 0),)
        begin_account(house, content)
        slee.advance(59)
        assert house.records == [(2, 0, False)]
        slee.advance(62)
        assert house.records == [(2, 0, False), (3, 1, False), (3, 2, False)]
        interim = house.diameter.messages_sent("ACR")[-1]
        assert interim.find(codes.CC_CORRELATION_ID).data == b"call"
        assert interim.find(codes.EVENT_TIMESTAMP).time().timestamp() == pytest.approx(slee.now() - 1, abs=2)
        house.do(lambda sbb: sbb.diameter.record(Bookkeeper.sessions[-1], is_last=True))
        slee.advance(200)
        assert [kind for kind, _, _ in house.records] == [2, 3, 3, 4]


@pytest.mark.parametrize(
    ("realtime", "goes_on", "is_kept"),
    [("DELIVER_AND_GRANT", False, True), ("GRANT_AND_STORE", True, True), ("GRANT_AND_LOSE", True, False)],
)
def test_dia_38_and_40_what_holds_while_records_cannot_be_delivered(
    realtime: str, goes_on: bool, is_kept: bool
) -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        house = House(slee, realtime=realtime)
        house.client.kill()
        slee.advance(1)
        begin_account(house)
        (told,) = Bookkeeper.told
        assert (told.number, told.goes_on, told.is_kept) == (0, goes_on, is_kept)
        slee.advance(30)
        assert len(Bookkeeper.told) == 1
        assert len(house.diameter.outbox) == is_kept
        assert house.diameter.statistics().lost_records == (not is_kept)


def test_dia_38_the_servers_wish_wins() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        house = House(slee, realtime="GRANT_AND_STORE")
        take_record([2001], house, u32(codes.ACCOUNTING_REALTIME_REQUIRED, 1))
        begin_account(house)
        house.client.kill()
        slee.advance(1)
        house.do(lambda sbb: sbb.diameter.record(Bookkeeper.sessions[-1]))
        assert Bookkeeper.told[-1].goes_on is False


@pytest.mark.parametrize(
    ("fate", "told", "left", "dead"),
    [("dead_letter", (0, 5030), 0, 1), ("drop", (0, 5030), 0, 0), ("retry", None, 1, 0)],
)
def test_dia_40_refused_records_fare_as_configured(
    fate: str, told: tuple[int, int] | None, left: int, dead: int, tmp_path: Path
) -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        house = House(slee, rejected_records={5030: fate}, outbox=tmp_path / "outbox.db")
        take_record([5030], house)
        begin_account(house)
        slee.advance(1)
        assert Bookkeeper.told == ([] if told is None else [told])
        assert len(house.diameter.outbox) == left
        assert [letter.result for letter in house.diameter.outbox.dead_letters()] == [5030] * dead


def test_dia_38_an_accounting_session_without_entity_gets_its_last_record() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        house = House(slee)
        take_record([2001, 2001], house)
        begin_account(house)
        house.do(lambda sbb: Bookkeeper.sessions[-1].detach(sbb))
        slee.advance(1)
        assert [kind for kind, _, _ in house.records] == [2, 4]
        assert house.diameter.accounting.sessions == {}


def test_dia_38_a_rolled_back_record_takes_its_number_back() -> None:
    with SleeHarness(leftovers_allowed=True, failures_allowed=True) as slee:
        house = House(slee)
        take_record([2001, 2001, 2001], house)
        begin_account(house)

        def fails(sbb: Bookkeeper) -> None:
            sbb.diameter.record(Bookkeeper.sessions[-1])
            sbb.diameter.record(Bookkeeper.sessions[-1], is_last=True)
            raise RuntimeError("broken")

        house.do(fails)
        house.do(lambda sbb: sbb.diameter.record(Bookkeeper.sessions[-1], is_last=True))
        slee.advance(1)
        assert [(kind, number) for kind, number, _ in house.records] == [(2, 0), (4, 1)]


def test_dia_39_the_file_keeps_entries_over_a_restart(tmp_path: Path) -> None:
    request = Message(271, 3, R | P, 0, 9, (text(codes.SESSION_ID, "s;1"), u32(485, 0)))
    outbox = Outbox(FileStore(tmp_path / "outbox.db"))
    outbox.add("s;1 0", request, 5.0, was_sent=False)
    outbox.add("s;1 1", request, 6.0, was_sent=False)
    assert [key for key, _ in outbox.due(6.0)] == ["s;1 0"]
    outbox.answered("s;1 0")
    outbox.close()
    again = Outbox(FileStore(tmp_path / "outbox.db"))
    ((key, message),) = again.due(7.0)
    assert key == "s;1 1"
    assert message.is_repeated
    assert message.end_to_end == 9
    assert again.oldest(10.0) == 4.0
    again.answered(key)
    again.close()


@pytest.mark.parametrize(
    "bad",
    [
        {"unknown": 1},
        {"tw": 5},
        {"peers": [{"host": "a"}, {"host": "A"}]},
        {"listeners": [{"host": "0.0.0.0"}]},  # noqa: S104
        {"realms": [{"realm": "r", "peers": ["nobody"]}]},
        {"listeners": [{"tls": True}]},
        {"identity": "a b"},
    ],
)
def test_dia_54_and_55_wrong_configuration_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        DiameterConfiguration.model_validate(bad)


def test_dia_9_and_54_the_port_of_tls_is_5868_and_of_tcp_3868(tmp_path: Path) -> None:
    def configuration(listener: dict[str, object], peer: dict[str, object]) -> tuple[int, int]:
        made = DiameterConfiguration.model_validate(
            {
                "listeners": [listener],
                "peers": [{"host": "a", **peer}],
                "tls": {"certificate": tmp_path, "key": tmp_path, "authorities": tmp_path},
            }
        )
        return made.listeners[0].port, made.peers[0].settings().port

    assert configuration({}, {}) == (3868, 3868)
    assert configuration({"tls": True}, {"transport": "tls"}) == (5868, 5868)
    assert configuration({"tls": True, "port": 1}, {"transport": "tls", "port": 2}) == (1, 2)


def test_dia_52_every_figure_has_labels_of_closed_sets() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        house = House(slee, Balance)
        house.ask(RequestType.INITIAL, 0)
        figures = list(house.diameter.statistics().metrics())
    names = {figure[0] for figure in figures}
    assert {"slee_dia_messages", "slee_dia_results", "slee_dia_peer_state", "slee_dia_outbox"} <= names
    assert ("slee_dia_messages", {"peer": "client.example.net", "command": "CCR", "dir": "in"}, 1) in [
        (figure[0], figure[3], figure[4]) for figure in figures
    ]

"""Credit control by a service, run in the harness against a server double (DIA-28 to DIA-34, DIA-46, DIA-47)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from resource_adaptors.diameter.api import (
    Action,
    CreditAnswer,
    FailureHandling,
    Grant,
    LocalProtocolError,
    Service,
    Units,
)
from resource_adaptors.diameter.testing import DiameterSimulator, ServerDouble
from slee.testing import RecordingResource, SleeHarness
from tests.resource_adaptors.diameter.meter import ASKED, CALLER, DESK, Do, Meter, used


class Office:
    """A harness with a meter, and charging servers."""

    def __init__(self, slee: SleeHarness, *hosts: str, **configuration: object) -> None:
        self.slee = slee
        self.diameter = DiameterSimulator()
        self.servers = [self.diameter.peer(host) for host in hosts or ("ocs.example.net",)]
        slee.add_resource("diameter", self.diameter, self.diameter.configuration_for(**configuration))
        self.desk = slee.add_resource("desk", RecordingResource(DESK))
        slee.install(Meter)
        self.desk.endpoint.start_activity("desk", "desk")
        Meter.told.clear()
        slee.advance(1)

    @property
    def ocs(self) -> ServerDouble:
        return self.servers[0]

    def do(self, errand: Callable[[Meter], None]) -> None:
        self.desk.endpoint.fire("desk", Do(errand))
        self.slee.run()
        self.slee.advance(0.1)

    def open(self, *, services: tuple[Service, ...] = ASKED, handling: FailureHandling | None = None) -> None:
        def errand(meter: Meter) -> None:
            meter.session = meter.diameter.open_session(
                CALLER, services, realm="example.net", failure_handling=handling
            )
            meter.session.attach(meter)

        self.do(errand)

    def report(self, services: tuple[Service, ...]) -> None:
        self.do(lambda meter: meter.diameter.report(meter.session, services))

    def close(self, services: tuple[Service, ...] = ()) -> None:
        self.do(lambda meter: meter.diameter.close(meter.session, services))

    @property
    def kinds(self) -> list[str]:
        return [event if isinstance(event, str) else type(event).__name__ for event in Meter.told]


@pytest.fixture
def office() -> Iterator[Office]:
    with SleeHarness(leftovers_allowed=True) as slee:
        yield Office(slee)


def test_dia_28_a_session_from_initial_to_termination(office: Office) -> None:
    office.open()
    assert office.kinds == ["CreditGranted"]
    granted = Meter.told[0]
    assert granted.answer.grants[0].granted == Units(time=30)
    office.report(used(30))
    assert office.kinds == ["CreditGranted", "QuotaExhausted", "CreditGranted"]
    office.close(used(12))
    assert office.kinds[3:] == ["CreditGranted", "end"]
    assert office.ocs.kinds == ["INITIAL", "UPDATE", "TERMINATION"]
    assert [request.number for request in office.ocs.requests] == [0, 1, 2]
    assert office.ocs.requests[0].subscriptions == CALLER
    assert office.ocs.requests[1].host == "ocs.example.net"
    assert office.ocs.charged == 42
    assert office.ocs.balance == 3600 - 42
    assert not office.diameter.clients.sessions


def test_dia_28_denial_ends_the_session(office: Office) -> None:
    office.ocs.balance = 0
    office.open()
    assert office.kinds == ["CreditDenied", "end"]
    assert Meter.told[0].result == 4012


def test_dia_31_use_below_the_grant_is_not_reported_at_once(office: Office) -> None:
    office.open()
    office.report(used(10))
    office.report(used(10))
    assert office.ocs.kinds == ["INITIAL"]
    office.report(used(10))
    assert office.ocs.kinds == ["INITIAL", "UPDATE"]
    assert office.ocs.requests[1].services[0].used == (Units(time=30),)
    assert office.ocs.requests[1].services[0].requested == Units(time=30)


def test_dia_31_never_two_requests_at_once(office: Office) -> None:
    office.open()
    office.ocs.is_silent = True
    office.report(used(30))
    office.report(used(5))
    office.report((Service(rating_group=100, requested=Units(time=60)),))
    office.ocs.is_silent = False
    assert len(office.diameter.messages_sent("CCR")) == 2


def test_dia_31_validity_time_brings_an_update(office: Office) -> None:
    office.ocs.validity = 60
    office.open()
    office.report(used(7))
    office.slee.advance(58)
    assert office.ocs.kinds == ["INITIAL"]
    office.slee.advance(3)
    assert office.ocs.kinds == ["INITIAL", "UPDATE"]
    assert office.ocs.charged == 7


def test_dia_29_final_units_are_told_and_not_asked_beyond(office: Office) -> None:
    office.ocs.balance, office.ocs.ends_with_final_unit = 20, True
    office.open()
    assert office.kinds == ["CreditGranted", "FinalUnitGranted"]
    office.report(used(20))
    assert office.kinds[2:] == ["QuotaExhausted"]
    assert office.ocs.kinds == ["INITIAL"]
    office.close()
    assert office.ocs.charged == 20


def test_dia_30_the_end_of_the_service_waits_for_the_answer(office: Office) -> None:
    def errand(meter: Meter) -> None:
        meter.session = meter.diameter.open_session(CALLER, ASKED, realm="example.net")
        meter.session.attach(meter)
        meter.diameter.close(meter.session, used(3))

    office.slee.failures_allowed = True
    office.do(errand)
    assert office.kinds == []  # a session that has not begun cannot be closed in the same delivery
    office.open()
    office.ocs.script = lambda request: None
    office.report(used(30))
    office.close(used(1))
    assert office.ocs.kinds == ["INITIAL", "UPDATE"]
    assert len(office.diameter.clients.sessions) == 1


def test_dia_34_a_reauth_request_is_answered_and_followed_by_an_update(office: Office) -> None:
    office.open()
    office.report(used(4))
    session = office.ocs.requests[0].session_id
    office.ocs.reauthorise(session)
    office.slee.advance(0.1)
    assert office.ocs.answers[0].result == 2002
    assert office.kinds == ["CreditGranted", "ReauthRequested", "CreditGranted"]
    assert office.ocs.charged == 4


def test_dia_34_a_reauth_request_during_an_update_is_answered_2001(office: Office) -> None:
    office.open()
    office.ocs.script = lambda request: None
    office.report(used(30))
    office.ocs.reauthorise(office.ocs.requests[0].session_id)
    office.slee.advance(0.1)
    assert office.ocs.answers[0].result == 2001
    assert office.ocs.kinds == ["INITIAL", "UPDATE"]


def test_dia_34_an_abort_ends_the_session(office: Office) -> None:
    office.open()
    office.report(used(9))
    office.ocs.abort(office.ocs.requests[0].session_id)
    office.slee.advance(0.1)
    assert office.ocs.answers[0].result == 2001
    assert office.kinds == ["CreditGranted", "SessionAborted", "CreditGranted", "end"]
    assert office.ocs.kinds == ["INITIAL", "TERMINATION"]
    assert office.ocs.charged == 9


def test_dia_34_unknown_sessions_get_5002(office: Office) -> None:
    office.ocs.reauthorise("nobody;1;2")
    office.ocs.abort("nobody;1;2")
    office.slee.advance(0.1)
    assert [answer.result for answer in office.ocs.answers] == [5002, 5002]


@pytest.mark.parametrize(
    ("handling", "action"),
    [
        (FailureHandling.CONTINUE, FailureHandling.CONTINUE),
        (FailureHandling.TERMINATE, FailureHandling.TERMINATE),
        (FailureHandling.RETRY_AND_TERMINATE, FailureHandling.TERMINATE),
    ],
)
def test_dia_32_a_failure_is_told_with_what_follows(
    office: Office, handling: FailureHandling, action: FailureHandling
) -> None:
    office.ocs.script = lambda request: None
    office.open(handling=handling)
    office.slee.advance(11)
    assert office.kinds == ["FailureHandled", "end"]
    assert Meter.told[0].action is action
    assert Meter.told[0].reason == "timeout"
    raised = [alarm.alarm_type for alarm in office.slee.alarms]
    assert ("dia.ccfh_continue" in raised) == (action is FailureHandling.CONTINUE)


def test_dia_32_the_handling_of_an_answer_wins(office: Office) -> None:
    office.ocs.script = lambda request: CreditAnswer(
        result=2001,
        failure_handling=FailureHandling.CONTINUE,
        grants=(Grant(rating_group=100, granted=Units(time=10)),),
    )
    office.open(handling=FailureHandling.TERMINATE)
    office.ocs.script = lambda request: None
    office.report(used(10))
    office.slee.advance(11)
    assert Meter.told[-1].action is FailureHandling.CONTINUE


@pytest.mark.parametrize("handling", [FailureHandling.CONTINUE, FailureHandling.TERMINATE])
def test_dia_32_use_that_an_outage_left_unreported_is_charged_after_it(
    office: Office, handling: FailureHandling
) -> None:
    office.open(handling=handling)
    office.ocs.kill()
    office.slee.advance(1)
    office.report(used(30))
    assert office.kinds[-1] == "FailureHandled"
    office.close(used(7))
    assert office.kinds[-1] == "end"
    assert office.ocs.kinds == ["INITIAL"]
    office.ocs.restart()
    office.slee.advance(120)
    assert office.ocs.kinds == ["INITIAL", "UPDATE", "TERMINATION"]
    assert office.ocs.charged == 37
    assert len(office.diameter.outbox) == 0


def test_dia_32_a_call_that_continues_through_an_outage_is_supervised_again_after_it(office: Office) -> None:
    office.open(handling=FailureHandling.CONTINUE)
    office.ocs.kill()
    office.slee.advance(1)
    office.report(used(30))
    office.ocs.restart()
    office.slee.advance(120)
    assert office.kinds[-1] == "CreditGranted"
    office.report(used(30))
    office.close(used(1))
    assert office.ocs.kinds == ["INITIAL", "UPDATE", "UPDATE", "TERMINATION"]
    assert office.ocs.charged == 61


def test_dia_22_another_server_takes_over_with_the_t_flag() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        office = Office(slee, "ocs1.example.net", "ocs2.example.net", session_failover=True)
        first, second = office.servers
        office.open()
        assert (first.kinds, second.kinds) == (["INITIAL"], [])
        first.script = lambda request: None
        office.report(used(30))
        first.kill()
        slee.advance(0.1)
        assert second.kinds == ["UPDATE"]
        sent = office.diameter.messages_sent("CCR")
        assert sent[1].end_to_end == sent[2].end_to_end
        assert sent[1].hop_by_hop != sent[2].hop_by_hop
        assert [message.is_repeated for message in sent] == [False, False, True]
        assert office.kinds[-1] == "CreditGranted"


def test_dia_33_and_39_a_termination_that_fails_is_sent_until_it_is_answered(office: Office) -> None:
    office.open()
    office.report(used(11))
    office.ocs.kill()
    office.slee.advance(1)
    office.close(used(4))
    office.slee.advance(20)
    assert office.kinds[-1] == "end"
    assert len(office.diameter.outbox) == 1
    office.ocs.restart()
    office.slee.advance(200)
    assert len(office.diameter.outbox) == 0
    assert office.ocs.charged == 15
    last = office.diameter.messages_sent("CCR")[-1]
    assert last.is_repeated


def test_dia_47_removing_a_session_sends_its_termination(office: Office) -> None:
    office.open()
    office.report(used(6))
    entity = office.slee.kernel.resources["diameter"]
    handle = next(handle for handle in entity.contexts if ";" in str(handle))
    entity.remove_activity(handle)
    office.slee.advance(1)
    assert office.ocs.kinds == ["INITIAL", "TERMINATION"]
    assert office.ocs.charged == 6


@pytest.mark.parametrize("action", list(Action))
def test_dia_28_events_are_charged_once(office: Office, action: Action) -> None:
    def errand(meter: Meter) -> None:
        made = meter.diameter.charge_event(action, CALLER, ASKED, realm="example.net", correlation=b"e1")
        made.attach(meter)

    office.do(errand)
    assert office.ocs.kinds == ["EVENT"]
    assert office.ocs.requests[0].action is action
    assert office.ocs.requests[0].correlation == b"e1"
    assert office.kinds == ["CreditGranted", "end"]


def test_dia_16_a_restarted_server_is_told_on_its_sessions(office: Office) -> None:
    office.open()
    office.ocs.kill()
    office.slee.advance(1)
    office.ocs.restart()
    office.slee.advance(60)
    assert office.kinds == ["CreditGranted", "PeerRestarted"]


def test_dia_49_the_session_id_says_whose_it_is(office: Office) -> None:
    office.open()
    parts = office.ocs.requests[0].session_id.split(";")
    assert parts[0] == "slee.example.net"
    assert parts[1].isdecimal()
    assert parts[2].isdecimal()
    assert parts[3] == "sh=00"


def test_com_4_commands_on_sessions_that_are_over_are_refused_at_the_call(office: Office) -> None:
    refused: list[bool] = []

    def errand(meter: Meter) -> None:
        for call in (
            lambda: meter.diameter.report(meter.session, ()),
            lambda: meter.diameter.close(meter.session),
            lambda: meter.diameter.open_session(CALLER, (), realm="example.net"),
            lambda: meter.diameter.open_session(CALLER, ASKED, realm=""),
            lambda: meter.diameter.open_session(CALLER, used(-1), realm="example.net"),
        ):
            try:
                call()
            except LocalProtocolError:
                refused.append(True)

    office.open()
    office.close()
    office.do(errand)
    assert refused == [True] * 5


def test_com_3_a_rolled_back_delivery_charges_nothing() -> None:
    with SleeHarness(leftovers_allowed=True, failures_allowed=True) as slee:
        office = Office(slee)

        def errand(meter: Meter) -> None:
            meter.diameter.open_session(CALLER, ASKED, realm="example.net")
            raise RuntimeError("no")

        office.do(errand)
        assert office.ocs.requests == []
        assert not office.diameter.clients.sessions

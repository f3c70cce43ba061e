"""What services and operators see: the vocabulary, what is said of calls, quota, alarms, and what others decode."""

from __future__ import annotations

import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from diameter.message import Message as OtherMessage
from diameter.message.commands import CreditControlRequest, UserDataRequest

from resource_adaptors.diameter import api
from resource_adaptors.diameter.api import (
    DIAMETER,
    Action,
    CreditAnswer,
    DataReference,
    FailureHandling,
    Grant,
    ImsInformation,
    NodeFunctionality,
    RequestType,
    RoleOfNode,
    Service,
    Subscription,
    SubscriptionKind,
    Units,
    UserData,
)
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.errors import LocalProtocolError
from resource_adaptors.diameter.message.message import decode
from resource_adaptors.diameter.testing import DiameterSimulator
from resource_adaptors.diameter.transport.certificate import ends_at
from resource_adaptors.diameter.user_data_double import UserDataDouble
from resource_adaptors.diameter.watch import Watch
from slee.testing import SleeHarness
from tests.resource_adaptors.diameter.certificates import LASTING, PASSING
from tests.resource_adaptors.diameter.meter import ASKED, CALLER, Meter, used
from tests.resource_adaptors.diameter.test_credit import Office
from tests.resource_adaptors.diameter.test_user_data import ALICE

CLIENT_EVENTS = """
    CreditGranted CreditDenied QuotaExhausted FinalUnitGranted ReauthRequested SessionAborted FailureHandled
    AccountingAccepted AccountingRejected ShAnswer ShNotification DiameterAnswer AnswerTimeout Undeliverable
    PeerUp PeerDown PeerRestarted
"""
SERVER_EVENTS = """
    InitialRequest UpdateRequest TerminationRequest EventRequest UserDataRequest ProfileUpdateRequest SubscribeRequest
    DiameterRequest
"""
COMMANDS = """
    open_session report close charge_event open_accounting record user_data profile_update subscribe answer send
    disconnect reauthorise abort grant deny
"""


def test_dia_44_the_events_of_clients() -> None:
    assert {event.__name__ for event in DIAMETER.event_types} >= set(CLIENT_EVENTS.split())


def test_dia_45_the_events_of_servers() -> None:
    assert {event.__name__ for event in DIAMETER.event_types} >= set(SERVER_EVENTS.split())


def test_dia_46_the_commands() -> None:
    assert api.Diameter.operations.keys() >= set(COMMANDS.split())
    assert api.Diameter.operations["open_session"] == "opening command"
    assert api.Diameter.operations["close"] == "command"


CALL = ImsInformation(
    node=NodeFunctionality.AS,
    role=RoleOfNode.PROXY,
    method="INVITE",
    event="presence",
    calling=("sip:alice@example.net", "tel:+43123"),
    called="sip:bob@example.net",
    call_id="abc@host",
    requested_at=datetime.datetime(2026, 11, 25, 20, 0, tzinfo=datetime.UTC),
    answered_at=datetime.datetime(2026, 11, 25, 20, 1, tzinfo=datetime.UTC),
)


def test_dia_37_information_of_a_call_survives_the_wire() -> None:
    assert ImsInformation.read(CALL.avp()) == CALL
    assert ImsInformation.read(ImsInformation().avp()) == ImsInformation()


def test_dia_37_an_independent_codec_reads_the_information() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        office = Office(slee)

        def errand(meter: Meter) -> None:
            made = meter.diameter.open_session(CALLER, ASKED, realm="example.net", information=CALL)
            made.attach(meter)

        office.do(errand)
        (sent,) = office.diameter.messages_sent("CCR")
    other = OtherMessage.from_bytes(sent.encode())
    assert isinstance(other, CreditControlRequest)
    ims = other.service_information.ims_information
    assert ims.event_type.event == "presence"  # it looks for the method in an AVP of another RFC
    assert ims.node_functionality == 6
    assert ims.calling_party_address == list(CALL.calling)
    assert ims.called_party_address == CALL.called
    assert ims.time_stamps.sip_request_timestamp.timestamp() == CALL.requested_at.timestamp()


@pytest.mark.parametrize("kind", SubscriptionKind)
def test_dia_37_subscriptions_of_every_kind_survive_the_wire(kind: SubscriptionKind) -> None:
    assert Subscription.read(Subscription(kind, "x").avp()) == Subscription(kind, "x")


def test_dia_37_the_service_context_can_be_chosen() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        office = Office(slee, context="1@example.net")
        office.open()
        assert office.ocs.requests[0].context == "1@example.net"


def test_dia_31_what_is_not_used_for_its_holding_time_is_given_back() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        office = Office(slee)
        grant = Grant(rating_group=100, granted=Units(time=30), holding_time=20)
        office.ocs.script = lambda request: CreditAnswer(result=2001, grants=(grant,))
        office.open()
        slee.advance(15)
        office.report(used(3))
        slee.advance(15)
        assert office.ocs.kinds == ["INITIAL"]
        slee.advance(6)
        assert office.ocs.kinds == ["INITIAL", "UPDATE"]
        (told,) = office.ocs.requests[-1].services
        assert told == Service(rating_group=100, used=(Units(time=3),))


@pytest.mark.parametrize(("ddfh", "told"), [("CONTINUE", "CONTINUE"), ("TERMINATE_OR_BUFFER", "TERMINATE")])
def test_dia_33_a_debit_that_was_surely_not_made(ddfh: str, told: str) -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        office = Office(slee, ddfh=ddfh)
        office.ocs.kill()
        slee.advance(1)
        debit(office)
        assert Meter.told[0].action is FailureHandling[told]
        assert len(office.diameter.outbox) == (told == "CONTINUE")


def test_dia_33_a_debit_that_may_have_been_made_is_repeated_until_that_is_known() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        office = Office(slee)
        office.ocs.is_silent = True
        debit(office)
        slee.advance(11)
        assert Meter.told[0].action is FailureHandling.CONTINUE
        assert len(office.diameter.clients.sessions) == 1
        office.ocs.is_silent = False
        slee.advance(200)
        assert office.ocs.kinds[-1] == "EVENT"
        assert office.diameter.messages_sent("CCR")[-1].is_repeated
        assert len(office.diameter.outbox) == 0
        assert office.diameter.clients.sessions == {}
        assert Meter.told[-1] == "end"


def test_dia_33_a_refund_names_the_event_that_it_takes_back() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        office = Office(slee)
        debit(office, Action.REFUND, correlation=b"the debit")
        (request,) = office.ocs.requests
        assert (request.action, request.correlation) == (Action.REFUND, b"the debit")


def debit(office: Office, action: Action = Action.DEBIT, **more: object) -> None:
    def errand(meter: Meter) -> None:
        services = (Service(rating_group=100, requested=Units(specific=1)),)
        meter.diameter.charge_event(action, CALLER, services, realm="example.net", **more).attach(meter)

    office.do(errand)


def alarms(office: Office) -> set[str]:
    return {alarm.alarm_type for alarm in office.slee.alarms}


def test_dia_53_lost_peers_and_realms_are_told_until_they_are_back() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        office = Office(slee, "ocs1.example.net", "ocs2.example.net")
        assert alarms(office) == set()
        office.servers[0].kill()
        slee.advance(1)
        assert alarms(office) == {"dia.peer_down"}
        office.servers[1].kill()
        slee.advance(1)
        assert alarms(office) == {"dia.peer_down", "dia.realm_unreachable"}
        office.servers[0].restart()
        slee.advance(100)
        assert alarms(office) == {"dia.peer_down"}
        office.servers[1].restart()
        slee.advance(400)
        assert alarms(office) == set()


def test_dia_53_a_peer_that_has_never_come_is_told_with_the_reason() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        diameter = DiameterSimulator()
        ocs = diameter.peer("ocs.example.net")
        ocs.is_dead = True
        diameter.wire.refusal = "certificate has expired"
        slee.add_resource("diameter", diameter, diameter.configuration_for())
        slee.advance(1)
        told = {alarm.alarm_type: alarm.message for alarm in slee.alarms}
        assert told["dia.peer_down"] == "peer ocs.example.net takes no requests: certificate has expired"
        assert "dia.realm_unreachable" in told
        ocs.restart()
        slee.advance(100)
        assert slee.alarms == ()


def test_dia_53_an_old_or_full_outbox_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        office = Office(slee)
        office.open()
        office.ocs.kill()
        slee.advance(1)
        office.close(used(3))
        slee.advance(890)
        assert "dia.outbox_old" not in alarms(office)
        slee.advance(40)
        assert "dia.outbox_old" in alarms(office)
        office.ocs.restart()
        slee.advance(700)
        assert "dia.outbox_old" not in alarms(office)
        monkeypatch.setattr("resource_adaptors.diameter.watch._MANY", 1)
        office.ocs.is_silent = True
        office.open()
        office.ocs.is_silent = False
        office.open()
        office.ocs.kill()
        slee.advance(1)
        office.close(used(3))
        slee.advance(20)
        assert "dia.outbox_old" in alarms(office)


def test_dia_53_the_end_of_a_certificate_is_read(tmp_path: Path) -> None:
    for text, end in ((LASTING, (2126, 11, 1, 20, 44, 9)), (PASSING, (2026, 12, 25, 20, 44, 9))):
        path = tmp_path / "certificate.pem"
        path.write_text("a comment\n" + text, encoding="ascii")
        assert ends_at(path) == datetime.datetime(*end, tzinfo=datetime.UTC)


@pytest.mark.parametrize("text", ["", "-----BEGIN CERTIFICATE-----\nMIIBgDCCASWg\n-----END CERTIFICATE-----\n"])
def test_dia_53_what_is_no_certificate_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "certificate.pem"
    path.write_text(text, encoding="ascii")
    with pytest.raises(ValueError, match="DIA-17"):
        ends_at(path)


def test_dia_53_a_certificate_that_ends_soon_is_told_and_one_put_in_its_place_seen(tmp_path: Path) -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        office = Office(slee)
        path = tmp_path / "certificate.pem"
        path.write_text(PASSING, encoding="ascii")
        end = ends_at(path).timestamp()
        adaptor = SimpleNamespace(
            context=office.diameter.context,
            settings=SimpleNamespace(tls=SimpleNamespace(certificate=path, warn_days=30)),
            now=end - 31 * 86_400,
        )
        watch = Watch(adaptor)
        watch.certificate()
        assert "dia.tls_certificate_expiring" not in alarms(office)
        adaptor.now += 2 * 86_400
        watch.certificate()
        assert "dia.tls_certificate_expiring" in alarms(office)
        path.write_text(LASTING, encoding="ascii")
        adaptor.now += 86_401
        watch.certificate()
        assert "dia.tls_certificate_expiring" not in alarms(office)


def test_dia_56_an_independent_codec_reads_every_message_that_is_written() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        office = Office(slee)
        hss = UserDataDouble(office.ocs)
        hss.users[ALICE] = UserData(scscf="sip:x")
        office.open()
        office.report(used(30))
        office.ocs.reauthorise(office.ocs.requests[0].session_id)
        slee.advance(1)
        office.close(used(4))
        debit(office)
        office.do(
            lambda meter: (
                meter.diameter.user_data(ALICE, (DataReference.S_CSCF_NAME,), realm="example.net"),
                meter.diameter.subscribe(ALICE, DataReference.S_CSCF_NAME, realm="example.net").attach(meter),
                meter.diameter.open_accounting(realm="example.net", is_event=True),
            )
        )
        hss.change(ALICE, UserData(scscf="sip:y"))
        slee.advance(40)
        office.diameter.ra_inactive()
        sent = office.diameter.sent
    names = {decode(data).name for data in sent}
    assert names == {"CER", "CCR", "RAA", "UDR", "SNR", "PNA", "ACR", "DWR", "DPR"}
    for data in sent:
        ours, other = decode(data), OtherMessage.from_bytes(data)
        assert other.header.command_code == ours.command
        assert other.header.application_id == ours.application
        assert other.as_bytes() == data or sorted(len(a.as_bytes()) for a in other.avps) == sorted(
            len(a.encode()) for a in ours.avps
        )
        if isinstance(other, UserDataRequest):
            assert other.user_identity.public_identity == ALICE.public_identity


def test_dia_35_denials_have_results_of_failure() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        office = Office(slee)

        def errand(meter: Meter) -> None:
            made = meter.diameter.open_session(CALLER, ASKED, realm="example.net")
            with pytest.raises(LocalProtocolError):
                meter.diameter.deny(made, 2001)
            made.attach(meter)

        office.do(errand)
        assert office.ocs.requests[0].kind is RequestType.INITIAL
        assert office.diameter.messages_sent("CCR")[0].number(codes.CC_REQUEST_NUMBER) == 0

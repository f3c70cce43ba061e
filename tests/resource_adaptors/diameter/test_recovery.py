"""What a crash leaves of sessions, records and subscriptions, and how they go on (DIA-24, DIA-39, DIA-43, DIA-50)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from resource_adaptors.diameter.api import (
    CreditAnswer,
    DataReference,
    FailureHandling,
    RepositoryData,
    ShNotification,
    UserData,
)
from resource_adaptors.diameter.commands import Report
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.protocol.charging import RequestType
from resource_adaptors.diameter.testing import DiameterSimulator, ServerDouble
from resource_adaptors.diameter.user_data_double import UserDataDouble
from slee.stores.simulated import SimulatedDisk
from slee.testing import RecordingResource, SleeHarness
from tests.resource_adaptors.diameter.meter import ASKED, CALLER, DESK, Do, Meter, used
from tests.resource_adaptors.diameter.test_servers import Balance, House
from tests.resource_adaptors.diameter.test_user_data import ALICE, Reader


class Shop:
    """A harness on a disk; the server's ledger outlives its crashes."""

    def __init__(self, service: type = Meter, **configuration: object) -> None:
        self.slee = SleeHarness(journal=SimulatedDisk(), leftovers_allowed=True)
        self.service = service
        self.errands = 0
        self.configuration = configuration
        self.server: ServerDouble | None = None
        self.equip()
        Meter.told.clear()
        Reader.told.clear()
        self.slee.advance(1)

    def equip(self) -> None:
        self.diameter = DiameterSimulator()
        kept, self.server = self.server, self.diameter.peer("ocs.example.net")
        if kept is not None:
            for name in ("balance", "used", "requests", "script", "on_request", "messages"):
                setattr(self.server, name, getattr(kept, name))
        configuration = self.diameter.configuration_for(**self.configuration)
        self.slee.add_resource("diameter", self.diameter, configuration)
        self.desk = self.slee.add_resource("desk", RecordingResource(DESK))
        self.slee.install(self.service)

    def do(self, errand: Callable[[object], None], *, wait: float = 0.1) -> None:
        self.errands += 1
        self.desk.endpoint.start_activity(f"desk {self.errands}", "desk")
        self.desk.endpoint.fire(f"desk {self.errands}", Do(errand))
        self.slee.run()
        self.slee.advance(wait)

    def open(self, *, wait: float = 0.1, handling: FailureHandling = FailureHandling.CONTINUE) -> None:
        def errand(meter: Meter) -> None:
            meter.session = meter.diameter.open_session(CALLER, ASKED, realm="example.net", failure_handling=handling)
            meter.session.attach(meter)

        self.do(errand, wait=wait)

    def crash(self, *, downtime: float = 5.0, survivors: int | None = None) -> None:
        self.slee = self.slee.crash(survivors=survivors, downtime=downtime)
        self.equip()
        self.slee.restart()

    @property
    def session(self) -> object:
        (session,) = self.diameter.clients.sessions.values()
        return session


def test_dia_50_an_open_session_goes_on_after_a_crash() -> None:
    shop = Shop()
    shop.open()
    shop.do(lambda meter: meter.diameter.report(meter.session, used(11)))
    before = shop.session.session_id
    shop.slee.advance(1)
    shop.crash()
    shop.slee.advance(1)
    assert shop.session.session_id == before
    shop.do(lambda meter: meter.diameter.report(meter.session, used(19)))
    shop.do(lambda meter: meter.diameter.close(meter.session, used(3)))
    assert shop.server.kinds == ["INITIAL", "UPDATE", "TERMINATION"]
    assert [request.number for request in shop.server.requests] == [0, 1, 2]
    assert shop.server.charged == 33
    assert Meter.told[-1] == "end"


def test_dia_50_the_request_without_answer_is_sent_again_with_t() -> None:
    shop = Shop()
    shop.open()
    shop.server.is_silent = True
    shop.do(lambda meter: meter.diameter.report(meter.session, used(30)))
    (sent,) = [m for m in shop.diameter.messages_sent("CCR") if m.number(codes.CC_REQUEST_TYPE) == 2]
    shop.slee.advance(1)
    shop.crash()
    assert shop.diameter.messages_sent("CCR") == []
    shop.slee.advance(1)
    (again,) = shop.diameter.messages_sent("CCR")
    assert (again.is_repeated, again.end_to_end, again.avps) == (True, sent.end_to_end, sent.avps)
    assert shop.server.charged == 30
    assert type(Meter.told[-1]).__name__ == "CreditGranted"


def test_dia_50_validity_is_watched_again_after_a_crash() -> None:
    shop = Shop()
    shop.server.validity = 20
    shop.open()
    shop.slee.advance(1)
    shop.crash(downtime=5)
    shop.slee.advance(10)
    assert shop.server.kinds == ["INITIAL"]
    shop.slee.advance(6)
    assert shop.server.kinds == ["INITIAL", "UPDATE"]


def test_dia_50_a_session_to_which_nobody_is_attached_any_more_is_closed() -> None:
    shop = Shop()
    shop.open()
    shop.do(lambda meter: meter.diameter.report(meter.session, used(11)))
    shop.slee.advance(1)
    shop.service = Balance  # the meter's service is not installed any more
    shop.crash()
    shop.slee.advance(2)
    assert shop.server.kinds == ["INITIAL", "TERMINATION"]
    assert shop.server.charged == 11
    assert shop.diameter.clients.sessions == {}


def test_dia_50_a_stored_update_outlives_the_crash(tmp_path: Path) -> None:
    shop = Shop(outbox=tmp_path / "outbox.db")
    shop.open()
    shop.server.kill()
    shop.slee.advance(1)
    shop.do(lambda meter: meter.diameter.report(meter.session, used(30)))
    assert shop.session.state == "PendingO"
    shop.slee.advance(1)
    shop.crash()
    shop.slee.advance(60)
    assert shop.server.kinds == ["INITIAL", "UPDATE"]
    assert shop.session.state == "Open"
    shop.do(lambda meter: meter.diameter.close(meter.session, used(2)))
    assert shop.server.charged == 32


@pytest.mark.parametrize("survivors", range(6))
def test_dia_50_whatever_record_is_the_last_nothing_is_charged_twice(survivors: int) -> None:
    shop = Shop()
    shop.open(wait=0)
    shop.do(lambda meter: meter.diameter.report(meter.session, used(30)), wait=0)
    shop.crash(survivors=survivors)
    shop.slee.advance(40)
    booked: dict[tuple[str, int], int] = {}
    for request in shop.server.requests:
        seconds = sum(units.time or 0 for service in request.services for units in service.used)
        assert booked.setdefault((request.session_id, request.number), seconds) == seconds
    assert sum(booked.values()) in (0, 30)


def test_dia_24_a_session_of_a_peer_knows_its_last_answer_after_a_crash() -> None:
    disk = SimulatedDisk()
    slee = SleeHarness(journal=disk, leftovers_allowed=True)
    house = House(slee, Balance)
    assert house.ask(RequestType.INITIAL, 0) == 2001
    slee.advance(1)
    slee = slee.crash(downtime=5)
    house.slee, told = slee, list(Balance.told)
    house.diameter = DiameterSimulator()
    house.client = house.diameter.peer("client.example.net")
    slee.add_resource("diameter", house.diameter, house.diameter.configuration_for())
    slee.install(Balance)
    slee.restart()
    slee.advance(1)
    assert house.ask(RequestType.INITIAL, 0) == 2001
    assert Balance.told == told
    assert house.ask(RequestType.UPDATE, 1) == 2001
    slee.advance(59)
    assert Balance.told[-1] == "UPDATE"
    slee.advance(2)
    assert Balance.told[-1] == "end"


def test_dia_43_a_subscription_goes_on_after_a_crash() -> None:
    shop = Shop(Reader)
    hss = UserDataDouble(shop.server)
    hss.users[ALICE] = UserData()

    def errand(reader: Reader) -> None:
        made = reader.diameter.subscribe(ALICE, DataReference(0), realm="example.net", service="menu")
        made.attach(reader)

    shop.do(errand)
    shop.slee.advance(1)
    shop.crash()
    shop.slee.advance(1)
    again = UserDataDouble(shop.server)
    changed = UserData(repository=(RepositoryData("menu", 1, "x"),))
    again.change(ALICE, changed)
    shop.slee.advance(1)
    assert isinstance(Reader.told[-1][0], ShNotification)
    assert shop.server.answers[-1].result == 2001


def test_dia_50_commands_after_one_in_doubt_are_carried_out() -> None:
    shop = Shop()
    shop.open()
    clients = shop.diameter.clients
    session = shop.session
    clients.recover(Report(session.session_id, session.serial + 1, used(30)))
    shop.slee.advance(0.1)
    shop.do(lambda meter: meter.diameter.report(meter.session, used(31)))
    shop.do(lambda meter: meter.diameter.close(meter.session, used(1)))
    assert shop.server.charged == 62


def test_dia_50_a_server_that_knows_the_request_and_has_no_answer_is_asked_anew() -> None:
    shop = Shop()
    shop.open()
    shop.server.is_silent = True
    shop.do(lambda meter: meter.diameter.report(meter.session, used(30)))
    shop.slee.advance(1)
    results = [5012, 2001]
    shop.server.script = lambda request: CreditAnswer(result=results.pop(0))
    shop.crash()
    shop.slee.advance(1)
    first, second = shop.diameter.messages_sent("CCR")
    assert (first.is_repeated, second.is_repeated) == (True, True)
    assert first.avps == second.avps
    assert first.end_to_end != second.end_to_end
    assert type(Meter.told[-1]).__name__ == "CreditGranted"
    assert shop.session.state == "Open"

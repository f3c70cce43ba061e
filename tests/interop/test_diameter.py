"""Diameter with freeDiameterd and python-diameter over sockets (DIA-9 to DIA-15, DIA-28, DIA-56)."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from resource_adaptors.diameter.api import (
    CreditDenied,
    CreditGranted,
    DataReference,
    Message,
    RepositoryData,
    RequestType,
    UserData,
    UserIdentity,
)
from resource_adaptors.diameter.message.avp import Avp
from resource_adaptors.diameter.message.message import decode
from resource_adaptors.diameter.user_data_double import UserDataDouble
from slee.testing import SleeHarness
from tests.interop import charging
from tests.interop.charging import FAR_REALM, HOST, OCS, OURS, RELAY, Live
from tests.interop.peers import free_port
from tests.resource_adaptors.diameter.meter import ASKED, CALLER, Meter, used
from tests.resource_adaptors.diameter.test_credit import Office
from tests.resource_adaptors.diameter.test_operation import CALL
from tests.resource_adaptors.diameter.test_user_data import ALICE


async def charge_a_call(live: Live) -> None:
    """A call of 57 seconds on a balance of 45: the last update is denied."""
    live.open()
    granted = await live.told(1)
    assert isinstance(granted, CreditGranted)
    assert granted.answer.grants[0].granted.time == 30
    live.do(lambda meter: meter.diameter.report(meter.session, used(30)))
    again = await live.told(3)
    assert isinstance(again, CreditGranted)
    assert again.answer.grants[0].granted.time == 15
    live.do(lambda meter: meter.diameter.close(meter.session, used(12)))
    last = await live.told(4)
    assert isinstance(last, CreditGranted)
    assert last.kind is RequestType.TERMINATION


@pytest.mark.programs("freeDiameterd")
@pytest.mark.parametrize("who", ["we open", "the peer opens"])
def test_credit_control_through_a_relay_by_freediameter(tmp_path: Path, who: str) -> None:
    port, ours, far = free_port(), free_port(), free_port()
    opens = who == "we open"
    row = "" if opens else f'ConnectPeer = "{OURS}" {{ ConnectTo = "{HOST}"; Port = {ours}; No_TLS; TcTimer = 2; }};\n'
    configuration = {
        "listeners": [{"host": HOST, "port": ours}],
        "peers": [{"host": RELAY, "address": HOST, "port": port, "mode": "both" if opens else "responder"}],
        "realms": [{"realm": FAR_REALM, "peers": [RELAY]}],
        "tw": 6,
        "tc": 1,
    }

    async def scenario() -> None:
        with SleeHarness(leftovers_allowed=True) as slee:
            live = Live(slee, **configuration)
            relay = charging.free_diameter(tmp_path, port, ours=row, ocs_port=far)
            with relay:
                relay.wait_line(rf"'STATE_OPEN'.*{OCS}", timeout=20)
                await live.until(lambda: live.adaptor.node.peers[RELAY].is_up)
                await charge_a_call(live)
                # its watchdog runs every six seconds; both sides ask or answer
                await live.until(lambda: live.seen("DWA", "in") + live.seen("DWA", "out") >= 1, within=15)
                await live.stop()
                assert live.seen("DPR", "out") == 1
                relay.wait_line(rf"'STATE_OPEN'.*->.*{OURS}", timeout=10)

    with charging.charging_server(tmp_path, far, RELAY) as ocs:
        ocs.wait_line("OCS ready")
        asyncio.run(scenario())
    assert charging.booked(tmp_path) == 42


def test_credit_control_with_python_diameter_and_a_restart_of_it(tmp_path: Path) -> None:
    port = free_port()
    configuration = {
        "peers": [{"host": OCS, "address": HOST, "port": port}],
        "realms": [{"realm": FAR_REALM, "peers": [OCS]}],
        "tc": 0.2,
        "tx": 5,
    }

    async def scenario() -> None:
        with SleeHarness(leftovers_allowed=True) as slee:
            live = Live(slee, **configuration)
            with charging.charging_server(tmp_path, port) as ocs:
                ocs.wait_line("OCS ready")
                await live.until(lambda: live.adaptor.node.peers[OCS].is_up)
                live.open()
                await live.told(1)
                os.kill(ocs.pid, signal.SIGKILL)
            await live.until(lambda: not live.adaptor.node.peers[OCS].is_open)
            live.do(lambda meter: meter.diameter.close(meter.session, used(17)))
            with charging.charging_server(tmp_path, port) as ocs:
                ocs.wait_line("OCS ready")
                await live.until(lambda: len(live.adaptor.outbox) == 0 and not live.adaptor.clients.sessions)
                await live.stop()

    asyncio.run(scenario())
    assert charging.booked(tmp_path) == 17


def test_denial_by_python_diameter(tmp_path: Path) -> None:
    port = free_port()
    configuration = {
        "peers": [{"host": OCS, "address": HOST, "port": port}],
        "realms": [{"realm": FAR_REALM, "peers": [OCS]}],
    }

    async def scenario() -> None:
        with SleeHarness(leftovers_allowed=True) as slee:
            live = Live(slee, **configuration)
            await live.until(lambda: live.adaptor.node.peers[OCS].is_up)
            live.open()
            await live.told(1)
            live.do(lambda meter: meter.diameter.report(meter.session, used(45)))
            denied = await live.told(3)
            assert isinstance(denied, CreditDenied)
            assert denied.result == 4012
            assert Meter.told[3] == "end"
            await live.stop()

    with charging.charging_server(tmp_path, port) as ocs:
        ocs.wait_line("OCS ready")
        asyncio.run(scenario())


@pytest.mark.programs("tshark")
def test_tshark_minds_nothing_that_is_written(tmp_path: Path) -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        office = Office(slee)
        hss = UserDataDouble(office.ocs)
        hss.users[ALICE] = UserData(scscf="sip:x", repository=(RepositoryData.holding("menu", "a & b", 3),))
        heard: list[bytes] = []
        received = office.diameter.received
        office.diameter.received = lambda number, data: (heard.append(data), received(number, data))[1]
        office.do(
            lambda meter: meter.diameter.open_session(CALLER, ASKED, realm="example.net", information=CALL).attach(
                meter
            )
        )
        office.open()
        office.report(used(30))
        session = office.ocs.requests[-1].session_id
        office.ocs.reauthorise(session)
        slee.advance(1)
        office.ocs.abort(session)
        office.do(
            lambda meter: (
                meter.diameter.user_data(
                    ALICE, (DataReference.REPOSITORY_DATA,), realm="example.net", services=("menu",)
                ),
                meter.diameter.profile_update(ALICE, RepositoryData.holding("menu", "c", 4), realm="example.net"),
                meter.diameter.subscribe(ALICE, DataReference.S_CSCF_NAME, realm="example.net").attach(meter),
                meter.diameter.open_accounting(realm="example.net", is_event=True),
            )
        )
        hss.change(ALICE, UserData(scscf="sip:y"))
        hss.change(UserIdentity(msisdn="4312345"), UserData(scscf="sip:y"))
        office.ocs.ask(Message(272, 4, 0xC0, 0, 0, (Avp(60_000, b"x"),)))
        slee.advance(40)
        office.diameter.ra_inactive()
    messages = [*office.diameter.sent, *heard]
    names = {decode(data).name for data in messages}
    assert names >= {"CER", "CCR", "RAA", "ASA", "UDR", "PUR", "SNR", "PNA", "ACR", "DWR", "DPR", "CCA", "UDA", "SNA"}
    charging.write_capture(tmp_path / "dia.pcap", messages)
    assert charging.flaws(tmp_path / "dia.pcap") == ""

"""Lanes of a disk that takes no more while the server runs, and does again (DUR-13)."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.clients import Clients, keeper_uri
from tests.interop.disks import Disk, ReadOnlyDisk, SmallDisk, WriteLimit, why_no_read_only_disk, why_no_small_disk
from tests.interop.killing import deploy
from tests.interop.peers import DOMAIN, HOST, Sipp

PATIENCE = 10.0
"""Seconds within which the server notices that the disk is full, or that it is not any more."""


@pytest.fixture(params=[WriteLimit, ReadOnlyDisk, SmallDisk])
def disk(request: pytest.FixtureRequest, server_name: str, tmp_path: Path) -> Iterator[Disk]:
    """A running server on a disk that can be filled."""
    if server_name != "slee":
        pytest.skip("about the product alone")
    if request.param is SmallDisk and (reason := why_no_small_disk()):
        pytest.skip(reason)  # the write limit shows the same
    if request.param is ReadOnlyDisk and (reason := why_no_read_only_disk(tmp_path)):
        pytest.skip(reason)  # the write limit shows the same
    made: Disk = request.param(tmp_path)
    with made.server.start().child:
        deploy(made.server, tmp_path, "keeper", "Keeper")
        yield made
        made.free()


@pytest.fixture
def clients(disk: Disk) -> Iterator[Clients]:
    made = Clients(disk.server.sip, messages=0.0, registers=0.0, seed=0)
    made.start()
    yield made
    made.close()


def begin_register(clients: Clients, user: str) -> Callable[[float], tuple[int, bytes]]:
    contact = f"Contact: <sip:{user}@{HOST}:{clients.callee_port}>\r\nExpires: 3600\r\n"
    return clients.begin_ask("REGISTER", f"sip:{DOMAIN}", f"sip:{user}@{DOMAIN}", contact)


def register(clients: Clients, user: str) -> int:
    return begin_register(clients, user)(PATIENCE)[0]


def is_bound(clients: Clients, user: str) -> bool:
    status, answer = clients.ask("REGISTER", f"sip:{DOMAIN}", f"sip:{user}@{DOMAIN}")
    return status == 200 and f"sip:{user}@".encode() in answer.partition(b"Contact:")[2]


def keep(clients: Clients, serial: int) -> int:
    uri = keeper_uri(1)
    return clients.ask("MESSAGE", uri, uri, f"X-Serial: {serial}\r\nX-After: 1000\r\n")[0]


def alarms(disk: Disk) -> list[dict[str, object]]:
    status, output = disk.server.cli("alarm", "list", "--json")
    assert status == 0, output
    found: list[dict[str, object]] = json.loads(output)
    return [alarm for alarm in found if "journal" in json.dumps(alarm).lower()]


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE} s: {what}"
        time.sleep(0.1)


def _is_held(held: Callable[[float], tuple[int, bytes]]) -> bool:
    """Whether the answer waits for the journal; it need not if a record of the server's own has failed before."""
    try:
        status, _ = held(0.0)
    except TimeoutError:
        return True
    assert status == 503
    return False


def test_full_disk_refuses_sync_work_and_keeps_calls_up(disk: Disk, clients: Clients, tmp_path: Path) -> None:
    """DUR-13: REGISTER is answered 503, calls and async work go on, an alarm tells; it recovers by itself."""
    assert register(clients, "early") == 200
    assert keep(clients, 1) == 200
    disk.fill()
    held = begin_register(clients, "held")
    wait_until(lambda: bool(alarms(disk)), "an alarm about the journal")
    assert register(clients, "refused") == 503
    is_held = _is_held(held)
    calls = Sipp("uac_rr", tmp_path, server=disk.server.sip, calls=5, rows=[("early",)], lost_percent=0)
    with calls:
        calls.finish().require(5)
    disk.free()
    wait_until(lambda: register(clients, "again") == 200, "200 to REGISTER")
    assert not is_held or held(PATIENCE)[0] == 200
    wait_until(lambda: not alarms(disk), "the end of the alarm")
    assert keep(clients, 3) == 200
    time.sleep(0.2)
    disk.server.child.send(signal.SIGKILL)


def test_what_was_answered_before_and_after_a_full_disk_survives_kill_9(tmp_path: Path, server_name: str) -> None:
    """DUR-3, DUR-13: without restart and without loss."""
    if server_name != "slee":
        pytest.skip("about the product alone")
    disk = WriteLimit(tmp_path)
    disk.server.start()
    clients = Clients(disk.server.sip, messages=0.0, registers=0.0, seed=0)
    clients.start()
    try:
        deploy(disk.server, tmp_path, "keeper", "Keeper")
        assert [register(clients, "early"), keep(clients, 1)] == [200, 200]
        disk.fill()
        # Answered now and written later, or refused if the server has tried to write since.
        kept = b"1,2" if keep(clients, 2) == 200 else b"1"
        time.sleep(0.5)
        disk.free()
        wait_until(lambda: register(clients, "again") == 200, "200 to REGISTER")
        disk.server.child.send(signal.SIGKILL)
        disk.server.child.wait(5.0)
        disk.server.child.__exit__()
        disk.server.start()
        assert [is_bound(clients, user) for user in ("early", "again")] == [True, True]
        _, answer = clients.ask("MESSAGE", keeper_uri(1), keeper_uri(1))
        assert b"X-Kept: -" + kept + b"\r\n" in answer
    finally:
        clients.close()
        disk.server.child.__exit__()

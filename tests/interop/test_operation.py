"""Lanes of the operator: what the product promises on its command line, at its end, and to Prometheus."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.peers import HOST, Child, Sipp, program, run
from tests.interop.servers import READY, ROOT, Slee
from tests.interop.telephony import answering, refused_call, register

StartSlee = Callable[[], Slee]


def _scrape(slee: Slee) -> str:
    host, port = slee.metrics
    with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=10.0) as answer:
        return str(answer.read().decode("utf-8"))


@pytest.mark.programs("promtool")
def test_metrics_during_traffic(slee: StartSlee, tmp_path: Path) -> None:
    """`promtool check metrics` has nothing to say about a scrape under load, and the calls are in a later one."""
    server = slee()
    with answering(tmp_path, 200) as callee:
        register(server, tmp_path, [("bob", callee.port)])
        with Sipp("uac_rr", tmp_path, server=server.sip, calls=200, rows=[("bob",)], rate=100.0) as caller:
            (tmp_path / "metrics").write_text(_scrape(server), encoding="utf-8")
            caller.finish().require(200)
        callee.finish().require(200)
    shell = f"{program('promtool')} check metrics < {tmp_path / 'metrics'}"
    assert run(["/bin/sh", "-c", shell]) == (0, "")
    invites = [line for line in _scrape(server).splitlines() if 'method="INVITE"' in line and "_total{" in line]
    assert any(float(line.split()[-1]) >= 200 for line in invites), invites
    assert server.stop() == 0


def test_sigterm_exits_0_and_frees_the_port(slee: StartSlee) -> None:
    """SIGTERM is stop and shutdown; what was bound can be bound again."""
    server = slee()
    assert server.stop() == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(server.sip)


def test_sigterm_with_calls_up_still_exits_0(slee: StartSlee, tmp_path: Path) -> None:
    """What still rings at SIGTERM does not hold the product beyond its drain-timeout of 10 s."""
    server = slee()
    with answering(tmp_path, 1, ring_ms=60_000, messages=True) as callee:
        register(server, tmp_path, [("bob", callee.port)])
        with Sipp("uac_rr", tmp_path, server=server.sip, calls=1, rows=[("bob",)]) as caller:
            callee.wait_received("INVITE ")
            assert server.child.stop(signal.SIGTERM, timeout=14.0) == 0
            caller.child.send(signal.SIGKILL)
        callee.child.send(signal.SIGKILL)


@pytest.mark.parametrize("option", ["--sip", "--metrics"])
def test_port_in_use_exits_2_with_one_clear_line(slee: StartSlee, tmp_path: Path, option: str) -> None:
    """The line names the address; nothing is left in the state directory."""
    kind = socket.SOCK_DGRAM if option == "--sip" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind((HOST, 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        address = f"{HOST}:{taken.getsockname()[1]}"
        second = Slee(tmp_path)
        with Child([*second.argv, option, address], cwd=ROOT) as child:
            assert child.wait(15.0) == 2, child.output
            lines = [line for line in child.output.splitlines() if line.strip()]
    assert len(lines) == 1, lines
    assert address in lines[0]
    assert READY not in lines[0]


def test_restart_keeps_the_desired_state(slee: StartSlee) -> None:
    """A service that the operator deactivated stays so over SIGTERM and start; the other one stays active."""
    first = slee()
    before = _services(first)
    proxy = next(name for name in before if "proxy" in name.lower())
    status, output = first.cli("service", "deactivate", proxy)
    assert status == 0, output
    assert first.stop() == 0
    second = slee()
    states = _services(second)
    assert states.pop(proxy).lower() == "inactive"
    assert before.pop(proxy).lower() == "active"
    assert states == before
    assert second.stop() == 0


def test_raising_sbb_gets_500_and_the_next_call_works(slee: StartSlee, tmp_path: Path) -> None:
    """COM-10: nothing of the delivery leaves; the failure is counted, and logged with component, event and call."""
    server = slee()
    bundle = _deploy(server, tmp_path, "faulty", "Faulty")
    with answering(tmp_path, 1) as callee:
        # The proxy would answer for the faulty service, which is no failure then.
        assert server.cli("service", "deactivate", "Proxy")[0] == 0
        refused_call(server, tmp_path, "victim", 500)
        assert server.cli("service", "activate", "Proxy")[0] == 0
        register(server, tmp_path, [("bob", callee.port)])
        with Sipp("uac_rr", tmp_path, server=server.sip, calls=1, rows=[("bob",)]) as caller:
            caller.finish().require(1)
        callee.finish().require(1)
    failed = [line for line in _scrape(server).splitlines() if 'outcome="rolled_back"' in line and bundle in line]
    assert sum(float(line.split()[-1]) for line in failed) == 1, failed
    assert server.stop() == 0
    (logged,) = [line for line in server.child.output.splitlines() if "raised RuntimeError" in line]
    assert "Faulty" in logged
    assert "sip.Invite" in logged
    assert "Call-ID" in logged


def _deploy(slee: Slee, folder: Path, name: str, service: str) -> str:
    """Build, install and activate a bundle of these lanes; the service's name."""
    source = Path(__file__).parent / "bundles" / name
    status, output = slee.cli("bundle", "build", str(source), "-o", str(folder))
    assert status == 0, output
    (archive,) = folder.glob(f"{name}-*.whl")
    for arguments in (("bundle", "install", str(archive)), ("service", "activate", service)):
        status, output = slee.cli(*arguments)
        assert status == 0, output
    return service


def _services(slee: Slee) -> dict[str, str]:
    status, output = slee.cli("service", "list", "--json")
    assert status == 0, output
    return {str(row["id"]): str(row["state"]) for row in json.loads(output)}

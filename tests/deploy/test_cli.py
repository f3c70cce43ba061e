"""The command line, through click's runner against a real server on a Unix socket."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from deploy.cli import FAMILIES, main
from slee.management.operations import OPERATIONS
from tests.deploy.workshop import PLACES, build, plain

ROOT = Path(__file__).parents[2]
GREETER = "ServiceID[name=Greeter,vendor=test,version=1.0.0]"


@dataclass
class Process:
    """A server process, and its announcement."""

    process: subprocess.Popen[str]
    state: Path
    line: str

    @property
    def metrics(self) -> str:
        return self.line.partition("metrics on ")[2].partition(",")[0]

    def slee(self, *arguments: str) -> Result:
        """Run a command against the server."""
        family, verb, *rest = arguments
        return CliRunner().invoke(main, [family, verb, "--state-dir", str(self.state), *rest])

    def json(self, *arguments: str) -> Any:
        """The document that a command prints with --json."""
        result = self.slee(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; the exit status and what was logged."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=10)
        return self.process.returncode, errors


def start(state: Path, *settings: str) -> Process:
    """Start a server with the test adaptor; returns when it has announced itself, or ended."""
    command = [sys.executable, "-m", "tests.deploy.echo_server", f"state-dir={state}", *settings]
    if not any(setting.startswith("metrics.listen") for setting in settings):
        command.append("metrics.listen=127.0.0.1:0")
    if not any(setting.startswith("sip.listen-port") for setting in settings):
        command.append("sip.listen-port=5")
    process = subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    return Process(process, state, process.stdout.readline())


def close(server: Process) -> None:
    """End a server, unless the test has, and close its pipes."""
    if server.process.poll() is None:
        server.end()
    for pipe in (server.process.stdout, server.process.stderr):
        assert pipe is not None
        pipe.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Process]:
    """A server of the test's own, which may change it."""
    server = start(tmp_path / "state")
    yield server
    close(server)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    """A server that tests only look at."""
    server = start(tmp_path_factory.mktemp("shared") / "state")
    yield server
    close(server)


def test_the_announcement_is_one_line_that_says_running_and_where(shared: Process) -> None:
    assert "SLEE running" in shared.line
    assert f"management on {shared.state}/slee.sock" in shared.line
    assert "metrics on http://127.0.0.1:" in shared.line


def test_a_first_start_deploys_what_is_shipped(shared: Process) -> None:
    assert [bundle["source"] for bundle in shared.json("bundle", "list")] == [
        "",
        "shipped:profiles/places",
        "shipped:sbbs/greeter",
    ]
    assert shared.json("service", "list") == [{"id": GREETER, "state": "Active", "desired": "Active", "reason": ""}]
    assert shared.json("resource", "list")[0]["links"] == ["echo-main"]


def test_desired_state_survives_a_restart_and_is_left_by_sigterm(server: Process) -> None:
    server.json("service", "deactivate", GREETER)
    status, _ = server.end()
    assert status == 0
    again = start(server.state)
    assert "SLEE running" in again.line
    assert again.json("service", "list")[0]["state"] == "Inactive"
    assert again.json("state", "show")["desired"] == "Running"
    status, _ = again.end()
    assert status == 0


def test_du_18_the_announcement_counts_what_could_not_be_restored(server: Process) -> None:
    assert "not restored" not in server.line
    server.end()
    for archive in (server.state / "bundles").iterdir():
        archive.unlink()
    again = start(server.state)
    assert "2 bundles not restored" in again.line
    _, log = again.end()
    assert "run slee bundle build profiles/places --state-dir none, install the wheel, and start" in log


def test_a_bundle_is_built_installed_activated_and_uninstalled(server: Process, tmp_path: Path) -> None:
    built = plain(tmp_path / "source")
    file = tmp_path / built.file_name
    file.write_bytes(built.archive)
    installed = server.json("bundle", "install", str(file))
    assert installed["id"] == "BundleID[name=plain,vendor=test,version=1.0]"
    assert installed["source"] == str(file)
    assert server.slee("service", "activate", "Plain").exit_code == 0
    states = {service["id"]: service["state"] for service in server.json("service", "list")}
    assert states["ServiceID[name=Plain,vendor=test,version=1.0]"] == "Active"
    refused = server.slee("bundle", "uninstall", installed["id"])
    assert refused.exit_code == 3
    assert "[DU-28]" in refused.stderr
    assert server.slee("service", "deactivate", "Plain").exit_code == 0
    assert server.slee("bundle", "uninstall", installed["id"]).exit_code == 0
    assert server.json("bundle", "installed", installed["id"]) is False


def test_tables_are_printed_whole_where_there_is_no_terminal(shared: Process) -> None:
    result = shared.slee("service", "list")
    assert result.exit_code == 0
    assert f"{GREETER}   Active   Active" in result.stdout
    assert shared.slee("service", "list", "--state", "Stopping").stdout == "none\n"


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (("service", "activate", "Nobody"), 4, "unrecognized-service"),
        (("service", "activate", GREETER), 3, "invalid-state"),
        (("bundle", "uninstall", "BundleID[name=places,vendor=test,version=1.0]"), 6, "dependency"),
        (
            ("resource", "create", "echo", "ResourceAdaptorID[name=echo,vendor=test,version=1.0]"),
            7,
            "resource-adaptor-entity-already-exists",
        ),
        (
            ("resource", "create", "e", "ResourceAdaptorID[name=echo,vendor=test,version=1.0]", "--set", "x=1"),
            2,
            "invalid-configuration",
        ),
    ],
)
def test_mgt_2_an_error_has_the_same_code_everywhere(
    shared: Process, arguments: tuple[str, ...], status: int, code: str
) -> None:
    plain_text = shared.slee(*arguments)
    assert plain_text.exit_code == status
    assert plain_text.stdout == ""
    assert plain_text.stderr.startswith("slee: ")
    as_json = shared.slee(*arguments, "--json")
    assert as_json.exit_code == status
    document = json.loads(as_json.stdout)
    assert document["code"] == code
    assert all(issue["component"] and issue["rule"] and issue["remedy"] for issue in document["issues"])


def test_an_unreachable_server_and_a_wrong_argument_have_their_own_status(tmp_path: Path) -> None:
    runner = CliRunner()
    result = runner.invoke(main, ["service", "list", "--state-dir", str(tmp_path)])
    assert (result.exit_code, "no server answers there" in result.stderr) == (9, True)
    for arguments in (["bundle", "show"], ["component", "show"], ["bundle", "installed"], ["resource", "create", "e"]):
        result = runner.invoke(main, [*arguments, "Nonsense[a=b]", "--state-dir", str(tmp_path)])
        assert (result.exit_code, "[CID-7]; kinds are" in result.stderr) == (2, True)
        assert not any(word in result.stderr for word in ("Value error", "function-plain", "union"))


def test_mgt_1_every_operation_has_a_command_and_help() -> None:
    assert {operation.family for operation in OPERATIONS} == FAMILIES.keys()
    for operation in OPERATIONS:
        result = CliRunner().invoke(main, [operation.family, *operation.verb.split("."), "--help"])
        assert result.exit_code == 0, operation.name
        assert operation.summary.split(".")[0][:40] in " ".join(result.output.split())


def test_the_management_socket_is_for_this_user_only(shared: Process) -> None:
    assert (shared.state / "slee.sock").stat().st_mode & 0o777 == 0o600
    assert (shared.state / "desired.json").stat().st_mode & 0o777 == 0o600


def test_metrics_are_served_and_promtool_finds_nothing_to_say(shared: Process) -> None:
    response = httpx.get(shared.metrics, timeout=5)
    text = response.content
    assert response.headers["Content-Type"].startswith("text/plain")
    for name in (
        b'slee_events_accepted_total{event_type="echo.Heard"} 0.0',
        b'slee_service_state{service="Greeter",state="Active",version="1.0.0"} 1.0',
        b'slee_resource_state{resource="echo",state="Active"} 1.0',
        b"slee_timers 0.0",
        b"process_resident_memory_bytes",
        b'slee_usage{parameter="greeted",set="",source="sbb:ServiceID[name=Greeter,',
    ):
        assert name in text
    promtool = shutil.which("promtool")
    if promtool is None:
        if os.environ.get("CI"):
            pytest.fail("promtool is missing; install the package prometheus")
        pytest.skip("promtool is not installed")
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def refused(state: Path, *settings: str) -> str:
    """A server that does not start: one line on standard error, status 2."""
    server = start(state, *settings)
    _, errors = server.process.communicate(timeout=10)
    assert server.line == ""
    assert server.process.returncode == 2
    lines = errors.splitlines()
    assert len(lines) == 1, errors
    assert lines[0].startswith("slee run: ")
    return lines[0]


def test_a_port_in_use_is_one_line_and_status_2_and_changes_nothing(tmp_path: Path) -> None:
    with socket.socket() as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(("127.0.0.1", 0))
        for setting in (
            f"metrics.listen=127.0.0.1:{tcp.getsockname()[1]}",
            f"sip.listen-port={udp.getsockname()[1]}",
        ):
            assert "in use" in refused(tmp_path / "state", setting)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("drain-timout=3", "unknown key [RA-3]; did you mean drain-timeout?"),
        ("metrics.listen=nowhere", "'nowhere' is not HOST:PORT"),
        ("sip.listen-port=many", "sip.listen-port: input should be a valid integer"),
        ("sip.colour=red", "sip.colour"),
    ],
)
def test_an_invalid_configuration_is_one_line_and_status_2_and_changes_nothing(
    tmp_path: Path, setting: str, told: str
) -> None:
    line = refused(tmp_path / "state", setting).replace("echo.", "sip.")
    assert told in line
    assert not (tmp_path / "state").exists()


def test_a_state_directory_with_too_long_a_path_is_refused_before_it_is_made(tmp_path: Path) -> None:
    state = tmp_path / ("long" * 30)
    assert "longer than 107 octets" in refused(state)
    assert not state.exists()


def test_a_state_directory_of_another_version_is_refused_unchanged(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "format").write_text("slee state 77\n")
    assert "another version" in refused(state)
    assert [path.name for path in state.iterdir()] == ["format"]


def test_a_second_process_on_one_state_directory_is_refused(shared: Process) -> None:
    assert "another process runs on it" in refused(shared.state)
    assert shared.json("state", "show")["state"] == "Running"


def test_sigterm_waits_for_what_is_in_progress_until_the_drain_timeout(tmp_path: Path) -> None:
    server = start(tmp_path / "state", "sip.greeting=linger", "drain-timeout=0.3")
    begun = time.monotonic()
    status, log = server.end()
    assert (status, "SIGTERM: stopping" in log) == (0, True)
    assert time.monotonic() - begun >= 0.3
    assert not (server.state / "slee.sock").exists()


def test_a_second_signal_ends_a_server_that_waits(tmp_path: Path) -> None:
    server = start(tmp_path / "state", "sip.greeting=linger", "drain-timeout=60", "log.format=json")
    assert server.process.stderr is not None
    server.process.terminate()
    while "stopping" not in (line := server.process.stderr.readline()):
        assert line
    assert json.loads(line)["message"] == "signal SIGTERM: stopping"
    status, _ = server.end()
    assert status == 128 + signal.SIGTERM


def test_sle_12_shutdown_by_an_operator_ends_the_process_with_status_0(server: Process) -> None:
    assert server.slee("state", "shutdown").exit_code == 3
    assert server.json("state", "stop")["state"] == "Stopped"
    assert server.slee("state", "shutdown").exit_code == 0
    assert server.process.wait(timeout=10) == 0
    again = start(server.state)
    assert "SLEE stopped" in again.line
    assert again.json("state", "start")["state"] == "Running"
    again.end()


def test_build_finds_dependencies_and_is_reproducible(tmp_path: Path) -> None:
    source = ROOT / "profiles" / "location"
    files: list[bytes] = []
    for name in ("one", "two"):
        result = CliRunner().invoke(
            main, ["bundle", "build", str(source), "-o", str(tmp_path / name), "--state-dir", str(tmp_path / "none")]
        )
        assert result.exit_code == 0, result.output
        (wheel,) = (tmp_path / name).glob("*.whl")
        files.append(wheel.read_bytes())
    assert files[0] == files[1]
    assert build(PLACES).archive == build(PLACES).archive


def test_traces_alarms_usage_and_activities_are_managed_from_outside(server: Process) -> None:
    assert [s["source"] for s in server.json("trace", "sources")][:1] == ["raentity:echo"]
    assert server.json("trace", "set", "echo", "fine", "--tracer", "sip.in")["level"] == "FINE"
    assert server.json("trace", "level", "raentity:echo", "--tracer", "sip.in.deep")["assigned"] is False
    assert [t["tracer"] for t in server.json("trace", "assigned", "echo")] == ["", "sip.in"]
    assert server.json("trace", "unset", "echo", "sip.in")["level"] == "INFO"
    assert server.slee("trace", "unset", "echo", "").exit_code == 2
    assert server.slee("trace", "used", "nobody").exit_code == 4
    assert server.slee("trace", "set", "echo", "LOUD").exit_code == 2

    assert server.slee("alarm", "list").stdout == "none\n"
    assert server.slee("alarm", "show", "nonsense").stdout == "none\n"
    assert server.json("alarm", "find", "a", "b") == [None, None]
    assert server.json("alarm", "active", "a") is False
    assert server.json("alarm", "clear", "a") is False
    assert server.json("alarm", "clear-source", "echo", "--alarm-type", "x") == 0
    assert server.json("alarm", "ids") == []

    usage = server.json("usage", "create", "Greeter/Greeter", "gold")
    assert (usage["set"], usage["parameters"][0]["value"]) == ("gold", 0)
    assert server.json("usage", "sets", usage["source"]) == ["gold"]
    assert server.slee("usage", "create", "Greeter/Greeter", "gold").exit_code == 7
    assert server.slee("usage", "read", "Greeter/Greeter", "--name", "silver").exit_code == 4
    assert server.slee("usage", "read", "echo").exit_code == 2
    assert server.json("usage", "tell", "Greeter/Greeter", "greeted", "on")["parameters"][0]["told"] is True
    assert server.json("usage", "take", "Greeter/Greeter")["set"] is None
    assert server.json("usage", "reset", "Greeter/Greeter", "--name", "gold")["set"] == "gold"
    assert len(server.json("usage", "reset-all", "Greeter/Greeter")) == 2
    assert len(server.json("usage", "reset-service", "Greeter")) == 2
    printed = server.slee("usage", "read", "Greeter/Greeter", "--name", "gold").stdout
    assert "Greetings said" in printed
    assert "{" not in printed
    assert server.slee("usage", "remove", "Greeter/Greeter", "gold").stdout == "done\n"

    (service,) = server.json("activity", "list", "--limit", "5")
    assert server.json("activity", "show", service["id"])["kind"] == "ServiceActivity"
    assert server.slee("activity", "end", service["id"]).exit_code == 3
    assert server.slee("activity", "end", "echo:none").exit_code == 4
    assert server.slee("activity", "list", "--resource", "nobody").exit_code == 4
    assert server.json("service", "trees", "Greeter") == []
    assert server.slee("service", "remove-tree", "Greeter", "1").exit_code == 4


def test_an_alarm_of_an_adaptor_that_cannot_begin_is_seen_and_cleared(tmp_path: Path) -> None:
    server = start(tmp_path / "state", "sip.listen-port=1")
    try:
        (alarm,) = server.json("alarm", "list", "--source", "echo")
        assert (alarm["type"], alarm["level"], alarm["source"]) == (
            "slee.adaptor-not-active",
            "CRITICAL",
            "raentity:echo",
        )
        assert server.json("alarm", "show", alarm["id"]) == alarm
        assert server.json("alarm", "clear", alarm["id"]) is True
    finally:
        _, log = server.end()
    assert "slee.alarm slee.adaptor-not-active echo raised" in log
    assert "slee.alarm slee.adaptor-not-active echo cleared" in log
    close(server)

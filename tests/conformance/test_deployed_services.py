"""Groups SVC and SLE as an operator meets them: services and the SLEE, desired and actual state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from slee.api.errors import (
    InvalidArgumentError,
    InvalidLinkNameBindingError,
    InvalidStateError,
    SleeError,
    UnrecognizedServiceError,
)
from slee.api.ids import SbbID, ServiceID
from tests.deploy.echo import EchoAdaptor, Heard
from tests.deploy.workshop import GREETER, PLACES, Server, build, manifest, plain, write

OLD = ServiceID("Plain", "test", "1.0")
NEW = ServiceID("Plain", "test", "2.0")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A running server with two services, of which none is Active, and a bound link."""
    server = Server(tmp_path / "state")
    server.kernel.start()
    server.pump()
    server.install(plain(tmp_path, "1.0"), plain(tmp_path, "2.0"))
    server.connect()
    server.observer.changes.clear()
    yield server
    server.close()


def states(server: Server) -> dict[str, str]:
    return {info.id.version: info.state for info in server.services.list()}


def refuses(server: Server, error: type[Exception], operation: Callable[[], Any]) -> str:
    """The operation raises, changes nothing, and notifies nothing."""
    before = server.services.list(), server.resources.list(), server.management.store.desired
    server.observer.changes.clear()
    with pytest.raises(error) as raised:
        operation()
    assert (server.services.list(), server.resources.list(), server.management.store.desired) == before
    assert server.observer.changes == []
    return str(raised.value)


def test_svc_1_lists_by_state_partition_the_services(server: Server) -> None:
    server.services.activate([OLD])
    server.fire("a", Heard("bob", "hi"))
    server.services.deactivate([OLD])
    by_state = {state: [i.id for i in server.services.list(state)] for state in ("Inactive", "Active", "Stopping")}
    assert by_state == {"Inactive": [NEW], "Active": [], "Stopping": [OLD]}
    assert refuses(server, InvalidArgumentError, lambda: server.services.list("Bored"))


def test_svc_2_activate_needs_inactive_and_deactivate_active(server: Server) -> None:
    refuses(server, InvalidStateError, lambda: server.services.deactivate([OLD]))
    server.services.activate([OLD])
    refuses(server, InvalidStateError, lambda: server.services.activate([OLD]))
    refuses(server, UnrecognizedServiceError, lambda: server.services.activate([ServiceID("a", "b", "c")]))
    activate: Any = server.services.activate
    for wrong in (None, SbbID("Plain", "test", "1.0")):
        refuses(server, TypeError, partial(activate, [wrong]))


def test_svc_2_a_name_stands_for_the_only_version_of_a_service(server: Server) -> None:
    assert "several services" in refuses(server, InvalidArgumentError, lambda: server.services.activate(["Plain"]))
    server.bundles.uninstall(server.bundles.list()[-1].id)
    assert server.services.activate(["Plain"])[0].id == OLD


def test_svc_3_an_unbound_link_or_one_of_another_type_keeps_the_service_inactive(tmp_path: Path) -> None:
    server = Server(tmp_path / "state")
    server.kernel.start()
    server.pump()
    server.install(plain(tmp_path))
    message = refuses(server, InvalidLinkNameBindingError, lambda: server.services.activate([OLD]))
    assert "SbbID[name=Plain" in message
    assert "link echo-main is not bound [SVC-3]" in message
    assert "ResourceAdaptorTypeID[name=ECHO" in message
    server.connect()
    assert server.services.activate([OLD])[0].state == "Active"
    server.close()


def test_svc_4_a_service_stops_when_its_last_tree_is_gone(server: Server) -> None:
    server.services.activate([OLD])
    server.fire("a", Heard("bob", "hi"))
    (info,) = server.services.deactivate([OLD])
    assert (info.state, info.desired, info.reason) == ("Stopping", "Inactive", "entity trees are left")
    server.kernel.resources["echo"].end_activity("a")
    server.pump()
    assert server.services.show(OLD).state == "Inactive"
    assert [(c.old.value, c.new.value) for c in server.observer.changes] == [
        ("Inactive", "Active"),
        ("Active", "Stopping"),
        ("Stopping", "Inactive"),
    ]


def test_svc_7_several_services_change_together_or_not_at_all(server: Server) -> None:
    unknown = ServiceID("a", "b", "c")
    refuses(server, UnrecognizedServiceError, lambda: server.services.activate([OLD, unknown]))
    refuses(server, InvalidArgumentError, lambda: server.services.activate([OLD, OLD]))
    refuses(server, InvalidArgumentError, lambda: server.services.activate([]))
    activate: Any = server.services.activate
    refuses(server, TypeError, lambda: activate([OLD, None]))
    server.services.activate([OLD])
    refuses(server, InvalidStateError, lambda: server.services.activate([NEW, OLD]))
    refuses(server, InvalidStateError, lambda: server.services.deactivate([OLD, NEW]))
    server.services.activate([NEW])
    server.services.deactivate([OLD, NEW])
    assert states(server) == {"1.0": "Inactive", "2.0": "Inactive"}


def test_svc_9_services_that_should_be_active_are_so_after_a_restart(server: Server) -> None:
    server.services.activate([NEW])
    again = server.restart()
    assert states(again) == {"1.0": "Inactive", "2.0": "Active"}
    assert again.fire("a", Heard("bob", "hi")) == ["plain"]
    again.services.deactivate([NEW])
    assert states(again.restart()) == {"1.0": "Inactive", "2.0": "Inactive"}


def test_svc_9_a_service_that_cannot_be_activated_stays_desired_and_says_why(server: Server) -> None:
    server.services.activate([OLD])
    store = server.management.store
    broken = store.desired.resources["echo"]
    import msgspec

    lost = msgspec.structs.replace(store.desired, resources={"echo": msgspec.structs.replace(broken, links=())})
    with store.changing(lost):
        pass
    info = server.restart().services.show(OLD)
    assert (info.state, info.desired) == ("Inactive", "Active")
    assert "link echo-main is not bound" in info.reason


def test_sle_1_a_server_is_stopped_after_boot_and_starts_if_that_is_desired(tmp_path: Path) -> None:
    server = Server(tmp_path / "state")
    assert server.management.slee.show().state == "Stopped"
    server.management.resume()
    assert server.management.slee.show().state == "Running"
    server.management.slee.stop()
    again = server.restart()
    assert (again.management.slee.show().state, again.management.slee.show().desired) == ("Stopped", "Stopped")
    again.management.slee.start()
    assert again.restart().management.slee.show().state == "Running"
    server.close()


def test_sle_2_verbs_are_refused_in_other_states(server: Server) -> None:
    slee = server.management.slee
    assert "Running" in refuses(server, InvalidStateError, slee.start)
    refuses(server, InvalidStateError, slee.shutdown)
    server.services.activate([OLD])
    server.fire("a", Heard("bob", "hi"))
    assert slee.stop().state == "Stopping"
    for verb in (slee.start, slee.stop, slee.shutdown):
        assert "Stopping" in refuses(server, InvalidStateError, verb)
    server.kernel.resources["echo"].end_activity("a")
    server.pump()
    refuses(server, InvalidStateError, slee.stop)
    assert server.shutdowns == 0
    slee.shutdown()
    assert server.shutdowns == 1


def test_sle_10_a_bound_on_stop_counts_from_now_and_is_not_negative(server: Server) -> None:
    server.services.activate([OLD])
    server.fire("a", Heard("bob", "hi"))
    refuses(server, InvalidArgumentError, lambda: server.management.slee.stop(within=-1.0))
    refuses(server, InvalidArgumentError, lambda: server.management.slee.stop(within=float("nan")))
    server.time += 1_000
    server.management.slee.stop(within=5.0)
    server.time += 4.9
    server.pump()
    assert server.management.slee.show().state == "Stopping"
    server.time += 0.2
    server.pump()
    assert server.management.slee.show().state == "Stopped"


def test_sle_13_the_slee_says_who_it_is_in_every_state(server: Server) -> None:
    info = server.management.slee.show()
    assert all((info.name, info.vendor, info.version))
    server.management.slee.stop()
    again = server.management.slee.show()
    assert (again.name, again.vendor, again.version) == (info.name, info.vendor, info.version)


def test_sle_14_a_stopped_slee_is_provisioned_and_begins_when_it_starts(tmp_path: Path) -> None:
    server = Server(tmp_path / "state")
    places = build(PLACES)
    server.install(places, build(GREETER, places))
    adaptor = server.connect()
    server.services.activate(["Greeter"])
    assert "ra_active" not in adaptor.calls
    server.management.slee.start()
    assert server.fire("a", Heard("bob", "hi")) == ["hello bob!"]
    server.close()


def test_sle_15_stopping_leaves_the_desired_state_of_services_and_entities(server: Server) -> None:
    server.services.activate([OLD])
    server.management.slee.stop()
    assert server.services.show(OLD).desired == "Active"
    assert server.resources.show("echo").desired == "Active"
    again = server.restart()
    assert again.management.slee.show().state == "Stopped"
    again.management.slee.start()
    assert again.fire("a", Heard("bob", "hi")) == ["plain"]


def test_mgt_3_desired_state_is_durable_when_the_operation_returns(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("slee.management.store.os.fsync", full)
        for operation in (
            lambda: server.services.activate([OLD]),
            lambda: server.resources.deactivate("echo"),
            lambda: server.resources.create("other", EchoAdaptor.id, {"listen-port": 5}),
            server.management.slee.stop,
        ):
            assert "No space left" in refuses(server, SleeError, operation)
    server.services.activate([OLD])
    assert states(server.restart()) == {"1.0": "Active", "2.0": "Inactive"}


def test_svc_22_the_bound_of_a_deactivation_counts_from_now(server: Server) -> None:
    server.services.activate([OLD])
    server.fire("a", Heard("bob", "hi"))
    refuses(server, InvalidArgumentError, lambda: server.services.deactivate([OLD], within=-1.0))
    refuses(server, InvalidArgumentError, lambda: server.services.deactivate([OLD], within=float("nan")))
    server.time += 1_000
    (info,) = server.services.deactivate([OLD], within=5.0)
    assert info.state == "Stopping"
    server.time += 4.9
    server.pump()
    assert server.services.show(OLD).state == "Stopping"
    server.time += 0.2
    server.pump()
    assert server.services.show(OLD).state == "Inactive"
    assert list(server.kernel.resources["echo"].contexts) == ["a"]


BOARD = """
from slee import ActivityContext, Profile, ProfileAdded, ProfileRemoved, ProfileUpdated, Sbb, Select
from slee import initial_event, profiles, resource
from tests.deploy.echo import ECHO

class Notice(Profile, vendor="test", version="1.0", events=True):
    text: str = ""

class Board(Sbb, vendor="test", version="1.0"):
    echo = resource(ECHO)
    notices = profiles(Notice)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_added(self, event: ProfileAdded, aci: ActivityContext) -> None:
        self.echo.say(f"{event.profile.profile}: {event.added.text}")

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_updated(self, event: ProfileUpdated, aci: ActivityContext) -> None:
        self.echo.say(f"{event.before.text} became {event.after.text}")

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_removed(self, event: ProfileRemoved, aci: ActivityContext) -> None:
        self.echo.say(f"{event.removed.text} went")
"""


def test_prf_40_a_service_that_came_in_a_bundle_is_told_of_changes(server: Server, tmp_path: Path) -> None:
    table = '[[profile-table]]\nname = "Notice"\nspecification = "sbbs.board:Notice"\n'
    service = '[[service]]\nname = "Board"\nroot-sbb = "sbbs.board:Board"\n[links]\nECHO = "echo-main"\n'
    text = manifest("board", modules='"sbbs.board"', more=table + service)
    server.install(build(write(tmp_path / "board", {"bundle.toml": text, "sbbs/board.py": BOARD})))
    server.services.activate(["Board"])
    server.management.profiles.add("Notice", "1", {"text": "hello"})
    server.management.profiles.set("Notice", {"text": "bye"}, "1")
    server.management.profiles.remove("Notice", "1")
    server.pump()
    assert server.adaptor().said == ["1: hello", "hello became bye", "bye went"]

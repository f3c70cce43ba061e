"""Group RA, entities and links: what an operator makes of resource adaptors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from slee.api.errors import (
    DependencyError,
    InvalidArgumentError,
    InvalidConfigurationError,
    InvalidStateError,
    LinkNameAlreadyBoundError,
    ResourceAdaptorEntityAlreadyExistsError,
    UnrecognizedEventError,
    UnrecognizedLinkNameError,
    UnrecognizedResourceAdaptorEntityError,
    UnrecognizedResourceAdaptorError,
    UnrecognizedServiceError,
)
from slee.api.event import event_type_id
from slee.api.ids import EventTypeID, ResourceAdaptorID, SbbID
from tests.deploy.echo import EchoAdaptor, EchoConfiguration, Heard
from tests.deploy.workshop import Server, build, manifest, plain, sbb, service, write

ECHO = EchoAdaptor.id
OWN_EVENT = """
from slee import event_type

@event_type("own.Event", vendor="test", version="1.0")
class Own:
    text: str
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "state", {"echo": {"listen-port": 7, "greeting": "from the file"}})
    server.kernel.start()
    server.pump()
    yield server
    server.close()


def test_ra_1_an_entity_is_made_by_three_callbacks_in_order_and_is_inactive(server: Server) -> None:
    info = server.resources.create("echo", ECHO, {"listen-port": 5})
    assert (info.state, info.desired) == ("Inactive", "Inactive")
    assert server.adaptor().calls == ["set_context", "ra_verify_configuration", "ra_configure"]


def test_ra_2_a_refused_configuration_leaves_no_entity(server: Server) -> None:
    with pytest.raises(InvalidConfigurationError, match="listen-port: 13 is unlucky"):
        server.resources.create("echo", ECHO, {"listen-port": 13})
    assert server.resources.list() == ()
    assert server.kernel.resources == {}
    assert server.management.store.desired.resources == {}


def test_ra_3_every_offending_property_is_listed_before_an_object_is_made(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EchoAdaptor, "__init__", lambda self: pytest.fail("constructed"))
    with pytest.raises(InvalidConfigurationError) as error:
        server.resources.create("echo", ECHO, {"greeting": None, "colour": "red"})
    message = str(error.value)
    assert all(f"echo.{name}: " in message for name in ("listen-port", "greeting", "colour"))
    assert message.count("[RA-3]") == 3


def test_ra_4_names_and_adaptors_are_checked(server: Server) -> None:
    server.resources.create("echo", ECHO, {"listen-port": 5})
    with pytest.raises(ResourceAdaptorEntityAlreadyExistsError):
        server.resources.create("echo", ECHO, {"listen-port": 6})
    with pytest.raises(InvalidArgumentError):
        server.resources.create("", ECHO, {"listen-port": 6})
    with pytest.raises(UnrecognizedResourceAdaptorError):
        server.resources.create("other", ResourceAdaptorID("no", "such", "one"))
    for operation in (server.resources.show, server.resources.activate, server.resources.deactivate):
        with pytest.raises(UnrecognizedResourceAdaptorEntityError):
            operation("other")
    with pytest.raises(UnrecognizedResourceAdaptorEntityError):
        server.resources.remove("other")
    with pytest.raises(UnrecognizedResourceAdaptorEntityError):
        server.resources.bind_link("other", "link")


def test_ra_5_activate_needs_inactive_and_deactivate_active(server: Server) -> None:
    server.resources.create("echo", ECHO, {"listen-port": 5})
    with pytest.raises(InvalidStateError):
        server.resources.deactivate("echo")
    server.resources.activate("echo")
    with pytest.raises(InvalidStateError):
        server.resources.activate("echo")
    assert server.resources.show("echo").state == "Active"


def test_ra_7_an_adaptor_that_cannot_begin_leaves_the_entity_active_and_says_why(server: Server) -> None:
    server.resources.create("echo", ECHO, {"listen-port": 1})
    info = server.resources.activate("echo")
    assert (info.state, info.desired) == ("Active", "Active")
    assert info.reason == "OSError: port 1 is in use"
    assert server.resources.deactivate("echo").state == "Inactive"
    assert server.resources.activate("echo").reason == "OSError: port 1 is in use"


def test_ra_8_deactivation_waits_for_the_last_activity(server: Server) -> None:
    adaptor = server.connect()
    server.fire("a", Heard("bob", "hi"))
    info = server.resources.deactivate("echo")
    assert (info.state, info.desired, info.reason) == ("Stopping", "Inactive", "activities are left")
    server.kernel.resources["echo"].end_activity("a")
    server.pump()
    assert server.resources.show("echo").state == "Inactive"
    assert adaptor.calls[-2:] == ["ra_stopping", "ra_inactive"]


def test_ra_10_only_an_inactive_entity_without_links_is_removed(server: Server) -> None:
    adaptor = server.connect()
    with pytest.raises(InvalidStateError):
        server.resources.remove("echo")
    server.resources.deactivate("echo")
    with pytest.raises(DependencyError, match="echo-main"):
        server.resources.remove("echo")
    server.resources.unbind_link("echo-main")
    server.resources.remove("echo")
    assert adaptor.calls[-2:] == ["ra_unconfigure", "unset_context"]
    assert server.resources.list() == ()
    assert server.restart().resources.list() == ()


def test_ra_14_a_link_name_is_bound_once(server: Server) -> None:
    server.connect()
    server.resources.create("other", ECHO, {"listen-port": 6})
    with pytest.raises(LinkNameAlreadyBoundError, match="bound to echo"):
        server.resources.bind_link("other", "echo-main")
    with pytest.raises(InvalidArgumentError):
        server.resources.bind_link("other", "")
    assert server.resources.bind_link("other", "a").links == ("a",)
    assert server.resources.bind_link("other", "b").links == ("a", "b")


def test_ra_14_an_adaptor_without_interface_takes_no_link(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.resources.create("echo", ECHO, {"listen-port": 5})
    monkeypatch.setattr(EchoAdaptor, "ra_types", ())
    with pytest.raises(InvalidArgumentError, match="no interface"):
        server.resources.bind_link("echo", "a")


def test_ra_15_a_link_that_an_installed_service_uses_stays_bound(server: Server, tmp_path: Path) -> None:
    server.connect()
    bundle = plain(tmp_path)
    server.install(bundle)
    with pytest.raises(UnrecognizedLinkNameError):
        server.resources.unbind_link("other")
    with pytest.raises(DependencyError, match=r"ServiceID\[name=Plain"):
        server.resources.unbind_link("echo-main")
    server.bundles.uninstall(bundle.manifest.id)
    assert server.resources.unbind_link("echo-main").links == ()


def test_ra_16_links_and_entities_are_listed_every_way(server: Server, tmp_path: Path) -> None:
    server.connect()
    server.resources.create("other", ECHO, {"listen-port": 6})
    server.resources.bind_link("other", "spare")
    server.install(plain(tmp_path))
    links = {link.name: (link.entity, link.sbbs) for link in server.resources.links()}
    assert links == {"echo-main": ("echo", (SbbID("Plain", "test", "1.0"),)), "spare": ("other", ())}
    assert server.resources.bound_sbbs("spare") == ()
    assert [i.name for i in server.resources.list(adaptor=ECHO)] == ["echo", "other"]
    assert [i.name for i in server.resources.list(state="Inactive")] == ["other"]
    assert [i.name for i in server.resources.list(link="echo-main")] == ["echo"]
    assert server.resources.list(link="none") == ()


def test_sle_15_entities_links_and_states_survive_a_restart(server: Server) -> None:
    server.connect()
    server.resources.create("other", ECHO, {"listen-port": 6})
    again = server.restart()
    assert [(i.name, i.state, i.links) for i in again.resources.list()] == [
        ("echo", "Active", ("echo-main",)),
        ("other", "Inactive", ()),
    ]
    configured = again.adaptor("other").configured
    assert configured is not None
    assert configured.listen_port == 6


def test_design_7_an_entity_configured_by_a_section_follows_the_file_at_each_start(server: Server) -> None:
    server.resources.create("echo", ECHO, section="echo")
    server.sections = {"echo": {"listen-port": 8}}
    configured = server.restart().adaptor().configured
    assert configured is not None
    assert (configured.listen_port, configured.greeting) == (8, "hello")


def test_ra_39_what_is_uninstalled_is_found_no_more(server: Server, tmp_path: Path) -> None:
    context = server.connect().context
    files = {"bundle.toml": manifest(more=service()), "sbbs/plain.py": OWN_EVENT + sbb()}
    bundle = build(write(tmp_path / "own", files))
    server.install(bundle)
    event = EventTypeID("own.Event", "test", "1.0")
    (found,) = server.services.list()
    assert event_type_id(context.event_class(event)) == event
    assert context.service(found.id).id == found.id
    server.bundles.uninstall(bundle.manifest.id)
    with pytest.raises(UnrecognizedServiceError):
        context.service(found.id)
    with pytest.raises(UnrecognizedEventError):
        context.event_class(event)


def configured(server: Server, name: str = "echo") -> EchoConfiguration:
    found = server.adaptor(name).configured
    assert found is not None
    return found


def test_ra_11_a_change_names_only_what_changes(server: Server) -> None:
    server.resources.create("echo", ECHO, {"listen-port": 5, "greeting": "hi"})
    server.resources.configure("echo", {"listen-port": 6})
    assert (configured(server).listen_port, configured(server).greeting) == (6, "hi")
    server.resources.configure("echo", {"greeting": "ho"})
    assert (configured(server).listen_port, configured(server).greeting) == (6, "ho")
    assert server.adaptor().calls[3:] == ["ra_verify_configuration", "ra_configuration_update"] * 2


def test_ra_11_the_change_is_kept(server: Server) -> None:
    server.resources.create("echo", ECHO, {"listen-port": 5, "greeting": "hi"})
    server.resources.configure("echo", {"listen-port": 6})
    again = server.restart()
    assert (configured(again).listen_port, configured(again).greeting) == (6, "hi")


def test_ra_11_verification_sees_the_complete_new_configuration(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.resources.create("echo", ECHO, {"listen-port": 5, "greeting": "hi"})
    seen: list[object] = []
    monkeypatch.setattr(server.adaptor(), "ra_verify_configuration", seen.append)
    server.resources.configure("echo", {"listen-port": 6})
    assert seen == [EchoConfiguration(listen_port=6, greeting="hi")]


@pytest.mark.parametrize("change", [{"listen-port": 13}, {"listen-port": "x"}, {"colour": "red"}, {"greeting": None}])
def test_ra_11_what_is_refused_changes_nothing(server: Server, change: dict[str, object]) -> None:
    server.resources.create("echo", ECHO, {"listen-port": 5})
    before = server.management.store.desired
    with pytest.raises(InvalidConfigurationError):
        server.resources.configure("echo", change)
    assert configured(server).listen_port == 5
    assert "ra_configuration_update" not in server.adaptor().calls
    assert server.management.store.desired == before


def test_ra_11_an_entity_that_follows_a_section_is_changed_there(server: Server) -> None:
    server.resources.create("echo", ECHO, section="echo")
    with pytest.raises(InvalidConfigurationError, match="section echo"):
        server.resources.configure("echo", {"listen-port": 6})
    assert configured(server).listen_port == 7


def test_ra_11_an_unknown_entity_is_refused(server: Server) -> None:
    with pytest.raises(UnrecognizedResourceAdaptorEntityError):
        server.resources.configure("other", {})


def test_ra_12_an_active_entity_takes_no_change_while_the_slee_runs(server: Server) -> None:
    server.connect()
    server.fire("a", Heard("bob", "hi"))
    with pytest.raises(InvalidStateError, match="RA-12"):
        server.resources.configure("echo", {"listen-port": 6})
    server.resources.deactivate("echo")
    with pytest.raises(InvalidStateError, match="RA-12"):
        server.resources.configure("echo", {"listen-port": 6})
    assert configured(server).listen_port == 5
    server.kernel.resources["echo"].end_activity("a")
    server.pump()
    server.resources.configure("echo", {"listen-port": 6})
    assert configured(server).listen_port == 6


def test_ra_12_an_active_entity_takes_a_change_while_the_slee_is_stopped(server: Server) -> None:
    server.connect()
    server.management.slee.stop()
    assert server.resources.configure("echo", {"listen-port": 6}).state == "Active"
    assert configured(server).listen_port == 6


def test_ra_12_an_adaptor_that_declares_it_takes_changes_in_every_state_and_keeps_its_activities(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EchoAdaptor, "reconfigures_while_active", True)
    server.connect()
    server.fire("a", Heard("bob", "hi"))
    assert server.resources.configure("echo", {"listen-port": 6}).state == "Active"
    assert configured(server).listen_port == 6
    assert list(server.kernel.resources["echo"].contexts) == ["a"]
    assert server.resources.deactivate("echo").state == "Stopping"
    server.resources.configure("echo", {"listen-port": 7})
    assert configured(server).listen_port == 7
    assert list(server.kernel.resources["echo"].contexts) == ["a"]
    assert server.adaptor().calls.count("ra_stopping") == 1


def test_ra_50_properties_are_shown_with_secrets_masked(server: Server) -> None:
    server.resources.create("echo", ECHO, {"listen-port": 5, "password": "hunter2"})
    shown = server.resources.properties("echo")
    assert [(each.name, each.type, each.secret) for each in shown] == [
        ("slee:entity", "str", False),
        ("listen-port", "int", False),
        ("greeting", "str", False),
        ("password", "str", True),
    ]
    assert [each.value for each in shown][:3] == ["echo", "5", "hello"]
    assert "hunter" not in repr(shown)

"""Alarms (group ALM), and the alarms that the SLEE raises itself."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from slee import ActivityContext, AlarmID, AlarmLevel, Cmp, Sbb, ServiceID, cmp, handles, initial_event
from slee.api.alarm import AlarmFacility
from slee.api.errors import UnrecognizedNotificationSourceError
from slee.api.source import (
    NotificationSource,
    ProfileTableSource,
    ResourceSource,
    SbbSource,
    SubsystemSource,
    parse_source,
)
from slee.facilities.alarms import Alarms
from slee.facilities.facilities import Facilities
from slee.facilities.notifications import AlarmNotification, Notification
from slee.management.alarm_file import NAME
from slee.testing import RecordingResource
from tests.conformance.kit import RA, Do, Note, Root, TracedRoot, World, boom, key
from tests.deploy.echo import EchoAdaptor
from tests.deploy.workshop import Server, plain

ONE, TWO = ResourceSource("one"), ResourceSource("two")


class Bench:
    """The alarms of two sources, and what they emit."""

    def __init__(self) -> None:
        self.time = 5.0
        self.facilities = Facilities(now=lambda: self.time, random=bytes)
        self.alarms: Alarms = self.facilities.alarms
        self.one: AlarmFacility = self.alarms.facility(ONE)
        self.two: AlarmFacility = self.alarms.facility(TWO)
        self.emitted: list[AlarmNotification] = []
        self.facilities.notifications.listen(self._keep, "alarm")

    def _keep(self, notification: Notification) -> None:
        assert isinstance(notification, AlarmNotification)
        self.emitted.append(notification)

    def told(self) -> list[tuple[str, str, AlarmLevel]]:
        return [(n.alarm_type, n.instance_id, n.level) for n in self.emitted]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def up(facility: AlarmFacility, alarm_type: str = "down", instance: str = "gw1", **more: Any) -> AlarmID:
    more = {"level": AlarmLevel.MAJOR, "message": "it is down", **more}
    return facility.raise_alarm(alarm_type, instance, **more)


def sources() -> list[NotificationSource]:
    service, sbb = Root.sbb_id, Root.sbb_id
    return [
        SbbSource(ServiceID(service.name, service.vendor, service.version), sbb),
        SbbSource(ServiceID("a,[b]/", "v=", "1\\"), sbb),
        ResourceSource("x"),
        ProfileTableSource("x"),
        SubsystemSource("x"),
    ]


def test_alm_1_sources_are_equal_by_kind_and_names() -> None:
    for one, two in itertools.product(sources(), sources()):
        assert (one == two) is (str(one) == str(two))
        assert (hash(one) == hash(two)) or one != two
    assert len(set(map(str, sources()))) == len(sources())
    assert [parse_source(str(source)) for source in sources()] == sources()
    for text in ("", "x", "raentity:", "nobody:x", "sbb:x", "sbb:ServiceID[name=a,vendor=b,version=c]"):
        with pytest.raises(ValueError, match="ALM-1|CID-7"):
            parse_source(text)


def test_alm_1_each_kind_has_its_own_notification_types(bench: Bench) -> None:
    for source in sources():
        up(bench.alarms.facility(source))
    types = [notification.type for notification in bench.emitted]
    assert types == ["alarm.sbb", "alarm.sbb", "alarm.raentity", "alarm.profiletable", "alarm.subsystem"]


def test_alm_2_source_type_and_instance_identify_an_alarm(bench: Bench) -> None:
    ids = [up(bench.one), up(bench.one, "up"), up(bench.one, instance="gw2"), up(bench.two)]
    assert len(set(ids)) == 4
    assert all(isinstance(identity, AlarmID) for identity in ids)
    assert [alarm.id for alarm in bench.alarms.active()] == ids


def test_alm_2_an_sbb_raises_alarms_of_its_own_source() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: up(sbb.alarms))
        (alarm,) = world.slee.alarms
        assert alarm.source == SbbSource(world.service, Root.sbb_id)
        up(world.ra.context.alarms)
        assert world.slee.alarms[1].source == ResourceSource("test")


def test_alm_3_raising_an_active_alarm_changes_nothing(bench: Bench) -> None:
    first = up(bench.one)
    before = bench.alarms.find(first)
    assert up(bench.one, level=AlarmLevel.CRITICAL, message="worse", cause="fire") == first
    assert bench.alarms.find(first) == before
    assert len(bench.emitted) == 1


def test_alm_4_a_cleared_alarm_may_be_raised_anew(bench: Bench) -> None:
    first = up(bench.one)
    up(bench.two)
    assert bench.one.clear(first)
    again = up(bench.one)
    assert again != first
    assert [n.level for n in bench.emitted if n.source == ONE] == [
        AlarmLevel.MAJOR,
        AlarmLevel.CLEAR,
        AlarmLevel.MAJOR,
    ]


def test_alm_5_each_raise_is_told_once_with_everything(bench: Bench) -> None:
    identity = up(bench.one, cause=OSError("no route"))
    bench.time = 6.0
    up(bench.two)
    up(bench.one, "up", cause=17)
    first, other, second = bench.emitted
    assert (first.id, first.source, first.alarm_type, first.instance_id) == (identity, ONE, "down", "gw1")
    assert (first.level, first.message, first.cause, first.time) == (
        AlarmLevel.MAJOR,
        "it is down",
        "OSError: no route",
        5.0,
    )
    assert (second.time, second.cause, other.cause) == (6.0, "17", None)
    assert [first.sequence, second.sequence, other.sequence] == [1, 2, 1]


def test_alm_6_each_clear_is_told_once(bench: Bench) -> None:
    identity = up(bench.one)
    bench.time = 9.0
    assert bench.one.clear(identity)
    assert not bench.one.clear(identity)
    assert bench.one.clear_type("down") == bench.one.clear_all() == 0
    assert [(n.level, n.sequence, n.time) for n in bench.emitted] == [
        (AlarmLevel.MAJOR, 1, 5.0),
        (AlarmLevel.CLEAR, 2, 9.0),
    ]
    assert bench.emitted[1].id == identity


def test_alm_7_alarms_are_immediate_and_no_rollback_takes_them_back() -> None:
    with World(TracedRoot, failures_allowed=True) as world:
        callbacks = ("sbb_create", "sbb_post_create", "sbb_activate", "sbb_load", "sbb_store", "sbb_passivate")
        for callback in callbacks:
            world.on(TracedRoot, callback, lambda sbb, *_, name=callback: up(sbb.alarms, name))
        world.do("a")
        world.do("a")
        assert {alarm.alarm_type for alarm in world.slee.alarms} == set(callbacks)

        def act(sbb: Any, aci: ActivityContext) -> None:
            assert sbb.alarms.clear_type("sbb_load") == 1
            up(sbb.alarms, "handler")
            boom()

        world.on(TracedRoot, "sbb_load", lambda sbb, *_: None)
        world.do("a", act)
        assert {alarm.alarm_type for alarm in world.slee.alarms} == {*callbacks, "handler"} - {"sbb_load"}
        alarms = world.ra.context.alarms
        assert alarms.clear(up(alarms))


def test_alm_8_what_cannot_be_an_alarm_is_refused(bench: Bench) -> None:
    for wrong in ({"level": AlarmLevel.CLEAR}, {"alarm_type": ""}, {"instance": ""}):
        with pytest.raises(ValueError, match="ALM-8"):
            up(bench.one, **wrong)
    for missing in ({"level": None}, {"level": 2}, {"alarm_type": None}, {"instance": None}, {"message": None}):
        with pytest.raises(TypeError, match="ALM-8"):
            up(bench.one, **missing)
    assert bench.emitted == []
    assert bench.alarms.find(up(bench.one, cause=None)).cause is None


def test_alm_9_a_source_clears_its_own_alarms_only(bench: Bench) -> None:
    mine, other, theirs = up(bench.one), up(bench.one, "up"), up(bench.two)
    up(bench.one, "down", "gw2")
    assert not bench.one.clear(theirs)
    assert not bench.one.clear(AlarmID("nonsense"))
    assert bench.one.clear_type("down") == 2
    assert not bench.one.clear(mine)
    assert bench.one.clear_all() == 1
    assert not bench.one.clear(other)
    assert [alarm.id for alarm in bench.alarms.active()] == [theirs]
    clear: Any = bench.one.clear
    for wrong in (lambda: clear(None), lambda: bench.one.clear_type(None)):
        with pytest.raises(TypeError, match="ALM-9"):
            wrong()


def test_alm_10_levels_have_codes_an_order_and_text_forms() -> None:
    levels = list(AlarmLevel)
    assert [(level.name, level.value) for level in levels] == [
        ("CLEAR", 0),
        ("CRITICAL", 1),
        ("MAJOR", 2),
        ("WARNING", 3),
        ("INDETERMINATE", 4),
        ("MINOR", 5),
    ]
    for one, two in itertools.product(levels, levels):
        assert one.is_higher_than(two) is (levels.index(one) < levels.index(two))
    assert [AlarmLevel.parse(str(level)) for level in levels] == levels
    with pytest.raises(ValueError, match="ALM-10"):
        AlarmLevel.parse("LOUD")


def test_alm_11_active_alarms_are_listed_by_source(server: Server) -> None:
    server.connect()
    server.connect("other", "other-main")
    alarms = server.management.alarms
    first, second = up(server.adaptor("other").context.alarms), up(server.adaptor().context.alarms)
    assert alarms.ids() == (first, second)
    assert alarms.ids("echo") == alarms.ids(ResourceSource("echo")) == (second,)
    assert alarms.ids(SubsystemSource("router")) == ()
    assert alarms.is_active(first)
    assert alarms.clear(first)
    assert not alarms.is_active(first)
    assert not alarms.is_active(AlarmID("nonsense"))
    for unknown in ("nobody", ResourceSource("nobody")):
        with pytest.raises(UnrecognizedNotificationSourceError):
            alarms.ids(unknown)


def test_alm_12_descriptors_are_given_one_and_many(server: Server) -> None:
    server.connect()
    server.time = 1_234.5
    alarms = server.management.alarms
    identity = up(server.adaptor().context.alarms, cause="fire")
    other = up(server.adaptor().context.alarms, "up")
    info = alarms.show(identity)
    assert info is not None
    assert (info.id, info.source, info.type, info.instance) == (identity, ResourceSource("echo"), "down", "gw1")
    assert (info.level, info.message, info.cause) == ("MAJOR", "it is down", "fire")
    assert (info.time, info.sequence) == (1_234.5, 1)
    with pytest.raises(AttributeError):
        info.level = "MINOR"
    unknown = AlarmID("nonsense")
    assert alarms.show(unknown) is None
    assert alarms.find([other, unknown, identity]) == (alarms.show(other), None, info)


def test_alm_13_an_operator_clears_by_id_type_and_source(server: Server) -> None:
    server.connect()
    server.connect("other", "other-main")
    alarms, facility = server.management.alarms, server.adaptor().context.alarms
    identity, elsewhere = up(facility), up(server.adaptor("other").context.alarms)
    for name in ("a", "b", "c"):
        up(facility, "type", name)
    up(facility, "last")
    assert alarms.clear(identity)
    assert not alarms.clear(identity)
    assert alarms.clear_source("echo", "type") == 3
    assert alarms.clear_source(ResourceSource("echo")) == 1
    assert alarms.ids() == (elsewhere,)
    cleared = [n.instance_id for n in server.observer.alarm_notifications if n.level is AlarmLevel.CLEAR]
    assert cleared == ["gw1", "a", "b", "c", "gw1"]
    with pytest.raises(UnrecognizedNotificationSourceError):
        alarms.clear_source("nobody")


def test_alm_14_alarms_end_with_their_source(server: Server, tmp_path: Path) -> None:
    server.connect()
    bundle = plain(tmp_path)
    server.install(bundle)
    service = server.services.activate(["Plain"])[0].id
    source = server.management.sources.resolve("Plain/Plain")
    up(server.facilities.alarms.facility(source))
    server.services.deactivate([service])
    assert len(server.management.alarms.ids(source)) == 1
    known: list[bool] = []
    server.facilities.notifications.listen(lambda n: known.append(n.source in server.facilities.sources), "alarm")
    server.bundles.uninstall(bundle.manifest.id)
    with pytest.raises(UnrecognizedNotificationSourceError):
        server.management.alarms.ids(source)
    up(server.adaptor().context.alarms)
    server.resources.deactivate("echo")
    server.resources.unbind_link("echo-main")
    server.resources.remove("echo")
    assert [n.level.name for n in server.observer.alarm_notifications] == ["MAJOR", "CLEAR", "MAJOR", "CLEAR"]
    assert known == [True, True, True]
    assert server.management.alarms.ids() == ()


def test_alm_19_active_alarms_survive_a_restart(server: Server, tmp_path: Path) -> None:
    server.connect()
    server.install(plain(tmp_path))
    source = server.management.sources.resolve("Plain/Plain")
    kept = up(server.facilities.alarms.facility(source), cause=OSError("no route"))
    cleared = up(server.adaptor().context.alarms)
    server.management.alarms.clear(cleared)
    up(server.facilities.alarms.facility(SubsystemSource("router")))
    before = server.management.alarms.list(source)
    again = server.restart()
    assert again.management.alarms.list() == before
    assert again.observer.alarm_notifications == []
    assert up(again.facilities.alarms.facility(source)) == kept
    assert again.observer.alarm_notifications == []
    fresh = up(again.adaptor().context.alarms)
    assert fresh not in (kept, cleared)
    second = again.management.alarms.show(up(again.facilities.alarms.facility(source), "second"))
    assert second is not None
    assert second.sequence > before[0].sequence
    assert again.restart().management.alarms.ids() == (kept, second.id, fresh)
    assert b"subsystem" not in (server.path / NAME).read_bytes()


def test_alm_19_alarms_wait_for_their_source_and_a_line_cut_off_is_dropped(server: Server, tmp_path: Path) -> None:
    server.connect()
    server.install(plain(tmp_path))
    source = server.management.sources.resolve("Plain/Plain")
    kept = up(server.facilities.alarms.facility(source))
    path = server.path / NAME
    path.write_bytes(path.read_bytes() + b'{"id":"cut')
    archive = next((server.path / "bundles").glob("*.whl"))
    data = archive.read_bytes()
    archive.write_bytes(b"broken")
    again = server.restart()
    assert again.management.alarms.ids() == ()
    archive.write_bytes(data)
    assert again.restart().management.alarms.ids() == (kept,)


def test_alm_19_a_file_that_cannot_be_read_is_put_aside(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.connect()
    up(server.adaptor().context.alarms)
    path = server.path / NAME
    path.write_bytes(b"nonsense\n" + path.read_bytes())
    again = server.restart()
    assert again.management.alarms.ids() == ()
    assert "put aside as alarms.jsonl.unreadable [ALM-19]" in caplog.text
    assert path.with_name("alarms.jsonl.unreadable").read_bytes().startswith(b"nonsense")
    kept = up(again.adaptor().context.alarms)
    assert again.restart().management.alarms.ids() == (kept,)


def test_alm_19_a_full_disk_does_not_reach_who_raises(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    server.connect()
    with monkeypatch.context() as patch:
        patch.setattr("slee.management.store.os.fsync", full)
        again = server.restart()
        alarm = up(again.adaptor().context.alarms)
    assert again.management.alarms.ids() == (alarm,)
    assert "No space left" in caplog.text
    second = up(again.adaptor().context.alarms, "up")
    assert again.restart().management.alarms.ids() == (alarm, second)


def test_alm_19_the_file_does_not_grow_without_end(server: Server) -> None:
    server.connect()
    alarms = server.adaptor().context.alarms
    kept = up(alarms, "kept")
    for _ in range(1_200):
        alarms.clear(up(alarms))
    assert (server.path / NAME).read_bytes().count(b"\n") < 1_500
    assert server.restart().management.alarms.ids() == (kept,)


def test_alm_20_a_listener_that_raises_harms_nobody(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: Notification) -> None:
        raise LookupError("listener")

    bench.facilities.notifications.listen(fail, "alarm")
    after: list[Notification] = []
    bench.facilities.notifications.listen(after.append, "alarm", "usage")
    up(bench.one)
    assert len(bench.emitted) == len(after) == 1
    assert bench.facilities.notifications.lost == 1
    assert "LookupError: listener" in caplog.text


def test_alm_20_a_slow_subscriber_loses_what_it_has_no_room_for(bench: Bench) -> None:
    slow = bench.facilities.notifications.subscribe("alarm", capacity=2)
    quick = bench.facilities.notifications.subscribe("alarm")
    for name in ("a", "b", "c"):
        up(bench.one, name)
    assert [n.alarm_type for n in quick.take() if isinstance(n, AlarmNotification)] == ["a", "b", "c"]
    assert [n.sequence for n in slow.take()] == [1, 2]
    assert (slow.lost, quick.lost, bench.facilities.notifications.lost) == (1, 0, 1)
    up(bench.one, "d")
    assert [n.sequence for n in slow.take()] == [4]
    assert slow.take() == ()
    slow.close()
    up(bench.one, "e")
    assert (slow.take(), slow.lost) == ((), 1)
    assert len(quick.take()) == 2


class Watch(Sbb, vendor="test", version="1.0"):
    """Keeps the id of an alarm in its state, as services do."""

    alarm: Cmp[AlarmID | None] = cmp(None)

    @initial_event(selector=key)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        self.alarm = self.alarms.raise_alarm("down", "gw1", level=AlarmLevel.MINOR, message="down")

    @handles
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        assert self.alarm is not None
        assert self.alarms.clear(self.alarm)


def test_alm_9_an_alarm_id_may_be_kept_in_state() -> None:
    with World(Watch) as world:
        world.do("a")
        assert len(world.slee.alarms) == 1
        world.fire("a", Note())
        assert world.slee.alarms == ()


# What the SLEE raises itself.


def test_att_19_a_dropped_tree_raises_an_alarm_that_names_service_root_and_cause() -> None:
    with World(TracedRoot, failures_allowed=True) as world:
        world.on(TracedRoot, "sbb_remove", boom)
        world.do("a")
        (root,) = world.roots(TracedRoot)
        world.do("a", lambda sbb, aci: aci.detach(sbb))
        (alarm,) = world.slee.alarms
        assert alarm.source == SbbSource(world.service, TracedRoot.sbb_id)
        assert (alarm.alarm_type, alarm.instance_id) == ("slee.tree-dropped", str(world.service))
        assert str(root) in alarm.message
        assert alarm.cause is not None
        assert "Boom" in alarm.cause


@pytest.mark.parametrize("callback", ["sbb_exception_thrown", "sbb_rolled_back"])
def test_tx_20_a_failure_callback_that_raises_raises_an_alarm(callback: str) -> None:
    with World(TracedRoot, failures_allowed=True) as world:
        world.on(TracedRoot, callback, boom)
        world.do("a")
        world.do("a", boom)
        (alarm,) = world.slee.alarms
        assert alarm.source == SbbSource(world.service, TracedRoot.sbb_id)
        assert (alarm.alarm_type, alarm.instance_id) == ("slee.callback-failed", callback)
        assert alarm.cause == "Boom: "


def test_con_9_an_error_of_the_router_raises_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    with World(Root, failures_allowed=True) as world:
        with monkeypatch.context() as patch:
            patch.setattr("slee.kernel.router.next_attached", boom)
            world.do("a")
        (alarm,) = world.slee.alarms
        assert alarm.source == SubsystemSource("router")
        assert (alarm.alarm_type, alarm.instance_id, alarm.level) == (
            "slee.internal-error",
            "Do",
            AlarmLevel.CRITICAL,
        )


def test_ra_7_an_adaptor_that_cannot_begin_raises_an_alarm_until_it_can_or_need_not(server: Server) -> None:
    server.resources.create("echo", EchoAdaptor.id, {"listen-port": 1})
    server.resources.activate("echo")
    (alarm,) = server.management.alarms.list("echo")
    assert (alarm.type, alarm.instance, alarm.level) == ("slee.adaptor-not-active", "echo", "CRITICAL")
    assert alarm.cause == "OSError: port 1 is in use"
    server.resources.deactivate("echo")
    assert server.management.alarms.ids() == ()
    server.resources.activate("echo")
    assert len(server.management.alarms.ids("echo")) == 1
    adaptor = server.adaptor()
    assert adaptor.configured is not None
    adaptor.configured = adaptor.configured.model_copy(update={"listen_port": 5})
    server.management.slee.stop()
    server.management.slee.start()
    assert server.management.alarms.ids() == ()


def test_ra_42_two_entities_of_one_adaptor_have_their_own_alarms() -> None:
    with World() as world:
        second = world.slee.add_resource("second", RecordingResource(RA))
        up(world.ra.context.alarms)
        up(second.context.alarms)
        assert [alarm.source for alarm in world.slee.alarms] == [ResourceSource("test"), ResourceSource("second")]

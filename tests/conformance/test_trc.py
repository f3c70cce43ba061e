"""Tracing (group TRC)."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from slee import TraceLevel
from slee.api.errors import InvalidArgumentError, UnrecognizedNotificationSourceError
from slee.api.facilities import Tracer
from slee.api.source import ResourceSource, SbbSource, SubsystemSource
from slee.facilities.facilities import Facilities
from slee.facilities.notifications import Notification, TraceNotification
from slee.facilities.tracing import TraceSource
from tests.conformance.kit import Do, Root, TracedRoot, World, boom
from tests.deploy.workshop import Server, plain

LEVELS = list(TraceLevel)
WRITTEN = [level for level in LEVELS if level is not TraceLevel.OFF]
SOURCE = SubsystemSource("test")


class Bench:
    """The tracers of one source, and what they emit."""

    def __init__(self) -> None:
        self.time = 5.0
        self.facilities = Facilities(now=lambda: self.time, random=bytes)
        self.traces: TraceSource = self.facilities.traces(SOURCE)
        self.emitted: list[TraceNotification] = []
        self.facilities.notifications.listen(self._keep, "trace")

    def _keep(self, notification: Notification) -> None:
        assert isinstance(notification, TraceNotification)
        self.emitted.append(notification)

    def tracer(self, name: str = "") -> Tracer:
        return self.traces.tracer(name)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def write(tracer: Tracer, level: TraceLevel, message: str) -> None:
    """By the method of the level."""
    getattr(tracer, level.name.lower())(message)


def test_trc_1_names_are_hierarchical_and_case_sensitive(bench: Bench) -> None:
    assert bench.tracer("a.b").parent == "a"
    assert bench.tracer("a").parent == ""
    assert bench.tracer().parent is None
    assert bench.tracer("A") is not bench.tracer("a")
    bench.traces.assign("x", TraceLevel.FINE)
    assert bench.tracer("x.y.z").is_fine_enabled
    assert set(bench.traces.tracers) == {"", "A", "a", "a.b", "x.y.z"}


@pytest.mark.parametrize("name", ["a..b", ".a", "a.", "."])
def test_trc_2_a_malformed_name_is_refused(bench: Bench, name: str) -> None:
    with pytest.raises(ValueError, match="TRC-2"):
        bench.tracer().named(name)


def test_trc_2_a_name_is_a_text(bench: Bench) -> None:
    named: Any = bench.tracer().named
    with pytest.raises(TypeError, match="TRC-2"):
        named(None)
    assert list(bench.traces.tracers) == [""]


def test_trc_3_a_name_gives_one_tracer_whoever_asks(bench: Bench) -> None:
    tracer = bench.tracer().named("sip.in")
    assert tracer is bench.tracer("sip.in")
    assert bench.tracer("other").named("sip.in") is tracer
    assert tracer.named("sip").name == "sip"
    with World(Root) as world:
        seen: list[object] = []
        for key in ("one", "two"):
            world.do("a", lambda sbb, aci: seen.append(sbb.tracer.named("x")), key)
        assert len(set(map(id, seen))) == 1


def test_trc_4_a_tracer_tells_who_it_is(bench: Bench) -> None:
    tracer = bench.tracer("a.b")
    assert (tracer.name, tracer.parent, tracer.source) == ("a.b", "a", SOURCE)
    with World(Root) as world:
        seen: list[object] = []
        world.do("a", lambda sbb, aci: seen.append((sbb.tracer.name, sbb.tracer.parent, sbb.tracer.source)))
        assert seen == [("", None, SbbSource(world.service, Root.sbb_id))]


def test_trc_5_levels_have_an_order_codes_and_text_forms() -> None:
    assert [(level.name, level.value) for level in LEVELS] == [
        ("OFF", 0),
        ("SEVERE", 1),
        ("WARNING", 2),
        ("INFO", 3),
        ("CONFIG", 4),
        ("FINE", 5),
        ("FINER", 6),
        ("FINEST", 7),
    ]
    for one, two in itertools.product(LEVELS, LEVELS):
        assert one.is_higher_than(two) is (LEVELS.index(one) < LEVELS.index(two))
    assert [TraceLevel.parse(str(level)) for level in LEVELS] == LEVELS
    with pytest.raises(ValueError, match="TRC-5"):
        TraceLevel.parse("LOUD")


def test_trc_6_a_level_is_that_of_the_nearest_ancestor_that_has_one(bench: Bench) -> None:
    assert bench.traces.level("") is TraceLevel.INFO
    assert bench.traces.level("a.b.c") is TraceLevel.INFO
    bench.traces.assign("a", TraceLevel.FINE)
    bench.traces.assign("a.b", TraceLevel.SEVERE)
    bench.traces.assign("", TraceLevel.WARNING)
    levels = {name: bench.traces.level(name) for name in ("", "b", "a", "a.c", "a.b", "a.b.c", "ab")}
    assert levels == {
        "": TraceLevel.WARNING,
        "b": TraceLevel.WARNING,
        "a": TraceLevel.FINE,
        "a.c": TraceLevel.FINE,
        "a.b": TraceLevel.SEVERE,
        "a.b.c": TraceLevel.SEVERE,
        "ab": TraceLevel.WARNING,
    }


def test_trc_7_levels_belong_to_the_source() -> None:
    with World() as world:
        one, two = world.slee.install(Root, name="one"), world.slee.install(Root, name="two")
        world.slee.set_trace_level(SbbSource(one, Root.sbb_id), TraceLevel.FINE)
        world.slee.set_trace_level(ResourceSource("test"), TraceLevel.FINEST)
        seen: list[object] = []
        for service in (one, two):
            world.fire("a", Do(lambda sbb, aci: seen.append(sbb.tracer.is_fine_enabled)), service=service)
        assert seen == [True, False]
        assert world.ra.context.tracer.is_enabled(TraceLevel.FINEST)


@pytest.mark.parametrize("effective", LEVELS)
@pytest.mark.parametrize("level", WRITTEN)
def test_trc_8_a_message_is_emitted_once_if_its_level_is_high_enough(
    bench: Bench, effective: TraceLevel, level: TraceLevel
) -> None:
    bench.traces.assign("", effective)
    bench.tracer("a").trace(level, "by trace")
    write(bench.tracer("a"), level, "by method")
    expected = ["by trace", "by method"] if level.value <= effective.value else []
    assert [(n.message, n.level) for n in bench.emitted] == [(message, level) for message in expected]


@pytest.mark.parametrize("effective", LEVELS)
def test_trc_8_no_message_has_level_off(bench: Bench, effective: TraceLevel) -> None:
    bench.traces.assign("", effective)
    with pytest.raises(ValueError, match="TRC-8"):
        bench.tracer().trace(TraceLevel.OFF, "never")
    assert bench.emitted == []


def test_trc_9_a_notification_says_everything(bench: Bench) -> None:
    bench.tracer("a.b").warning("first", cause=OSError("no route"))
    bench.time = 6.0
    bench.facilities.traces(SubsystemSource("other")).tracer("").info("elsewhere")
    bench.tracer().info("second")
    first, elsewhere, second = bench.emitted
    assert (first.source, first.tracer, first.level) == (SOURCE, "a.b", TraceLevel.WARNING)
    assert (first.message, first.cause, first.time) == ("first", "OSError: no route", 5.0)
    assert (second.cause, second.time) == (None, 6.0)
    assert [first.sequence, second.sequence, elsewhere.sequence] == [1, 2, 1]
    assert first.type == "trace.subsystem"


@pytest.mark.parametrize("effective", [TraceLevel.OFF, TraceLevel.FINEST])
def test_trc_10_level_and_message_are_given(bench: Bench, effective: TraceLevel) -> None:
    bench.traces.assign("", effective)
    tracer: Any = bench.tracer()
    for wrong in (lambda: tracer.trace(None, "text"), lambda: tracer.trace(TraceLevel.INFO, None)):
        with pytest.raises(TypeError, match="TRC-10"):
            wrong()
    for level in WRITTEN:
        with pytest.raises(TypeError, match="TRC-10"):
            write(tracer, level, None)
    tracer.severe("text", cause=None)
    assert [n.message for n in bench.emitted] == (["text"] if effective else [])


class Touchy:
    """Counts how often its text is asked for."""

    asked = 0

    def __str__(self) -> str:
        type(self).asked += 1
        return "text"


class Bad:
    """Has no text."""

    def __str__(self) -> str:
        raise LookupError("no text")


def test_trc_11_arguments_are_combined_only_when_a_message_is_emitted(bench: Bench) -> None:
    Touchy.asked = 0
    bench.tracer().fine("%s", Touchy())
    assert Touchy.asked == 0
    bench.tracer().info("%s of %d", Touchy(), 2)
    assert Touchy.asked == 1
    assert bench.emitted[-1].message == "text of 2"
    bench.tracer().info("100 %")
    assert bench.emitted[-1].message == "100 %"


def test_trc_11_an_argument_that_fails_to_format_is_emitted_as_its_failure(bench: Bench) -> None:
    bench.tracer().info("%s", Bad())
    bench.tracer().info("%d", "text")
    bench.tracer().info("plain", cause=Exception(Bad()))
    first, second, third = bench.emitted
    assert "LookupError" in first.message
    assert "TypeError" in second.message
    assert third.cause is not None
    assert "LookupError" in third.cause


@pytest.mark.parametrize("effective", LEVELS)
def test_trc_12_predicates_agree_with_what_is_emitted(bench: Bench, effective: TraceLevel) -> None:
    tracer = bench.tracer("a.b")
    bench.traces.assign("a", effective)
    for level in WRITTEN:
        bench.emitted.clear()
        write(tracer, level, "text")
        assert tracer.is_enabled(level) is bool(bench.emitted)
        assert getattr(tracer, f"is_{level.name.lower()}_enabled") is bool(bench.emitted)
    assert not tracer.is_enabled(TraceLevel.OFF)


def test_trc_13_a_level_is_assigned_used_or_not_and_followed_at_once(server: Server) -> None:
    server.connect()
    tracing, context = server.management.tracing, server.adaptor().context
    held = context.tracer.named("sip.in")
    assert not held.is_fine_enabled
    info = tracing.set_level("echo", TraceLevel.FINE, "sip")
    assert (info.source, info.tracer, info.level, info.assigned) == (ResourceSource("echo"), "sip", "FINE", True)
    assert held.is_fine_enabled
    tracing.set_level("echo", TraceLevel.SEVERE, "sip.in")
    assert not held.is_info_enabled
    assert context.tracer.named("sip.out").is_fine_enabled
    assert not context.tracer.is_fine_enabled


def test_trc_14_unsetting_falls_back_and_never_takes_the_roots_level(server: Server) -> None:
    server.connect()
    tracing, held = server.management.tracing, server.adaptor().context.tracer.named("a.b")
    tracing.set_level("echo", TraceLevel.FINE, "a")
    tracing.set_level("echo", TraceLevel.SEVERE, "a.b")
    assert tracing.unset_level("echo", "a.b").level == "FINE"
    assert held.is_fine_enabled
    assert tracing.unset_level("echo", "a.b").level == "FINE"
    assert tracing.unset_level("echo", "a").level == "INFO"
    assert not held.is_fine_enabled
    with pytest.raises(InvalidArgumentError, match="TRC-14"):
        tracing.unset_level("echo", "")
    assert tracing.level("echo").level == "INFO"


def test_trc_15_the_level_of_any_name_can_be_read(server: Server) -> None:
    server.connect()
    tracing = server.management.tracing
    info = tracing.level("echo", "never.used")
    assert (info.level, info.assigned) == ("INFO", False)
    for name in ("a..b", ".a", "a."):
        for refused in (
            lambda name=name: tracing.level("echo", name),
            lambda name=name: tracing.set_level("echo", TraceLevel.FINE, name),
            lambda name=name: tracing.unset_level("echo", name),
        ):
            with pytest.raises(InvalidArgumentError, match="TRC-2"):
                refused()
    for source in ("other", ResourceSource("other")):
        for unknown in (
            lambda source=source: tracing.level(source),
            lambda source=source: tracing.set_level(source, TraceLevel.FINE),
            lambda source=source: tracing.unset_level(source, "a"),
            lambda source=source: tracing.used(source),
            lambda source=source: tracing.assigned(source),
        ):
            with pytest.raises(UnrecognizedNotificationSourceError):
                unknown()


def test_trc_16_what_is_used_and_what_is_set_are_listed(server: Server, tmp_path: Path) -> None:
    server.connect()
    server.install(plain(tmp_path))
    tracing, context = server.management.tracing, server.adaptor().context

    def names(source: str) -> tuple[list[str], list[str]]:
        return [t.tracer for t in tracing.used(source)], [t.tracer for t in tracing.assigned(source)]

    assert names("echo") == ([], [""])
    tracing.set_level("echo", TraceLevel.FINE, "set.only")
    context.tracer.named("used.only").info("hello")
    assert names("echo") == (["", "used.only"], ["", "set.only"])
    tracing.unset_level("echo", "set.only")
    assert names("echo") == (["", "used.only"], [""])
    assert names("Plain/Plain") == ([], [""])


def test_trc_17_tracing_is_immediate(bench: Bench) -> None:
    with World(TracedRoot, failures_allowed=True) as world:
        callbacks = ("sbb_create", "sbb_post_create", "sbb_activate", "sbb_load", "sbb_store", "sbb_passivate")
        for callback in callbacks:
            world.on(TracedRoot, callback, lambda sbb, *_, name=callback: sbb.tracer.info(name))
        source = SbbSource(world.service, TracedRoot.sbb_id)

        def act(sbb: Any, aci: object) -> None:
            sbb.tracer.info("handler")
            world.slee.set_trace_level(source, TraceLevel.FINE, "kept")
            boom()

        world.do("a")
        world.do("a", act)
        texts = [message.text for message in world.slee.messages]
        assert set(callbacks) <= set(texts)
        assert "handler" in texts
        assert world.slee.facilities.traces(source).level("kept") is TraceLevel.FINE
        world.ra.context.tracer.info("without transaction")
        assert world.slee.messages[-1].text == "without transaction"


def test_trc_18_levels_survive_a_restart_and_end_with_their_source(server: Server, tmp_path: Path) -> None:
    server.connect()
    bundle = plain(tmp_path)
    server.install(bundle)
    server.management.tracing.set_level("echo", TraceLevel.FINE, "sip")
    server.management.tracing.set_level("Plain/Plain", TraceLevel.OFF)
    again = server.restart()
    tracing = again.management.tracing
    assert again.adaptor().context.tracer.named("sip.in").is_fine_enabled
    assert tracing.level("Plain/Plain").level == "OFF"
    again.bundles.uninstall(bundle.manifest.id)
    again.resources.deactivate("echo")
    again.resources.unbind_link("echo-main")
    again.resources.remove("echo")
    assert again.management.store.desired.traces == {}
    again.connect()
    again.install(bundle)
    assert tracing.level("Plain/Plain").level == "INFO"
    assert not again.adaptor().context.tracer.named("sip.in").is_fine_enabled


def test_trc_18_a_level_that_cannot_be_kept_is_not_assigned(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    server.connect()
    monkeypatch.setattr("slee.management.store.os.fsync", full)
    with pytest.raises(Exception, match="No space left"):
        server.management.tracing.set_level("echo", TraceLevel.FINE)
    assert server.management.tracing.level("echo").level == "INFO"

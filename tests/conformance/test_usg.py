"""Usage parameters (group USG)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from prometheus_client import generate_latest

from slee import (
    ActivityContext,
    Sbb,
    ServiceID,
    UsageParameters,
    child,
    counter,
    initial_event,
    sample,
    usage_parameters,
)
from slee.api.errors import (
    ComponentDefinitionError,
    InvalidArgumentError,
    NoUsageParametersInterfaceDefinedError,
    UnrecognizedNotificationSourceError,
    UnrecognizedProfileTableError,
    UnrecognizedResourceAdaptorEntityError,
    UnrecognizedSbbError,
    UnrecognizedServiceError,
    UnrecognizedSubsystemError,
    UnrecognizedUsageParameterSetNameError,
    UsageParameterSetNameAlreadyExistsError,
    VerificationError,
)
from slee.api.ids import SbbID
from slee.api.source import NotificationSource, ProfileTableSource, ResourceSource, SbbSource, SubsystemSource
from slee.facilities.facilities import Facilities
from slee.facilities.notifications import Notification, UsageNotification
from slee.facilities.usage import UsageSource
from slee.management.metrics import registry
from slee.management.results import UsageInfo
from slee.testing import RecordingResource
from tests.conformance.kit import RA, Do, Root, World, boom, key
from tests.deploy.echo import EchoAdaptor
from tests.deploy.workshop import GREETER, PLACES, Server, build, plain

SOURCE = SubsystemSource("test")


class Figures(UsageParameters):
    """What the components of these tests count."""

    calls = counter("Calls seen")
    errors = counter("Calls that failed")
    delay = sample("Delay of calls, in milliseconds")


class Bench:
    """The usage sets of one source, and what they emit."""

    def __init__(self) -> None:
        self.time = 5.0
        self.facilities = Facilities(now=lambda: self.time, random=bytes)
        self.facilities.add(SOURCE, Figures)
        self.sets: UsageSource = self.facilities.usage(SOURCE)
        self.emitted: list[UsageNotification] = []
        self.facilities.notifications.listen(self._keep, "usage")

    @property
    def default(self) -> Figures:
        return self.facilities.of(SOURCE).usage(Figures)

    def _keep(self, notification: Notification) -> None:
        assert isinstance(notification, UsageNotification)
        self.emitted.append(notification)


@pytest.fixture
def bench() -> Bench:
    return Bench()


class Counting(Sbb, vendor="test", version="1.0"):
    """Counts what it does."""

    usage = usage_parameters(Figures)

    @initial_event(selector=key)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        event.act(self, aci)

    def sbb_create(self) -> None:
        self.usage.calls.increment()

    def sbb_post_create(self) -> None:
        self.usage.calls.increment()

    def sbb_activate(self) -> None:
        self.usage.errors.increment()

    def sbb_load(self) -> None:
        self.usage.errors.increment()

    def sbb_store(self) -> None:
        self.usage.delay.record(1)

    def sbb_passivate(self) -> None:
        self.usage.delay.record(2)


class CountingResource(RecordingResource):
    """An adaptor that counts."""

    usage_parameters: ClassVar = Figures


@pytest.fixture
def counting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server with a service and a resource adaptor entity that count."""
    monkeypatch.setattr(EchoAdaptor, "usage_parameters", Figures)
    server = Server(tmp_path / "state")
    server.kernel.start()
    server.pump()
    places = build(PLACES)
    server.install(places, build(GREETER, places))
    server.connect()
    yield server
    server.close()


def figures(server: Server) -> Figures:
    return server.adaptor().context.usage(Figures)


def value(info: UsageInfo, name: str) -> int | None:
    (parameter,) = [p for p in info.parameters if p.name == name]
    return parameter.value if parameter.kind == "counter" else parameter.count


def test_usg_1_the_default_set_is_there_and_cannot_be_made_or_removed(counting: Server) -> None:
    usage = counting.management.usage
    assert usage.read("echo").set is None
    assert usage.sets("echo") == ()
    with pytest.raises(InvalidArgumentError):
        usage.create("echo", "")
    with pytest.raises(UnrecognizedUsageParameterSetNameError):
        usage.remove("echo", "")
    remove: Any = usage.remove
    with pytest.raises(InvalidArgumentError, match="USG-1"):
        remove("echo", None)
    figures(counting).calls.increment()
    assert value(usage.read("echo"), "calls") == 1


def test_usg_2_a_named_set_is_made_by_management_alone(counting: Server) -> None:
    ours = figures(counting)
    with pytest.raises(UnrecognizedUsageParameterSetNameError, match="USG-2"):
        ours.named("gold")
    assert counting.management.usage.sets("echo") == ()
    named: Any = ours.named
    with pytest.raises(TypeError, match="USG-2"):
        named(None)
    counting.management.usage.create("echo", "gold")
    assert ours.named("gold") is ours.named("gold")
    assert ours.named("gold") is not ours


def test_usg_2_named_sets_survive_a_restart(counting: Server) -> None:
    counting.management.usage.create("echo", "gold")
    counting.management.usage.create("Greeter/Greeter", "silver")
    counting.management.usage.create("echo", "gone")
    counting.management.usage.remove("echo", "gone")
    again = counting.restart()
    assert again.management.usage.sets("echo") == ("gold",)
    assert again.management.usage.sets("Greeter/Greeter") == ("silver",)


def test_usg_3_sets_belong_to_one_sbb_in_one_service() -> None:
    with World() as world:
        one, two = world.slee.install(Counting, name="x"), world.slee.install(Counting, name="x", version="2")

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.usage.calls.increment(10)

        world.slee.create_usage_set(Figures, "gold", one)
        world.fire("a", Do(act), service=one)
        assert world.slee.usage(Figures, one).calls.value == 12
        assert world.slee.usage(Figures, two).calls.value == 0

        def ask(sbb: Any, aci: ActivityContext) -> None:
            with pytest.raises(UnrecognizedUsageParameterSetNameError):
                sbb.usage.named("gold")

        world.fire("a", Do(ask), service=two)


def test_usg_4_other_sources_count_by_the_same_rules(bench: Bench) -> None:
    with World() as world:
        first = world.slee.add_resource("first", CountingResource(RA))
        second = world.slee.add_resource("second", CountingResource(RA))
        first.context.usage(Figures).calls.increment(3)
        counted = {str(s.source): s.default.calls.value for s in world.slee.facilities.counting}
        assert counted == {"raentity:first": 3, "raentity:second": 0}
        assert second.context.usage(Figures).calls.value == 0
    bench.facilities.add(ProfileTableSource("table"), Figures)
    bench.default.calls.increment()
    assert bench.facilities.of(ProfileTableSource("table")).usage(Figures).calls.value == 0


def test_usg_5_a_counter_is_the_exact_sum(bench: Bench) -> None:
    calls = bench.default.calls
    for by in (1, 10**30, -5, 0):
        calls.increment(by)
    calls.increment()
    assert calls.value == 10**30 - 3


def test_usg_6_a_sample_tells_count_extremes_and_mean(bench: Bench) -> None:
    delay = bench.default.delay
    empty = (0, 2**63 - 1, -(2**63), 0.0)
    assert (delay.count, delay.minimum, delay.maximum, delay.mean) == empty
    for milliseconds in (5, -3, 10, 5):
        delay.record(milliseconds)
    assert (delay.count, delay.minimum, delay.maximum, delay.mean) == (4, -3, 10, 4.25)
    bench.sets.reset(None)
    assert (delay.count, delay.minimum, delay.maximum, delay.mean) == empty


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("wrong", [None, True, 1.0, "1"])
def test_usg_7_only_an_int_is_counted(bench: Bench, wrong: Any, told: bool) -> None:
    bench.sets.tell("calls", on=told)
    bench.sets.tell("delay", on=told)
    with pytest.raises(TypeError, match="USG-7"):
        bench.default.calls.increment(wrong)
    with pytest.raises(TypeError, match="USG-7"):
        bench.default.delay.record(wrong)
    assert (bench.default.calls.value, bench.default.delay.count, bench.emitted) == (0, 0, [])


def test_usg_7_a_usage_parameter_is_not_assigned(bench: Bench) -> None:
    ours: Any = bench.default
    for name in ("calls", "other"):
        with pytest.raises(TypeError, match="USG-7"):
            setattr(ours, name, 5)
        with pytest.raises(TypeError, match="USG-7"):
            delattr(ours, name)
    assert ours.calls.value == 0


def test_usg_8_wrong_names_leave_all_sets_as_they_were(counting: Server) -> None:
    usage = counting.management.usage
    usage.create("echo", "gold")
    figures(counting).named("gold").calls.increment(7)
    with pytest.raises(UsageParameterSetNameAlreadyExistsError, match="USG-8"):
        usage.create("echo", "gold")
    with pytest.raises(InvalidArgumentError, match="USG-8"):
        usage.create("echo", "")
    with pytest.raises(UnrecognizedUsageParameterSetNameError):
        usage.remove("echo", "silver")
    assert usage.sets("echo") == ("gold",)
    assert value(usage.read("echo", "gold"), "calls") == 7


def test_usg_9_a_removed_set_is_unknown_in_references_held_too(counting: Server) -> None:
    usage, ours = counting.management.usage, figures(counting)
    usage.create("echo", "gold")
    held = ours.named("gold")
    held.calls.increment()
    usage.remove("echo", "gold")
    for update in (held.calls.increment, lambda: held.delay.record(1), lambda: ours.named("gold")):
        with pytest.raises(UnrecognizedUsageParameterSetNameError):
            update()
    for read in (usage.read, usage.reset, usage.take):
        with pytest.raises(UnrecognizedUsageParameterSetNameError):
            read("echo", "gold")
    usage.create("echo", "gold")
    assert value(usage.read("echo", "gold"), "calls") == 0
    with pytest.raises(UnrecognizedUsageParameterSetNameError):
        held.calls.increment()
    ours.named("gold").calls.increment()
    ours.calls.increment()


def test_usg_10_named_sets_are_listed_and_every_set_is_read(counting: Server) -> None:
    usage, ours = counting.management.usage, figures(counting)
    for name in ("gold", "silver"):
        usage.create("echo", name)
    ours.named("silver").delay.record(4)
    ours.errors.increment(2)
    assert usage.sets("echo") == ("gold", "silver")
    info = usage.read("echo", "silver")
    assert (info.source, info.set) == (ResourceSource("echo"), "silver")
    delay = info.parameters[2]
    assert (delay.name, delay.kind, delay.help) == ("delay", "sample", "Delay of calls, in milliseconds")
    assert (delay.count, delay.minimum, delay.maximum, delay.mean, delay.value) == (1, 4, 4, 4.0, None)
    errors = usage.read("echo").parameters[1]
    assert (errors.name, errors.kind, errors.value, errors.count) == ("errors", "counter", 2, None)


def test_usg_11_resets_reach_what_they_name(counting: Server) -> None:
    usage, ours = counting.management.usage, figures(counting)
    greeter: Any = counting.facilities.usage(counting.management.sources.resolve("Greeter/Greeter")).default
    usage.create("echo", "gold")

    def count() -> None:
        for one in (ours, ours.named("gold")):
            one.calls.increment()
            one.delay.record(3)
        greeter.greeted.increment()

    def counted() -> tuple[int, int, int, int]:
        gold = ours.named("gold")
        return ours.calls.value, gold.calls.value, gold.delay.count, greeter.greeted.value

    count()
    usage.reset("echo", "gold")
    assert counted() == (1, 0, 0, 1)
    usage.reset("echo")
    assert counted() == (0, 0, 0, 1)
    count()
    assert [info.set for info in usage.reset_all("echo")] == [None, "gold"]
    assert counted() == (0, 0, 0, 2)
    count()
    usage.create("Greeter/Greeter", "gold")
    greeter.named("gold").greeted.increment()
    other = SbbSource(ServiceID("other", "test", "1.0"), SbbID("other", "test", "1.0"))
    counting.facilities.add(other, Figures)
    counting.facilities.of(other).usage(Figures).calls.increment()
    assert [info.set for info in usage.reset_service("Greeter")] == [None, "gold"]
    assert counted() == (1, 1, 1, 0)
    assert greeter.named("gold").greeted.value == 0
    assert counting.facilities.of(other).usage(Figures).calls.value == 1


def test_usg_12_reads_with_reset_lose_nothing_and_count_nothing_twice(counting: Server) -> None:
    usage, ours = counting.management.usage, figures(counting)
    dice = random.Random(12)
    updates = total = 0
    for _ in range(500):
        if dice.random() < 0.7:
            ours.calls.increment()
            updates += 1
        else:
            total += value(usage.take("echo"), "calls") or 0
    assert total + ours.calls.value == updates
    assert 0 < total < updates or total == updates


def test_usg_13_changes_are_told_when_switched_on(counting: Server) -> None:
    usage, ours = counting.management.usage, figures(counting)
    told: list[UsageNotification] = []
    counting.facilities.notifications.listen(told.append, "usage")
    usage.create("echo", "gold")
    ours.calls.increment()
    assert told == []
    assert [p.told for p in usage.tell("echo", "calls", on=True).parameters] == [True, False, False]
    assert told == []
    ours.calls.increment()
    ours.named("gold").calls.increment()
    ours.errors.increment()
    ours.delay.record(1)
    usage.create("echo", "later")
    ours.named("later").calls.increment()
    assert [(n.set_name, n.parameter, n.value) for n in told] == [
        (None, "calls", 2),
        ("gold", "calls", 1),
        ("later", "calls", 1),
    ]
    usage.tell("echo", "calls", on=False)
    ours.calls.increment()
    assert len(told) == 3
    with pytest.raises(InvalidArgumentError, match="USG-13"):
        usage.tell("echo", "nonsense", on=True)


def test_usg_13_the_switch_survives_a_restart(counting: Server) -> None:
    counting.management.usage.tell("echo", "delay", on=True)
    counting.management.usage.tell("echo", "calls", on=True)
    counting.management.usage.tell("echo", "calls", on=False)
    again = counting.restart()
    assert [p.told for p in again.management.usage.read("echo").parameters] == [False, False, True]


def test_usg_14_a_notification_says_everything(bench: Bench) -> None:
    bench.sets.create("gold")
    bench.sets.tell("calls", on=True)
    bench.sets.tell("delay", on=True)
    bench.default.calls.increment(5)
    bench.time = 6.0
    bench.default.calls.increment(-2)
    bench.default.named("gold").delay.record(9)
    first, second, third = bench.emitted
    assert (first.source, first.set_name, first.parameter, first.is_counter) == (SOURCE, None, "calls", True)
    assert (first.value, first.time, first.sequence) == (5, 5.0, 1)
    assert (second.value, second.time, second.sequence) == (3, 6.0, 2)
    assert (third.set_name, third.parameter, third.is_counter, third.value) == ("gold", "delay", False, 9)
    assert first.type == "usage.subsystem"
    bench.emitted.clear()
    UsageInfo.of(bench.sets, None)
    assert bench.emitted == []
    bench.default.errors.increment()
    bench.sets.reset(None)
    assert [(n.set_name, n.parameter, n.value) for n in bench.emitted] == [(None, "calls", 0)]


def test_usg_15_sets_start_at_zero_and_say_since_when(counting: Server) -> None:
    usage = counting.management.usage
    figures(counting).calls.increment()
    assert usage.read("echo").since == 1_000.0
    counting.time = 1_500.0
    assert usage.reset("echo").since == 1_500.0
    usage.create("echo", "gold")
    figures(counting).calls.increment()
    again = counting.restart()
    info = again.management.usage.read("echo")
    assert (value(info, "calls"), info.since) == (0, 1_000.0)
    bundle = next(bundle for bundle in again.bundles.list() if bundle.id.name == "greeter")
    greeter: Any = again.facilities.usage(again.management.sources.resolve("Greeter/Greeter")).default
    greeter.greeted.increment()
    archive = build(GREETER, build(PLACES))
    again.bundles.uninstall(bundle.id)
    with pytest.raises(UnrecognizedUsageParameterSetNameError):
        greeter.greeted.increment()
    again.install(archive)
    assert value(again.management.usage.read("Greeter/Greeter"), "greeted") == 0


def test_usg_18_updates_are_immediate_and_no_rollback_undoes_them() -> None:
    with World(Counting, failures_allowed=True) as world:
        ours = world.slee.usage(Figures)
        world.do("a", lambda sbb, aci: None)
        assert (ours.calls.value, ours.errors.value, ours.delay.count) == (2, 0, 2)

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.usage.calls.increment(100)
            boom()

        world.do("a", act)
        assert (ours.calls.value, ours.errors.value) == (102, 2)
        resource = world.slee.add_resource("counting", CountingResource(RA))
        resource.context.usage(Figures).calls.increment()


def test_usg_19_a_component_that_does_not_count_has_no_sets(server: Server, tmp_path: Path) -> None:
    server.connect()
    server.install(plain(tmp_path))
    usage = server.management.usage
    lookups: tuple[Callable[[Any], object], ...] = (usage.sets, usage.read, usage.take, usage.reset, usage.reset_all)
    for source in ("echo", "Plain/Plain", SubsystemSource("router")):
        for look_up in (*lookups, lambda source: usage.create(source, "x"), lambda source: usage.remove(source, "x")):
            with pytest.raises(InvalidArgumentError, match="USG-19"):
                look_up(source)
    with pytest.raises(NoUsageParametersInterfaceDefinedError):
        server.adaptor().context.usage(Figures)
    assert usage.reset_service("Plain") == ()
    assert not hasattr(Root, "usage")


def test_usg_19_an_adaptor_asks_for_the_parameters_that_it_declares() -> None:
    class Others(UsageParameters):
        other = counter("Other")

    with World() as world:
        resource = world.slee.add_resource("counting", CountingResource(RA))
        with pytest.raises(TypeError, match="USG-19"):
            resource.context.usage(Others)


def test_usg_20_each_kind_of_source_has_its_own_error(counting: Server) -> None:
    usage = counting.management.usage
    (greeter,) = counting.services.list()
    sbb = SbbID("Greeter", "test", "1.0")
    unknown: dict[NotificationSource | str, type[Exception]] = {
        SbbSource(ServiceID("nobody", "test", "1.0"), sbb): UnrecognizedServiceError,
        SbbSource(greeter.id, SbbID("nobody", "test", "1.0")): UnrecognizedSbbError,
        ResourceSource("nobody"): UnrecognizedResourceAdaptorEntityError,
        ProfileTableSource("nobody"): UnrecognizedProfileTableError,
        SubsystemSource("nobody"): UnrecognizedSubsystemError,
        "nobody": UnrecognizedNotificationSourceError,
    }
    for source, error in unknown.items():
        for look_up in (usage.read, usage.sets, usage.take, usage.reset, usage.reset_all):
            with pytest.raises(error):
                look_up(source)
        with pytest.raises(error):
            usage.create(source, "gold")
        with pytest.raises(error):
            usage.tell(source, "calls", on=True)
    with pytest.raises(UnrecognizedServiceError):
        usage.reset_service("nobody")


def test_usg_21_a_class_declares_counters_and_samples_only() -> None:
    good = counter("Good")
    for members in (
        {"wrong": 5},
        {"good": good, "wrong": "text"},
        {"good": good, "method": lambda self: None},
        {},
        {"not a name": good},
        {"named": good},
        {"parameters": good},
    ):
        with pytest.raises(ComponentDefinitionError, match="USG-21"):
            type("Wrong", (UsageParameters,), dict(members))


def test_usg_21_a_subclass_counts_what_its_parents_count_as_well() -> None:
    class More(Figures):
        more = counter("More")

    assert list(More.parameters) == ["calls", "errors", "delay", "more"]
    assert list(Figures.parameters) == ["calls", "errors", "delay"]


def test_usg_3_an_sbb_declares_its_usage_parameters_once() -> None:
    class Twice(Sbb, vendor="test", version="1.0"):
        one = usage_parameters(Figures)
        two = usage_parameters(Figures)

    class Parent(Sbb, vendor="test", version="1.0"):
        twice = child(Twice)

    with World() as world, pytest.raises(VerificationError, match="USG-3"):
        world.slee.install(Parent)


def test_usg_22_every_parameter_of_every_set_is_a_metric(counting: Server) -> None:
    usage, ours = counting.management.usage, figures(counting)
    usage.create("echo", "gold")
    ours.calls.increment(3)
    ours.named("gold").delay.record(7)
    ours.named("gold").delay.record(9)
    for _ in range(2):  # a scrape resets nothing
        text = generate_latest(registry(counting.kernel, counting.management, lambda: ())).decode()
    lines = set(text.splitlines())
    labels = 'set="gold",source="raentity:echo"'
    assert {
        'slee_usage{parameter="calls",set="",source="raentity:echo"} 3.0',
        'slee_usage{parameter="calls",set="gold",source="raentity:echo"} 0.0',
        'slee_usage{parameter="errors",set="",source="raentity:echo"} 0.0',
        'slee_usage_samples{parameter="delay",set="",source="raentity:echo"} 0.0',
        f'slee_usage_samples{{parameter="delay",{labels}}} 2.0',
        f'slee_usage_sample_accumulated{{parameter="delay",{labels}}} 16.0',
        f'slee_usage_sample_minimum{{parameter="delay",{labels}}} 7.0',
        f'slee_usage_sample_maximum{{parameter="delay",{labels}}} 9.0',
    } <= lines
    assert any('parameter="greeted",set="",source="sbb:ServiceID[name=Greeter' in line for line in lines)

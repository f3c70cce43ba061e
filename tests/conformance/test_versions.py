"""Two versions of a bundle in one process, and what an uninstalled one leaves behind (UPG-1)."""

from __future__ import annotations

import gc
import linecache
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from slee.api.facilities import TraceLevel
from slee.api.ids import BundleID, ServiceID
from slee.management.metrics import registry
from tests.deploy.echo import Heard
from tests.deploy.workshop import Server, build, manifest, service, write

V1 = ServiceID("Plain", "test", "1.0")
V2 = ServiceID("Plain", "test", "2.0")
SHARED = """
from slee import event_type

@event_type("shared.Said", vendor="test", version="1.0")
class Said:
    word: str = ""
"""
SOURCE = """
import enum

from pydantic import BaseModel
from sbbs.shared import Said
from slee import (
    ActivityContext, ActivityContextView, Cmp, Sbb, Select, TimerEvent, UsageParameters,
    cmp, configuration, counter, event_type, fires, handles, initial_event, resource, shared, usage_parameters,
)
from tests.deploy.echo import ECHO, Heard

STATE: list[str] = []


class Mood(enum.Enum):
    GOOD = 1


class Settings(BaseModel):
    word: str = "{version}"


class Count(UsageParameters):
    calls = counter("Calls")


@event_type("own.Note", vendor="test", version="{version}")
class Note:
    text: str = ""


class Call(ActivityContextView):
    state = shared("")


class Plain(Sbb, vendor="test", version="{version}"):
    echo = resource(ECHO)
    usage = usage_parameters(Count)
    settings = configuration(Settings)
    note = fires(Note)
    said = fires(Said)
    mood: Cmp[Mood] = cmp(Mood.GOOD)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_heard(self, event: Heard, aci: ActivityContext) -> None:
        STATE.append(event.words)
        self.usage.calls.increment()
        self.tracer.info("heard")
        self.alarms.raise_alarm("test.heard", "one", level=self.level(), message="heard")
        self.note(Note("x"), aci)
        self.said(Said("x"), aci)

    def level(self):
        from slee import AlarmLevel
        return AlarmLevel.MINOR

    @handles
    def on_note(self, event: Note, aci: Call) -> None:
        aci.state = "noted"
        self.timers.set(aci, after=1)

    @handles
    def on_said(self, event: Said, aci: ActivityContext) -> None:
        self.echo.say(f"{self.settings.word} {{len(STATE)}}")

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        pass
"""


def versions(folder: Path) -> Iterator[object]:
    """A bundle with an event type, and two versions of one that depends on it."""
    text = manifest("shared", "1.0", '"sbbs.shared"')
    yield (lent := build(write(folder / "shared", {"bundle.toml": text, "sbbs/shared.py": SHARED})))
    for version in ("1.0", "2.0"):
        text = manifest("plain", version, more='[depends]\n"shared#test" = "==1.0"\n' + service())
        source = SOURCE.replace("{version}", version).replace("{{", "{").replace("}}", "}")
        yield build(write(folder / version, {"bundle.toml": text, "sbbs/plain.py": source}), lent)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Both versions installed, the first Active."""
    server = Server(tmp_path / "state")
    server.kernel.start()
    server.pump()
    server.install(*versions(tmp_path))
    server.connect()
    server.services.activate([V1])
    yield server
    server.close()


def bundle(version: str) -> BundleID:
    return BundleID("plain", "test", version)


def module(server: Server, version: str) -> object:
    return server.bundles.namespace_of(bundle(version)).load("sbbs.plain")


def test_upg_1_equal_names_do_not_meet_and_the_third_bundle_is_the_same_for_both(server: Server) -> None:
    one, two = module(server, "1.0"), module(server, "2.0")
    for name in ("Plain", "Note", "Mood", "Call", "Count", "STATE"):
        assert getattr(one, name) is not getattr(two, name)
    assert one.Said is two.Said
    server.fire("a", Heard("bob", "hi"))
    server.services.deactivate_and_activate(V1, V2)
    server.fire("b", Heard("bob", "hi"))
    assert server.adaptor().said == ["1.0 1", "2.0 1"]
    assert server.kernel.service(V1).root.fields["mood"].accepts(one.Mood.GOOD)
    assert not server.kernel.service(V1).root.fields["mood"].accepts(two.Mood.GOOD)
    sources = [info.source for info in server.management.tracing.sources() if "Plain" in str(info.source)]
    assert len(sources) == 2
    server.management.tracing.set_level(sources[0], TraceLevel.FINE)
    levels = {str(s): server.management.tracing.level(s).level for s in sources}
    assert sorted(levels.values()) == ["FINE", "INFO"]
    assert [server.management.usage.read(s).parameters[0].value for s in sources] == [1, 1]


def test_upg_1_an_uninstalled_version_leaves_nothing_and_the_other_one_intact(server: Server) -> None:
    server.fire("a", Heard("bob", "hi"))
    threads = set(threading.enumerate())
    server.services.deactivate_and_activate(V1, V2)
    server.fire("b", Heard("bob", "hi"))
    server.kernel.resources["echo"].end_activity("a")
    server.time += 2
    server.pump()
    old = module(server, "1.0")
    left = {name: weakref.ref(getattr(old, name)) for name in ("Plain", "Note", "Mood", "Call", "Count", "Settings")}
    left["module"] = weakref.ref(old)
    prefix, digest = server.bundles.namespace_of(bundle("1.0")).prefix, server.bundles.show(bundle("1.0")).digest
    del old

    server.bundles.uninstall(bundle("1.0"))
    server.observer.changes.clear()
    server.observer.messages.clear()
    gc.collect()
    assert {name for name, reference in left.items() if reference() is not None} == set()
    assert [name for name in sys.modules if name.startswith(prefix)] == []
    assert [name for name in linecache.cache if name.startswith("plain-1.0/")] == []
    assert not (server.path / "bundles" / f"{digest}.whl").exists()
    assert set(threading.enumerate()) == threads
    samples = [
        sample
        for metric in registry(server.kernel, server.management, lambda: ()).collect()
        for sample in metric.samples
    ]
    assert [sample for sample in samples if sample.labels.get("version") == "1.0"] == []
    assert ("own.Note", "1.0") not in {
        (f.event_type.name, f.event_type.version) for f in server.kernel.statistics().events
    }
    assert [alarm for alarm in server.facilities.alarms.active() if "version=1.0" in str(alarm.source.service)] == []
    assert "version=1.0" not in str(server.management.store.desired.services)

    assert server.fire("b", Heard("bob", "hi"))[-1] == "2.0 2"
    assert module(server, "2.0").STATE == ["hi", "hi"]


def test_upg_1_events_of_an_uninstalled_type_that_waited_go_with_the_next_uninstall(server: Server) -> None:
    """Their outcome is still counted (CON-10)."""
    note = module(server, "1.0").Note
    server.fire("a", Heard("bob", "hi"))
    context = server.kernel.resources["echo"].contexts["a"]
    context.accept(server.kernel.firing(note("late"), context))
    server.kernel.remove_event_type(note)
    server.pump()
    assert note in server.kernel.sources
    server.kernel.remove_event_type(module(server, "2.0").Note)
    assert note not in server.kernel.sources

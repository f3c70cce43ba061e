"""One event from an adaptor to an SBB and back: delivery, commit, rollback, reclamation."""

from __future__ import annotations

from slee import (
    ActivityContext,
    Cmp,
    Sbb,
    SbbLocal,
    Select,
    TimerEvent,
    TimerID,
    child,
    cmp,
    event_type,
    fires,
    handles,
    initial_event,
    local,
    resource,
)
from slee.spi import ActivityFlags, EventFlags
from slee.testing import RecordingResource, SleeHarness, recording_type


@event_type("test.Ping", vendor="test", version="1.0")
class Ping:
    number: int = 0


@event_type("test.Pong", vendor="test", version="1.0")
class Pong:
    number: int


RA = recording_type(Ping, Pong)


def number(event: Ping) -> int:
    return event.number


class Tally(Sbb, vendor="test", version="1.0"):
    total: Cmp[int] = cmp(0)

    @local
    def add(self, amount: int) -> int:
        self.total += amount
        return self.total


class Echo(Sbb, vendor="test", version="1.0"):
    ra = resource(RA)
    pong = fires(Pong)
    tally = child(Tally)
    seen: Cmp[int] = cmp(0)
    helper: Cmp[SbbLocal[Tally] | None] = cmp(None)
    timer: Cmp[TimerID | None] = cmp(None)

    @initial_event(selector=number)
    def on_ping(self, event: Ping, aci: ActivityContext) -> None:
        self.seen += 1
        if self.helper is None:
            self.helper = self.tally.create()
        total = self.helper.add(event.number)
        self.ra.send(f"ping {event.number} seen {self.seen} total {total}")
        self.pong(Pong(event.number), aci)
        if event.number == 13:
            raise RuntimeError("unlucky")
        self.timer = self.timers.set(aci, after=5)

    @handles
    def on_pong(self, event: Pong, aci: ActivityContext) -> None:
        self.ra.send(f"pong {event.number}")

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        self.ra.send("timer")
        aci.detach(self)


def test_committed_delivery_hands_over_outputs_events_and_timers() -> None:
    with SleeHarness() as slee:
        ra = slee.add_resource("test", RecordingResource(RA))
        slee.install(Echo)
        ra.endpoint.start_activity("a", "activity", ActivityFlags.ENDED | ActivityFlags.UNREFERENCED)
        ra.endpoint.fire("a", Ping(7), flags=EventFlags.PROCESSING_SUCCESSFUL)
        ra.endpoint.fire("a", Ping(7))
        slee.run()
        assert ra.commands == ["ping 7 seen 1 total 7", "ping 7 seen 2 total 14", "pong 7", "pong 7"]
        assert ("event_processing_successful", "a", Ping(7), 0x120) in ra.callbacks
        assert len(slee.entities(Echo)) == 1
        slee.advance(5)
        assert ra.commands[-1] == "timer"
        assert slee.entities(Echo) == []
        assert ("activity_unreferenced", "a") in ra.callbacks
        ra.endpoint.end_activity("a")
        slee.run()
        assert ra.callbacks[-1] == ("activity_ended", "a")


def test_raising_handler_leaves_no_trace() -> None:
    with SleeHarness(failures_allowed=True, leftovers_allowed=True) as slee:
        ra = slee.add_resource("test", RecordingResource(RA))
        slee.install(Echo)
        ra.endpoint.start_activity("a", "activity")
        ra.endpoint.fire("a", Ping(13), flags=EventFlags.PROCESSING_SUCCESSFUL)
        slee.run()
        assert ra.commands == []
        assert slee.entities(Echo) == []
        assert slee.kernel.statistics().timers == 0
        assert [type(failure.cause) for failure in slee.failures] == [RuntimeError]
        assert ra.callbacks[-1] == ("event_processing_successful", "a", Ping(13), 0x320)
        assert all(s.entities == 0 for s in slee.kernel.statistics().services)


class Caller(Sbb, vendor="test", version="1.0"):
    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_ping(self, event: Ping, aci: ActivityContext) -> None: ...


def test_end_of_activity_detaches_and_reclaims() -> None:
    with SleeHarness() as slee:
        ra = slee.add_resource("test", RecordingResource(RA))
        slee.install(Caller)
        for handle in ("a", "b"):
            ra.endpoint.start_activity(handle, "activity")
            ra.endpoint.fire(handle, Ping())
        slee.run()
        assert len(slee.entities(Caller)) == 2
        ra.endpoint.end_activity("a")
        slee.run()
        assert len(slee.entities(Caller)) == 1
        ra.endpoint.start_activity("a", "again")
        slee.kernel.stop(within=3)
        slee.advance(3)
        assert slee.kernel.state.value == "Stopped"

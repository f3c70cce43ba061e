"""A service whose state tells which events, timers and children's events it has handled, and the adaptor that asks it.

It is installed three times, once in each durability class. Work of a serial number is done for a key; the entity of the
key writes the number into its log, so that after a crash its state says what it has seen. What it does besides (timers,
children, events of its own) leaves numbers of its own, made of the serial.
"""

from __future__ import annotations

from typing import Any

from slee import (
    ActivityContext,
    ActivityEnd,
    Cmp,
    EventContext,
    PreserveMissed,
    Profile,
    Sbb,
    TimerEvent,
    TimerID,
    attribute,
    child,
    cmp,
    event_type,
    fires,
    handles,
    initial_event,
    profiles,
    resource,
)
from slee.api.errors import FireEventError
from slee.testing import RecordingResource, recording_type


class Boom(Exception):
    """What a delivery fails with on purpose."""


@event_type("simulation.Work", vendor="test", version="1.0")
class Work:
    """Something to do for a key; `tasks` are words."""

    serial: int
    key: str
    tasks: tuple[str, ...]
    after: float


@event_type("simulation.Note", vendor="test", version="1.0")
class Note:
    """What the keeper tells itself and its children; it holds the event for so many seconds before they get it."""

    serial: int
    hold: float


RA = recording_type(Work, Note)


def key_of(event: Work) -> str:
    return event.key


class Helper(Sbb, vendor="test", version="1.0"):
    """A child: attached to the keeper's activity, it sees notes and timers, too."""

    notes: Cmp[tuple[int, ...]] = cmp(())
    firings: Cmp[tuple[tuple[TimerID, int], ...]] = cmp(())

    @handles
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        self.notes = (*self.notes, event.serial)

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        self.firings = (*self.firings, (event.timer_id, event.remaining or 0))


class Ledger(Profile, vendor="test", version="1.0"):
    """What a keeper has done, once more: kept in a profile, which outlives keepers of every class."""

    serials: tuple[int, ...] = ()
    last: int | None = attribute(None, unique=True)
    """The last serial, made the keeper's own: of a work that several do, each has another."""


class Keeper(Sbb, vendor="test", version="1.0"):
    """Lives on a null activity of its own."""

    ra = resource(RA)
    ledgers = profiles(Ledger)
    note = fires(Note)
    helpers = child(Helper)
    key: Cmp[str] = cmp("")
    log: Cmp[tuple[int, ...]] = cmp(())
    notes: Cmp[tuple[int, ...]] = cmp(())
    armed: Cmp[tuple[tuple[TimerID, int], ...]] = cmp(())
    """Timers set, with the firings that each is to have."""
    firings: Cmp[tuple[tuple[TimerID, int], ...]] = cmp(())
    home: Cmp[ActivityContext | None] = cmp(None)

    @initial_event(selector=key_of)
    def on_work(self, event: Work, aci: ActivityContext) -> None:
        home = self.home
        if home is None:
            home = self.home = self.null_activities.create()
            home.attach(self)
            self.key = event.key
            self.naming.bind(home, f"{self.service_id.name}/{event.key}")
        self.log = (*self.log, event.serial)
        self._enter(event.serial)
        aci.detach(self)
        for task in event.tasks:
            if home.is_ending:
                break
            self._do(task, event, home)
        if "quiet" not in event.tasks:
            self.ra.send(f"work {self.service_id.name} {event.key} {event.serial}")

    def _enter(self, serial: int) -> None:
        """Write the work into the ledger of the keeper, too."""
        name = f"{self.service_id.name}/{self.key}"
        ledger = self.ledgers.find(name) or self.ledgers.create(name)
        ledger.serials = (*ledger.serials, serial)
        ledger.last = 3 * serial + ("sync", "async", "memory").index(self.service_id.name)

    def _do(self, task: str, event: Work, home: ActivityContext) -> None:
        if task == "timer":
            self.armed = (*self.armed, (self.timers.set(home, after=event.after), 1))
        elif task == "repeat":
            timer = self.timers.set(
                home,
                after=event.after,
                period=event.after / 2,
                repetitions=3,
                preserve_missed=PreserveMissed.ALL,
            )
            self.armed = (*self.armed, (timer, 3))
        elif task == "cancel":
            if self.armed:
                timer, _ = self.armed[-1]
                self.timers.cancel(timer)
                self.armed = self.armed[:-1]
        elif task == "help":
            if len(self.helpers) < 3:
                home.attach(self.helpers.create())
        elif task in ("note", "hold"):
            self.note(Note(event.serial, event.after if task == "hold" else 0.0), home)
        elif task == "end":
            home.activity.end()
        elif task == "boom":
            raise Boom(task)

    @handles
    def on_note(self, event: Note, aci: ActivityContext, event_context: EventContext) -> None:
        self.notes = (*self.notes, event.serial)
        if event.hold:
            event_context.suspend(timeout=event.hold)
        self.ra.send(f"note {self.service_id.name} {self.key} {event.serial}")

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        remaining = event.remaining or 0
        self.firings = (*self.firings, (event.timer_id, remaining))
        self.ra.send(f"timer {self.service_id.name} {self.key} {remaining}")

    @handles
    def on_activity_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        self.ra.send(f"end {self.service_id.name} {self.key} 0")


class Prober(RecordingResource):
    """Asks the keepers; tells the world at once what it is handed, for its own memory dies with the process."""

    def __init__(self, handed: Any) -> None:
        super().__init__(RA)
        self._handed = handed

    def note(self, callback: str, *arguments: object) -> None:
        """Callbacks are of no interest here."""

    def perform(self, command: Any) -> None:
        self._handed(command.command)

    def ask(self, work: Work, service: Any) -> bool:
        """Ask, and say whether that was accepted (DUR-13)."""
        handle = f"work-{work.serial}"
        self.endpoint.start_activity(handle, handle)
        try:
            self.endpoint.fire(handle, work, None, service)
        except FireEventError:
            return False
        finally:
            self.endpoint.end_activity(handle)
            self.context.pump()
        return True


__all__ = ["RA", "Boom", "Helper", "Keeper", "Ledger", "Note", "Prober", "Work"]

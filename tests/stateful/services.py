"""Two services whose SBBs do what the event tells them, and a board on which they leave what the test looks at.

Event number n carries scripts: the first entity that gets it plays the first one, and so on. A script is a sequence of
operations, tuples that begin with a word; any of them may be the failure that rolls all of it back.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from slee import (
    ActivityContext,
    ActivityEnd,
    Cmp,
    EventContext,
    RolledBackContext,
    Sbb,
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
from slee.api.errors import InvalidStateError, NotAttachedError, TransactionRolledBackError
from slee.testing import recording_type

Script = tuple[tuple[Any, ...], ...]


class Boom(Exception):
    """What a script raises."""


@dataclass
class Board:
    """What the SBBs share with the test; none of it is undone by rollback."""

    contexts: dict[str, Any] = field(default_factory=dict)
    """By label: a handle, or n and a number for a null activity."""
    names: dict[str, str] = field(default_factory=lambda: {"null": "", "here": ""})
    """What these words stand for: the null activity made last, and the context of the delivery."""
    scripts: dict[int, tuple[Script, ...]] = field(default_factory=dict)
    deliveries: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    log: list[tuple[int, int, str]] = field(default_factory=list)
    """Every handler call: event, entity, context."""
    held: dict[str, EventContext] = field(default_factory=dict)
    """The event delivered last on each context."""
    timers: dict[TimerID, int] = field(default_factory=dict)
    last_timer: TimerID | None = None
    serial: int = 0

    def number(self) -> int:
        self.serial += 1
        return self.serial

    def label(self, aci: ActivityContext) -> str:
        return next(label for label, context in self.contexts.items() if context is aci)

    def context(self, name: str) -> ActivityContext | None:
        found: ActivityContext | None = self.contexts.get(self.names.get(name, name))
        return found


BOARD = Board()


@event_type("stateful.Go", vendor="test", version="1.0")
class Go:
    """Initial for both services."""

    number: int
    key: str


@event_type("stateful.Note", vendor="test", version="1.0")
class Note:
    """Goes to whoever is attached."""

    number: int


RA = recording_type(Go, Note)


def key(event: Go) -> str:
    return event.key


class Part(Sbb, vendor="test", version="1.0"):
    """What the SBBs of the tree have in common."""

    ra = resource(RA)
    go = fires(Go)
    note = fires(Note)
    label: Cmp[int] = cmp(0)
    hits: Cmp[int] = cmp(0)

    def sbb_create(self) -> None:
        self.label = BOARD.number()

    @handles
    def on_note(self, event: Note, aci: ActivityContext, event_context: EventContext) -> None:
        play(self, event.number, aci, event_context)

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext, event_context: EventContext) -> None:
        play(self, BOARD.timers[event.timer_id], aci, event_context)

    @local
    def poke(self, *, fails: bool) -> None:
        self.hits += 1
        if fails:
            raise Boom


class Twig(Part, vendor="test", version="1.0"):
    """Does not handle the end of an activity."""


class Branch(Part, vendor="test", version="1.0"):
    parts = child(Twig, default_priority=1)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext, event_context: EventContext) -> None:
        play(self, 0, aci, event_context)


class Root(Part, vendor="test", version="1.0"):
    parts = child(Branch)

    @initial_event(selector=key)
    def on_go(self, event: Go, aci: ActivityContext, event_context: EventContext) -> None:
        play(self, event.number, aci, event_context)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext, event_context: EventContext) -> None:
        play(self, 0, aci, event_context)

    def sbb_rolled_back(self, context: RolledBackContext) -> None:
        self.ra.send(f"rolled back {self.label}")


MASKS: dict[str, type] = {"note": Note, "timer": TimerEvent}


def play(sbb: Any, number: int, aci: ActivityContext, event_context: EventContext) -> None:
    """Handle event `number`: leave traces, transacted and not, and play the script whose turn it is."""
    BOARD.names["here"] = label = BOARD.label(aci)
    BOARD.held[label] = event_context
    BOARD.log.append((number, sbb.label, label))
    sbb.hits += 1
    sbb.ra.send(f"{number} at {sbb.label}")
    turn = BOARD.deliveries[number]
    BOARD.deliveries[number] += 1
    scripts = BOARD.scripts.get(number, ())
    for operation in scripts[turn] if turn < len(scripts) else ():
        with suppress(InvalidStateError, NotAttachedError, TransactionRolledBackError):
            if _perform(sbb, *operation):
                return


def _perform(sbb: Any, word: str, *arguments: Any) -> bool:
    """One operation; `True` if it is the last, for the entity has removed itself."""
    if word in {"boom", "mark"}:
        sbb.set_rollback_only()
        if word == "boom":
            raise Boom
    elif word in {"create", "remove", "poke", "priority"}:
        return _with_tree(sbb, word, *arguments)
    elif word in {"suspend", "resume"}:
        held = BOARD.held.get(BOARD.names.get(arguments[0], arguments[0]))
        if held is not None and word == "suspend":
            held.suspend(timeout=arguments[1])
        elif held is not None:
            held.resume()
    elif word == "open":
        BOARD.names["null"] = label = f"n{BOARD.number()}"
        BOARD.contexts[label] = aci = sbb.null_activities.create()
        if arguments[0]:
            aci.attach(sbb)
    elif word == "cancel":
        if BOARD.last_timer is not None:
            sbb.timers.cancel(BOARD.last_timer)
    else:
        aci = BOARD.context(arguments[0])
        if aci is not None:
            _with_context(sbb, aci, word, *arguments[1:])
    return False


def _with_context(sbb: Any, aci: Any, word: str, *arguments: Any) -> None:
    if word == "attach":
        aci.attach(sbb)
    elif word == "detach":
        aci.detach(sbb)
    elif word == "mask":
        aci.mask_events(sbb, {MASKS[name] for name in arguments[0]})
    elif word == "close":
        aci.activity.end()
    elif word == "timer":
        after, scripts = arguments
        timer = sbb.timers.set(aci, after=after)
        BOARD.last_timer = timer
        BOARD.timers[timer] = number = BOARD.number()
        BOARD.scripts[number] = scripts
    else:
        name, scripts = arguments
        number = BOARD.serial + 1
        if word == "note":
            sbb.note(Note(number), aci)
        else:
            sbb.go(Go(number, name), aci)
        BOARD.scripts[BOARD.number()] = scripts


def _with_tree(sbb: Any, word: str, *arguments: Any) -> bool:
    if word == "create":
        if isinstance(sbb, Root | Branch):
            made = sbb.parts.create()
            aci = BOARD.context(arguments[0])
            if aci is not None:
                aci.attach(made)
        return False
    who, *rest = arguments
    parts = list(sbb.parts) if isinstance(sbb, Root | Branch) else []
    if who < 0 or not parts:
        if word == "priority":
            sbb.local.priority = rest[0]
        elif word == "remove":
            sbb.local.remove()
            return True
        return False
    chosen = parts[who % len(parts)]
    if word == "priority":
        chosen.priority = rest[0]
    elif word == "remove":
        chosen.remove()
    else:
        chosen.poke(fails=rest[0])
    return False

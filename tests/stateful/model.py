"""A small model of the SLEE: flat data, no transaction but a copy of all of it, everything searched anew each time.

The test tells the model on which context the kernel made a step, for no order is promised between contexts; all that
happens on it, and what follows from it, the model works out by itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

ALL = ("note", "timer")
HANDLES = {"root": (*ALL, "go", "end"), "branch": (*ALL, "end"), "twig": ALL}
BELOW = {"root": ("branch", 0), "branch": ("twig", 1)}
SUSPENSION = 60.0


@dataclass
class Entity:
    kind: str
    service: str
    parent: int | None
    priority: int
    key: str = ""
    hits: int = 0


@dataclass
class Event:
    number: int
    kind: str
    key: str = ""
    target: str | None = None
    initial: list[str] | None = None
    served: list[int] = field(default_factory=list)
    resumes: float | None = None
    """When it is resumed, if it is suspended."""


@dataclass
class Context:
    ending: bool = False
    queue: list[Event] = field(default_factory=list)
    attached: dict[int, frozenset[str]] = field(default_factory=dict)
    timers: dict[int, float] = field(default_factory=dict)


@dataclass
class State:
    """All that a transaction changes."""

    contexts: dict[str, Context] = field(default_factory=dict)
    entities: dict[int, Entity] = field(default_factory=dict)
    fired: list[tuple[str, Event]] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)

    def copied(self) -> State:
        contexts = {
            label: replace(
                context,
                queue=[replace(event, served=list(event.served)) for event in context.queue],
                attached=dict(context.attached),
                timers=dict(context.timers),
            )
            for label, context in self.contexts.items()
        }
        entities = {label: replace(entity) for label, entity in self.entities.items()}
        return State(contexts, entities, list(self.fired), list(self.sent))


class Model:
    def __init__(self, priorities: dict[str, int]) -> None:
        self.priorities = priorities
        self.services = dict.fromkeys(priorities, "Active")
        self.state = State()
        self.now = 0.0
        self.serial = self.last_timer = 0
        self.names = {"null": "", "here": ""}
        self.deliveries: dict[int, int] = {}
        self.scripts: dict[int, Any] = {}
        self.log: list[tuple[int, int, str]] = []

    def number(self) -> int:
        self.serial += 1
        return self.serial

    # What happens from outside.

    def accept(self, label: str, event: Event) -> None:
        self.state.contexts[label].queue.append(event)

    def end(self, label: str) -> None:
        context = self.state.contexts[label]
        if not context.ending:
            context.ending = True
            context.timers.clear()
            self.accept(label, Event(0, "end"))

    def move_to(self, now: float) -> None:
        self.now = now
        for label, context in self.state.contexts.items():
            for number, due in sorted(context.timers.items(), key=lambda timer: (timer[1], timer[0])):
                if due <= now:
                    del context.timers[number]
                    self.accept(label, Event(number, "timer"))
            for event in context.queue[:1]:
                if event.resumes is not None and event.resumes <= now:
                    event.resumes = None
        self.settle()

    def settle(self) -> None:
        """Trees that nothing holds go, then null activities, then services that stop."""
        roots = [label for label, entity in self.state.entities.items() if entity.parent is None]
        for root in roots:
            if self.count(root) == 0:
                self.remove(root)
        for label, context in self.state.contexts.items():
            if label.startswith("n") and not (context.attached or context.queue or context.timers):
                self.end(label)
        for name, state in self.services.items():
            if state == "Stopping" and not any(e.service == name for e in self.state.entities.values()):
                self.services[name] = "Inactive"

    # The tree.

    def children(self, label: int) -> list[int]:
        return [child for child, entity in self.state.entities.items() if entity.parent == label]

    def count(self, label: int) -> int:
        own = sum(label in context.attached for context in self.state.contexts.values())
        return own + sum(map(self.count, self.children(label)))

    def remove(self, label: int) -> None:
        for child in self.children(label):
            self.remove(child)
        for context in self.state.contexts.values():
            context.attached.pop(label, None)
        del self.state.entities[label]

    def path(self, label: int | None) -> tuple[int, ...]:
        entity = self.state.entities.get(label) if label is not None else None
        return () if entity is None else (*self.path(entity.parent), -entity.priority)

    # One step of the router on a context.

    def ready(self) -> list[str]:
        return [label for label, c in self.state.contexts.items() if c.queue and c.queue[0].resumes is None]

    def step(self, label: str) -> str:
        context = self.state.contexts[label]
        event = context.queue[0]
        assert event.resumes is None, "the event is suspended"
        if event.initial is None:
            active = [name for name, state in self.services.items() if state == "Active"]
            names = sorted(active, key=lambda name: -self.priorities[name]) if event.kind == "go" else []
            event.initial = [name for name in names if event.target in {None, name}]
        while True:
            best = min(self.candidates(context, event), key=lambda e: (self.path(e), e), default=None)
            first = event.initial[0] if event.initial else None
            if first is not None and (best is None or self.priorities[first] >= -self.path(best)[0]):
                event.initial.pop(0)
                if self.services[first] == "Active" and self.initial(label, event, first):
                    return "delivery"
            elif best is not None:
                self.deliver(label, event, best)
                return "delivery"
            else:
                context.queue.pop(0)
                if event.kind == "end":
                    del self.state.contexts[label]
                self.settle()
                return "end"

    def candidates(self, context: Context, event: Event) -> list[int]:
        return [
            label
            for label, mask in context.attached.items()
            if event.kind in HANDLES[self.state.entities[label].kind]
            and event.kind not in mask
            and label not in event.served
            and event.target in {None, self.state.entities[label].service}
        ]

    def initial(self, label: str, event: Event, service: str) -> bool:
        roots = [
            e for e, x in self.state.entities.items() if (x.parent, x.service, x.key) == (None, service, event.key)
        ]
        if not roots:
            self.deliver(label, event, None, service)
        elif roots[0] in event.served:
            return False
        else:
            self.deliver(label, event, roots[0])
        return True

    def deliver(self, label: str, event: Event, who: int | None, service: str = "") -> None:
        saved = self.state.copied()
        made = who is None
        if who is None:
            who = self.number()
            self.state.entities[who] = Entity("root", service, None, self.priorities[service], event.key)
        self.state.contexts[label].attached.setdefault(who, frozenset())
        for state in (saved, self.state):
            state.contexts[label].queue[0].served.append(who)
        marked = self.play(label, event, who)
        if marked:
            self.state = saved
            if not made and self.state.entities[who].kind == "root":
                self.state.sent.append(f"rolled back {who}")
        else:
            for target, fired in self.state.fired:
                self.accept(target, fired)
            self.state.fired.clear()
        if event.kind == "end":
            self.state.contexts[label].attached.pop(who, None)
        self.settle()

    def play(self, label: str, event: Event, who: int) -> bool:
        """Run a handler; whether its transaction is marked."""
        self.names["here"] = label
        self.log.append((event.number, who, label))
        self.state.entities[who].hits += 1
        self.state.sent.append(f"{event.number} at {who}")
        turn = self.deliveries.get(event.number, 0)
        self.deliveries[event.number] = turn + 1
        scripts = self.scripts.get(event.number, ())
        marked = False
        for word, *arguments in scripts[turn] if turn < len(scripts) else ():
            if word == "boom":
                return True
            marked = self.perform(who, word, *arguments) or marked
            if who not in self.state.entities:
                break
        return marked

    # What a handler does; `True` if that marks the transaction.

    def perform(self, who: int, word: str, *arguments: Any) -> bool:
        if word in {"create", "remove", "poke", "priority"}:
            return self.with_tree(who, word, *arguments)
        if word == "open":
            self.names["null"] = label = f"n{self.number()}"
            self.state.contexts[label] = Context(attached={who: frozenset()} if arguments[0] else {})
        elif word == "cancel":
            for every in self.state.contexts.values():
                every.timers.pop(self.last_timer, None)
        elif word != "mark":
            context = self.state.contexts.get(self.names.get(arguments[0], arguments[0]))
            if context is not None:
                self.with_context(who, context, word, *arguments)
        return word == "mark"

    def with_context(self, who: int, context: Context, word: str, name: str, *arguments: Any) -> None:
        event = context.queue[0] if context.queue and context.queue[0].served else None
        label = self.names.get(name, name)
        if word == "attach":
            context.attached.setdefault(who, frozenset())
        elif word == "detach":
            context.attached.pop(who, None)
        elif word == "mask" and who in context.attached:
            context.attached[who] = frozenset(arguments[0])
        elif word == "suspend" and event is not None and event.resumes is None:
            event.resumes = self.now + (arguments[0] or SUSPENSION)
        elif word == "resume" and event is not None:
            event.resumes = None
        elif word == "close" and not context.ending:
            context.ending = True
            context.timers.clear()
            self.state.fired.append((label, Event(0, "end")))
        elif word == "timer" and not context.ending:
            self.last_timer = self.number()
            context.timers[self.last_timer] = self.now + arguments[0]
            self.scripts[self.last_timer] = arguments[1]
        elif word in {"note", "go"} and not context.ending:
            number = self.number()
            self.scripts[number] = arguments[1]
            self.state.fired.append((label, Event(number, word, arguments[0])))

    def with_tree(self, who: int, word: str, *arguments: Any) -> bool:
        entities, kind = self.state.entities, self.state.entities[who].kind
        if word == "create":
            if kind in BELOW:
                below, priority = BELOW[kind]
                entities[made := self.number()] = Entity(below, entities[who].service, who, priority)
                context = self.state.contexts.get(self.names.get(arguments[0], arguments[0]))
                if context is not None:
                    context.attached[made] = frozenset()
            return False
        children = self.children(who)
        chosen = children[arguments[0] % len(children)] if children and arguments[0] >= 0 else who
        if word == "priority":
            entities[chosen].priority = arguments[1]
        elif word == "remove":
            self.remove(chosen)
        elif chosen != who:
            entities[chosen].hits += 1
            return bool(arguments[1])
        return False

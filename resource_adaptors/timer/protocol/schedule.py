"""One schedule: what it was asked to do, and how far it has come."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final, TypeAlias, cast

import msgspec

from resource_adaptors.timer.protocol.timing import Occurrences, Timing

Payload: TypeAlias = "bool | int | float | str | bytes | tuple[Payload, ...] | None"
"""What a schedule carries to its events: immutable, at most 4 KiB encoded (TIM-1)."""


class Missed(enum.Enum):
    """What becomes of occurrences that could not fire in time (TIM-13)."""

    ALL = "all"
    """Each fires, up to the configured number; of more the latest ones."""
    LAST = "last"
    """One fires, and says how many were missed."""
    SKIP = "skip"
    """None fires; `ScheduleMissed` tells of them."""


class Overlap(enum.Enum):
    """What becomes of an occurrence while the work of the one before goes on (TIM-14)."""

    ALLOW = "allow"
    SKIP = "skip"
    QUEUE_ONE = "queue_one"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was asked of a schedule (TIM-1)."""

    name: str
    timing: Timing
    payload: object = None
    """A `Payload`."""
    priority: int = 0
    """Of two that are due at once the higher one fires first."""
    missed: Missed = Missed.LAST
    overlap: Overlap = Overlap.ALLOW
    jitter: float = 0.0
    """Seconds by which an occurrence may fire late, drawn for each (TIM-15)."""
    valid_from: float | None = None
    valid_until: float | None = None
    retries: int = 0
    """How often an occurrence fires again if every handler rolled back (TIM-17)."""
    retry_delay: float = 1.0
    is_private: bool = False
    """Whether the payload is masked in traces (TIM-32)."""


KINDS: Final[tuple[str, ...]] = ("once", "every", "cron", "calendar")


class Progress(msgspec.Struct, kw_only=True):
    """How far a schedule has come; with its plan all that has to survive a restart (TIM-24)."""

    created: float
    due: float | None = None
    """The next occurrence, `None` if none is left."""
    draw: float = 0.0
    """Jitter drawn for it."""
    index: int = 0
    """Number of the next occurrence, counting the missed ones."""
    is_suspended: bool = False
    retry_due: float | None = None
    """When the last occurrence fires once more."""
    retried: int = 0
    last_due: float | None = None
    last_index: int = -1


class Record(msgspec.Struct, frozen=True):
    """A schedule as it is kept."""

    version: int
    plan: Plan
    progress: Progress
    owner: str | None
    """Service that made it; `None` for one of the configuration (TIM-23, TIM-32)."""


class Schedule:
    """A schedule at work."""

    __slots__ = (
        "failures",
        "generation",
        "handle",
        "is_held",
        "is_running",
        "occurrences",
        "owner",
        "plan",
        "postponed",
        "progress",
    )

    def __init__(
        self, handle: str, plan: Plan, occurrences: Occurrences, progress: Progress, owner: str | None
    ) -> None:
        self.handle = handle
        self.plan = plan
        self.occurrences = occurrences
        self.progress = progress
        self.owner = owner
        self.generation = 0
        """Raised whenever its place in the queue is given up."""
        self.is_running = False
        """Whether an entity attached since the last run is attached still (TIM-14)."""
        self.is_held = True
        """Whether something refers to its activity."""
        self.postponed = False
        """Whether an occurrence waits for the end of the run before (TIM-14)."""
        self.failures = 0
        """Runs in a row whose handlers all rolled back (TIM-30)."""

    @property
    def kind(self) -> str:
        """`once`, `every`, `cron` or `calendar`."""
        return type(self.plan.timing).__name__.lower()

    def record(self) -> bytes:
        """The schedule as it is kept (TIM-24)."""
        return msgspec.msgpack.encode(Record(1, self.plan, self.progress, self.owner))


def read_record(data: bytes) -> Record:
    """A schedule as it was kept; `msgspec.ValidationError` if it is none."""
    record = msgspec.msgpack.decode(data, type=Record)
    plan = msgspec.structs.replace(record.plan, payload=frozen(record.plan.payload))
    return msgspec.structs.replace(record, plan=plan)


def frozen(payload: object) -> object:
    """The payload as it was given: the codec makes lists of tuples."""
    if isinstance(payload, list | tuple):
        return tuple(frozen(member) for member in cast("Iterable[object]", payload))
    return payload

"""One schedule: what it was asked to do, and how far it has come."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final, TypeAlias, cast

import msgspec

from resource_adaptors.timer.protocol.timing import Every, Occurrences, Timing
from slee.api.ids import ServiceID

Scalar: TypeAlias = bool | int | float | str | bytes | None
Payload: TypeAlias = Scalar | tuple[Scalar | tuple[Scalar, ...], ...]
"""What a schedule carries to its events: immutable, at most 4 KiB encoded (TIM-1)."""


class Origin(enum.Enum):
    """Who made a schedule (TIM-23)."""

    SERVICE = "service"
    CONFIGURATION = "configuration"
    BUNDLE = "bundle"
    """Its service's manifest declares it."""
    OPERATOR = "operator"


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


class Plan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
RECORD_VERSION: Final = 1


class Progress(msgspec.Struct, kw_only=True, gc=False):
    """How far a schedule has come; with its plan all that has to survive a restart (TIM-24)."""

    created: float
    """On the schedule's own time line, as every time here."""
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
    pending: int = 0
    """Occurrences fired and not yet processed."""
    before: tuple[int, ...] | None = None
    """Entities that were attached before the last run, of which others are; `None` before the first (TIM-14)."""

    def moved(self, seconds: float) -> Progress:
        """The same on another time line."""
        if not seconds:
            return self
        return msgspec.structs.replace(
            self,
            created=self.created + seconds,
            due=None if self.due is None else self.due + seconds,
            retry_due=None if self.retry_due is None else self.retry_due + seconds,
            last_due=None if self.last_due is None else self.last_due + seconds,
        )


class Record(msgspec.Struct, frozen=True):
    """A schedule as it is kept; its times are of the wall clock."""

    version: int
    plan: Plan
    progress: Progress
    service: str | None
    """Service that it belongs to, and is fired to alone; `None` for one that is fired to all (TIM-32)."""
    origin: Origin


class Schedule:
    """A schedule at work."""

    __slots__ = ("failures", "generation", "handle", "occurrences", "origin", "owed", "plan", "progress", "service")

    def __init__(
        self,
        handle: str,
        plan: Plan,
        occurrences: Occurrences,
        progress: Progress,
        *,
        service: ServiceID | None = None,
        origin: Origin = Origin.SERVICE,
    ) -> None:
        self.handle = handle
        self.plan = plan
        self.occurrences = occurrences
        self.progress = progress
        self.service = service
        self.origin = origin
        self.generation = 0
        """Raised whenever its place in the queue is given up."""
        self.owed = 0
        """Overdue occurrences that fire all the same: judged already (TIM-13)."""
        self.failures = 0
        """Runs in a row whose handlers all rolled back (TIM-30)."""

    @property
    def is_steady(self) -> bool:
        """Whether its time line is the steady one."""
        return is_steady(self.plan.timing)

    @property
    def kind(self) -> str:
        """`once`, `every`, `cron` or `calendar`."""
        return type(self.plan.timing).__name__.lower()

    def record(self, shift: float = 0.0) -> bytes:
        """The schedule as it is kept (TIM-24); `shift` is what the wall clock shows more than the steady one."""
        progress = self.progress.moved(shift) if self.is_steady else self.progress
        service = None if self.service is None else str(self.service)
        return msgspec.msgpack.encode(Record(RECORD_VERSION, self.plan, progress, service, self.origin))


def is_steady(timing: Timing) -> bool:
    """Whether the time line is that of a clock that nobody steps: of a period counted from the creation."""
    return isinstance(timing, Every) and timing.start is None


def read_record(data: bytes) -> Record:
    """A schedule as it was kept.

    Raises:
        msgspec.ValidationError: it is none.
        ValueError: a newer program wrote it.
    """
    record = msgspec.msgpack.decode(data, type=Record)
    if record.version > RECORD_VERSION:
        raise ValueError(
            f"schedule {record.plan.name}: its record has version {record.version}, and this program reads versions up "
            f"to {RECORD_VERSION} [DUR-12]; start the newer program that wrote it"
        )
    plan = msgspec.structs.replace(record.plan, payload=frozen(record.plan.payload))
    return msgspec.structs.replace(record, plan=plan)


def frozen(payload: object) -> object:
    """The payload as it was given: the codec makes lists of tuples."""
    if isinstance(payload, list | tuple):
        return tuple(frozen(member) for member in cast("Iterable[object]", payload))
    return payload

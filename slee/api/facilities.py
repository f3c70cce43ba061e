"""What an SBB reaches through `self`: timers, names, null activities, tracer, alarms, tables."""

from __future__ import annotations

import enum
from abc import abstractmethod
from typing import Generic, TypeVar

import msgspec

from slee.api.activity import ActivityContext, PreserveMissed
from slee.api.address import Address
from slee.api.event import TimerID
from slee.api.ids import ProfileSpecificationID
from slee.api.source import NotificationSource

R = TypeVar("R", bound=msgspec.Struct)


class TimerFacility:
    """Sets timers on activity contexts; each occurrence is a `TimerEvent` there (group TMR)."""

    __slots__ = ()

    @property
    @abstractmethod
    def resolution(self) -> float:
        """Seconds within which an occurrence is released after its time (TMR-14)."""

    @property
    @abstractmethod
    def default_timeout(self) -> float:
        """Seconds after which an occurrence is late, where `timeout` is not given (TMR-12)."""

    @abstractmethod
    def set(
        self,
        aci: ActivityContext,
        *,
        at: float | None = None,
        after: float | None = None,
        period: float | None = None,
        repetitions: int | None = None,
        address: Address | None = None,
        preserve_missed: PreserveMissed = PreserveMissed.LAST,
        timeout: float = 0.0,
    ) -> TimerID:
        """Set a timer; give exactly one of `at` (seconds since the epoch) and `after` (seconds from this delivery).

        Args:
            aci: the context on which the occurrences are fired.
            period: seconds between occurrences; without it the timer occurs once.
            repetitions: number of occurrences in all; 0, the default with a period, means without end.
            preserve_missed: what becomes of late occurrences.
            timeout: seconds after which an occurrence is late; 0 for the facility's default.

        Raises:
            TypeError: `aci` is `None`, or not exactly one of `at` and `after` is given.
            ValueError: a number is out of range (TMR-5).
            InvalidStateError: the context is Ending or Invalid (TMR-6).
        """

    @abstractmethod
    def cancel(self, timer_id: TimerID) -> None:
        """Cancel a timer; without effect if it is unknown, expired or cancelled (TMR-10)."""

    @abstractmethod
    def find_context(self, timer_id: TimerID) -> ActivityContext | None:
        """The context on which the timer was set, `None` once its activity has ended (TMR-23)."""


class NamingFacility:
    """Names for activity contexts, in one flat space for the whole SLEE (group NAM)."""

    __slots__ = ()

    @abstractmethod
    def bind(self, aci: ActivityContext, name: str) -> None:
        """Give the context a name; raises `NameAlreadyBoundError` if the name is in use (NAM-2)."""

    @abstractmethod
    def unbind(self, name: str) -> None:
        """Take a name away; raises `NameNotBoundError` if it is not bound (NAM-5)."""

    @abstractmethod
    def find(self, name: str) -> ActivityContext | None:
        """The context of that name, or `None` (NAM-6)."""


class NullActivities:
    """Makes activities that no resource adaptor knows (AC-21)."""

    __slots__ = ()

    @abstractmethod
    def create(self) -> ActivityContext:
        """Make a null activity; it ends by itself when nothing refers to it any more (AC-24)."""


class TraceLevel(enum.IntEnum):
    """Levels of tracing from high to low (TRC-5); the text form is the name."""

    OFF = 0
    SEVERE = 1
    WARNING = 2
    INFO = 3
    CONFIG = 4
    FINE = 5
    FINER = 6
    FINEST = 7

    def __str__(self) -> str:
        return self.name

    def is_higher_than(self, other: TraceLevel) -> bool:
        """Whether this level is strictly higher: SEVERE is higher than INFO, OFF than all others."""
        return self.value < other.value

    @classmethod
    def parse(cls, text: str) -> TraceLevel:
        """The level of a text form; `ValueError` if there is none."""
        if text not in cls.__members__:
            raise ValueError(f"{text!r}: it is no trace level [TRC-5]; levels are {', '.join(cls.__members__)}")
        return cls[text]


_SEVERE, _WARNING, _INFO, _CONFIG, _FINE, _FINER, _FINEST = range(1, 8)
"""The levels as numbers: what guards every message must not look a name up twice."""


class Tracer:
    """Writes trace messages of one notification source (group TRC).

    A message that is not written costs the call and a comparison. Where its arguments are costly to have, ask
    `is_fine_enabled` and the like first.
    """

    __slots__ = ("name", "source", "threshold")

    name: str
    """Names are hierarchical by dots; the root's is empty (TRC-1)."""
    source: NotificationSource
    threshold: int
    """Number of the effective level; kept by the facility as levels are assigned (TRC-6)."""

    @property
    def parent(self) -> str | None:
        """Name of the parent tracer, `None` for the root (TRC-4)."""
        return self.name.rpartition(".")[0] if self.name else None

    @abstractmethod
    def named(self, name: str) -> Tracer:
        """Another tracer of the same source; `name` is a full name such as `sip.in` (TRC-3).

        Raises:
            TypeError: the name is no text.
            ValueError: a part of it is empty (TRC-2).
        """

    def is_enabled(self, level: TraceLevel) -> bool:
        """Whether a message of that level would be written now (TRC-12)."""
        return 0 < level <= self.threshold

    @abstractmethod
    def trace(self, level: TraceLevel, message: str, *args: object, cause: BaseException | None = None) -> None:
        """Write a message; `args` are combined with it by `%` only when it is written (TRC-11).

        Raises:
            TypeError: level or message is of another type, `None` included (TRC-10).
            ValueError: the level is OFF (TRC-8).
        """

    def severe(self, message: str, *args: object, cause: BaseException | None = None) -> None:
        """Write a message of level SEVERE."""
        if self.threshold >= _SEVERE or type(message) is not str:
            self.trace(TraceLevel.SEVERE, message, *args, cause=cause)

    def warning(self, message: str, *args: object, cause: BaseException | None = None) -> None:
        """Write a message of level WARNING."""
        if self.threshold >= _WARNING or type(message) is not str:
            self.trace(TraceLevel.WARNING, message, *args, cause=cause)

    def info(self, message: str, *args: object, cause: BaseException | None = None) -> None:
        """Write a message of level INFO."""
        if self.threshold >= _INFO or type(message) is not str:
            self.trace(TraceLevel.INFO, message, *args, cause=cause)

    def config(self, message: str, *args: object, cause: BaseException | None = None) -> None:
        """Write a message of level CONFIG."""
        if self.threshold >= _CONFIG or type(message) is not str:
            self.trace(TraceLevel.CONFIG, message, *args, cause=cause)

    def fine(self, message: str, *args: object, cause: BaseException | None = None) -> None:
        """Write a message of level FINE."""
        if self.threshold >= _FINE or type(message) is not str:
            self.trace(TraceLevel.FINE, message, *args, cause=cause)

    def finer(self, message: str, *args: object, cause: BaseException | None = None) -> None:
        """Write a message of level FINER."""
        if self.threshold >= _FINER or type(message) is not str:
            self.trace(TraceLevel.FINER, message, *args, cause=cause)

    def finest(self, message: str, *args: object, cause: BaseException | None = None) -> None:
        """Write a message of level FINEST."""
        if self.threshold >= _FINEST or type(message) is not str:
            self.trace(TraceLevel.FINEST, message, *args, cause=cause)

    @property
    def is_severe_enabled(self) -> bool:
        """Whether a message of level SEVERE would be written now (TRC-12)."""
        return self.threshold >= _SEVERE

    @property
    def is_warning_enabled(self) -> bool:
        """Whether a message of level WARNING would be written now (TRC-12)."""
        return self.threshold >= _WARNING

    @property
    def is_info_enabled(self) -> bool:
        """Whether a message of level INFO would be written now (TRC-12)."""
        return self.threshold >= _INFO

    @property
    def is_config_enabled(self) -> bool:
        """Whether a message of level CONFIG would be written now (TRC-12)."""
        return self.threshold >= _CONFIG

    @property
    def is_fine_enabled(self) -> bool:
        """Whether a message of level FINE would be written now (TRC-12)."""
        return self.threshold >= _FINE

    @property
    def is_finer_enabled(self) -> bool:
        """Whether a message of level FINER would be written now (TRC-12)."""
        return self.threshold >= _FINER

    @property
    def is_finest_enabled(self) -> bool:
        """Whether a message of level FINEST would be written now (TRC-12)."""
        return self.threshold >= _FINEST


class VolatileTable(Generic[R]):
    """Declares a table of rows that live in memory and are written by SBBs, such as the location table.

    A table keeps, under each key (an address-of-record, say), a tuple of immutable rows. Changes commit and roll
    back with the delivery that makes them. When the time in a row's `expires` attribute has come the row is removed,
    and `RowExpired` is fired on the table's activity.
    """

    __slots__ = ("expires", "id", "row_type")

    def __init__(self, name: str, row_type: type[R], *, vendor: str, version: str, expires: str | None = None) -> None:
        self.id = ProfileSpecificationID(name, vendor, version)
        self.row_type = row_type
        self.expires = expires
        fields = {field.name: field.type for field in msgspec.structs.fields(row_type)}
        if not row_type.__struct_config__.frozen:
            raise TypeError(f"{self.id}: rows of {row_type.__name__} can be changed [CMP-8]; declare it frozen=True")
        if expires is not None and fields.get(expires) is not float:
            raise TypeError(
                f"{self.id}: {row_type.__name__}.{expires} is no float [SIP-177]; name an attribute that holds "
                "seconds since the epoch"
            )

    def __repr__(self) -> str:
        return str(self.id)


class Rows(Generic[R]):
    """A volatile table as an SBB uses it; every operation needs a delivery."""

    __slots__ = ()

    @abstractmethod
    def find(self, key: str) -> tuple[R, ...]:
        """The rows under `key` that have not expired; empty if there are none."""

    @abstractmethod
    def put(self, key: str, rows: tuple[R, ...]) -> None:
        """Replace the rows under `key`; an empty tuple removes the key.

        Raises:
            TypeError: something in `rows` is no row of this table.
        """

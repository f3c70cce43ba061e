"""Alarms: what a component tells its operators of a condition that lasts (group ALM)."""

from __future__ import annotations

import enum
from abc import abstractmethod

import msgspec


class AlarmLevel(enum.Enum):
    """Levels of alarms with their codes, in falling severity (ALM-10); the text form is the name."""

    CLEAR = 0
    CRITICAL = 1
    MAJOR = 2
    WARNING = 3
    INDETERMINATE = 4
    MINOR = 5

    def __str__(self) -> str:
        return self.name

    def is_higher_than(self, other: AlarmLevel) -> bool:
        """Whether this level is strictly higher: CLEAR is the highest, MINOR the lowest."""
        code: int = self.value
        return code < int(other.value)

    @classmethod
    def parse(cls, text: str) -> AlarmLevel:
        """The level of a text form; `ValueError` if there is none."""
        if text not in cls.__members__:
            raise ValueError(f"{text!r}: it is no alarm level [ALM-10]; levels are {', '.join(cls.__members__)}")
        return cls[text]


class AlarmID(msgspec.Struct, frozen=True):
    """Identity of one raise of an alarm; unique across processes and restarts, and fit for a CMP field."""

    key: str

    def __str__(self) -> str:
        return self.key


class AlarmFacility:
    """Raises and clears the alarms of one notification source (group ALM).

    Operations are immediate: they work with and without a transaction, and no rollback takes them back (ALM-7).
    """

    __slots__ = ()

    @abstractmethod
    def raise_alarm(
        self, alarm_type: str, instance_id: str, *, level: AlarmLevel, message: str, cause: object = None
    ) -> AlarmID:
        """Raise an alarm, unless one of that type and instance is active (ALM-2, ALM-3).

        Args:
            alarm_type: what is wrong, such as `gateway.unreachable`.
            instance_id: what it is wrong with.
            level: how bad it is.
            message: what an operator reads.
            cause: an exception or other reason, kept as text.

        Raises:
            TypeError: an argument is of another type, `None` included; `cause` may be anything (ALM-8).
            ValueError: the level is CLEAR, or type or instance are empty (ALM-8).
        """

    @abstractmethod
    def clear(self, alarm_id: AlarmID) -> bool:
        """Clear one alarm; whether it was an active one of this source (ALM-9)."""

    @abstractmethod
    def clear_type(self, alarm_type: str) -> int:
        """Clear this source's alarms of a type; how many there were (ALM-9)."""

    @abstractmethod
    def clear_all(self) -> int:
        """Clear all of this source's alarms; how many there were (ALM-9)."""

"""Active alarms over a restart: a file in the state directory with one line for each raise and each clear (ALM-19).

A line is written when the alarm changes, and not forced to the disk: it survives the end of the process, not that of
the machine. Alarms of subsystems are not kept: what still holds raises them anew (DUR-9).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from slee.api.alarm import AlarmID, AlarmLevel
from slee.api.errors import StateDirectoryError
from slee.api.source import NotificationSource, SubsystemSource, parse_source
from slee.facilities.alarms import Alarm
from slee.management.store import replace_file

_LOG = logging.getLogger(__name__)
NAME: Final = "alarms.jsonl"
_SLACK: Final = 1_000
"""Lines beyond twice the active alarms after which the file is written anew."""


class _Line(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line: a raise with all of the alarm, or a clear with its id alone."""

    id: str
    source: str = ""
    sequence: int = 0
    time: float = 0.0
    type: str = ""
    instance: str = ""
    level: str = ""
    message: str = ""
    cause: str | None = None

    def alarm(self) -> Alarm:
        """The alarm that the line tells."""
        return Alarm(
            AlarmID(self.id),
            parse_source(self.source),
            self.sequence,
            self.time,
            self.type,
            self.instance,
            AlarmLevel.parse(self.level),
            self.message,
            self.cause,
        )


class AlarmFile:
    """The alarm journal of one server."""

    def __init__(self, folder: Path) -> None:
        """Read what a server before this one left, and begin the file anew with it.

        Raises:
            StateDirectoryError: the file cannot be read or written.
        """
        self._path = folder / NAME
        self._active: dict[AlarmID, Alarm] = {}
        try:
            data = self._path.read_bytes() if self._path.exists() else b""
            for line in data.split(b"\n")[:-1]:  # what has no end of line was cut off by a crash
                self._replay(msgspec.json.decode(line, type=_Line))
            self._begin()
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            raise StateDirectoryError(
                f"{self._path}: {error} [ALM-19]; move the file away to go on without it"
            ) from error
        self._waiting = dict(self._active)
        """Alarms whose source has not come back yet."""

    def take(self, source: NotificationSource) -> Iterator[Alarm]:
        """The alarms of a source that has come back, each once."""
        for alarm in [alarm for alarm in self._waiting.values() if alarm.source == source]:
            del self._waiting[alarm.id]
            yield alarm

    def raised(self, alarm: Alarm) -> None:
        """Keep an alarm."""
        if not isinstance(alarm.source, SubsystemSource):
            self._active[alarm.id] = alarm
            self._append(_line(alarm))

    def cleared(self, alarm: Alarm) -> None:
        """Keep an alarm no longer."""
        if self._active.pop(alarm.id, None) is not None:
            self._append(_Line(alarm.id.key))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _replay(self, line: _Line) -> None:
        if line.source:
            self._active[AlarmID(line.id)] = line.alarm()
        else:
            self._active.pop(AlarmID(line.id), None)

    def _append(self, line: _Line) -> None:
        try:
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._lines += 1
            if self._lines > 2 * len(self._active) + _SLACK:
                self._file.close()
                self._begin()
        except (OSError, ValueError) as error:  # a full disk must not reach the component that raised the alarm
            _LOG.error("%s: alarm %s is not kept: %s", self._path, line.id, error)

    def _begin(self) -> None:
        """Write the file anew with what is active, and go on at its end."""
        replace_file(self._path, _encoded(map(_line, self._active.values())), 0o600)
        self._lines = len(self._active)
        self._file = self._path.open("ab", buffering=0)


def _line(alarm: Alarm) -> _Line:
    return _Line(
        alarm.id.key,
        str(alarm.source),
        alarm.sequence,
        alarm.time,
        alarm.alarm_type,
        alarm.instance_id,
        alarm.level.name,
        alarm.message,
        alarm.cause,
    )


def _encoded(lines: Iterable[_Line]) -> bytes:
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)

"""Active alarms over a restart: a file in the state directory with one line for each raise and each clear (ALM-19).

A line is written when the alarm changes, and not forced to the disk: it survives the end of the process, not that of
the machine. Alarms of subsystems are not kept: what still holds raises them anew (DUR-9).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import FileIO
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

        A file that cannot be read is logged and put aside: the server is worth more than its alarms.
        """
        self._path = folder / NAME
        self._active: dict[AlarmID, Alarm] = {}
        self._file: FileIO | None = None
        self._lines = 0
        try:
            data = self._path.read_bytes() if self._path.exists() else b""
            for line in data.split(b"\n")[:-1]:  # what has no end of line was cut off by a crash
                self._replay(msgspec.json.decode(line, type=_Line))
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            aside = self._path.with_name(f"{NAME}.unreadable")
            _LOG.error("%s cannot be read, and is put aside as %s [ALM-19]: %s", self._path, aside.name, error)
            self._path.replace(aside)
            self._active.clear()
        self._begin()
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
        if self._file is not None:
            self._file.close()

    def _replay(self, line: _Line) -> None:
        if line.source:
            self._active[AlarmID(line.id)] = line.alarm()
        else:
            self._active.pop(AlarmID(line.id), None)

    def _append(self, line: _Line) -> None:
        if self._file is None or self._lines > 2 * len(self._active) + _SLACK:
            self._begin()
            return
        try:
            self._file.write(msgspec.json.encode(line) + b"\n")
            self._lines += 1
        except OSError as error:  # a full disk must not reach the component that raised the alarm
            _LOG.error("%s: alarm %s is not kept [ALM-19]: %s", self._path, line.id, error)

    def _begin(self) -> None:
        """Write the file anew with what is active, and go on at its end; tried again at the next alarm if it fails."""
        self.close()
        try:
            replace_file(self._path, b"".join(msgspec.json.encode(_line(a)) + b"\n" for a in self._active.values()))
            self._file = self._path.open("ab", buffering=0)
            self._lines = len(self._active)
        except (OSError, StateDirectoryError) as error:
            self._file = None
            _LOG.error("%s: alarms are not kept [ALM-19]: %s", self._path, error)


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

"""Notification sources: who traces, raises alarms and counts (ALM-1)."""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec

from slee.api.ids import SbbID, ServiceID, parse_id


class NotificationSource(msgspec.Struct, frozen=True):
    """One of `SbbSource`, `ResourceSource`, `ProfileTableSource` and `SubsystemSource`; equal by kind and names."""

    kind: ClassVar[str]
    """Second word of the source's notification types: `alarm.sbb`, `trace.sbb`, `usage.sbb`."""

    @property
    def name(self) -> str:
        """What the source is called among those of its kind."""
        raise NotImplementedError

    @property
    def short(self) -> str:
        """What an operator may type where no other source is called so."""
        return self.name

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


class SbbSource(NotificationSource, frozen=True):
    """An SBB in a service."""

    service: ServiceID
    sbb: SbbID
    kind: ClassVar[str] = "sbb"

    @property
    def name(self) -> str:
        return f"{self.service}/{self.sbb}"

    @property
    def short(self) -> str:
        return f"{self.service.name}/{self.sbb.name}"


class ResourceSource(NotificationSource, frozen=True):
    """A resource adaptor entity."""

    entity: str
    kind: ClassVar[str] = "raentity"

    @property
    def name(self) -> str:
        return self.entity


class ProfileTableSource(NotificationSource, frozen=True):
    """A profile table."""

    table: str
    kind: ClassVar[str] = "profiletable"

    @property
    def name(self) -> str:
        return self.table


class SubsystemSource(NotificationSource, frozen=True):
    """A part of the SLEE itself."""

    subsystem: str
    kind: ClassVar[str] = "subsystem"

    @property
    def name(self) -> str:
        return self.subsystem


_NAMED: Final = {kind.kind: kind for kind in (ResourceSource, ProfileTableSource, SubsystemSource)}
_BETWEEN: Final = "]/SbbID["


def parse_source(text: str) -> NotificationSource:
    """Read the text form of a source back.

    Raises:
        ValueError: the text is malformed or of an unknown kind.
    """
    kind, colon, name = text.partition(":")
    if colon and name and kind in _NAMED:
        return _NAMED[kind](name)
    if kind == SbbSource.kind and _BETWEEN in name:
        service, _, sbb = name.partition(_BETWEEN)
        return SbbSource(parse_id(f"{service}]", ServiceID), parse_id(f"SbbID[{sbb}", SbbID))
    kinds = ", ".join((SbbSource.kind, *_NAMED))
    raise ValueError(f"{text!r}: it is no notification source [ALM-1]; write kind:name, of the kinds {kinds}")

"""Stands between kernel and journal: kills at a record's boundary, and keeps what each record must bring back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from slee.kernel.journal import Entry, JournalStatus, Recovery
from slee.stores.simulated import SimulatedJournal
from tests.simulation.picture import Picture, logged

if TYPE_CHECKING:
    from tests.simulation.world import World


class Killed(BaseException):
    """The process ends at this instruction; nothing catches it but the world."""


class Witness:
    """A journal of one process."""

    def __init__(self, inner: SimulatedJournal, world: World, draw: Callable[[], Picture]) -> None:
        self._inner = inner
        self._world = world
        self._draw = draw

    def append(self, entries: Sequence[Entry]) -> int:
        world = self._world
        world.reach("before append")
        self.advance()
        sequence = self._inner.append(entries)
        picture = self._draw()
        world.pictures[sequence] = picture
        for done in logged(picture):
            world.covered.setdefault(done, sequence)
        world.reach("after append")
        return sequence

    def hasten(self) -> None:
        """Pass it on."""
        self._inner.hasten()

    def advance(self) -> None:
        """Let the disk do what is due by now."""
        self._inner.advance(self._world.time.now)

    @property
    def recovery(self) -> Recovery:
        return self._inner.recovery

    def release(self) -> None:
        """Pass it on."""
        self._inner.release()

    @property
    def acknowledged(self) -> int:
        return self._inner.acknowledged

    def status(self) -> JournalStatus:
        return self._inner.status()

    def close(self) -> None:
        self._inner.close()

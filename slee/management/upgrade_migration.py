"""Moves the entity trees of one service to another in bounded slices, between which events are served (UPG-12)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from slee.kernel.migration import is_busy, migrate_tree

if TYPE_CHECKING:
    from slee.api.ids import ServiceID
    from slee.kernel.entity import SbbEntity
    from slee.management.engine import Engine
    from slee.spi.wheel import Timer

_TREES: Final = 128
"""Most trees of a slice."""
_SECONDS: Final = 0.002
"""Time after which a slice ends early."""
_PAUSE: Final = 0.01
"""Seconds between two slices."""
_WAIT: Final = 0.5
"""Seconds after which trees are looked at again that had an event in routing."""


class Migration:
    """The migration of the trees of one pair; its owner is told of each failure, and of the end."""

    def __init__(
        self,
        engine: Engine,
        old: ServiceID,
        new: ServiceID,
        *,
        failed: Callable[[str, BaseException], None],
        done: Callable[[], None],
    ) -> None:
        """Begin; the first slice is done at the next step of the kernel.

        Args:
            engine: the kernel.
            old: the service whose trees move.
            new: the service that they become trees of.
            failed: is told the tree and the cause when one stays with the old version.
            done: is called after the last tree.
        """
        self._engine = engine
        self._old = old
        self._new = new
        self._failed = failed
        self._done = done
        self.migrated = 0
        self.failures = 0
        self._waiting: deque[SbbEntity] = deque(engine.services[old].roots)
        self._timer: Timer[Any] | None = None
        self._is_stopped = False
        self._plan(0.0)

    @property
    def is_over(self) -> bool:
        """Whether no tree is left to try."""
        return not self._waiting

    @property
    def left(self) -> int:
        """Trees that are still to be tried."""
        return len(self._waiting)

    def stop(self) -> None:
        """Leave the rest where it is."""
        self._is_stopped = True
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _plan(self, seconds: float) -> None:
        engine = self._engine
        self._timer = engine.schedule.call_at(engine.now + seconds, self._slice, engine.now)

    def _slice(self) -> None:
        waiting, started = self._waiting, self._engine.ticks()
        busy: list[SbbEntity] = []
        tries = min(len(waiting), _TREES)
        while tries and waiting:
            tries -= 1
            root = waiting.popleft()
            if root.removed or root.env.service.id != self._old:
                continue
            if is_busy(root):
                busy.append(root)
            else:
                self._migrate(root)
            if self._is_stopped:
                return
            if self._engine.ticks() - started > _SECONDS:
                break
        if busy and not waiting:
            self._waiting.extend(busy)
            self._plan(_WAIT)
            return
        waiting.extend(busy)
        if waiting:
            self._plan(_PAUSE)
        else:
            self._done()

    def _migrate(self, root: SbbEntity) -> None:
        try:
            migrate_tree(root, self._engine.services[self._new])
        except Exception as error:  # noqa: BLE001  code of a bundle may raise anything: the tree drains
            self.failures += 1
            self._failed(str(root), error)
        else:
            self.migrated += 1

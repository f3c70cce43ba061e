"""Drives a kernel's journal on the loop: when it is flushed, and what is done when it acknowledges or fails.

Outputs that wait for an acknowledgement have the journal flushed as soon as nothing is ready; otherwise a flush comes
two milliseconds after the first change. The store calls back on a thread of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from slee.api.errors import JournalError
from slee.facilities.journalwatch import JournalBounds, JournalWatch
from slee.kernel.journalling import Journalling

if TYPE_CHECKING:
    from slee.facilities.facilities import Facilities
    from slee.kernel.journal import Journal, JournalStatus
    from slee.kernel.kernel import Kernel

FLUSH_INTERVAL: Final = 0.002
"""Seconds that a commit waits at most before its record is on its way."""
_LOOK_INTERVAL: Final = 0.25
"""Seconds between two looks at a journal that is not written."""
_log = logging.getLogger(__name__)


class OpenJournal(Protocol):
    """Opens the journal; the callbacks are called on a thread of the store's."""

    def __call__(
        self, *, on_acknowledged: Callable[[int], None], on_status: Callable[[JournalStatus], None]
    ) -> Journal:
        """The journal, owned from now on."""
        ...


class JournalKeeper:
    """The journal of one kernel, on the running loop."""

    def __init__(
        self,
        kernel: Kernel,
        open_journal: OpenJournal,
        facilities: Facilities,
        *,
        pump: Callable[[], None],
        now: Callable[[], float],
        lost: Callable[[], None],
        bounds: JournalBounds | None = None,
        spread: float = 1.0,
    ) -> None:
        """Open the journal.

        Args:
            kernel: has no service yet.
            open_journal: opens it.
            facilities: raise the alarms.
            pump: lets the kernel work, and hands its outputs over.
            now: seconds since the epoch.
            lost: called when the process has to end (DUR-14).
            bounds: of what may be unacknowledged.
            spread: seconds over which overdue timers are spread (DUR-8).

        Raises:
            SleeError: it cannot be opened.
        """
        self._loop = asyncio.get_running_loop()
        self._pump = pump
        self._now = now
        self._lost = lost
        self._timer: asyncio.TimerHandle | None = None
        self._look_timer: asyncio.TimerHandle | None = None
        self.journal = open_journal(on_acknowledged=self._on_acknowledged, on_status=self._on_status)
        self.journalling = Journalling(kernel, self.journal, spread=spread)
        self.watch = JournalWatch(self.journalling, facilities, bounds)

    def recover(self) -> None:
        """Rebuild what the journal holds, and log what that was (DUR-6).

        Raises:
            RecoveryError: it does not fit the components.
        """
        if self.journal.recovery.report:
            _log.warning("journal: %s", self.journal.recovery.report, extra={"component": "journal"})
        report = self.journalling.recover()
        level = logging.WARNING if report.dropped else logging.INFO
        _log.log(level, "journal: %s", report, extra={"component": "journal"})

    def pumped(self) -> None:
        """The kernel has nothing ready: see to what it has changed."""
        journalling = self.journalling
        if self.watch.is_lost:
            return
        if journalling.is_waited_for:
            if journalling.is_due:
                self.flush()
            self.journal.hasten()
            if journalling.is_behind:  # the acknowledgement came before anything waited for it
                self._loop.call_soon(self._acknowledged)
        elif journalling.is_due and self._timer is None:
            self._timer = self._loop.call_later(FLUSH_INTERVAL, self._flush_in_time)

    def flush(self) -> None:
        """Append a record of what has changed; an error in that ends the process rather than leave something out."""
        try:
            self.journalling.flush(self._now())
        except JournalError as error:
            _log.critical("journal: no record could be made", exc_info=error, extra={"component": "journal"})
            self._give_up(str(error))

    async def kept(self, within: float) -> bool:
        """Wait until everything that has been committed is durable, at most so many seconds; whether it is."""
        self.flush()
        event = anyio.Event()
        self.journalling.when_acknowledged(self.journalling.sequence, event.set)
        self.journal.hasten()
        self._acknowledged()  # it may have come before anything waited for it
        with anyio.move_on_after(within):
            await event.wait()
        return event.is_set()

    def close(self) -> None:
        """Record what is left, and give the journal up."""
        for handle in (self._timer, self._look_timer):
            if handle is not None:
                handle.cancel()
        if not self.watch.is_lost:
            self.flush()
        self.journal.close()
        self.journalling.acknowledged(self.journal.acknowledged)

    def _flush_in_time(self) -> None:
        self._timer = None
        if not self.watch.is_lost:
            self.flush()

    # What the store's thread calls.

    def _on_acknowledged(self, sequence: int) -> None:
        if self.journalling.is_waited_for or self.journalling.is_followed:
            self._call_on_loop(self._acknowledged)

    def _on_status(self, status: JournalStatus) -> None:
        self._call_on_loop(self._look)

    def _call_on_loop(self, function: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function)

    # On the loop.

    def _acknowledged(self) -> None:
        self.journalling.acknowledged(self.journal.acknowledged)
        self._pump()

    def _look(self) -> None:
        """See how the journal fares, again and again while it is not written (DUR-13)."""
        self.watch.look(self._loop.time())
        if self.watch.is_lost:
            self._give_up(self.watch.reason)
            return
        self._pump()
        if self.watch.is_failing:
            if self._look_timer is not None:
                self._look_timer.cancel()
            self._look_timer = self._loop.call_later(_LOOK_INTERVAL, self._look)

    def _give_up(self, reason: str) -> None:
        self.watch.lose(reason)
        _log.critical("journal: %s [DUR-14]; the process ends", reason, extra={"component": "journal"})
        self._lost()


__all__ = ["FLUSH_INTERVAL", "JournalKeeper", "OpenJournal"]

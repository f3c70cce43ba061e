"""Drives the kernel and its adaptors on one asyncio loop: the thin shell round the sans-IO engine.

There is no task, lock or stream per event. Readers call adaptors, adaptors fire and call `pump`, and `pump` steps the
kernel until nothing is ready. One timer of the loop stands for every timer of kernel and adaptors.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from slee.kernel.kernel import Kernel
    from slee.runtime.clock import SystemClock

_STEPS_BETWEEN_READS: Final = 256
"""Steps after which sockets are looked at again, however much is ready."""
_SHORTEST_SLEEP: Final = 0.005
"""Seconds between two looks at the timers; well within their resolution."""


class Driver:
    """The kernel's shell on the running loop."""

    def __init__(self, kernel: Kernel, clock: SystemClock) -> None:
        self._kernel = kernel
        self._clock = clock
        self.now = clock.now
        """Seconds since the epoch; not a method that calls a method, since adaptors ask at every packet."""
        self._loop = asyncio.get_running_loop()
        self._is_pumping = False
        self._armed: asyncio.TimerHandle | None = None
        self._armed_for = float("inf")
        self._resume: asyncio.Handle | None = None
        self.pumped: Callable[[], None] | None = None
        """Called when nothing is ready: the journal is seen to."""
        self._tasks: set[asyncio.Task[object]] = set()

    def pump(self) -> None:
        """Step the kernel until nothing is ready, handing over outputs after each step; then arm the timer."""
        if self._is_pumping:
            return
        self._is_pumping = True
        kernel = self._kernel
        try:
            for resource, command in kernel.take_outputs():  # of an acknowledgement
                resource.perform(command)
            now = self.now()
            for _ in range(_STEPS_BETWEEN_READS):
                if not kernel.step(now):
                    break
                if kernel.outputs:
                    for resource, command in kernel.take_outputs():
                        resource.perform(command)
            else:
                self.pump_soon()
            if self.pumped is not None:
                self.pumped()
                for resource, command in kernel.take_outputs():  # of a journal that acknowledges at once
                    resource.perform(command)
        finally:
            self._is_pumping = False
        self._arm()

    def pump_soon(self) -> None:
        """Pump once what the loop has found ready has been read: many readers share one round."""
        if self._resume is None:
            self._resume = self._loop.call_soon(self._resumed)

    def spawn_reader(self, fileno: int, ready: Callable[[], None]) -> Callable[[], None]:
        """Call `ready` whenever the descriptor can be read; the result stops that."""
        self._loop.add_reader(fileno, ready)
        return lambda: self._stop_reader(fileno)

    def spawn(
        self, work: Callable[[], Coroutine[object, object, object]], failed: Callable[[BaseException], None]
    ) -> Callable[[], None]:
        """Run a coroutine as a task of the loop, which is kept until it is done; the result cancels it."""
        task = self._loop.create_task(work())
        self._tasks.add(task)

        def done(task: asyncio.Task[object]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                failed(error)

        def cancel() -> None:
            task.cancel()

        task.add_done_callback(done)
        return cancel

    def close(self) -> None:
        """Stop the timers of the loop, and cancel what adaptors have left running."""
        for task in tuple(self._tasks):
            task.cancel()
        for handle in (self._armed, self._resume):
            if handle is not None:
                handle.cancel()

    def _stop_reader(self, fileno: int) -> None:
        self._loop.remove_reader(fileno)

    def _resumed(self) -> None:
        self._resume = None
        self.pump()

    def _arm(self) -> None:
        """Have the loop wake us for the next deadline, unless it does so earlier anyway."""
        deadline = self._kernel.next_deadline() or float("inf")
        for resource in self._kernel.resources.values():
            due = resource.adaptor.next_deadline()
            if due is not None and due < deadline:
                deadline = due
        if deadline >= self._armed_for:
            return
        if self._armed is not None:
            self._armed.cancel()
        at = max(self._clock.to_monotonic(deadline), self._loop.time() + _SHORTEST_SLEEP)
        self._armed_for = deadline
        self._armed = self._loop.call_at(at, self._wake)

    def _wake(self) -> None:
        """A deadline has come: let the adaptors and the kernel do what is due."""
        self._armed = None
        self._armed_for = float("inf")
        now = self._clock.now()
        for resource in tuple(self._kernel.resources.values()):
            if resource.is_object_active:
                resource.callback("tick", resource.adaptor.tick, now)
        self.pump()

"""The shared timer of the adaptors, on the kernel's wheel (RA-43)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from slee.api.errors import UnsupportedOperationError

if TYPE_CHECKING:
    from slee.kernel.kernel import Kernel
    from slee.kernel.resource import ResourceEntity
    from slee.spi.wheel import Timer


class AdaptorTask:
    """One call, or one series of calls, of an entity's adaptor."""

    __slots__ = ("arguments", "entity", "function", "period", "timer")

    def __init__(
        self, entity: ResourceEntity, function: Callable[..., object], arguments: tuple[object, ...], period: float
    ) -> None:
        self.entity = entity
        self.function = function
        self.arguments = arguments
        self.period = period
        """Seconds between two calls; 0 for a single one."""
        self.timer: Timer[Any] | None = None
        """Its place on the wheel; `None` once no call is to come."""

    @property
    def is_live(self) -> bool:
        return self.timer is not None

    def cancel(self) -> None:
        timer, self.timer = self.timer, None
        if timer is not None:
            timer.cancel()


class AdaptorTimer:
    """Sets the tasks of one entity."""

    __slots__ = ("_entity", "_kernel", "_now")

    def __init__(self, kernel: Kernel, entity: ResourceEntity, now: Callable[[], float]) -> None:
        self._kernel = kernel
        self._entity = entity
        self._now = now
        kernel.schedule.expirers[AdaptorTask] = partial(call_tasks, kernel)

    def call_at(self, time: float, function: Callable[..., object], *arguments: object) -> AdaptorTask:
        if not math.isfinite(time):
            raise ValueError(f"{self._entity.name}: call_at({time}) [RA-43]; give seconds since the epoch")
        return self._set(time, AdaptorTask(self._entity, function, arguments, 0.0))

    def call_later(self, delay: float, function: Callable[..., object], *arguments: object) -> AdaptorTask:
        if not 0 <= delay < math.inf:
            raise ValueError(f"{self._entity.name}: call_later({delay}) [RA-43]; give a finite number, 0 or more")
        return self._set(self._now() + delay, AdaptorTask(self._entity, function, arguments, 0.0))

    def call_every(self, period: float, function: Callable[..., object], *arguments: object) -> AdaptorTask:
        if not 0 < period < math.inf:
            raise ValueError(f"{self._entity.name}: call_every({period}) [RA-43]; give a finite number above 0")
        return self._set(self._now() + period, AdaptorTask(self._entity, function, arguments, period))

    def cancel(self) -> None:
        raise UnsupportedOperationError(
            f"{self._entity.name}: the timer as a whole cannot be cancelled [RA-43]; cancel its tasks"
        )

    def _set(self, deadline: float, task: AdaptorTask) -> AdaptorTask:
        self._entity.require_thread("a timer task")
        kernel = self._kernel
        task.timer = kernel.schedule.set(deadline, task, kernel.now)
        return task


def call_tasks(kernel: Kernel, tasks: list[AdaptorTask], now: float) -> None:
    """Call what has come due; one may cancel another that is due at the same instant."""
    for task in tasks:
        timer = task.timer
        if timer is None:
            continue
        entity = task.entity
        task.timer = None
        if kernel.resources.get(entity.name) is not entity:
            continue
        if task.period:
            missed = math.floor((now - timer.deadline) / task.period)
            task.timer = kernel.schedule.set(timer.deadline + task.period * (missed + 1), task, now)
        entity.callback("timer task", task.function, *task.arguments)

"""The state of the SLEE as a whole: start, and the stop that waits for what is in progress (group SLE)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from slee.kernel.firing import Firing
from slee.kernel.states import SLEE, ContextState, ResourceState, SleeState, next_state

if TYPE_CHECKING:
    from slee.kernel.kernel import Kernel
    from slee.spi.wheel import Timer


AGAIN: Final = 0.1
"""Seconds after which a stop that is past its deadline ends what was started or suspended meanwhile."""


class _StopDeadline:
    """Stands on the wheel for the deadline of a stop."""

    __slots__ = ()


class Lifecycle:
    """Moves one kernel through the states of the SLEE."""

    __slots__ = ("_deadline", "_kernel", "state")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.state = SleeState.STOPPED
        self._deadline: Timer[Any] | None = None
        kernel.schedule.expirers[_StopDeadline] = self._pass_deadline

    def start(self) -> None:
        """Stopped to Starting (SLE-2, SLE-3)."""
        self._move("START")

    def run(self) -> None:
        """Starting to Running: adaptors begin, then services (SLE-5, SVC-10)."""
        self._move("ready")
        kernel = self._kernel
        for resource in tuple(kernel.resources.values()):
            if resource.state is ResourceState.ACTIVE:
                resource.begin()
        if kernel.journalling is not None:
            kernel.journalling.settle()
        for service in kernel.registry.active():
            kernel.registry.begin(service)

    def stop(self, within: float | None) -> None:
        """Running to Stopping; Stopped follows when the last activity has ended (SLE-7 to SLE-10)."""
        if within is not None and not 0 <= within < math.inf:
            raise ValueError(f"stop within {within} seconds [SLE-10]; give a finite number, 0 or more")
        self._move("STOP")
        kernel = self._kernel
        for context in tuple(kernel.own_contexts):
            context.end_now()
        for resource in tuple(kernel.resources.values()):
            resource.halt()
        if within is not None:
            self._deadline = kernel.schedule.set(kernel.now + within, _StopDeadline(), kernel.now)
        self.judge()

    def judge(self) -> None:
        """Of a SLEE that is stopping: has its last activity ended?"""
        if self.state is not SleeState.STOPPING:
            return
        if not self._has_activities():
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None
            self._move("no activity left")

    def _has_activities(self) -> bool:
        """Whether one is left; to look for the first of `contexts` takes long where many have gone before it."""
        kernel = self._kernel
        held = [kernel.own_contexts, kernel.null_activities.contexts]
        return any(held) or any(resource.contexts for resource in kernel.resources.values())

    def _pass_deadline(self, items: list[_StopDeadline], now: float) -> None:
        """The stop's deadline has come: end what is left, and what still starts (SLE-10)."""
        self._end_all()
        kernel = self._kernel
        if self.state is SleeState.STOPPING:  # handlers that still run may start and suspend more
            self._deadline = kernel.schedule.set(now + AGAIN, _StopDeadline(), now)

    def _end_all(self) -> None:
        """Resume what is suspended and end every activity that is left (SLE-10, CON-11)."""
        for context in tuple(self._kernel.contexts()):
            first = context.first
            if type(first) is Firing and first.suspended:
                first.timed_out()
            if context.state is not ContextState.ACTIVE:
                continue
            if context.resource is None:
                context.end_now()
            else:  # the adaptor says the protocol's goodbye (COM-18)
                context.resource.remove_activity(context.handle)

    def _move(self, event: str) -> None:
        old = self.state
        self.state = next_state(SLEE, old, event, "the SLEE", "SLE-2")
        self._kernel.is_routing = self.state in (SleeState.RUNNING, SleeState.STOPPING)
        self._kernel.reports.state_changed("slee", "", old, self.state)

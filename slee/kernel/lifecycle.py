"""The state of the SLEE as a whole: start, and the stop that waits for what is in progress (group SLE)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from slee.kernel.firing import Firing
from slee.kernel.states import SLEE, ContextState, ResourceState, SleeState, next_state

if TYPE_CHECKING:
    from slee.kernel.kernel import Kernel
    from slee.spi.wheel import Timer


class _StopDeadline:
    """Stands on the wheel for the deadline of a stop."""

    __slots__ = ()


class Lifecycle:
    """Moves one kernel through the states of the SLEE."""

    __slots__ = ("_deadline", "_is_past_deadline", "_kernel", "state")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.state = SleeState.STOPPED
        self._deadline: Timer[Any] | None = None
        self._is_past_deadline = False
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
        if self._is_past_deadline:
            self._end_all()
        if next(self._kernel.contexts(), None) is None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None
            self._is_past_deadline = False
            self._move("no activity left")

    def _pass_deadline(self, items: list[_StopDeadline], now: float) -> None:
        """The stop's deadline has come: end what is left, and what still starts (SLE-10)."""
        self._is_past_deadline = True
        self._end_all()

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

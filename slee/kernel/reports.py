"""What the kernel reports to its observer: failures with component, event and activity, and changes of state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slee.kernel.states import StateChange

if TYPE_CHECKING:
    import enum

    from slee.kernel.context import Context
    from slee.kernel.entity import SbbEntity
    from slee.kernel.environment import ServiceRuntime
    from slee.kernel.firing import Firing
    from slee.kernel.kernel import Kernel
    from slee.kernel.ports import Observer
    from slee.spi.flags import FailureReason


class Reports:
    """Puts the kernel's objects into the words of the `Observer` port."""

    __slots__ = ("_kernel", "observer")

    def __init__(self, kernel: Kernel, observer: Observer) -> None:
        self._kernel = kernel
        self.observer = observer

    def state_changed(self, kind: str, identity: str, old: enum.Enum, new: enum.Enum) -> None:
        """One transition, after it has become visible (SLE-11, SVC-8)."""
        self.observer.state_changed(StateChange(kind, identity, old, new, self._kernel.now))

    def sbb_raised(self, entity: SbbEntity, error: BaseException, event: object, aci: Context | None) -> None:
        """SBB code raised; its transaction is rolled back (SBB-17)."""
        activity = "no activity" if aci is None else f"{aci!r}, {aci.activity!r}"
        self.observer.sbb_raised(entity.env.service.id, str(entity), event, activity, error)

    def callback_failed(self, entity: SbbEntity, callback: str, error: BaseException) -> None:
        """A callback of an SBB raised where nothing can be rolled back for it (TX-20)."""
        env = entity.env
        self.observer.callback_failed(env.service.id, env.descriptor.id, str(entity), callback, error)

    def selector_failed(self, service: ServiceRuntime, firing: Firing, error: BaseException) -> None:
        """A selector raised or returned nonsense: not initial for that service (IES-16)."""
        service.selector_failures += 1
        self.observer.selector_failed(service.id, firing.event, repr(firing.context), error)

    def tree_dropped(self, root: SbbEntity, cause: BaseException | None) -> None:
        """A tree was dropped because its removal failed (ATT-19)."""
        self.observer.tree_dropped(root.env.service.id, root.env.descriptor.id, str(root), cause)

    def event_failed(self, firing: Firing, reason: FailureReason, cause: BaseException | None) -> None:
        """Delivery of an event could not be attempted or completed (CON-10)."""
        age = self._kernel.now - firing.accepted_at
        self.observer.event_failed(firing.event, repr(firing.context), age, reason, cause)

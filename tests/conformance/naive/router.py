"""The router that one writes on the first afternoon. Each method here is a mistake that the rules speak of.

It stands on the real kernel in the place of the real router, so that whatever fails, fails by these mistakes alone.
"""

from __future__ import annotations

from slee.kernel.context import Context
from slee.kernel.entity import SbbEntity
from slee.kernel.environment import EventHandler, InitialHandler
from slee.kernel.firing import Firing
from slee.kernel.initial import convergence_name
from slee.kernel.kernel import Kernel
from slee.kernel.router import Router
from slee.kernel.states import ServiceState
from slee.kernel.transaction import Transaction
from slee.spi.flags import FailureReason


class NaiveRouter(Router):
    """Flat sort, made once; names as text; the first failure stops the event; a suspended context loses events."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self.names: dict[str, SbbEntity] = {}
        """Mistake: one namespace for all services and versions."""

    def step(self) -> bool:
        for context in tuple(self.kernel.ready):
            self._drop_behind_suspended(context)
        return super().step()

    def _drop_behind_suspended(self, context: Context) -> None:
        """Mistake: nobody waits behind a suspended event."""
        first = context.first
        if not isinstance(first, Firing) or not first.suspended:
            return
        while first.next is not None:
            dropped = first.next
            first.next = dropped.next
            context.queued -= 1
            if isinstance(dropped, Firing):
                dropped.done = True
                dropped.statistics.fail(FailureReason.OTHER)
        context.last = first

    def _advance(self, firing: Firing) -> None:
        if firing.initial is None:
            reason = self._begin(firing)
            if reason is not None:
                self._fail(firing, reason)
                return
            self._plan(firing)
        plan: list[SbbEntity | InitialHandler] = vars(firing)["plan"]
        while plan:
            candidate = plan.pop(0)
            if isinstance(candidate, SbbEntity):
                self._serve(firing, candidate, candidate.env.handlers[firing.cls])
                return
            if self._serve_initial(firing, candidate):
                return
        self._finish(firing)

    def _plan(self, firing: Firing) -> None:
        """Mistake: candidates are found once, and sorted by nothing but their own priorities."""
        attached = [
            entity
            for entity, mask in firing.context.attached.items()
            if firing.cls in entity.env.handlers
            and firing.cls not in mask
            and (firing.target is None or entity.env.service is firing.target)
        ]
        plan: list[SbbEntity | InitialHandler] = [*(firing.initial or ()), *attached]
        plan.sort(key=lambda candidate: -candidate.priority)
        vars(firing)["plan"] = plan

    def _serve_initial(self, firing: Firing, initial: InitialHandler) -> bool:
        service = initial.service
        if service.state is not ServiceState.ACTIVE and not firing.context.continuing:
            return False
        name = convergence_name(initial, firing)
        if name is None:
            return False
        # Mistake: what takes no part is left out, the rest becomes text.
        joined = "".join(str(part) for part in name if part is not None)
        root = self.names.get(joined)
        if root is None or root.removed:
            self._serve_new(firing, initial, joined)
            self.names.update((joined, made) for made in service.roots if made.convergence_name == joined)
            return True
        tx = Transaction(self.kernel, firing)
        if root not in firing.context.attached:
            firing.context.attach_entity(root, tx)
        self._serve(firing, root, initial.handler, tx)
        return True

    def _complete(
        self, tx: Transaction, firing: Firing, told: SbbEntity | None, handler: EventHandler, started: float
    ) -> None:
        """Mistake: a failed handler is a failed event, and who comes after gets nothing."""
        failed = handler.statistics.rolled_back
        super()._complete(tx, firing, told, handler, started)
        if handler.statistics.rolled_back > failed and not firing.done:
            vars(firing)["plan"].clear()
            self._fail(firing, FailureReason.OTHER)

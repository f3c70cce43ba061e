"""The event router: one event of a context at a time, one transaction for each delivery (groups RTR, TX, IES, ATT).

`Router.step` makes one delivery. Candidates are determined anew before each, on committed state, so that what an
earlier handler attached, detached, masked or removed counts (RTR-10, RTR-11).
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from slee.api.event import ActivityEnd
from slee.kernel.entity import SbbEntity
from slee.kernel.environment import DURATION_BOUNDS
from slee.kernel.firing import Barrier, Firing
from slee.kernel.initial import convergence_name
from slee.kernel.states import ServiceState
from slee.kernel.transaction import ActivationError, Transaction, forget_root

if TYPE_CHECKING:
    from slee.kernel.context import Context
    from slee.kernel.environment import EventHandler, InitialHandler
    from slee.kernel.kernel import Kernel


class RolledBack:
    """What `sbb_rolled_back` is told (TX-10)."""

    __slots__ = ("activity_context", "event", "is_remove_rolled_back")

    def __init__(self, firing: Firing | None, *, removal: bool = False) -> None:
        self.event = None if firing is None else firing.event
        self.activity_context = None if firing is None else firing.context
        self.is_remove_rolled_back = removal


class Router:
    """Delivers events; owned by the kernel."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def step(self) -> bool:
        """Make one delivery, or finish one event; `False` when no context is ready."""
        ready = self.kernel.ready
        while ready:
            context = ready[0]
            entry = context.first
            if type(entry) is Firing and not entry.suspended:
                self._advance(entry)
                if context.first is not entry:
                    ready.popleft()
                    if context.first is None:
                        context.scheduled = False
                    else:
                        ready.append(context)
                return True
            if type(entry) is Barrier and entry.open:
                context.dequeue()
            else:
                ready.popleft()
                context.scheduled = False
        return False

    def _advance(self, firing: Firing) -> None:
        """Serve the next candidate of the event, or finish the event if none is left."""
        if firing.initial is None:
            firing.initial = self._initial_handlers(firing)
        while True:
            entity = self._next_attached(firing)
            initial = firing.initial
            if initial and (entity is None or initial[-1].service.descriptor.default_priority >= entity.root.priority):
                if self._serve_initial(firing, initial.pop()):
                    return
            elif entity is not None:
                self._serve(firing, entity, entity.env.handlers[firing.cls])
                return
            else:
                self._finish(firing)
                return

    def _initial_handlers(self, firing: Firing) -> list[InitialHandler]:
        """Services for which the event may be initial; the one of highest priority last."""
        handlers = self.kernel.initial.get(firing.cls)
        if handlers is None:
            return []
        if firing.target is None:
            return handlers.copy()
        return [initial for initial in handlers if initial.service is firing.target]

    def _next_attached(self, firing: Firing) -> SbbEntity | None:
        """The attached entity to be served next: not yet served, handling the type, not masked (RTR-3 to RTR-14)."""
        best: SbbEntity | None = None
        best_path: tuple[tuple[int, ...], int] | None = None
        served = firing.served
        cls = firing.cls
        for entity, mask in firing.context.attached.items():
            if cls not in entity.env.handlers or cls in mask or (served is not None and entity in served):
                continue
            if firing.target is not None and entity.env.service is not firing.target:
                continue
            if best is None:
                best = entity
                continue
            if best_path is None:
                best_path = (best.path(), best.sequence)
            path = (entity.path(), entity.sequence)
            if path < best_path:
                best, best_path = entity, path
        return best

    # Initial processing.

    def _serve_initial(self, firing: Firing, initial: InitialHandler) -> bool:
        """Serve the root that the event belongs to in one service; `False` if there is nothing to deliver."""
        service = initial.service
        if service.state is not ServiceState.ACTIVE:
            return False
        try:
            name = convergence_name(initial, firing)
        except Exception as error:
            self.kernel.selector_failed(service, firing, error)
            return False
        if name is None:
            return False
        root = service.names.get(name)
        if root is None:
            self._serve_new(firing, initial, name)
            return True
        if firing.served is not None and root in firing.served:
            return False
        context = firing.context
        if root not in context.attached:
            tx = Transaction(self.kernel, firing)
            context.attach_entity(root, tx)
            self._serve(firing, root, initial.handler, tx)
            return True
        if firing.cls in context.attached[root]:
            return False
        self._serve(firing, root, initial.handler)
        return True

    def _serve_new(self, firing: Firing, initial: InitialHandler, name: object) -> None:
        """Make the root entity of a convergence name and deliver to it, in one transaction (IES-5, TX-12)."""
        kernel = self.kernel
        service = initial.service
        tx = Transaction(kernel, firing)
        kernel.transaction = tx
        started = kernel.ticks()
        root = SbbEntity(service.root, None, service.descriptor.default_priority, kernel.next_sequence())
        root.convergence_name = name
        service.names[name] = root
        service.roots[root] = None
        tx.undo.append((forget_root, (root,)))
        _mark_served(firing, root)
        firing.processed = True
        try:
            instance = tx.create(root)
            firing.context.attach_entity(root, tx)
            self._call(tx, root, instance, initial.handler, firing)
        except KeyboardInterrupt:
            self._abandon(tx)
            raise
        except BaseException as error:
            tx.fail(root, error, firing.event, firing.context)
        self._complete(tx, firing, None, initial.handler, started)

    # One delivery.

    def _serve(self, firing: Firing, entity: SbbEntity, handler: EventHandler, tx: Transaction | None = None) -> None:
        """Deliver the event to one existing entity, in its own transaction (RTR-28, RTR-30)."""
        kernel = self.kernel
        if tx is None:
            tx = Transaction(kernel, firing)
        kernel.transaction = tx
        started = kernel.ticks()
        _mark_served(firing, entity)
        try:
            instance = tx.use(entity)
            firing.processed = True
            self._call(tx, entity, instance, handler, firing)
        except ActivationError:
            self._abandon(tx)
            return
        except KeyboardInterrupt:
            self._abandon(tx)
            raise
        except BaseException as error:
            tx.fail(entity, error, firing.event, firing.context)
        self._complete(tx, firing, entity, handler, started)

    def _call(
        self, tx: Transaction, entity: SbbEntity, instance: object, handler: EventHandler, firing: Firing
    ) -> None:
        tx.running.append(entity)
        if handler.takes_event_context:
            handler.function(instance, firing.event, firing.context, firing)
        else:
            handler.function(instance, firing.event, firing.context)
        tx.running.pop()

    def _complete(
        self, tx: Transaction, firing: Firing, entity: SbbEntity | None, handler: EventHandler, started: float
    ) -> None:
        """Store, then commit or roll back, then what follows from either."""
        kernel = self.kernel
        statistics = handler.statistics
        if kernel.finish(tx):
            firing.served_well = True
            statistics.committed += 1
        else:
            statistics.rolled_back += 1
            if entity is not None and entity.exists and not entity.removed:
                self.rolled_back(entity, RolledBack(firing))
        elapsed = kernel.ticks() - started
        statistics.seconds += elapsed
        statistics.buckets[bisect_left(DURATION_BOUNDS, elapsed)] += 1
        if firing.cls is ActivityEnd:
            self._detach_ended(firing)

    def _abandon(self, tx: Transaction) -> None:
        """Roll back without any callback (SBB-16, TX-23)."""
        tx.marked = True
        self.kernel.roll_back(tx)

    def rolled_back(self, entity: SbbEntity, context: RolledBack) -> None:
        """Run `sbb_rolled_back` on a new instance in a transaction of its own; never repeated (TX-7, TX-8)."""
        if not entity.env.rolls_back:
            return
        kernel = self.kernel
        tx = Transaction(kernel)
        kernel.transaction = tx
        try:
            instance = tx.use(entity)
            tx.running.append(entity)
            instance.sbb_rolled_back(context)
        except ActivationError:
            self._abandon(tx)
            return
        except Exception as error:
            tx.marked = True
            tx.failed.add(entity)
            kernel.callback_failed(entity, "sbb_rolled_back", error)
        kernel.finish(tx)

    # The end of an event and of an activity.

    def _finish(self, firing: Firing) -> None:
        """No candidate is left: callbacks, then the end of the activity or the check of its references (RTR-33)."""
        context = firing.context
        firing.done = True
        context.dequeue()
        statistics = firing.statistics
        statistics.delivered += 1
        if not firing.processed:
            statistics.unserved += 1
        if firing.flags and context.resource is not None:
            context.resource.event_done(context, firing)
        if firing.cls is ActivityEnd:
            self._complete_end(context)
        elif context.first is None:
            self.kernel.judge_context(context)

    def _detach_ended(self, firing: Firing) -> None:
        """An entity served with `ActivityEnd` is detached by it, whatever became of its delivery (AC-8)."""
        served = firing.served
        if served is not None:
            self._release(firing.context, [entity for entity in firing.context.attached if entity in served])

    def _complete_end(self, context: Context) -> None:
        """Detach the rest, unbind the names, forget the handle, in one step (AC-8, AC-10)."""
        self._release(context, list(context.attached))
        self.kernel.forget_context(context)

    def _release(self, context: Context, entities: list[SbbEntity]) -> None:
        for entity in entities:
            context.drop(entity)
        for entity in entities:
            root = entity.root
            if root.count == 0 and not root.removed:
                self.kernel.reclaim(root)


def _mark_served(firing: Firing, entity: SbbEntity) -> None:
    if firing.served is None:
        firing.served = {entity}
    else:
        firing.served.add(entity)

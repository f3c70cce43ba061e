"""The event router: one event of a context at a time, one transaction for each delivery (groups RTR, TX, IES, ATT).

`Router.step` makes one delivery. Candidates are determined anew before each, on committed state, so that what an
earlier handler attached, detached, masked or removed counts (RTR-10, RTR-11).
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from slee.api.errors import CreateError
from slee.api.event import ActivityEnd
from slee.kernel.candidates import next_attached
from slee.kernel.entity import SbbEntity, forget_root
from slee.kernel.environment import DURATION_BOUNDS
from slee.kernel.firing import Barrier, Firing, RolledBack
from slee.kernel.initial import convergence_name
from slee.kernel.states import ServiceState
from slee.kernel.succession import addressee, contested, succeeded
from slee.kernel.transaction import ActivationError, Transaction
from slee.spi.flags import FailureReason

if TYPE_CHECKING:
    from slee.api.sbb import Sbb
    from slee.kernel.context import Context
    from slee.kernel.environment import EventHandler, InitialHandler
    from slee.kernel.kernel import Kernel


_ACTIVE: Final = ServiceState.ACTIVE


class Router:
    """Delivers events; owned by the kernel."""

    __slots__ = ("kernel",)

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        kernel.schedule.expirers[Firing] = self.time_out

    def step(self) -> bool:
        """Make one delivery, or finish one event; `False` when no context is ready."""
        ready = self.kernel.ready
        while ready:
            context = ready[0]
            entry = context.first
            if type(entry) is Firing and not entry.suspended:
                if self.kernel.parks is not None and self.kernel.parks(entry):
                    ready.popleft()
                    context.scheduled = False
                    continue
                try:
                    self._advance(entry)
                except BaseException as error:
                    self._abandon_open()
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    self._fail(entry, FailureReason.INTERNAL_ERROR, error)
                if context.first is not entry:
                    ready.popleft()
                    if context.first is None:
                        context.scheduled = False
                    else:
                        ready.append(context)
                return True
            if type(entry) is Barrier and entry.open:
                context.dequeue()
                if context.first is None:
                    self.kernel.judge_context(context)
            else:
                ready.popleft()
                context.scheduled = False
        return False

    def _advance(self, firing: Firing) -> None:
        """Serve the next candidate of the event, or finish the event if none is left."""
        if firing.initial is None:
            reason = self._begin(firing)
            if reason is not None:
                self._fail(firing, reason)
                return
        while True:
            entity = next_attached(firing)
            initial = firing.initial
            if initial and (entity is None or initial[0].priority >= entity.root.priority):
                firing.initial = initial[1:]
                if self._serve_initial(firing, initial[0]):
                    return
            elif entity is not None:
                self._serve(firing, entity, entity.env.handlers[firing.cls])
                return
            else:
                self._finish(firing)
                return

    def _begin(self, firing: Firing) -> FailureReason | None:
        """Find the services for which the event may be initial; or say why its turn is too late (CON-7, CON-8)."""
        kernel = self.kernel
        statistics = firing.statistics
        if not statistics.installed:
            return FailureReason.EVENT_TYPE_GONE
        maximum_age = kernel.limits.maximum_age
        if maximum_age is not None and statistics.expires and kernel.now - firing.accepted_at > maximum_age:
            return FailureReason.QUEUE_TIMEOUT
        table = kernel.continuing if firing.context.continuing else kernel.initial
        handlers = table.get(firing.cls, ())
        target = firing.target
        if target is not None:
            if kernel.services.get(target.id) is not target:
                return FailureReason.SERVICE_GONE
            if target.successor is not None:
                firing.target = target = addressee(firing, target)
            if len(handlers) != 1 or handlers[0].service is not target:
                handlers = tuple([initial for initial in handlers if initial.service is target])
        firing.initial = handlers
        return None

    # Initial processing.

    def _serve_initial(self, firing: Firing, initial: InitialHandler) -> bool:
        """Serve the root that the event belongs to in one service; `False` if there is nothing to deliver."""
        service = initial.service
        if initial.rivals or service.state is not _ACTIVE:
            chosen = contested(firing, initial) if initial.rivals else succeeded(firing, initial)
            if chosen is None:
                return False
            initial, service = chosen, chosen.service
        try:
            name = convergence_name(initial, firing)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.kernel.reports.selector_failed(service, firing, error)
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
        kernel.transaction = tx = Transaction(kernel, firing)
        started = kernel.ticks()
        root = SbbEntity(service.root, None, initial.priority, kernel.next_sequence())
        root.convergence_name = name
        service.names[name] = root
        service.roots[root] = kernel.now
        tx.undo.append((forget_root, (root,)))
        if firing.served is None:
            firing.served = {root}
        else:
            firing.served.add(root)
        firing.processed = True
        try:
            instance = tx.create(root)
        except CreateError as error:
            tx.refuse_root(root, error)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            tx.fail(root, error)
        else:
            firing.context.attach_entity(root, tx)
            self._handle(tx, root, instance, initial.handler, firing)
        self._complete(tx, firing, None, initial.handler, started)

    # One delivery.

    def _serve(self, firing: Firing, entity: SbbEntity, handler: EventHandler, tx: Transaction | None = None) -> None:
        """Deliver the event to one existing entity, in its own transaction (RTR-28, RTR-30)."""
        kernel = self.kernel
        if tx is None:
            tx = Transaction(kernel, firing)
        kernel.transaction = tx
        started = kernel.ticks()
        if firing.served is None:
            firing.served = {entity}
        else:
            firing.served.add(entity)
        told: SbbEntity | None = entity
        try:
            instance = tx.use(entity)
        except ActivationError:
            tx.marked = True
            told = None  # SBB-16: the delivery has not begun
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            tx.fail(entity, error)
        else:
            firing.processed = True
            self._handle(tx, entity, instance, handler, firing)
        self._complete(tx, firing, told, handler, started)

    def _handle(self, tx: Transaction, entity: SbbEntity, instance: Sbb, handler: EventHandler, firing: Firing) -> None:
        """Call the event handler."""
        running = tx.running
        running.append(entity)
        try:
            if handler.takes_event_context:
                handler.function(instance, firing.event, firing.context, firing)
            else:
                handler.function(instance, firing.event, firing.context)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            running.pop()
            tx.fail(entity, error, firing.event, firing.context)
        else:
            running.pop()

    def _complete(
        self, tx: Transaction, firing: Firing, told: SbbEntity | None, handler: EventHandler, started: float
    ) -> None:
        """Store, then commit or roll back, then what follows from either; `told` is whom a rollback is told to."""
        kernel = self.kernel
        statistics = handler.statistics
        if kernel.finish(tx):
            firing.served_well = True
            statistics.committed += 1
        else:
            statistics.rolled_back += 1
            if told is not None:
                self._rolled_back(told, RolledBack(firing))
        if firing.number:
            kernel.dirty[firing] = None
        elapsed = kernel.ticks() - started
        statistics.seconds += elapsed
        statistics.buckets[bisect_left(DURATION_BOUNDS, elapsed)] += 1
        if firing.cls is ActivityEnd:
            self._detach_ended(firing)

    def _abandon_open(self) -> None:
        """Roll back what an interrupt or an error of the kernel's own has left open, without any callback (TX-23)."""
        tx = self.kernel.transaction
        if tx is not None:
            self.kernel.roll_back(tx)

    def _rolled_back(self, entity: SbbEntity, context: RolledBack) -> None:
        """Run `sbb_rolled_back` on a new instance in a transaction of its own; never repeated (TX-7, TX-8)."""
        if not entity.env.rolls_back:
            return
        kernel = self.kernel
        kernel.transaction = tx = Transaction(kernel)
        try:
            instance = tx.use(entity)
        except ActivationError:
            tx.marked = True
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            tx.fail(entity, error)
        else:
            try:
                tx.enter(entity, lambda: instance.sbb_rolled_back(context))
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                tx.marked = True
                tx.failed |= {entity}
                kernel.reports.callback_failed(entity, "sbb_rolled_back", error)
        kernel.finish(tx)

    # The end of an event and of an activity.

    def _finish(self, firing: Firing) -> None:
        """No candidate is left: the outcome callbacks, then what follows for the context (RTR-33)."""
        context = firing.context
        firing.done = True
        if firing.number:
            firing.note()
        context.dequeue()
        statistics = firing.statistics
        statistics.delivered += 1
        if not firing.processed:
            statistics.unserved += 1
        if firing.flags and context.resource is not None:
            context.resource.event_done(context, firing)
        if firing.cls is ActivityEnd or (context.first is None and not context.attached):
            self._after(firing)

    def _fail(self, firing: Firing, reason: FailureReason, cause: BaseException | None = None) -> None:
        """Delivery could not be attempted or completed: tell it, and go on with the next event (CON-8 to CON-10)."""
        context = firing.context
        if firing.done:  # the event had its outcome, what failed is what follows from it
            self.kernel.reports.event_failed(firing, reason, cause)
            return
        firing.done = True
        if firing.number:
            firing.note()
        context.dequeue()
        firing.statistics.fail(reason)
        self.kernel.reports.event_failed(firing, reason, cause)
        if firing.flags and context.resource is not None:
            context.resource.event_failed(context, firing, reason)
        self._after(firing)

    def _after(self, firing: Firing) -> None:
        """What the end of an event brings about: the end of its activity, or of the last reference to it."""
        context = firing.context
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
        while context.first is not None:  # accepted by a commit after the end: nothing is processed after it (AC-6)
            late = context.first
            if isinstance(late, Firing):
                late.done = True
                late.note()
                late.statistics.fail(FailureReason.CONTEXT_GONE)
                self.kernel.reports.event_failed(late, FailureReason.CONTEXT_GONE, None)
            context.dequeue()
        self.kernel.forget_context(context)

    def _release(self, context: Context, entities: list[SbbEntity]) -> None:
        for entity in entities:
            context.drop(entity)
        for entity in entities:
            root = entity.root
            if root.count == 0 and not root.removed:
                self.reclaim(root)

    def time_out(self, firings: list[Firing], now: float) -> None:
        """Resume the suspensions whose timeouts have passed (ECX-8)."""
        for firing in firings:
            firing.timed_out()

    # Reclamation.

    def reclaim(self, root: SbbEntity, *, forced: bool = False) -> None:
        """Remove a tree whose root has no attachment left, in a transaction of its own (ATT-12, ATT-17 to ATT-19).

        `forced` removes it whatever it is attached to, and for good (SVC-23, SVC-24).
        """
        kernel = self.kernel
        if not forced and root.children is None and root.env.plain_removal:
            forget_root(root)
            root.removed = True
            root.env.entities -= 1
        else:
            kernel.transaction = tx = Transaction(kernel)
            cause: BaseException | None = None
            try:
                tx.remove_tree(root)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                tx.marked = True
                cause = error.__cause__ or error
            if kernel.finish(tx):
                root.let_go_of_tree()
            else:
                self._rolled_back(root, RolledBack(None, removal=True))
                if (forced or root.count == 0) and not root.removed:
                    self._drop_tree(root, cause)
        kernel.registry.judge(root.env.service)

    def _drop_tree(self, root: SbbEntity, cause: BaseException | None) -> None:
        """Drop a tree without callbacks: its removal failed and nothing attached it again (ATT-19)."""
        self.kernel.reports.tree_dropped(root, cause)
        left: list[Context] = []
        for entity in list(root.tree()):
            entity.removed = True
            entity.env.entities -= 1
            if entity.key is not None:
                self.kernel.dirty[entity] = None
            left.extend(entity.contexts)
            for context in tuple(entity.contexts):
                context.drop(entity)
        forget_root(root)
        for context in left:
            self.kernel.judge_context(context)

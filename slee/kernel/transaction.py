"""The transaction of one delivery, management operation or adaptor.

Deliveries run one after another, so a transaction changes the live structures at once and keeps an undo log: commit
forgets the log, rollback runs it backwards. What others must not see before the commit (CMP values, events fired,
outputs) is kept apart until then.

`except KeyboardInterrupt: raise` stands wherever SBB code is called: any other exception, whatever its type, is a
failure of that code, while the interrupt goes on to the shell (TX-23).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from slee.api.errors import CreateError, TransactionRolledBackError
from slee.api.sbb import Sbb
from slee.kernel.entity import SbbEntity, forget_root, restore_root
from slee.kernel.state import forget_invalid, retire, wrong_field

if TYPE_CHECKING:
    from slee.kernel.context import Context
    from slee.kernel.environment import SbbEnvironment
    from slee.kernel.firing import Firing
    from slee.kernel.kernel import Kernel
    from slee.kernel.ports import TransactionPart
    from slee.kernel.resource import ResourceEntity

_MISSING: Final = object()
_NOBODY: Final[frozenset[SbbEntity]] = frozenset()

Call = tuple[Callable[..., object], tuple[Any, ...]]


class ActivationError(Exception):
    """`sbb_activate` of the delivery's own instance raised (SBB-16); never leaves the kernel."""


class Transaction:
    """One unit of work: all of it takes effect, or none. What is rarely used is a class attribute until it is."""

    marked = False
    """Marked for rollback, for good (TX-1)."""
    has_store = False
    has_passivate = False
    failed: frozenset[SbbEntity] = _NOBODY
    """Entities whose instance has raised: they get no further callback (SBB-19)."""
    removing: frozenset[SbbEntity] = _NOBODY
    """Entities whose removal is in progress."""
    thinned: frozenset[int] = frozenset()
    """Relations that have lost children: rollback sorts each once, at its end."""
    at_commit: list[Call] | None = None
    at_end: list[Call] | None = None
    """Called when the transaction completes either way: barriers."""
    loosened: list[Context] | None = None
    """Contexts that lost a reference, or were created: judged after the commit (AC-14, AC-24)."""
    lightened: dict[SbbEntity, None] | None = None
    """Roots whose count has fallen: judged after the commit (ATT-12, ATT-13)."""
    profiles: TransactionPart | None = None
    """What it does with profiles; judged last before the commit (PRF-46)."""
    number = 0
    """Identity in logs and test records; drawn when first asked for."""

    def __init__(self, kernel: Kernel, firing: Firing | None = None) -> None:
        self.kernel = kernel
        self.firing = firing
        self.undo: list[Call] = []
        self.instances: dict[SbbEntity, Sbb] = {}
        """The one instance of each entity used, in the order of first use (SBB-2)."""
        self.running: list[SbbEntity] = []
        self.fired: list[Firing] = []
        self.outputs: list[tuple[ResourceEntity, object]] = []

    @property
    def id(self) -> int:
        """Number of this transaction, unique in the kernel."""
        if not self.number:
            self.number = self.kernel.next_sequence()
        return self.number

    # What waits for the end of the transaction.

    def when_committed(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function of the kernel at the commit, before events are fired to their queues."""
        if self.at_commit is None:
            self.at_commit = []
        self.at_commit.append((function, arguments))

    def when_complete(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function of the kernel after commit or rollback."""
        if self.at_end is None:
            self.at_end = []
        self.at_end.append((function, arguments))

    def judge_later(self, context: Context) -> None:
        """See after the commit whether the context is still referenced."""
        if self.loosened is None:
            self.loosened = []
        self.loosened.append(context)

    # Instances.

    def use(self, entity: SbbEntity) -> Sbb:
        """The instance of an existing entity in this transaction; activated and loaded at first use (SBB-6).

        Raises:
            ActivationError: `sbb_activate` raised.
            BaseException: what `sbb_load` raised.
        """
        instance = self.instances.get(entity)
        if instance is not None:
            return instance
        env = entity.env
        instance = object.__new__(env.cls)
        instance._slee = entity
        if env.activates:
            self._activate(instance, entity)
        instance.__dict__ = state = entity.state.copy()
        if env.references:
            forget_invalid(state, env)
        self.instances[entity] = instance
        if env.special:
            self._note_callbacks(env)
            if env.loads:
                self.enter(entity, instance.sbb_load)
        return instance

    def _activate(self, instance: Sbb, entity: SbbEntity) -> None:
        try:
            self.kernel.outside(instance.sbb_activate)
            if instance.__dict__:
                raise TypeError(f"{entity}: sbb_activate wrote {list(instance.__dict__)} [CMP-3]; write in sbb_load")
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            retire(instance, entity)
            self.kernel.reports.callback_failed(entity, "sbb_activate", error)
            raise ActivationError(str(entity)) from error

    def _note_callbacks(self, env: SbbEnvironment) -> None:
        self.has_store = self.has_store or env.stores
        self.has_passivate = self.has_passivate or env.passivates

    def create(self, entity: SbbEntity) -> Sbb:
        """Run `sbb_create` and `sbb_post_create` of a new entity (SBB-5); its undo makes it never have been."""
        env = entity.env
        env.entities += 1
        self.undo.append((_uncreate, (entity,)))
        instance = object.__new__(env.cls)
        instance._slee = entity
        instance.__dict__ = env.initial.copy()
        self.instances[entity] = instance
        if not env.special:
            entity.exists = True
            return instance
        self._note_callbacks(env)
        if env.creates:
            self.enter(entity, instance.sbb_create)
        entity.exists = True
        if env.post_creates:
            self.enter(entity, instance.sbb_post_create)
        return instance

    def create_child(self, parent: SbbEntity, relation: str, env: SbbEnvironment, priority: int) -> SbbEntity:
        """Make a child; `CreateError` leaves no entity behind and the transaction unmarked (CHD-1, CHD-3, CHD-4)."""
        child = SbbEntity(env, parent, priority, self.kernel.next_sequence())
        if parent.children is None:
            parent.children = {name: {} for name in parent.env.descriptor.children}
        child.siblings = siblings = parent.children[relation]
        siblings[child] = None
        self.undo.append((siblings.pop, (child, None)))
        try:
            self.create(child)
        except CreateError:
            self._discard(child)
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.fail(child, error)
            raise TransactionRolledBackError(f"{parent}: {relation}.create failed [CHD-4]") from error
        return child

    def call(
        self,
        entity: SbbEntity,
        function: Callable[..., Any],
        raises: tuple[type[Exception], ...],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Call a business method on the entity's instance; undeclared exceptions mark the transaction (LOC-11)."""
        try:
            instance = self.use(entity)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise self._failed_use(entity, error) from (error.__cause__ or error)
        self.running.append(entity)
        try:
            return function(instance, *args, **kwargs)
        except raises:
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.fail(entity, error)
            raise TransactionRolledBackError(f"{entity}: {function.__name__} raised [LOC-11]") from error
        finally:
            self.running.pop()

    def _failed_use(self, entity: SbbEntity, error: BaseException) -> TransactionRolledBackError:
        """An entity that another one needs could not be used: mark, and say so to the other one (SBB-16, SBB-17)."""
        if isinstance(error, ActivationError):
            self.marked = True
            return TransactionRolledBackError(f"{entity}: sbb_activate raised {error.__cause__!r} [SBB-16]")
        self.fail(entity, error)
        return TransactionRolledBackError(f"{entity}: sbb_load raised [SBB-17]")

    def fail(
        self, entity: SbbEntity, error: BaseException, event: object | None = None, aci: Context | None = None
    ) -> None:
        """SBB code raised: mark, and tell the same instance in this transaction (SBB-17, TX-3)."""
        self.marked = True
        instance = self.instances.get(entity)
        if instance is None or entity in self.failed:
            return
        self.failed |= {entity}
        self.kernel.reports.sbb_raised(entity, error, event, aci)
        if not entity.env.catches:
            return
        try:
            self.enter(entity, lambda: instance.sbb_exception_thrown(error, event, aci))
        except BaseException as second:
            if isinstance(second, KeyboardInterrupt):
                raise
            self.kernel.reports.callback_failed(entity, "sbb_exception_thrown", second)

    def refuse_root(self, root: SbbEntity, error: CreateError) -> None:
        """A root refused its own creation: that is told to nobody but the log (TX-11)."""
        self.marked = True
        self.failed |= {root}
        self.kernel.reports.sbb_raised(root, error, None, None)

    def enter(self, entity: SbbEntity, callback: Callable[[], None]) -> None:
        """Run a callback with the entity counted as running."""
        self.running.append(entity)
        try:
            callback()
        finally:
            self.running.pop()

    # Removal.

    def remove_tree(self, top: SbbEntity) -> None:
        """Remove an entity and its descendants, parents first (CHD-17 to CHD-20)."""
        waiting = [top]
        while waiting:
            entity = waiting.pop()
            if entity.removed or entity in self.removing:
                continue
            if not entity.env.plain_removal:
                self._remove_callback(entity)
            children = entity.children
            if children is not None:
                waiting.extend(child for members in reversed(children.values()) for child in reversed(members))
            self._drop(entity)

    def _remove_callback(self, entity: SbbEntity) -> None:
        try:
            instance = self.use(entity)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            raise self._failed_use(entity, error) from (error.__cause__ or error)
        if not entity.env.removes or entity in self.failed:
            return
        before = self.removing
        self.removing |= {entity}
        try:
            self.enter(entity, instance.sbb_remove)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self.fail(entity, error)
            raise TransactionRolledBackError(f"{entity}: sbb_remove raised [CHD-20]") from error
        finally:
            self.removing = before

    def _discard(self, top: SbbEntity) -> None:
        """Drop an entity that refused its creation, and what it made below itself, without callbacks (SBB-15)."""
        waiting = [top]
        while waiting:
            entity = waiting.pop()
            if entity.children is not None:
                waiting.extend(child for members in entity.children.values() for child in members)
            self._drop(entity)

    def _drop(self, entity: SbbEntity) -> None:
        """Take an entity out of contexts, relation and service, once its own `sbb_remove` has returned (CHD-19)."""
        for context in tuple(entity.contexts):
            context.detach_entity(entity, self)
        entity.removed = True
        entity.env.entities -= 1
        if entity.key is not None:
            self.kernel.dirty[entity] = None
        self.undo.append((_unremove, (entity,)))
        if (instance := self.instances.get(entity)) is not None:
            instance.__dict__ = {}  # LOC-8: no CMP from here on
        siblings = entity.siblings
        if siblings is None:
            self.undo.append((restore_root, (entity, forget_root(entity))))
        elif entity.parent is not None and not entity.parent.removed:
            if id(siblings) not in self.thinned:
                self.thinned |= {id(siblings)}
                self.undo.append((_sort_siblings, (siblings,)))
            del siblings[entity]
            self.undo.append((siblings.__setitem__, (entity, None)))

    # The end of the transaction.

    def store(self) -> None:
        """Run every `sbb_store`, in the order of first use; one that marks stops the rest (SBB-10 to SBB-12)."""
        done = 0
        while not self.marked and done < len(self.instances):
            entity, instance = list(self.instances.items())[done]
            done += 1
            if entity.env.stores and not entity.removed:
                try:
                    self.enter(entity, instance.sbb_store)
                except BaseException as error:
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    self.fail(entity, error)

    def check(self) -> None:
        """Judge every field that changed; changed means not the same object (CMP-12, CMP-13)."""
        for entity, instance in self.instances.items():
            before = entity.state.get
            fields = entity.env.fields
            for name, value in instance.__dict__.items():
                if value is before(name, _MISSING):
                    continue
                kind = fields.get(name)
                if kind is None or entity.removed or not (type(value) in kind.exact or kind.accepts(value)):
                    self.fail(entity, wrong_field(entity, name, value))
                    return

    def passivate(self) -> None:
        """Run `sbb_passivate` on what was neither removed nor raised, with no state at hand (SBB-7, SBB-8)."""
        for entity, instance in self.instances.items():
            if not entity.env.passivates or entity.removed or entity in self.failed:
                continue
            state = instance.__dict__
            instance.__dict__ = {}
            try:
                self.kernel.outside(instance.sbb_passivate)
                if instance.__dict__:
                    raise TypeError(f"{entity}: sbb_passivate wrote {list(instance.__dict__)} [CMP-3]; use sbb_store")
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
                self.kernel.reports.callback_failed(entity, "sbb_passivate", error)
            instance.__dict__ = state

    def keep_state(self) -> None:
        """Take the instances' fields back as the new committed state, and retire the instances."""
        for entity, instance in self.instances.items():
            entity.state = instance.__dict__
            instance.__dict__ = {}
            instance.__class__ = entity.env.retired

    def roll_back(self) -> None:
        """Undo everything, last change first, and retire the instances (SBB-4, TX-15 to TX-17)."""
        undo = self.undo
        while undo:
            function, arguments = undo.pop()
            function(*arguments)
        for entity, instance in self.instances.items():
            retire(instance, entity)


def _uncreate(entity: SbbEntity) -> None:
    entity.env.entities -= 1
    entity.removed = True


def _unremove(entity: SbbEntity) -> None:
    entity.removed = False
    entity.env.entities += 1


def _sort_siblings(siblings: dict[SbbEntity, None]) -> None:
    """Bring children that rollback has put back to the order of their creation (CHD-22)."""
    ordered = sorted(siblings, key=lambda child: child.sequence)
    siblings.clear()
    siblings.update(dict.fromkeys(ordered))


__all__ = ["ActivationError", "Call", "Transaction"]

"""The transaction of one delivery, management operation or adaptor.

Deliveries run one after another, so a transaction changes the live structures at once and keeps an undo log: commit
forgets the log, rollback runs it backwards. What others must not see before the commit (CMP values, events fired,
outputs) is kept apart until then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from slee.api.errors import CreateError, TransactionRolledBackError
from slee.api.sbb import Sbb
from slee.kernel.entity import SbbEntity

if TYPE_CHECKING:
    from slee.kernel.context import Context
    from slee.kernel.environment import SbbEnvironment
    from slee.kernel.firing import Firing
    from slee.kernel.kernel import Kernel
    from slee.kernel.resource import ResourceEntity

_MISSING: Final = object()


class ActivationError(Exception):
    """`sbb_activate` of the delivery's own instance raised (SBB-16); never leaves the kernel."""


class Transaction:
    """One unit of work: all of it takes effect, or none."""

    __slots__ = (
        "at_commit",
        "at_end",
        "created",
        "failed",
        "fired",
        "firing",
        "instances",
        "kernel",
        "lightened",
        "loosened",
        "marked",
        "outputs",
        "removing",
        "running",
        "undo",
    )

    def __init__(self, kernel: Kernel, firing: Firing | None = None) -> None:
        self.kernel = kernel
        self.firing = firing
        self.marked = False
        """Marked for rollback, for good (TX-1)."""
        self.undo: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self.at_commit: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self.at_end: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        """Called when the transaction completes either way: barriers."""
        self.fired: list[Firing] = []
        self.outputs: list[tuple[ResourceEntity, object]] = []
        self.instances: dict[SbbEntity, Sbb] = {}
        """The one instance of each entity used, in the order of first use (SBB-2)."""
        self.created: set[SbbEntity] = set()
        self.failed: set[SbbEntity] = set()
        """Entities whose instance has raised: they get no further callback (SBB-19)."""
        self.running: list[SbbEntity] = []
        self.removing: set[SbbEntity] = set()
        """Entities whose removal is done or in progress."""
        self.loosened: list[Context] = []
        """Contexts that lost a reference, or were created: judged after the commit (AC-14, AC-24)."""
        self.lightened: dict[SbbEntity, None] = {}
        """Roots whose count may have fallen: judged after the commit (ATT-12, ATT-13)."""

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
        instance._slee = entity  # pyright: ignore[reportPrivateUsage]
        if env.activates:
            self._activate(instance, entity)
        instance.__dict__ = state = entity.state.copy()
        if env.references:
            _forget_invalid(state, env)
        self.instances[entity] = instance
        if env.loads:
            self._enter(entity, instance.sbb_load)
        return instance

    def _activate(self, instance: Sbb, entity: SbbEntity) -> None:
        try:
            self.kernel.outside(instance.sbb_activate)
            if instance.__dict__:
                raise TypeError(f"{entity}: sbb_activate wrote {list(instance.__dict__)} [CMP-3]; write in sbb_load")
        except Exception as error:
            self.kernel.callback_failed(entity, "sbb_activate", error)
            raise ActivationError(str(entity)) from error

    def create(self, entity: SbbEntity) -> Sbb:
        """Run `sbb_create` and `sbb_post_create` of a new entity (SBB-5); its undo makes it never have been."""
        env = entity.env
        env.entities += 1
        self.created.add(entity)
        self.undo.append((_uncreate, (entity,)))
        instance = object.__new__(env.cls)
        instance._slee = entity  # pyright: ignore[reportPrivateUsage]
        instance.__dict__ = env.initial.copy()
        self.instances[entity] = instance
        if env.creates:
            self._enter(entity, instance.sbb_create)
        entity.exists = True
        if env.post_creates:
            self._enter(entity, instance.sbb_post_create)
        return instance

    def create_child(self, parent: SbbEntity, relation: str, env: SbbEnvironment, priority: int) -> SbbEntity:
        """Make a child; `CreateError` leaves nothing behind and the transaction unmarked (CHD-1, CHD-3, CHD-4)."""
        child = SbbEntity(env, parent, priority, self.kernel.next_sequence())
        child.relation = relation
        if parent.children is None:
            parent.children = {name: {} for name in parent.env.descriptor.children}
        members = parent.children[relation]
        mark = len(self.undo)
        members[child] = None
        self.undo.append((members.pop, (child, None)))
        try:
            self.create(child)
        except CreateError:
            self.instances.pop(child, None)
            self.roll_back_to(mark)
            raise
        except Exception as error:
            self.fail(child, error)
            raise TransactionRolledBackError(f"{parent}: {relation}.create failed [CHD-4]") from error
        return child

    def call(
        self,
        entity: SbbEntity,
        function: Callable[..., Any],
        raises: tuple[type[Exception], ...],
        what: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        """Call a business method on the entity's instance; undeclared exceptions mark the transaction (LOC-11)."""
        try:
            instance = self.use(entity)
            self.running.append(entity)
            try:
                return function(instance, *args, **kwargs)
            finally:
                self.running.pop()
        except raises:
            raise
        except ActivationError as error:
            self.marked = True
            raise TransactionRolledBackError(f"{what}: sbb_activate failed [SBB-16]") from error.__cause__
        except Exception as error:
            self.fail(entity, error)
            raise TransactionRolledBackError(f"{what} raised [LOC-11]") from error

    def fail(
        self, entity: SbbEntity, error: BaseException, event: object | None = None, aci: Context | None = None
    ) -> None:
        """SBB code raised: mark, and tell the same instance in this transaction (SBB-17, TX-3)."""
        self.marked = True
        instance = self.instances.get(entity)
        if instance is None or entity in self.failed:
            return
        self.failed.add(entity)
        self.kernel.sbb_raised(entity, error, event, aci)
        if entity.env.catches and not isinstance(error, CreateError):
            try:
                self._enter(entity, lambda: instance.sbb_exception_thrown(error, event, aci))
            except Exception as second:
                self.kernel.callback_failed(entity, "sbb_exception_thrown", second)

    def _enter(self, entity: SbbEntity, callback: Callable[[], None]) -> None:
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
            if entity.removed:
                continue
            self.removing.add(entity)
            if not entity.env.plain_removal:
                self._remove_callback(entity)
            children = entity.children
            if children is not None:
                waiting.extend(child for members in reversed(children.values()) for child in reversed(members))
            self._drop(entity)

    def _remove_callback(self, entity: SbbEntity) -> None:
        try:
            instance = self.use(entity)
        except ActivationError as error:
            self.marked = True
            raise TransactionRolledBackError(f"{entity}: sbb_activate failed [SBB-16]") from error.__cause__
        if entity.env.removes:
            try:
                self._enter(entity, instance.sbb_remove)
            except Exception as error:
                self.fail(entity, error)
                raise TransactionRolledBackError(f"{entity}: sbb_remove raised [CHD-20]") from error

    def _drop(self, entity: SbbEntity) -> None:
        """Take an entity out of contexts, relation and service, once its own `sbb_remove` has returned (CHD-19)."""
        for context in tuple(entity.contexts):
            context.detach_entity(entity, self)
        entity.removed = True
        entity.env.entities -= 1
        self.undo.append((_unremove, (entity,)))
        parent = entity.parent
        if parent is None:
            forget_root(entity)
            self.undo.append((_restore_root, (entity,)))
        elif not parent.removed and parent.children is not None and entity.relation is not None:
            members = parent.children[entity.relation]
            self.undo.append((_restore_members, (members, tuple(members))))
            members.pop(entity, None)

    # The end of the transaction.

    def store(self) -> None:
        """Run every `sbb_store`, then judge every changed field (SBB-10 to SBB-12, CMP-12)."""
        done = 0
        while not self.marked and done < len(self.instances):
            entity, instance = list(self.instances.items())[done]
            done += 1
            if entity.env.stores and entity not in self.removing:
                try:
                    self._enter(entity, instance.sbb_store)
                except Exception as error:
                    self.fail(entity, error)
        if self.marked:
            return
        for entity, instance in self.instances.items():
            try:
                _check_state(entity, instance)
            except (TypeError, AttributeError) as error:
                self.fail(entity, error)
                return

    def passivate(self) -> None:
        """Run `sbb_passivate` on what was neither removed nor raised (SBB-7)."""
        for entity, instance in self.instances.items():
            if entity.env.passivates and entity not in self.removing and entity not in self.failed:
                try:
                    self.kernel.outside(instance.sbb_passivate)
                except Exception as error:
                    self.kernel.callback_failed(entity, "sbb_passivate", error)

    def keep_state(self) -> None:
        """Take the instances' fields back as the new committed state, and retire the instances."""
        for entity, instance in self.instances.items():
            state = instance.__dict__
            initial = entity.env.initial
            if len(state) < len(initial):
                for name, value in initial.items():  # CMP-14: a deleted field begins anew
                    state.setdefault(name, value)
            entity.state = state
            instance.__dict__ = {}
            instance.__class__ = entity.env.retired

    def retire(self) -> None:
        """Drop what the instances hold (SBB-4)."""
        for entity, instance in self.instances.items():
            instance.__dict__ = {}
            instance.__class__ = entity.env.retired

    def roll_back_to(self, mark: int) -> None:
        """Undo, last change first, until `mark` entries of the log are left."""
        undo = self.undo
        while len(undo) > mark:
            function, arguments = undo.pop()
            function(*arguments)

    def enlist(self, resource: ResourceEntity, command: object) -> None:
        """Hand `command` to the adaptor after the commit (OUT-2, OUT-3)."""
        self.outputs.append((resource, command))


def _check_state(entity: SbbEntity, instance: Sbb) -> None:
    """Judge changed fields: declared, and of their type (CMP-12, CMP-13). Changed means not the same object."""
    env = entity.env
    old = entity.state
    fields = env.fields
    for name, value in instance.__dict__.items():
        if value is old.get(name, _MISSING):
            continue
        kind = fields.get(name)
        if kind is None:
            raise AttributeError(
                f"{env.descriptor.id}.{name} is no CMP field [CMP-13]; declare {name}: Cmp[...] = cmp() on the class"
            )
        if type(value) not in kind.exact and not kind.accepts(value):
            raise TypeError(f"{env.descriptor.id}.{name} is {value!r}, no {kind} [CMP-12]; assign a value of the type")


def _forget_invalid(state: dict[str, object], env: SbbEnvironment) -> None:
    """References whose target is gone count as no value (CMP-16, CMP-17)."""
    for name in env.references:
        if name in state and env.kernel.is_stale(state[name]):
            if env.fields[name].accepts(None):
                state[name] = None
            else:
                del state[name]


def forget_root(entity: SbbEntity) -> None:
    """Free the convergence name of a root (IES-24)."""
    service = entity.env.service
    service.roots.pop(entity, None)
    if service.names.get(entity.convergence_name, None) is entity:
        del service.names[entity.convergence_name]


def _restore_root(entity: SbbEntity) -> None:
    service = entity.env.service
    service.roots[entity] = None
    if entity.convergence_name is not None:
        service.names[entity.convergence_name] = entity


def _uncreate(entity: SbbEntity) -> None:
    entity.env.entities -= 1
    entity.removed = True


def _unremove(entity: SbbEntity) -> None:
    entity.removed = False
    entity.env.entities += 1


def _restore_members(members: dict[SbbEntity, None], order: tuple[SbbEntity, ...]) -> None:
    members.clear()
    members.update(dict.fromkeys(order))


__all__ = ["ActivationError", "Transaction", "forget_root"]

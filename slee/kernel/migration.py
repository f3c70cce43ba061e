"""One entity tree becomes a tree of another version of its service, whole and in one transaction (UPG-11)."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import TYPE_CHECKING

from slee.api.errors import UpgradeError
from slee.api.event import event_type_id
from slee.kernel.entity import forget_root
from slee.kernel.firing import Firing
from slee.model.migration import counterpart, migration

if TYPE_CHECKING:
    from slee.kernel.context import Context
    from slee.kernel.entity import SbbEntity
    from slee.kernel.environment import SbbEnvironment, ServiceRuntime
    from slee.kernel.transaction import Transaction


def is_busy(root: SbbEntity) -> bool:
    """Whether an event is being routed, or is suspended, on a context of the tree: it waits for the end of that."""
    return any(
        type(context.first) is Firing and context.first.initial is not None
        for entity in root.tree()
        for context in entity.contexts
    )


def migrate_tree(root: SbbEntity, service: ServiceRuntime) -> None:
    """Let a tree be one of `service`: attachments, masks, timers, names, priorities and identities stay.

    Raises:
        UpgradeError: the new version has no place for part of it; the tree is as it was.
        Exception: whatever a migration raised; the tree is as it was.
    """
    kernel = service.kernel
    before = root.env.service
    tx = kernel.begin()
    try:
        if root.convergence_name in service.names:
            raise UpgradeError(f"{root}: {service.id} has a tree of its convergence name [UPG-11]; it drains")
        _move(root, service, tx)
        for entity in tuple(root.tree()):
            _carry(entity, service, tx)
            _note(entity, tx)
    except BaseException:
        kernel.roll_back(tx)
        raise
    kernel.finish(tx)
    kernel.registry.judge(before)


def _carry(entity: SbbEntity, service: ServiceRuntime, tx: Transaction) -> None:
    """One entity with its state, masks and shared attributes."""
    old = entity.env
    found = counterpart(old.descriptor, service.descriptor)
    if found is None:
        raise UpgradeError(f"{entity}: {service.id} has no such SBB [UPG-11]; it drains")
    new = service.environments[found.id]
    state = _state(entity, new)
    tx.undo.append((_restore, (entity, old, entity.state, entity.children)))
    if entity.children is not None:
        entity.children = _relations(entity, new)
    for context, mask in [(context, context.attached[entity]) for context in entity.contexts]:
        tx.undo.append((context.attached.__setitem__, (entity, mask)))
        context.attached[entity] = _mask(mask, new)
        _share(context, old, new, tx)
    old.entities -= 1
    new.entities += 1
    entity.env, entity.state = new, state
    service.kernel.changes += 1


def _note(entity: SbbEntity, tx: Transaction) -> None:
    """The record after the commit says whose the entity is now, and what became of its masks (UPG-15)."""
    if entity.env.rank or entity.key is not None:
        tx.when_committed(entity.env.kernel.dirty.__setitem__, entity, None)
        for context in entity.contexts:
            if context.lasting:
                tx.when_committed(entity.env.kernel.dirty.__setitem__, context, None)


def _state(entity: SbbEntity, new: SbbEnvironment) -> dict[str, object]:
    """The CMP values in the new version, checked against its schema."""
    old = entity.env.descriptor
    function = migration(old, new.descriptor)
    given = {**old.initial, **entity.state}
    made = given if function is None else function(types.MappingProxyType(given))
    if not isinstance(made, Mapping):
        raise UpgradeError(
            f"{entity}: the migration to {new.descriptor.id} returned {made!r}, which is no mapping of fields "
            "[UPG-11]; mend the migration"
        )
    state = dict(new.initial)
    for name, value in made.items():
        kind = new.fields.get(name)
        if kind is None or not kind.accepts(value):
            what = f"no {kind}" if kind else "and there is no such field"
            raise UpgradeError(f"{entity}: field {name} becomes {value!r}, {what} [UPG-11]; mend the migration")
        state[name] = value
    return state


def _relations(entity: SbbEntity, new: SbbEnvironment) -> dict[str, dict[SbbEntity, None]]:
    """The children in the relations of the new version."""
    relations: dict[str, dict[SbbEntity, None]] = {name: {} for name in new.descriptor.children}
    for name, members in (entity.children or {}).items():
        if name in relations:
            relations[name] = members
        elif members:
            raise UpgradeError(f"{entity}: relation {name} is gone, and it has children [UPG-11]; it drains")
    return relations


def _mask(mask: frozenset[type], new: SbbEnvironment) -> frozenset[type]:
    """The masked event types that the new version handles; those of its own bundle by name and vendor."""
    if not mask:
        return mask
    names = {_name(event_class): event_class for event_class in new.handlers}
    return frozenset(names[_name(event_class)] for event_class in mask if _name(event_class) in names)


def _name(event_class: type) -> tuple[str, str] | type:
    identity = event_type_id(event_class)
    return event_class if identity is None else (identity.name, identity.vendor)


def _share(context: Context, old: SbbEnvironment, new: SbbEnvironment, tx: Transaction) -> None:
    """Let the new version see the shared attributes that the old one wrote under its own type."""
    if context.shared is None:
        return
    to = {(v.__qualname__, name): key for v in new.descriptor.views for name, key in v.shared_keys.items()}
    for view in old.descriptor.views:
        for name, key in view.shared_keys.items():
            other = to.get((view.__qualname__, name))
            if other is not None and other != key and key in context.shared and other not in context.shared:
                context.shared[other] = context.shared[key]
                tx.undo.append((context.shared.pop, (other, None)))


def _move(root: SbbEntity, service: ServiceRuntime, tx: Transaction) -> None:
    """Enter the root in the other service, with its convergence name and its age."""
    before, made = root.env.service, forget_root(root)
    service.names[root.convergence_name] = root
    service.roots[root] = made
    tx.undo.append((_move_back, (root, service, before, made)))


def _move_back(root: SbbEntity, service: ServiceRuntime, before: ServiceRuntime, made: float) -> None:
    del service.names[root.convergence_name], service.roots[root]
    before.names[root.convergence_name] = root
    before.roots[root] = made


def _restore(
    entity: SbbEntity,
    env: SbbEnvironment,
    state: dict[str, object],
    children: dict[str, dict[SbbEntity, None]] | None,
) -> None:
    entity.env.entities -= 1
    env.entities += 1
    entity.env, entity.state, entity.children = env, state, children
    env.kernel.changes += 1

"""Which of the entities attached to a context gets its event next (RTR-3 to RTR-14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slee.kernel.entity import SbbEntity
    from slee.kernel.firing import Firing


def next_attached(firing: Firing) -> SbbEntity | None:
    """The attached entity to be served next: not yet served, handling the type, not masked, of the target service."""
    attached = firing.context.attached
    if len(attached) > 1:
        return _next_of_many(firing)
    served = firing.served
    cls = firing.cls
    for entity, mask in attached.items():
        if cls not in entity.env.handlers or cls in mask or (served is not None and entity in served):
            continue
        if firing.target is None or entity.env.service is firing.target:
            return entity
    return None


def _next_of_many(firing: Firing) -> SbbEntity | None:
    """The first of several; their order is worked out anew when anything it depends on has changed (RTR-10)."""
    context = firing.context
    order = firing.order
    if order is None or firing.ordered_at != context.kernel.changes:
        firing.order = order = [e for e, mask in context.attached.items() if _may_receive(e, mask, firing)]
        firing.ordered_at = context.kernel.changes
        order.sort(key=_place, reverse=True)
    served = firing.served
    while order:
        if served is None or order[-1] not in served:
            return order[-1]
        order.pop()
    return None


def _may_receive(entity: SbbEntity, mask: frozenset[type], firing: Firing) -> bool:
    cls = firing.cls
    if cls not in entity.env.handlers or cls in mask:
        return False
    return firing.target is None or entity.env.service is firing.target


def _place(entity: SbbEntity) -> tuple[tuple[int, ...], int]:
    """What the order goes by (RTR-4, RTR-5, RTR-8)."""
    return entity.path(), entity.sequence

"""CMP state in a transaction: what an instance begins with, how a change is judged, and the end of the instance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slee.api.errors import InvalidStateError

if TYPE_CHECKING:
    from slee.api.sbb import Sbb
    from slee.kernel.entity import SbbEntity
    from slee.kernel.environment import SbbEnvironment


def retire(instance: Sbb, entity: SbbEntity) -> None:
    """Take an instance's fields away, and let it refuse every use (SBB-4)."""
    instance.__dict__ = {}
    instance.__class__ = entity.env.retired


def wrong_field(entity: SbbEntity, name: str, value: object) -> Exception:
    """What is wrong with a changed field."""
    what = f"{entity.env.descriptor.id}.{name}"
    kind = entity.env.fields.get(name)
    if kind is None:
        return AttributeError(f"{what} is no CMP field [CMP-13]; declare {name}: Cmp[...] = cmp() on the class")
    if entity.removed:
        return InvalidStateError(f"{what} was written after the removal [LOC-8]; write it before remove()")
    return TypeError(f"{what} is {value!r}, no {kind} [CMP-12]; assign a value of the type")


def forget_invalid(state: dict[str, object], env: SbbEnvironment) -> None:
    """References whose target is gone count as no value (CMP-16, CMP-17)."""
    for name in env.references:
        if name in state and env.kernel.is_stale(state[name]):
            if env.fields[name].accepts(None):
                state[name] = None
            else:
                del state[name]

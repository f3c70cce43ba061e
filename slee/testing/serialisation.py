"""Sends what a transaction commits through the codec, and goes on with the copy (TST-8).

In memory a value survives whatever it is; in a journal only what is written and read is left of it. CMP fields, shared
attributes, addresses of timers, events that SBBs fire and commands that an adaptor recovers are carried by their
declared types. An event type with a field of an open or mutable type is left alone, and listed in `not_carried`. The
handle of an activity goes through its adaptor's marshaller (RA-44); an activity's state is octets already.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Final, cast

from slee.api.address import Address
from slee.api.errors import SleeError
from slee.kernel.context import Context
from slee.kernel.timers import TimerRecord
from slee.model.codec import declared_annotation
from slee.testing.codec import Codec

if TYPE_CHECKING:
    from slee.api.sbb import Sbb
    from slee.api.view import Shared
    from slee.kernel.entity import SbbEntity
    from slee.kernel.environment import ServiceRuntime
    from slee.kernel.transaction import Transaction

_MISSING: Final = object()


class SerialisationError(SleeError):
    """A value that a transaction was to commit does not survive being stored and read (TST-8)."""


class Serialisation:
    """Carries the values of one harness."""

    def __init__(self) -> None:
        self._codec = Codec()
        self._annotations: dict[type[Sbb], dict[str, object]] = {}
        self._shared: dict[Hashable, Shared[Any]] = {}
        self._carried: dict[type, bool] = {}
        self.not_carried: set[type] = set()
        """Event types met whose fields the codec does not carry."""

    def know(self, service: ServiceRuntime) -> None:
        """Learn the shared attributes of a service."""
        for sbb in service.descriptor.sbbs.values():
            for view in sbb.views:
                for name, attribute in view.shared_attributes.items():
                    self._shared[view.shared_keys[name]] = attribute

    def carry(self, tx: Transaction) -> None:
        """Replace what `tx` is to commit by what is read of it; mark it for rollback where that fails."""
        for entity, instance in tx.instances.items():
            if not entity.removed:
                self._carry_fields(tx, entity, instance.__dict__)
        if not tx.marked:
            self._carry_shared(tx)
        if not tx.marked:
            self._carry_events(tx)
        if not tx.marked:
            self._carry_timers(tx)
        if not tx.marked:
            self._carry_outputs(tx)

    def _carry_fields(self, tx: Transaction, entity: SbbEntity, fields: dict[str, object]) -> None:
        cls = entity.env.descriptor.cls
        before = entity.state.get
        for name, value in fields.items():
            if value is not before(name, _MISSING):
                try:
                    fields[name] = self._codec.copy(value, self._annotation(cls, name))
                except (TypeError, ValueError) as error:
                    tx.fail(entity, _failure(f"{entity.env.descriptor.id}.{name}", error))
                    return

    def _carry_shared(self, tx: Transaction) -> None:
        for function, arguments in tx.undo:
            context = getattr(function, "__self__", None)
            if function.__name__ == "_restore_shared" and isinstance(context, Context) and context.shared is not None:
                key = arguments[0]
                attribute = self._shared.get(key)
                if attribute is None or key not in context.shared:
                    continue
                try:
                    context.shared[key] = self._codec.copy(context.shared[key], attribute.annotation)
                except (TypeError, ValueError) as error:
                    _fail(tx, _failure(str(attribute), error))
                    return

    def _carry_events(self, tx: Transaction) -> None:
        for firing in tx.fired:
            if self._carries(firing.cls):
                try:
                    firing._event = self._codec.copy(firing.event, firing.cls)
                except (TypeError, ValueError) as error:
                    _fail(tx, _failure(f"event {firing.cls.__name__}", error))
                    return

    def _carry_timers(self, tx: Transaction) -> None:
        for record in [argument for _, arguments in tx.undo for argument in arguments if type(argument) is TimerRecord]:
            try:
                record.address = cast("Address | None", self._codec.copy(record.address, Address | None))
            except (TypeError, ValueError) as error:
                _fail(tx, _failure(f"address of {record.id}", error))
                return

    def _carry_outputs(self, tx: Transaction) -> None:
        for place, (resource, command) in enumerate(tx.outputs):
            if type(command) not in resource.adaptor.recovers:
                continue
            try:
                tx.outputs[place] = (resource, self._codec.copy(command, type(command)))
            except (TypeError, ValueError) as error:
                _fail(tx, _failure(f"command {type(command).__name__} of {resource.name}", error))
                return

    def _carries(self, event_class: type) -> bool:
        known = self._carried.get(event_class)
        if known is None:
            try:
                self._codec.carrier(event_class)
            except (TypeError, NameError):
                self.not_carried.add(event_class)
                known = False
            else:
                known = True
            self._carried[event_class] = known
        return known

    def _annotation(self, cls: type[Sbb], name: str) -> object:
        known = self._annotations.setdefault(cls, {})
        if name not in known:
            known[name] = declared_annotation(cls, name)
        return known[name]


def _failure(where: str, error: Exception) -> SerialisationError:
    return SerialisationError(f"{where}: {error} [TST-8]; commit values that the codec carries")


def _fail(tx: Transaction, error: SerialisationError) -> None:
    """Blame the entity that the transaction began with; without one, the adaptor that began it."""
    entity = next(iter(tx.instances), None)
    if entity is not None:
        tx.fail(entity, error)
        return
    tx.marked = True
    tx.kernel.reports.observer.adaptor_failed("an adaptor", "commit", error)


__all__ = ["Serialisation", "SerialisationError"]

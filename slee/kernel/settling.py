"""What adaptors keep over a restart, and what becomes of it when they have begun again (DUR-7, OUT-16, ATT-23)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from slee.kernel.keys import handle_octets
from slee.kernel.recovery import Orphan
from slee.kernel.states import ResourceState, ServiceState

if TYPE_CHECKING:
    from slee.kernel.context import Context
    from slee.kernel.journalling import Journalling
    from slee.kernel.kernel import Kernel
    from slee.kernel.resource import ResourceEntity


def save(resource: ResourceEntity, context: Context, state: bytes) -> None:
    """Keep an activity over a restart, with its state; undone with the transaction, if one is active (DUR-2)."""
    if type(state) is not bytes:
        raise TypeError(f"{resource.name}: save of {state!r} for {context} [DUR-2]; give bytes")
    kernel = resource.kernel
    if kernel.journalling is None:
        return
    if not context.lasting:
        handle_octets(resource, context.handle)
    tx = kernel.transaction
    if tx is not None:
        tx.undo.append((setattr, (context, "saved", context.saved)))
    context.saved = state
    context.last_on()
    kernel.dirty[context] = None


def settle(kernel: Kernel, journalling: Journalling) -> None:
    """The adaptors have begun: end what none was asked for, and reclaim what nothing holds (DUR-7, ATT-23)."""
    for resource in list(journalling.unsettled):
        if resource.state is not ResourceState.ACTIVE:
            for context in journalling.unsettled.pop(resource):
                _not_restored(resource, context, None)
    for context in list(kernel.own_contexts):
        if context.resource is None and isinstance(context.activity, Orphan):
            context.end_now()
    for service in kernel.services.values():
        if service.roots and service.state is ServiceState.INACTIVE:
            kernel.registry.go_on_stopping(service)
        for root in [root for root in service.roots if root.count == 0]:
            kernel.router.reclaim(root)
    for context in list(kernel.null_activities.contexts.values()):
        kernel.judge_context(context)


def settle_resource(resource: ResourceEntity) -> None:
    """An adaptor has begun: ask for each recovered activity, once, and offer outputs in doubt (DUR-7, OUT-16)."""
    journalling = resource.kernel.journalling
    if journalling is None:
        return
    contexts = journalling.unsettled.pop(resource, ())
    for context in contexts:
        try:
            activity = resource.adaptor.restore_activity(context.handle, context.saved or b"")
        except Exception as error:
            _not_restored(resource, context, error)
        else:
            if activity is None:
                _not_restored(resource, context, None)
            else:
                context.take_activity(activity)
    for key, name, octets in journalling.offers.pop(resource.name, ()):
        _offer(resource, journalling, name, octets)
        journalling.drop_key(key)
    for context in contexts:  # those that were attached to an activity may not have come back (AC-14)
        resource.kernel.judge_context(context)


def _not_restored(resource: ResourceEntity, context: Context, error: Exception | None) -> None:
    observer = resource.kernel.reports.observer
    if error is not None:
        resource.failed_callbacks += 1
        observer.adaptor_failed(resource.name, "restore_activity", error)
    observer.activity_not_restored(resource.name, context.handle)
    context.end_now()


def _offer(resource: ResourceEntity, journalling: Journalling, name: str, octets: bytes | None) -> None:
    """Offer a command that was possibly sent: repeated if that is harmless, else failed (OUT-16)."""
    adaptor = resource.adaptor
    cls = next((cls for cls in adaptor.recovers if cls.__name__ == name), None)
    observer = resource.kernel.reports.observer
    carrier = None if cls is None else journalling.records.carrier(cls)
    if carrier is None or octets is None:
        resource.failed_commands += 1
        observer.command_failed(resource.name, LostCommand(name), "outcome_unknown")
        return
    command = carrier.value(msgspec.msgpack.decode(octets), _NoReferences())
    try:
        is_repeated = adaptor.recover_output(command)
    except Exception as error:
        resource.failed_commands += 1
        observer.command_failed(resource.name, command, error)
        return
    if is_repeated:
        resource.performed_commands += 1
    else:
        resource.failed_commands += 1
        observer.command_failed(resource.name, command, "outcome_unknown")


@dataclass(frozen=True, slots=True)
class LostCommand:
    """Stands for a command of a `sync` service that may have been sent, and that cannot be repeated (OUT-16)."""

    kind: str
    """The name of its class."""


class _NoReferences:
    """Commands refer to nothing of the kernel's."""

    def place(self, target: object) -> object:
        return None

    def target(self, place: Any) -> object:
        return None


__all__ = ["LostCommand", "save", "settle", "settle_resource"]

"""Activity contexts: one queue of events each, the entities attached, and the end of the activity."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import TYPE_CHECKING, Any, Final

from slee.api.activity import ActivityContext
from slee.api.errors import (
    ComponentDefinitionError,
    InvalidStateError,
    NoSuchObjectError,
    NotAttachedError,
    TransactionRequiredError,
    TransactionRolledBackError,
    UnrecognizedEventError,
)
from slee.api.event import ActivityEnd, TimerID
from slee.api.view import ActivityContextView, Shared, declare_view, view_issues
from slee.kernel.entity import SbbEntity, entity_of
from slee.kernel.firing import Barrier, Entry, Firing
from slee.kernel.states import CONTEXT, ContextState, next_state

if TYPE_CHECKING:
    from slee.api.local import SbbLocal
    from slee.api.sbb import Sbb
    from slee.kernel.kernel import Kernel
    from slee.kernel.resource import ResourceEntity
    from slee.kernel.timers import TimerRecord
    from slee.kernel.transaction import Transaction

_END: Final = ActivityEnd()
_ACTIVE: Final = ContextState.ACTIVE
_INVALID: Final = ContextState.INVALID
_MISSING: Final = object()


class Context(ActivityContext):
    """The SLEE's side of one activity (group AC)."""

    __slots__ = (
        "_activity",
        "_is_asked",
        "attached",
        "continuing",
        "first",
        "flags",
        "handle",
        "kernel",
        "key",
        "last",
        "lasting",
        "names",
        "passing",
        "queued",
        "referenced",
        "resource",
        "saved",
        "scheduled",
        "shared",
        "spent_timers",
        "state",
        "timers",
        "visible",
    )

    def __init__(
        self, kernel: Kernel, resource: ResourceEntity | None, handle: Hashable, activity: object, flags: int = 0
    ) -> None:
        self.kernel = kernel
        self.resource = resource
        """The RA entity that owns the activity; `None` for an activity of the SLEE's own."""
        self.handle = handle
        self._activity = activity
        self._is_asked = resource is None or not resource.finds_activities
        """Whether `_activity` is the object that the adaptor gives for the handle (RA-40)."""
        self.flags = flags
        self.state = _ACTIVE
        self.attached: dict[SbbEntity, frozenset[type]] = {}
        """Attached entities with their event masks."""
        self.first: Entry | None = None
        self.last: Entry | None = None
        self.queued = 0
        self.scheduled = False
        self.referenced = False
        self.visible = True
        """`False` until the commit of a transacted start (RA-21)."""
        self.continuing = False
        """Whether it belongs to work admitted earlier: services that are stopping still take its events (SVC-5)."""
        self.names: dict[str, None] | None = None
        self.timers: dict[TimerRecord, None] | None = None
        """Timers with occurrences outstanding."""
        self.spent_timers: list[TimerID] | None = None
        """Timers that have expired or been cancelled (TMR-23)."""
        self.shared: dict[Hashable, object] | None = None
        """Shared attributes that have been written (SHR-9)."""
        self.lasting = False
        """Whether the journal keeps it: what changes here is noted as dirty (DUR-2)."""
        self.key: bytes | None = None
        self.saved: bytes | None = None
        """What its adaptor last saved of the activity."""
        self.passing: set[Hashable] | None = None
        """Names and shared attributes that code of a memory service set: no record has them (DUR-1)."""

    def __repr__(self) -> str:
        owner = "slee" if self.resource is None else self.resource.name
        return f"{owner}:{self.handle}"

    # What SBBs call.

    @property
    def activity(self) -> object:
        resource = self.resource
        if not self._is_asked and resource is not None:
            self._activity = resource.find_activity(self, self._activity)
            self._is_asked = True
        return self._activity

    def take_activity(self, activity: object) -> None:
        """The adaptor has restored the activity (DUR-7)."""
        self._activity = activity

    @property
    def is_ending(self) -> bool:
        self.require_valid("is_ending")
        return self.state is ContextState.ENDING

    def attach(self, entity: Sbb | SbbLocal[Sbb]) -> None:
        tx, found = self._designated(entity, "attach")
        found.require_existence("attach")
        if found not in self.attached:
            if found in tx.removing:
                raise InvalidStateError(f"{found}: attach in sbb_remove [SBB-14]; attach before the removal")
            self.attach_entity(found, tx)

    def detach(self, entity: Sbb | SbbLocal[Sbb]) -> None:
        tx, found = self._designated(entity, "detach")
        if found in self.attached:
            self.detach_entity(found, tx)

    def is_attached(self, entity: Sbb | SbbLocal[Sbb]) -> bool:
        _, found = self._designated(entity, "is_attached")
        return found in self.attached

    def mask_events(self, entity: Sbb | SbbLocal[Sbb], event_types: Collection[type]) -> None:
        tx, found = self._designated(entity, "mask_events")
        self._require_attached(found, "mask_events")
        given: object = event_types
        if given is None:
            raise TypeError(f"{found}: mask_events(None) [RTR-16]; give event classes, none to clear the mask")
        mask = frozenset(event_types)
        for event_class in mask:
            if event_class not in found.env.handlers:
                raise UnrecognizedEventError(
                    f"{found}: it does not handle {event_class.__name__} [RTR-16]; mask event types that it handles"
                )
        tx.undo.append((self._set_mask, (found, self.attached[found])))
        self._set_mask(found, mask)

    def event_mask(self, entity: Sbb | SbbLocal[Sbb]) -> frozenset[type]:
        _, found = self._designated(entity, "event_mask")
        self._require_attached(found, "event_mask")
        return self.attached[found]

    # What views call.

    def open_view(self, view: type[ActivityContextView]) -> None:
        """Judge that the SBB that is running may make the view (SHR-1, SHR-3)."""
        tx = self.kernel.transaction_for(view.__name__, "SHR-1")
        if not tx.running:
            raise TransactionRequiredError(f"{view.__name__}: no SBB is running [SHR-1]; make the view in a delivery")
        sbb = tx.running[-1].env.descriptor.id
        if view.sbb != sbb:
            issues = list(view_issues(view, sbb))
            if issues:
                raise ComponentDefinitionError(issues)
            declare_view(view, sbb)

    def shared_value(self, what: str, key: Hashable, attribute: Shared[Any]) -> object:
        """The value of a shared attribute, its default before the first write (SHR-6, SHR-11)."""
        self.kernel.transaction_for(what, "SHR-1")
        self.require_valid(what)
        if self.shared is None:
            return attribute.default
        value = self.shared.get(key, attribute.default)
        if attribute.kind.is_reference and self.kernel.is_stale(value):
            return attribute.default
        return value

    def share(self, what: str, key: Hashable, attribute: Shared[Any], value: object) -> None:
        """Write a shared attribute; rollback undoes it (SHR-7, SHR-8)."""
        tx = self.kernel.transaction_for(what, "SHR-1")
        self.require_valid(what)
        if not attribute.kind.accepts(value):
            raise TypeError(f"{what} is assigned {value!r}, no {attribute.kind} [SHR-7]; assign a value of the type")
        if self.shared is None:
            self.shared = {}
        tx.undo.append((self._restore_shared, (key, self.shared.get(key, _MISSING))))
        self.shared[key] = value
        if self.lasting:
            self.note_setting(key, tx)

    def _restore_shared(self, key: Hashable, value: object) -> None:
        assert self.shared is not None, "what is undone was written"
        if value is _MISSING:
            del self.shared[key]
        else:
            self.shared[key] = value

    def _designated(self, entity: object, what: str) -> tuple[Transaction, SbbEntity]:
        tx = self.kernel.transaction_for(what, "ATT-4")
        found = entity_of(entity, what)
        if found.removed:
            tx.marked = True
            cause = NoSuchObjectError(f"{found}: it has been removed [ATT-5]; ask is_valid first")
            raise TransactionRolledBackError(f"{found}: {what} of a removed entity [ATT-5]") from cause
        self.require_valid(what)
        return tx, found

    def _require_attached(self, entity: SbbEntity, what: str) -> None:
        if entity not in self.attached:
            raise NotAttachedError(f"{entity}: {what} on {self}, where it is not attached [RTR-16]; attach it first")

    def require_valid(self, what: str) -> None:
        """Refuse an operation on a context whose end is complete (AC-2)."""
        if self.state is _INVALID:
            raise InvalidStateError(f"{self}: {what} on an activity that is gone [AC-2]; drop the reference")

    def require_active(self, what: str, rule: str) -> None:
        """Refuse an operation that an ending context no longer admits."""
        if self.state is not _ACTIVE:
            raise InvalidStateError(f"{self}: {what} on an activity that is {self.state.value} [{rule}]")

    # Attachment, with its undo.

    def attach_entity(self, entity: SbbEntity, tx: Transaction) -> None:
        """Attach in a transaction; the entity begins with its initial mask (RTR-17)."""
        self.kernel.changes += 1
        self.attached[entity] = entity.env.masked_on_attach
        entity.contexts[self] = None
        entity.root.count += 1
        self.referenced = True
        if self.lasting:
            self.kernel.dirty[self] = None
        tx.undo.append((self.drop, (entity,)))

    def detach_entity(self, entity: SbbEntity, tx: Transaction) -> None:
        """Detach in a transaction."""
        mask = self.attached[entity]
        self.drop(entity)
        tx.undo.append((self._restore, (entity, mask)))
        tx.judge_later(self)
        if tx.lightened is None:
            tx.lightened = {}
        tx.lightened[entity.root] = None

    def drop(self, entity: SbbEntity) -> None:
        """Take an attachment away, whatever the reason."""
        self.kernel.changes += 1
        del self.attached[entity]
        del entity.contexts[self]
        entity.root.count -= 1
        if self.lasting:
            self.kernel.dirty[self] = None

    def _set_mask(self, entity: SbbEntity, mask: frozenset[type]) -> None:
        self.kernel.changes += 1
        self.attached[entity] = mask
        if self.lasting:
            self.kernel.dirty[self] = None

    def _restore(self, entity: SbbEntity, mask: frozenset[type]) -> None:
        self._set_mask(entity, mask)
        entity.contexts[self] = None
        entity.root.count += 1

    # The journal.

    def last_on(self) -> None:
        """From now on the journal keeps the activity, with what is queued and set on it."""
        if self.lasting:
            return
        self.lasting = True
        dirty = self.kernel.dirty
        dirty[self] = None
        for record in self.timers or ():
            dirty[record] = None
        entry = self.first
        while entry is not None:
            if isinstance(entry, Firing):
                entry.number = self.kernel.next_sequence()
                dirty[entry] = None
            entry = entry.next

    def note_setting(self, key: Hashable, tx: Transaction | None) -> None:
        """A name or shared attribute is set; that of a memory service is left out of the records (DUR-1)."""
        self.kernel.dirty[self] = None
        if tx is not None and tx.running and not tx.running[-1].env.rank:
            if self.passing is None:
                self.passing = set()
            self.passing.add(key)
        elif self.passing is not None:
            self.passing.discard(key)

    # The queue.

    def accept(self, firing: Firing) -> None:
        """Put an accepted event at the end of the queue (CON-1)."""
        kernel = self.kernel
        firing.statistics.accepted += 1
        firing.accepted_at = kernel.now
        self.referenced = True
        self.queued += 1
        if self.last is None:
            self.first = self.last = firing
        else:
            self.last.next = firing
            self.last = firing
        if not self.scheduled:
            self.scheduled = True
            kernel.ready.append(self)
        if self.lasting:
            firing.number = kernel.next_sequence()
            kernel.dirty[firing] = None

    def dequeue(self) -> None:
        """Take the first entry away."""
        first = self.first
        assert first is not None
        self.queued -= 1
        self.first = first.next
        if self.first is None:
            self.last = None

    def schedule(self) -> None:
        """Let the router look at this context again."""
        if not self.scheduled and self.first is not None:
            self.scheduled = True
            self.kernel.ready.append(self)

    def add_barrier(self) -> Barrier:
        """Hold back what is accepted from now on; open the barrier with `open_barrier`."""
        barrier = Barrier()
        self.queued += 1
        if self.last is None:
            self.first = self.last = barrier
        else:
            self.last.next = barrier
            self.last = barrier
        return barrier

    def open_barrier(self, barrier: Barrier) -> None:
        """The barrier's transaction has completed (RA-22)."""
        barrier.open = True
        self.schedule()

    # The end.

    def end_now(self) -> None:
        """End the activity at once: `ActivityEnd` becomes the last event (AC-3); no effect if it is ending (AC-4)."""
        if self.state is _ACTIVE:
            self._begin_end()
            self.cancel_timers()
            self.accept(self._end_firing())

    def end_in(self, tx: Transaction) -> None:
        """End the activity when `tx` commits."""
        if self.state is _ACTIVE:
            self._begin_end()
            tx.undo.append((self._reopen, ()))
            tx.fired.append(self._end_firing())
            tx.when_committed(self.cancel_timers)

    def cancel_timers(self) -> None:
        """No timer event is accepted after the end began (TMR-27)."""
        if self.timers:
            for record in tuple(self.timers):
                self.kernel.timers.drop(record)

    def complete_end(self) -> None:
        """Ending to Invalid (AC-10)."""
        self.state = next_state(CONTEXT, self.state, "end processed", self, "AC-1")
        if self.lasting:
            self.kernel.dirty[self] = None

    def _begin_end(self) -> None:
        self.state = next_state(CONTEXT, self.state, "END", self, "AC-4")
        if self.lasting:
            self.kernel.dirty[self] = None

    def _reopen(self) -> None:
        self.state = _ACTIVE

    def _end_firing(self) -> Firing:
        return Firing(_END, self, self.kernel.event_statistics(ActivityEnd))

    @property
    def is_referenced(self) -> bool:
        """Whether an entity, a name, a timer or an event refers to the context (AC-14)."""
        return bool(self.attached or self.first is not None or self.names or self.timers)

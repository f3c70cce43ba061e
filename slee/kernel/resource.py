"""Resource adaptor entities: their states, their activities, and the endpoint through which adaptors act."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Final

from slee.api.errors import (
    ActivityAlreadyExistsError,
    ActivityIsEndingError,
    FireEventError,
    IllegalEventError,
    InvalidStateError,
    TransactionRequiredError,
    UnrecognizedActivityHandleError,
)
from slee.api.event import event_type_id
from slee.kernel.adaptor_transactions import close_transaction
from slee.kernel.context import Context
from slee.kernel.firing import EventStatistics, Firing
from slee.kernel.marshalling import MARSHAL_EVENT, check_event, check_start, refused_event_bits, refused_flags
from slee.kernel.services import tell
from slee.kernel.settling import save, settle_resource
from slee.kernel.states import RESOURCE, ContextState, ResourceState, SleeState, next_state
from slee.spi.adaptor import ResourceAdaptor
from slee.spi.endpoint import SleeEndpoint
from slee.spi.flags import ActivityFlags, EventFlags, FailureReason

if TYPE_CHECKING:
    from slee.api.address import Address
    from slee.api.ids import ServiceID
    from slee.kernel.kernel import Kernel
    from slee.kernel.transaction import Transaction

# Plain ints: an operation on members of a Flag is a call of Python code.
_PROCESSED: Final = int(EventFlags.SBB_PROCESSED)
_ROLLED_BACK: Final = int(EventFlags.SBB_ROLLED_BACK)
_SUCCESSFUL: Final = int(EventFlags.PROCESSING_SUCCESSFUL)
_FAILED: Final = int(EventFlags.PROCESSING_FAILED)
_UNREFERENCED: Final = int(EventFlags.UNREFERENCED)
_ENDED: Final = int(ActivityFlags.ENDED)
_ACTIVE: Final = ContextState.ACTIVE


class ResourceEntity(SleeEndpoint):
    """One resource adaptor entity in the kernel; it is the adaptor's endpoint as well."""

    __slots__ = (
        "adaptor",
        "contexts",
        "event_types",
        "failed_callbacks",
        "failed_commands",
        "failure",
        "finds_activities",
        "is_object_active",
        "kernel",
        "name",
        "performed_commands",
        "refused_event_bits",
        "state",
        "thread",
        "thread_now",
    )

    def __init__(self, kernel: Kernel, name: str, adaptor: ResourceAdaptor) -> None:
        self.kernel = kernel
        self.name = name
        self.adaptor = adaptor
        self.state = ResourceState.INACTIVE
        self.is_object_active = False
        """Whether the adaptor object is Active or Stopping: the entity Active and the SLEE Running (RA-6)."""
        self.contexts: dict[Hashable, Context] = {}
        self.event_types: dict[type, EventStatistics] = {
            event_class: kernel.event_statistics(event_class, f"resource:{name}")
            for ra_type in adaptor.ra_types
            for event_class in ra_type.event_types
        }
        self.failure: BaseException | None = None
        """Why `ra_active` failed, until the entity is activated again or the SLEE started (RA-7)."""
        self.thread = kernel.thread
        self.thread_now = kernel.thread_now
        self.finds_activities = type(adaptor).get_activity is not ResourceAdaptor.get_activity
        """Whether the adaptor is asked for activity objects; the one given at the start serves otherwise (RA-40)."""
        self.refused_event_bits = refused_event_bits(adaptor)
        self.performed_commands = 0
        self.failed_commands = 0
        self.failed_callbacks = 0

    # Life cycle.

    def activate(self) -> None:
        """Inactive to Active (RA-5); the adaptor begins work if the SLEE is Running (RA-6)."""
        self._move("ACTIVATE")
        if self.kernel.state is SleeState.RUNNING:
            self.begin()

    def begin(self) -> None:
        """Call `ra_active`: the SLEE is Running and the entity Active; then tell the services that are Active (RA-37).

        An exception leaves the object Inactive, and in `failure`; the entity stays Active (RA-7).
        """
        self.failure = None
        self.is_object_active = True
        before = self.kernel.transaction
        try:
            self.activate_object()
        except Exception as error:
            self.is_object_active = False
            self.failure = error
            self.kernel.reports.observer.adaptor_failed(self.name, "ra_active", error)
            return
        finally:
            close_transaction(self, before, "ra_active")
        self.kernel.reports.observer.adaptor_began(self.name)
        settle_resource(self)
        for service in self.kernel.registry.active():
            tell(self, service)

    def activate_object(self) -> None:
        """Have the adaptor object begin its work."""
        self.adaptor.ra_active()

    def deactivate(self) -> None:
        """Active to Stopping, and to Inactive when its last activity has ended (RA-8)."""
        self._move("DEACTIVATE")
        self.halt()

    def halt(self) -> None:
        """Tell the adaptor to stop; with no activity left it is inactive at once (RA-8, RA-9)."""
        if self.is_object_active:
            self.callback("ra_stopping", self.adaptor.ra_stopping)
        self.judge()

    def judge(self) -> None:
        """After the end of an activity: is the last one of a stopping entity gone?"""
        if self.contexts:
            return
        stopping = self.state is ResourceState.STOPPING
        if self.is_object_active and (stopping or self.kernel.state is SleeState.STOPPING):
            self.is_object_active = False
            self.callback("ra_inactive", self.adaptor.ra_inactive)
        if stopping:
            self._move("no activity left")

    def _move(self, event: str) -> None:
        old = self.state
        self.state = next_state(RESOURCE, old, event, f"resource adaptor entity {self.name}", "RA-5")
        self.kernel.reports.state_changed("resource", self.name, old, self.state)

    # The endpoint.

    def start_activity(
        self, handle: Hashable, activity: object, flags: ActivityFlags | int = 0, *, continuing: bool = False
    ) -> Context:
        self._may_start(continuing=continuing)
        context = self._new_context(handle, activity, flags)
        context.continuing = continuing
        return context

    def start_activity_transacted(self, handle: Hashable, activity: object, flags: ActivityFlags | int = 0) -> Context:
        tx = self._transaction("start_activity_transacted", "RA-20")
        self._may_start(continuing=True)
        context = self._new_context(handle, activity, flags)
        context.visible = False
        tx.undo.append((self._forget_start, (context,)))
        tx.when_committed(self._show, context)
        return context

    def start_activity_suspended(self, handle: Hashable, activity: object, flags: ActivityFlags | int = 0) -> Context:
        tx = self._transaction("start_activity_suspended", "RA-22")
        context = self.start_activity(handle, activity, flags)
        self._add_barrier(context, tx)
        return context

    def suspend_activity(self, handle: Hashable) -> None:
        self._add_barrier(self._known(handle, "suspend"), self._transaction("suspend_activity", "RA-22"))

    def fire(
        self,
        handle: Hashable,
        event: object,
        address: Address | None = None,
        service: ServiceID | None = None,
        flags: EventFlags | int = 0,
    ) -> None:
        if self.thread_now() != self.thread:
            self.require_thread("fire")
        context = self.contexts.get(handle)
        if context is None or not context.visible:
            context = self._known(handle, "fire on")
        context.accept(self._firing(context, event, address, service, flags))

    def fire_transacted(
        self,
        handle: Hashable,
        event: object,
        address: Address | None = None,
        service: ServiceID | None = None,
        flags: EventFlags | int = 0,
    ) -> None:
        tx = self._transaction("fire_transacted", "RA-20")
        context = self._known(handle, "fire on", own_transaction=True)
        tx.fired.append(self._firing(context, event, address, service, flags))

    def end_activity(self, handle: Hashable) -> None:
        self._known(handle, "end").end_now()

    def end_activity_transacted(self, handle: Hashable) -> None:
        tx = self._transaction("end_activity_transacted", "RA-20")
        self._known(handle, "end", own_transaction=True).end_in(tx)

    def save_activity(self, handle: Hashable, state: bytes) -> None:
        save(self, self._known(handle, "save", own_transaction=True), state)

    def _firing(
        self, context: Context, event: object, address: Address | None, service: ServiceID | None, flags: int
    ) -> Firing:
        """Judge a fire, before anything has changed (AC-5, RA-17, RA-25 to RA-30)."""
        statistics = self.event_types.get(type(event)) or self._other_event_type(event)
        if context.state is not _ACTIVE:
            statistics.refuse(FailureReason.CONTEXT_GONE)
            raise ActivityIsEndingError(f"{context}: an event was fired on an ending activity [AC-5]; it was refused")
        if not self.is_object_active:
            raise InvalidStateError(f"resource adaptor entity {self.name}: fire while it is not active [RA-17]")
        flags = int(flags)
        if flags & self.refused_event_bits:
            raise refused_flags(self, flags)
        if flags & MARSHAL_EVENT and self.kernel.serialises:
            check_event(self, event)
        if context.queued >= self.kernel.limits.queue:
            statistics.refuse(FailureReason.QUEUE_FULL)
            raise FireEventError(f"{context}: its queue is full [CON-6]; refuse the work", FailureReason.QUEUE_FULL)
        target = None if service is None else self.kernel.service(service)
        if self.kernel.refuses is not None:
            self.kernel.refuses(context, event, statistics, target)
        return Firing(event, context, statistics, address, target, flags)

    def _other_event_type(self, event: object) -> EventStatistics:
        """An event that is not of the declared RA types: legal for an adaptor that says so (RA-25, RA-26)."""
        if event is None:
            raise TypeError(f"{self.name}: fire(None) [RA-18]; give an event")
        if self.adaptor.fires_any_event_type and event_type_id(type(event)) is not None:
            return self.kernel.event_statistics(type(event), f"resource:{self.name}")
        kinds = ", ".join(ra_type.id.name for ra_type in self.adaptor.ra_types)
        raise IllegalEventError(
            f"{self.name}: {type(event).__name__} is no event type of {kinds} [RA-25, RA-26]; fire a declared one"
        )

    def _may_start(self, *, continuing: bool) -> None:
        """Refuse new activities unless Active, or Stopping for work that goes on (RA-17, SLE-7, RA-28)."""
        self.require_thread("start of an activity")
        if self.is_object_active and (
            continuing or (self.state is ResourceState.ACTIVE and self.kernel.state is SleeState.RUNNING)
        ):
            return
        raise InvalidStateError(
            f"resource adaptor entity {self.name}: start of an activity while the entity is {self.state.value} and "
            f"the SLEE {self.kernel.state.value} [RA-17]; refuse the work"
        )

    def _new_context(self, handle: Hashable, activity: object, flags: int) -> Context:
        if handle is None or activity is None:
            raise TypeError(f"{self.name}: handle and activity must not be None [RA-18]; give both")
        if type(handle).__hash__ is object.__hash__:
            raise TypeError(
                f"{self.name}: {type(handle).__name__} hashes by identity [RA-45]; make handles immutable values"
            )
        flags = int(flags)
        check_start(self, handle, flags)
        if handle in self.contexts:
            raise ActivityAlreadyExistsError(f"{self.name}: activity {handle!r} is known [RA-18]; choose a new handle")
        context = Context(self.kernel, self, handle, activity, flags)
        self.contexts[handle] = context
        return context

    def _known(self, handle: Hashable, what: str, *, own_transaction: bool = False) -> Context:
        if self.thread_now() != self.thread:
            self.require_thread(what)
        context = self.contexts.get(handle)
        if context is None or not (context.visible or own_transaction):
            if handle is None:
                raise TypeError(f"{self.name}: {what} handle None [RA-18]; give a handle")
            if not self.is_object_active:
                raise InvalidStateError(
                    f"{self.name}: {what} {handle!r} while the adaptor is not active [RA-17]; wait for ra_active"
                )
            raise UnrecognizedActivityHandleError(f"{self.name}: {what} unknown activity {handle!r} [RA-18]")
        return context

    def _transaction(self, what: str, rule: str) -> Transaction:
        tx = self.kernel.transaction
        if tx is None:
            raise TransactionRequiredError(f"{self.name}: {what} without a transaction [{rule}]; begin one")
        return tx

    def _forget_start(self, context: Context) -> None:
        del self.contexts[context.handle]
        context.state = ContextState.INVALID

    def _show(self, context: Context) -> None:
        context.visible = True
        self.kernel.judge_context(context)

    def _add_barrier(self, context: Context, tx: Transaction) -> None:
        tx.when_complete(context.open_barrier, context.add_barrier())

    # What the adaptor is told.

    def callback(self, name: str, function: Callable[..., Any], *arguments: object) -> None:
        """Call the adaptor; an exception is logged and counted, and changes nothing (RA-35, RA-36)."""
        before = self.kernel.transaction
        try:
            function(*arguments)
        except Exception as error:
            self.failed_callbacks += 1
            self.kernel.reports.observer.adaptor_failed(self.name, name, error)
        if self.kernel.transaction is not before:
            close_transaction(self, before, name)

    def find_activity(self, context: Context, given: object) -> object:
        """Ask the adaptor for an activity object; one that it does not know is the one given at the start (RA-40)."""
        try:
            found = self.adaptor.get_activity(context.handle)
        except Exception as error:
            self.failed_callbacks += 1
            self.kernel.reports.observer.adaptor_failed(self.name, "get_activity", error)
            return given
        return given if found is None else found

    def require_thread(self, what: str) -> None:
        """Refuse a call from a thread other than the kernel's, before anything has changed (RA-28)."""
        if self.thread_now() != self.thread:
            raise InvalidStateError(
                f"{self.name}: {what} on a thread that is not the kernel's [RA-28]; hand the work to the loop's thread"
            )

    def event_done(self, context: Context, firing: Firing) -> None:
        """Tell what the firing's flags ask for, the outcome first (RA-31, RA-32)."""
        flags = firing.flags
        if firing.processed:
            flags |= _PROCESSED
            if not firing.served_well:
                flags |= _ROLLED_BACK
        adaptor = self.adaptor
        if flags & _SUCCESSFUL:
            self.callback(
                "event_processing_successful", adaptor.event_processing_successful, context.handle, firing.event, flags
            )
        if flags & _UNREFERENCED:
            self.callback("event_unreferenced", adaptor.event_unreferenced, context.handle, firing.event, flags)

    def event_failed(self, context: Context, firing: Firing, reason: FailureReason) -> None:
        """Tell that delivery could not be attempted, if the flags ask for it (TX-21)."""
        adaptor = self.adaptor
        if firing.flags & _FAILED:
            self.callback(
                "event_processing_failed",
                adaptor.event_processing_failed,
                context.handle,
                firing.event,
                firing.flags,
                reason,
            )
        if firing.flags & _UNREFERENCED:
            self.callback("event_unreferenced", adaptor.event_unreferenced, context.handle, firing.event, firing.flags)

    def remove_activity(self, handle: Hashable) -> None:
        """End an activity for an operator; the adaptor is told first, and it ends whatever that does (AC-17)."""
        context = self._known(handle, "remove")
        self.callback("administrative_remove", self.adaptor.administrative_remove, handle)
        context.end_now()

    def query_liveness(self, handle: Hashable) -> None:
        """Ask the adaptor to end the activity if it is dead; nothing else follows (AC-18)."""
        self._known(handle, "ask for")
        self.callback("query_liveness", self.adaptor.query_liveness, handle)

    def forget(self, context: Context) -> None:
        """The end of an activity is complete: its handle is unknown from now on (AC-10, AC-16)."""
        del self.contexts[context.handle]
        if context.flags & _ENDED:
            self.callback("activity_ended", self.adaptor.activity_ended, context.handle)

    def perform(self, command: object) -> None:
        """Hand a committed command to the adaptor; a failure is counted and logged, never without trace (OUT-13)."""
        if not self.is_object_active:
            self.failed_commands += 1
            self.kernel.reports.observer.command_failed(self.name, command, "unavailable")
            return
        try:
            self.adaptor.perform(command)
        except Exception as error:
            self.failed_commands += 1
            self.kernel.reports.observer.command_failed(self.name, command, error)
        else:
            self.performed_commands += 1
        if self.kernel.transaction is not None:
            close_transaction(self, None, "perform")

"""Keeps what lasts of a kernel in a journal: dirty objects are encoded at the flush, outputs wait for it (DUR, OUT).

A commit encodes nothing: what it changed is noted in `Kernel.dirty`. A flush happens between two steps of the router,
when no transaction is open, so that what it encodes is a boundary of the order of commits (DUR-3). An object that has
come and gone since the last flush costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from slee.api.errors import FireEventError, JournalError
from slee.kernel.environment import SYNC
from slee.kernel.journal import Entry, Journal
from slee.kernel.records import Gone, Output, Records
from slee.kernel.recovery import RecoveryReport, recover
from slee.kernel.settling import settle
from slee.spi.flags import FailureReason

if TYPE_CHECKING:
    from slee.kernel.context import Context
    from slee.kernel.environment import ServiceRuntime
    from slee.kernel.firing import EventStatistics, Firing
    from slee.kernel.kernel import Kernel
    from slee.kernel.resource import ResourceEntity
    from slee.kernel.transaction import Transaction

EPOCH_BITS: Final = 40
"""Numbers that one owner of the journal may draw, as a power of two: none is drawn twice across restarts."""
_TURN: Final = b"Mturn"


class Participant(Protocol):
    """A facility whose objects are kept in the journal beside the kernel's: volatile rows, say.

    It notes objects of its own classes in `Kernel.dirty`, and gives an encoder for each.
    """

    @property
    def kind(self) -> bytes:
        """The first byte of its keys, an ASCII capital; none of the kernel's C, E, M, O, Q, T.

        P is of profiles, V of volatile rows.
        """
        ...

    @property
    def encoders(self) -> Mapping[type, Callable[[Any], Entry | None]]:
        """By class of object: gives the entry of its newest state, None if the journal has not and need not have it."""
        ...

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Take back what the journal held under keys of this kind; called once, before contexts are rebuilt."""


class Journalling:
    """The journal's side of one kernel; make it before services are added."""

    def __init__(self, kernel: Kernel, journal: Journal, *, spread: float = 1.0) -> None:
        """Keep `kernel` in `journal`.

        Args:
            kernel: has no service yet.
            journal: open.
            spread: seconds over which timers that came due while the process was down are spread (DUR-8).
        """
        self._kernel = kernel
        self.journal = journal
        self.spread = spread
        self.records = Records(kernel)
        self._encoders = dict(self.records.encoders)
        self._participants: dict[bytes, Participant] = {}
        self._sequence = journal.recovery.sequence
        self._acknowledged = self._sequence
        self._held: dict[object, int] = {}
        """Contexts and roots that a `sync` transaction not yet acknowledged has touched, with its record's number."""
        self._waiting: dict[int, list[Output | tuple[ResourceEntity, object] | Callable[[], None]]] = {}
        """Outputs, and listeners, by the record that must be acknowledged first."""
        self._followers: dict[int, list[Callable[[], None]]] = {}
        """What is called when a record is acknowledged, by its number; nobody waits, and nothing is hastened."""
        self._restraints: dict[str, bool] = {}
        """Why initial work is refused, each with whether deliveries are blocked too."""
        self.find_profile: Callable[[str, str, bool], object] = _no_profile
        """Finds a profile by table and name; given by the facility of profiles."""
        self.unsettled: dict[ResourceEntity, list[Context]] = {}
        """Recovered activities that their adaptors have not been asked for."""
        self.offers: dict[str, list[tuple[bytes, str, bytes | None]]] = {}
        """Recovered outputs by entity: key, class name and octets of the command."""
        self._parked: dict[Context, None] = {}
        """Contexts with something to deliver once nothing is blocked (DUR-13)."""
        kernel.journalling = self
        kernel.sequence = max(journal.recovery.epoch - 1, 0) << EPOCH_BITS
        self.join(kernel.kept)

    def join(self, participant: Participant) -> None:
        """Keep the objects of a facility too."""
        self._participants[participant.kind] = participant
        self._encoders.update(participant.encoders)

    # Commits.

    def committed(self, tx: Transaction) -> None:
        """Note what a transaction changed, and hand its outputs over or hold them (DUR-1, OUT-6, OUT-7)."""
        kernel = self._kernel
        rank = 0
        for entity in tx.instances:
            own = entity.env.rank
            if own:
                kernel.dirty[entity] = None
                if own > rank:
                    rank = own
        if rank == SYNC or self._held:
            self._hold(tx, rank)
        elif tx.outputs:  # handed over before the record is written, which so has them as marked (OUT-16)
            kernel.outputs.extend(tx.outputs)

    def _hold(self, tx: Transaction, rank: int) -> None:
        """Find the record that the outputs of a transaction wait for; a `sync` one makes others wait for its own."""
        touched: list[object] = [entity.root for entity in tx.instances]
        if tx.firing is not None:
            touched.append(tx.firing.context)
        held = self._held
        if rank == SYNC:
            number = self._sequence + 1
            for item in touched:
                held[item] = number
        else:
            number = max((held.get(item, 0) for item in touched), default=0)
        if not tx.outputs:
            return
        if number <= self._acknowledged:
            self._kernel.outputs.extend(tx.outputs)
            return
        waiting = self._waiting.setdefault(number, [])
        for resource, command in tx.outputs:
            is_recorded = rank == SYNC or (rank > 0 and type(command) in resource.adaptor.recovers)
            waiting.append(self._note(resource, command) if is_recorded else (resource, command))

    def when_durable(self, listener: Callable[[], None]) -> None:
        """Call `listener` once all that is committed is in the journal; at once if it is already (OUT-6, RA-47)."""
        number = self._sequence + bool(self._kernel.dirty)
        if number <= self._acknowledged:
            listener()
        else:
            self._waiting.setdefault(number, []).append(listener)

    def _note(self, resource: ResourceEntity, command: object) -> Output:
        output = Output(self._kernel.next_sequence(), resource, command)
        self._kernel.dirty[output] = None
        return output

    # Records.

    @property
    def sequence(self) -> int:
        """The number of the last record."""
        return self._sequence

    @property
    def is_due(self) -> bool:
        """Whether there is something to record."""
        return bool(self._kernel.dirty) or self._sequence + 1 in self._waiting

    def flush(self, now: float) -> int:
        """Append a record of everything that has changed; returns its number, or the last one's if there is nothing.

        To be called between two steps.

        Raises:
            JournalError: another owner has the journal (DUR-16); or something cannot be encoded, and since it is not
                in any record now, nothing later may be: end the process, and the next one recovers.
        """
        kernel = self._kernel
        if not self.is_due:
            return self._sequence
        assert kernel.transaction is None, "a flush is between two steps"
        entries: list[Entry] = []
        encoders = self._encoders
        while kernel.dirty:
            batch, kernel.dirty = kernel.dirty, {}
            for item in batch:
                try:
                    entry = encoders[item.__class__](item)
                except Exception as error:
                    raise JournalError(f"{item} cannot be recorded: {error!r} [DUR-2]; mend its component") from error
                if entry is not None:
                    entries.append(entry)
        if entries or self._sequence + 1 in self._waiting:
            self._sequence = self.journal.append(entries or [Entry(_TURN, b"%d" % int(now))])
            self.acknowledged(self.journal.acknowledged)
        return self._sequence

    def acknowledged(self, sequence: int) -> None:
        """The journal has made durable all records up to `sequence`: hand over what waited for them (OUT-6)."""
        if sequence <= self._acknowledged:
            return
        self._acknowledged = sequence
        kernel = self._kernel
        listeners: list[Callable[[], None]] = []
        for number in sorted(self._waiting):
            if number > sequence:
                break
            for waiting in self._waiting.pop(number):
                if isinstance(waiting, Output):
                    kernel.outputs.append((waiting.resource, waiting.command))
                    waiting.done = True
                    kernel.dirty[waiting] = None
                elif callable(waiting):
                    listeners.append(waiting)
                else:
                    kernel.outputs.append(waiting)
        for number in [number for number in self._followers if number <= sequence]:
            for function in self._followers.pop(number):
                function()
        if self._held:
            self._held = {item: number for item, number in self._held.items() if number > sequence}
        for listener in listeners:  # last, since they may begin transactions
            listener()

    def when_recorded(self, function: Callable[[], None]) -> None:
        """Call a function once the record that is being made is acknowledged; for an encoder to ask (PRF-46)."""
        self._followers.setdefault(self._sequence + 1, []).append(function)

    def when_acknowledged(self, sequence: int, function: Callable[[], None]) -> None:
        """Call a function once a record is acknowledged; at once if it is known to be."""
        if sequence <= self._acknowledged:
            function()
        else:
            self._followers.setdefault(sequence, []).append(function)

    @property
    def is_followed(self) -> bool:
        """Whether something is to be called at an acknowledgement, without hurry."""
        return bool(self._followers)

    @property
    def is_waited_for(self) -> bool:
        """Whether outputs wait for an acknowledgement."""
        return bool(self._waiting)

    @property
    def is_behind(self) -> bool:
        """Whether the journal has acknowledged more than `acknowledged` has been told."""
        return self.journal.acknowledged > self._acknowledged

    # A journal that is not written (DUR-13).

    def restrain(self, *, refusing: bool, blocked: bool, by: str = "journal") -> None:
        """Refuse initial work of durable services, and begin no delivery of theirs, or let either go on.

        Either goes on when nobody restrains it any more; `by` tells who does.
        """
        self._restraints.pop(by, None)
        if refusing:
            self._restraints[by] = blocked
        self._kernel.refuses = self._refuse if self._restraints else None
        is_blocked = any(self._restraints.values())
        self._kernel.parks = self._park if is_blocked else None
        if not is_blocked:
            parked, self._parked = self._parked, {}
            for context in parked:
                context.schedule()

    def _park(self, firing: Firing) -> bool:
        """Keep a context back whose next delivery could be one of a durable service."""
        if not any(entity.env.rank for entity in firing.context.attached) and not self._is_durable(firing):
            return False
        self._parked[firing.context] = None
        return True

    def _refuse(
        self, context: Context, event: object, statistics: EventStatistics, target: ServiceRuntime | None
    ) -> None:
        """Refuse an event that is initial work of a durable service, or of the durable one that it is for alone.

        Raises:
            FireEventError: it is; its adaptor says so in its protocol.
        """
        if context.attached or context.continuing:
            return
        handlers = self._kernel.initial.get(type(event), ())
        if any(handler.service.root.rank for handler in handlers if target is None or handler.service is target):
            statistics.refuse(FailureReason.OVERLOAD)
            what = " and the ".join(self._restraints)
            raise FireEventError(f"{context}: the {what} is not written [DUR-13]; refuse it", FailureReason.OVERLOAD)

    def _is_durable(self, firing: Firing) -> bool:
        handlers = firing.initial
        if handlers is None:
            handlers = self._kernel.continuing.get(firing.cls, ())
        target = firing.target
        return any(handler.service.root.rank for handler in handlers if target is None or handler.service is target)

    # Recovery.

    def recover(self) -> RecoveryReport:
        """Rebuild what the journal held; call it when components and services are there and before the SLEE starts.

        Raises:
            RecoveryError: a record is of a newer format, or does not fit the components installed (DUR-12).
        """
        entries = self.journal.recovery.entries
        for kind, participant in self._participants.items():
            participant.restore({key: value for key, value in entries.items() if key[:1] == kind})
        report = recover(self._kernel, self, entries)
        self.journal.release()
        return report

    def drop_key(self, key: bytes) -> None:
        """Have the next record remove a key whose object is not there."""
        self._kernel.dirty[Gone(key)] = None

    def forget(self, service: ServiceRuntime) -> None:
        """A service without entities is removed: its schemas leave the journal, its classes are let go (UPG-1)."""
        for env in service.environments.values():
            schema = self.records.schemas.pop(env, None)
            if schema is not None:
                self._kernel.dirty.pop(schema, None)
                if schema.key is not None:
                    self.drop_key(schema.key)
        self.records.forget_classes()

    def settle(self) -> None:
        """The adaptors have begun: activities that none was asked for end, trees without attachment go (DUR-7)."""
        settle(self._kernel, self)


def _no_profile(_table: str, _name: str, _is_locked: bool) -> object:
    return None

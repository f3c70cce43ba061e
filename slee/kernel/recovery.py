"""Rebuilds a kernel from what its journal held (DUR-6 to DUR-11).

The order is contexts, entity trees, attachments with names and attributes, events, CMP, timers. Nothing is routed: the
SLEE is Stopped. Activities of adaptors are settled when the SLEE runs and their adaptors have begun: see
`slee.kernel.settling`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from slee.api.activity import PreserveMissed, ProfileTableActivity, ServiceActivity, TableActivity
from slee.api.errors import RecoveryError
from slee.api.event import ActivityEnd, TimerID, event_type_id
from slee.api.ids import ProfileSpecificationID, SbbID, ServiceID, parse_id
from slee.kernel.context import Context
from slee.kernel.entity import Local, SbbEntity
from slee.kernel.firing import Firing
from slee.kernel.keys import as_tuples, handle_of
from slee.kernel.marshalling import MARSHAL_EVENT
from slee.kernel.naming import KernelNullActivity
from slee.kernel.records import FORMAT
from slee.kernel.states import ContextState
from slee.kernel.timers import TimerRecord

if TYPE_CHECKING:
    from slee.api.address import Address
    from slee.kernel.environment import SbbEnvironment
    from slee.kernel.journalling import Journalling
    from slee.kernel.kernel import Kernel
    from slee.model.codec import Carrier

_KINDS: Final = b"CEMOQT"


@dataclass(slots=True)
class RecoveryReport:
    """What a start has found in the journal."""

    contexts: int = 0
    entities: int = 0
    timers: int = 0
    events: int = 0
    outputs: int = 0
    dropped: list[str] = field(default_factory=list[str])
    """What could not be rebuilt, since its service, event type or activity is not there any more."""

    def __str__(self) -> str:
        text = (
            f"recovered {self.contexts} activities, {self.entities} entities, {self.timers} timers, "
            f"{self.events} events, {self.outputs} outputs in doubt"
        )
        return f"{text}; dropped: {'; '.join(self.dropped)}" if self.dropped else text


def recover(kernel: Kernel, journalling: Journalling, entries: Mapping[bytes, bytes]) -> RecoveryReport:
    """Rebuild what the entries tell; services are installed and adaptors made.

    Raises:
        RecoveryError: a record is of a newer format, or does not fit the components installed (DUR-12).
    """
    recovery = _Recovery(kernel, journalling)
    values: dict[int, dict[bytes, Any]] = {kind: {} for kind in _KINDS}
    for key, octets in entries.items():
        if key[0] in values and key != b"Mturn":
            value = msgspec.msgpack.decode(octets)
            if value[0] > FORMAT:
                raise RecoveryError(
                    f"record {key!r} has format {value[0]}, and this program reads formats up to {FORMAT} [DUR-12]; "
                    f"start the newer program that wrote it"
                )
            values[key[0]][key] = value
    recovery.rebuild(values)
    return recovery.report


class Orphan:
    """The activity object of a recovered activity whose RA entity is gone."""


class _Recovery:
    """One rebuilding."""

    def __init__(self, kernel: Kernel, journalling: Journalling) -> None:
        self._kernel = kernel
        self._journalling = journalling
        self._records = journalling.records
        self.report = RecoveryReport()
        self._contexts: dict[bytes, Context] = {}
        self._entities: dict[int, SbbEntity] = {}
        self._events: dict[int, Firing] = {}
        self._environments: dict[int, SbbEnvironment | None] = {}
        self._event_classes = {str(event_type_id(cls)): cls for cls in kernel.sources}

    def rebuild(self, values: dict[int, dict[bytes, Any]]) -> None:
        """Rebuild everything, in the order of DUR-6."""
        for key, value in values[ord("M")].items():
            self._schema(int(key[2:]), value)
        for key, value in values[ord("C")].items():
            self._context(key, value)
        fields: list[tuple[SbbEntity, list[Any]]] = []
        for key, value in sorted(values[ord("E")].items(), key=lambda item: int(item[0][1:])):
            entity = self._entity(key, value)
            if entity is not None:
                fields.append((entity, value[4]))
        for key, value in values[ord("C")].items():
            self._attach(self._contexts[key], value[5])
        for key, value in sorted(values[ord("Q")].items(), key=lambda item: int(item[0][1:])):
            self._event(key, value)
        for context in self._contexts.values():
            self._go_on_ending(context)
        for entity, stored in fields:
            self._fill(entity, stored)
        for key, value in values[ord("C")].items():
            self._furnish(self._contexts[key], value)
        timers = [self._timer(key, value) for key, value in values[ord("T")].items()]
        self._kernel.timers.recover([timer for timer in timers if timer is not None], self._journalling.spread)
        self._outputs(values[ord("O")])

    # References (slee.model.codec.References).

    def place(self, target: object) -> object:
        raise NotImplementedError(target)

    def target(self, place: Any) -> object:
        """The entity, profile, context or event of a reference; None if it is not there any more."""
        if place is None:
            return None
        kind, key, *more = place
        if kind == "E":
            entity = self._entities.get(key)
            return None if entity is None else Local(entity)
        if kind == "P":
            return self._journalling.find_profile(key, *more)
        return self._contexts.get(key) if kind == "C" else self._events.get(key)

    # Schemas and contexts.

    def _schema(self, number: int, value: list[Any]) -> None:
        """Find the SBB that a schema is of, and refuse another one of the same id (DUR-12)."""
        _, service_text, sbb_text, stored, fields = value
        records = self._records
        records.next_schema = max(records.next_schema, number + 1)
        service = self._kernel.services.get(parse_id(service_text, ServiceID))
        env = None if service is None else service.environments.get(parse_id(sbb_text, SbbID))
        self._environments[number] = env
        if env is None:
            self.report.dropped.append(f"the entities of {sbb_text} in {service_text}, which is not installed")
            self._journalling.drop_key(b"Ms%d" % number)
            return
        schema = records.adopt(env, number)
        if schema.digest != stored:
            now = _text_of([(name, carrier.text) for name, carrier in schema.fields])
            raise RecoveryError(
                f"{sbb_text} in {service_text}: the journal has entities with fields "
                f"{_text_of([(name, text) for name, text in fields])}, the installed version has {now} [DUR-12]; "
                f"install the version that wrote them, or upgrade to this one with @migrates"
            )

    def _context(self, key: bytes, value: list[Any]) -> None:
        owner, handle, *rest = msgspec.msgpack.decode(key[1:])
        _, flags, is_ending, continuing, saved, *_ = value
        kernel = self._kernel
        resource = kernel.resources.get(owner) if owner else None
        if resource is not None:
            context = Context(kernel, resource, handle_of(resource, handle), None, flags)
            resource.contexts[context.handle] = context
            self._journalling.unsettled.setdefault(resource, []).append(context)
        elif owner:
            context = kernel.own_context((owner, handle), Orphan())
            self.report.dropped.append(f"an activity of {owner}, which is no RA entity")
        elif handle == "null":
            context = self._null(rest[0])
        elif handle == "profile-table":
            context = kernel.own_context((handle, rest[0]), ProfileTableActivity(rest[0]))
            self._records.own_numbers[context] = rest[1]
        else:
            identity = parse_id(rest[0], ServiceID if handle == "service" else ProfileSpecificationID)
            activity = ServiceActivity(identity) if isinstance(identity, ServiceID) else TableActivity(identity.name)
            context = kernel.own_context((handle, identity), activity)
            self._records.own_numbers[context] = rest[1]
            service = kernel.services.get(identity) if isinstance(identity, ServiceID) else None
            if service is not None and not is_ending:
                service.activity = context
        context.key = key
        context.lasting = True
        context.referenced = True
        context.saved = saved
        context.continuing = continuing
        if is_ending:
            context.state = ContextState.ENDING
        self._contexts[key] = context
        self.report.contexts += 1

    def _null(self, handle: str) -> Context:
        activity = KernelNullActivity()
        context = Context(self._kernel, None, handle, activity)
        activity.context = context
        self._kernel.null_activities.contexts[handle] = context
        return context

    # Entities.

    def _entity(self, key: bytes, value: list[Any]) -> SbbEntity | None:
        _, number, priority, where, _ = value
        sequence = int(key[1:])
        env = self._environments.get(number)
        parent = self._entities.get(where[0]) if isinstance(where[1], str) else None
        if env is None or (isinstance(where[1], str) and parent is None):
            self._journalling.drop_key(key)
            return None
        entity = SbbEntity(env, parent, priority, sequence)
        entity.key = key
        entity.exists = True
        env.entities += 1
        if parent is None:
            entity.convergence_name = self._name(where[0])
            env.service.names[entity.convergence_name] = entity
            env.service.roots[entity] = where[1]
        else:
            if parent.children is None:
                parent.children = {name: {} for name in parent.env.descriptor.children}
            entity.siblings = parent.children[where[1]]
            entity.siblings[entity] = None
        self._entities[sequence] = entity
        self.report.entities += 1
        return entity

    def _address(self, stored: Any) -> Address | None:
        return cast("Address | None", self._records.address.value(stored, self))

    def _name(self, stored: Any) -> object:
        if stored is None:
            return None
        place, address, kind, number, custom = stored
        activity: object = None
        if place is not None:
            resource = self._kernel.resources.get(place[0])
            if resource is not None:
                activity = (resource, handle_of(resource, place[1]))
            elif place[0] == "" and place[1] == "service":
                activity = (None, ("service", parse_id(place[2], ServiceID)))
            elif place[0] == "" and place[1] == "table":
                activity = (None, ("table", parse_id(place[2], ProfileSpecificationID)))
            else:
                activity = (None, place[2]) if place[0] == "" else tuple(place)
        address = self._address(address)
        return (activity, None, address, self._event_classes.get(kind), number, as_tuples(custom))

    def _fill(self, entity: SbbEntity, stored: list[Any]) -> None:
        """Read the CMP fields; a reference whose target is gone counts as no value (CMP-16)."""
        env = entity.env
        for (name, carrier), plain in zip(self._records.schema(env).fields, stored, strict=True):
            if isinstance(plain, msgspec.msgpack.Ext):
                continue
            value = carrier.value(plain, self)
            if value is None and not env.fields[name].accepts(None):
                continue
            entity.state[name] = value

    def _attach(self, context: Context, attached: list[Any]) -> None:
        for number, mask in attached:
            entity = self._entities.get(number)
            if entity is not None:
                context.attached[entity] = frozenset(
                    self._event_classes[kind] for kind in mask if kind in self._event_classes
                )
                entity.contexts[context] = None
                entity.root.count += 1

    def _furnish(self, context: Context, value: list[Any]) -> None:
        """Names, shared attributes, and the ids of timers that are over."""
        *_, names, shared, spent = value
        for name in names:
            self._kernel.naming.recover(name, context)
        for key, plain in shared:
            found = self._shared_key(key)
            if found is not None:
                if context.shared is None:
                    context.shared = {}
                context.shared[found] = self._records.shared_carrier(found).value(plain, self)
        if spent:
            self._kernel.timers.recover_spent(context, [TimerID(identity) for identity in spent])

    def _shared_key(self, stored: Any) -> Hashable | None:
        key: Hashable = stored
        if isinstance(stored, list):
            sbb, owner, name = cast("list[str]", stored)
            key = (parse_id(sbb, SbbID), owner, name)
        try:
            self._records.shared_carrier(key)
        except KeyError:
            self.report.dropped.append(f"shared attribute {key}, which nobody declares")
            return None
        return key

    # Events and timers.

    def _go_on_ending(self, context: Context) -> None:
        """A context that was ending gets its `ActivityEnd`, unless that is among the events (AC-3)."""
        last = context.last
        if context.state is ContextState.ENDING and not (isinstance(last, Firing) and last.cls is ActivityEnd):
            context.accept(self._kernel.firing(ActivityEnd(), context))

    def _event(self, key: bytes, value: list[Any]) -> None:
        _, place, kind, octets, address, target, flags, initial, served, *progress = value
        context = self._contexts.get(place)
        cls = self._event_classes.get(kind)
        event = None if context is None or cls is None else self._event_object(context, cls, flags, octets)
        if context is None or cls is None or event is None:
            self.report.dropped.append(f"event {kind}: its activity, class or profile specification is gone")
            self._journalling.drop_key(key)
            return
        kernel = self._kernel
        service = None if target is None else kernel.services.get(parse_id(target, ServiceID))
        source = "slee" if context.resource is None else f"resource:{context.resource.name}"
        statistics = kernel.event_statistics(cls, source)
        firing = Firing(event, context, statistics, self._address(address), service, flags)
        if initial is not None:
            firing.initial = self._initial(firing, initial)
        firing.served = {entity for number in served if (entity := self._entities.get(number)) is not None} or None
        firing.processed, firing.served_well, firing.suspended, deadline, accepted_at = progress
        context.accept(firing)
        kernel.dirty.pop(firing, None)
        firing.number, firing.key, firing.accepted_at = int(key[1:]), key, accepted_at
        if firing.suspended:
            firing.timeout = kernel.schedule.set(deadline, firing, kernel.now)
        self._events[firing.number] = firing
        self.report.events += 1

    def _event_object(self, context: Context, cls: type, flags: int, octets: bytes) -> object:
        marshaller = None if context.resource is None else context.resource.adaptor.marshaller
        if flags & MARSHAL_EVENT and marshaller is not None:
            return marshaller.decode_event(cls, octets)
        return cast("Carrier", self._records.carrier(cls)).value(msgspec.msgpack.decode(octets), self)

    def _initial(self, firing: Firing, services: list[str]) -> Any:
        found = [self._kernel.services.get(parse_id(text, ServiceID)) for text in services]
        return tuple(s.initial[firing.cls] for s in found if s is not None and firing.cls in s.initial)

    def _outputs(self, values: dict[bytes, Any]) -> None:
        """Keep outputs in doubt for their adaptors, in the order of the calls (OUT-16); those that have none go."""
        orphans: Counter[str] = Counter()
        for key, (_, name, command, octets) in sorted(values.items(), key=lambda item: int(item[0][1:])):
            if name in self._kernel.resources:
                self._journalling.offers.setdefault(name, []).append((key, command, octets))
                self.report.outputs += 1
            else:
                orphans[name] += 1
                self._journalling.drop_key(key)
        self.report.dropped += [f"{count} outputs of {name}, which is no RA entity" for name, count in orphans.items()]

    def _timer(self, key: bytes, value: list[Any]) -> TimerRecord | None:
        _, place, start, period, repetitions, preserve, timeout, address, sequence, number, missed = value
        context = self._contexts.get(place)
        if context is None:
            self._journalling.drop_key(key)
            return None
        where = self._address(address)
        identity = TimerID(key[1:].decode())
        kept = PreserveMissed[preserve]
        record = TimerRecord(identity, context, start, period, repetitions, kept, timeout, where, sequence)
        record.number, record.missed, record.key = number, missed, key
        self.report.timers += 1
        return record


def _text_of(fields: list[tuple[str, str]]) -> str:
    """Fields with their types, for an operator."""
    return "; ".join(f"{name}: {text}" for name, text in fields) or "none"


__all__ = ["Orphan", "RecoveryReport", "recover"]

"""What the journal holds of the kernel's objects: the keys, and the values as MessagePack arrays (DUR-2, DUR-12).

The first byte of a key is the kind: `E` entity, `C` context, `T` timer, `Q` queued or suspended event, `O` output, `M`
schema. The first element of a value is the version of its format. An encoder returns the entry of an object's newest
state, or None if the journal has not and need not have it; encoding may find further objects that must be recorded
with this one, and notes them as dirty.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from slee.api.address import Address
from slee.api.event import ServiceStarted, event_type_id
from slee.api.local import ProfileLocal
from slee.api.view import ActivityContextView
from slee.kernel.context import Context
from slee.kernel.entity import Local, SbbEntity
from slee.kernel.firing import Firing
from slee.kernel.journal import Entry
from slee.kernel.keys import handle_octets, own_handle, pack, shared_name
from slee.kernel.marshalling import MARSHAL_EVENT
from slee.kernel.states import ContextState
from slee.kernel.timers import TimerRecord
from slee.model.codec import Codec, declared_annotation

if TYPE_CHECKING:
    from slee.kernel.environment import SbbEnvironment
    from slee.kernel.kernel import Kernel
    from slee.kernel.resource import ResourceEntity
    from slee.model.codec import Carrier

FORMAT: Final = 1
"""Version of the values' format."""
UNSET: Final = msgspec.msgpack.Ext(0, b"")
"""Stands for a CMP field without value."""
_ENDING: Final = ContextState.ENDING


class Schema:
    """The stored fields of one SBB in one service; written once, and referred to by its number."""

    __slots__ = ("digest", "env", "fields", "key", "number")

    def __init__(self, number: int, env: SbbEnvironment, codec: Codec) -> None:
        self.number = number
        self.env = env
        cls = env.descriptor.cls
        self.fields = [(name, codec.carrier(declared_annotation(cls, name))) for name in env.fields]
        self.digest = digest([(name, carrier.text) for name, carrier in self.fields])
        self.key: bytes | None = None


def digest(fields: list[tuple[str, str]]) -> str:
    """The hash of a schema: of the names and types of its fields, in order."""
    return hashlib.sha256(pack(fields)).hexdigest()


class Output:
    """A command of a committed transaction, from its record to the mark that it was handed over (OUT-16)."""

    __slots__ = ("command", "done", "key", "number", "resource")

    def __init__(self, number: int, resource: ResourceEntity, command: object) -> None:
        self.number = number
        self.resource = resource
        self.command = command
        self.done = False
        self.key: bytes | None = None


class Gone:
    """A key whose object could not be rebuilt: the next record removes it."""

    __slots__ = ("key",)

    def __init__(self, key: bytes) -> None:
        self.key = key


class Records:
    """Encodes the objects of one kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.codec = Codec()
        self.schemas: dict[SbbEnvironment, Schema] = {}
        self.next_schema = 1
        self.own_numbers: dict[Context, int] = {}
        """Of the activities of services and tables, of which a new one may begin before the old one has ended."""
        self._carriers: dict[type, Carrier | None] = {}
        self.facility_carriers: dict[type, Carrier] = {}
        """Of events that a facility fires and only it can make again; `value` gives `None` for one that it cannot."""
        self._shared: dict[Hashable, Carrier] = {}
        self.address = self.codec.carrier(Address | None)
        self.encoders: dict[type, Callable[[Any], Entry | None]] = {
            SbbEntity: self._entity,
            Context: self._context,
            TimerRecord: self._timer,
            Firing: self._event,
            Schema: self._schema_entry,
            Output: self._output,
            Gone: lambda gone: Entry(gone.key, None),
        }

    # References (slee.model.codec.References).

    def place(self, target: object) -> object:
        """What is written for an entity, profile, context or event; None for one that does not last."""
        if isinstance(target, ActivityContextView):
            target = target.context
        if isinstance(target, Local):
            return ["E", target.entity.sequence]
        if isinstance(target, ProfileLocal):
            return ["P", *target.slee_place()]
        if isinstance(target, Context):
            return ["C", self.context_key(target)] if target.lasting else None
        if isinstance(target, Firing):
            return ["Q", target.number] if target.number else None
        return None

    def target(self, place: Any) -> object:
        """Nothing is read here: `Recovery` reads."""
        raise NotImplementedError(place)

    # Keys.

    def context_key(self, context: Context) -> bytes:
        """The key of a context, which is the same in every process (AC-19)."""
        if context.key is not None:
            return context.key
        if context.resource is not None:
            return b"C" + pack([context.resource.name, handle_octets(context.resource, context.handle)])
        kind, text = own_handle(context.handle)
        if kind == "null":
            return b"C" + pack(["", kind, text, 0])
        number = self.own_numbers.get(context)
        if number is None:
            number = self.own_numbers[context] = self._kernel.next_sequence()
        return b"C" + pack(["", kind, text, number])

    # Encoders.

    def _entity(self, entity: SbbEntity) -> Entry | None:
        key = entity.key
        if entity.removed:
            entity.key = None
            return None if key is None else Entry(key, None)
        if key is None:
            root = entity.root
            if root.key is None and not _lasts(root):
                return None
            if (root is not entity and root.key is None) or entity.children is not None:
                self._kernel.dirty.update(
                    (part, None) for part in root.tree() if part.key is None and part is not entity
                )
            entity.key = key = b"E%d" % entity.sequence
        schema = self.schema(entity.env)
        state = entity.state
        fields = [UNSET if name not in state else carrier.plain(state[name], self) for name, carrier in schema.fields]
        parent = entity.parent
        if parent is None:
            where: list[object] = [self._name(entity), entity.env.service.roots.get(entity, 0.0)]
        else:
            where = [parent.sequence, _relation(parent, entity)]
        return Entry(key, pack([FORMAT, schema.number, entity.priority, where, fields]))

    def _name(self, root: SbbEntity) -> object:
        """The convergence name; the entry of an activity that does not last is replaced by one that nothing equals."""
        name = cast("tuple[Any, ...] | None", root.convergence_name)
        if name is None:
            return None
        activity, _, address, event_class, number, custom = name
        place: object = None
        if activity is not None:
            resource, handle = activity
            place = self._named_activity(root, resource, handle)
        kind = None if event_class is None else str(event_type_id(event_class))
        return [place, self.address.plain(address, self), kind, number, custom]

    def _named_activity(self, root: SbbEntity, resource: ResourceEntity | str | None, handle: Hashable) -> object:
        if resource is None:
            return ["", *own_handle(handle)]
        if isinstance(resource, str):  # recovered, and gone already then
            return [resource, handle]
        context = resource.contexts.get(handle)
        if context is None or not context.lasting:
            return ["-", root.sequence]
        return [resource.name, handle_octets(resource, handle)]

    def schema(self, env: SbbEnvironment) -> Schema:
        """The schema of an SBB's entities; recorded with the first of them."""
        found = self.schemas.get(env)
        if found is None:
            found = self.schemas[env] = Schema(self.next_schema, env, self.codec)
            self.next_schema += 1
            self._kernel.dirty[found] = None
        return found

    def forget_classes(self) -> None:
        """Let go of what is known of classes: some may be those of a bundle that is uninstalled (UPG-1)."""
        self._carriers.clear()
        self._shared.clear()
        self.codec = Codec()

    def adopt(self, env: SbbEnvironment, number: int) -> Schema:
        """The schema of an SBB's entities, under the number that the journal has for it."""
        schema = self.schemas[env] = Schema(number, env, self.codec)
        schema.key = b"Ms%d" % number
        return schema

    def _schema_entry(self, schema: Schema) -> Entry:
        schema.key = b"Ms%d" % schema.number
        env = schema.env
        fields = [(name, carrier.text) for name, carrier in schema.fields]
        return Entry(schema.key, pack([FORMAT, str(env.service.id), str(env.descriptor.id), schema.digest, fields]))

    def _context(self, context: Context) -> Entry | None:
        key = context.key
        if context.state is ContextState.INVALID or not context.visible:
            context.key = None
            self.own_numbers.pop(context, None)
            return None if key is None else Entry(key, None)
        if key is None:
            context.key = key = self.context_key(context)
        attached: list[object] = []
        for entity, mask in context.attached.items():
            if entity.env.rank:
                attached.append([entity.sequence, [str(event_type_id(cls)) for cls in mask]])
                if entity.key is None:
                    self._kernel.dirty[entity] = None
        passing = context.passing or ()
        names = [name for name in context.names or () if ("name", name) not in passing]
        shared = [
            self._shared_entry(name, value) for name, value in (context.shared or {}).items() if name not in passing
        ]
        spent = [timer.key for timer in context.spent_timers or ()]
        is_ending = context.state is _ENDING
        values = [context.flags, is_ending, context.continuing, context.saved, attached, names, shared, spent]
        return Entry(key, pack([FORMAT, *values]))

    def _shared_entry(self, key: Hashable, value: object) -> list[object]:
        return [shared_name(key), self.shared_carrier(key).plain(value, self)]

    def shared_carrier(self, key: Hashable) -> Carrier:
        """The carrier of a shared attribute, by the key under which contexts keep it.

        Raises:
            KeyError: no service that is installed declares it.
        """
        found = self._shared.get(key)
        if found is None:
            for service in self._kernel.services.values():
                for sbb in service.descriptor.sbbs.values():
                    for view in sbb.views:
                        for name, attribute in view.shared_attributes.items():
                            self._shared[view.shared_keys[name]] = self.codec.carrier(attribute.annotation)
            found = self._shared[key]
        return found

    def _timer(self, record: TimerRecord) -> Entry | None:
        key = record.key
        if self._kernel.timers.records.get(record.id) is not record:
            record.key = None
            return None if key is None else Entry(key, None)
        if record.passing or not record.context.lasting:
            return None
        if key is None:
            record.key = key = b"T" + record.id.key.encode()
        values: list[object] = [
            self.context_key(record.context),
            record.start,
            record.period,
            record.repetitions,
            record.preserve_missed.name,
            record.timeout,
            self.address.plain(record.address, self),
            record.sequence,
            record.number,
            record.missed,
        ]
        return Entry(key, pack([FORMAT, *values]))

    def _event(self, firing: Firing) -> Entry | None:
        key = firing.key
        if firing.done:
            firing.key = None
            return None if key is None else Entry(key, None)
        octets = self._event_octets(firing)
        if octets is None or not firing.context.lasting:
            return None
        if key is None:
            firing.key = key = b"Q%d" % firing.number
        initial = firing.initial
        deadline = None if firing.timeout is None else firing.timeout.deadline
        values: list[object] = [
            self.context_key(firing.context),
            str(event_type_id(firing.cls)),
            octets,
            self.address.plain(firing.address, self),
            None if firing.target is None else str(firing.target.id),
            firing.flags,
            None if initial is None else [str(handler.service.id) for handler in initial],
            [entity.sequence for entity in firing.served or ()],
            firing.processed,
            firing.served_well,
            firing.suspended,
            deadline,
            firing.accepted_at,
        ]
        return Entry(key, pack([FORMAT, *values]))

    def _event_octets(self, firing: Firing) -> bytes | None:
        """An event by its adaptor's marshaller or by the codec; None if neither takes it: it dies with the process."""
        resource = firing.context.resource
        if firing.flags & MARSHAL_EVENT and resource is not None and resource.adaptor.marshaller is not None:
            return resource.adaptor.marshaller.encode_event(firing.event)
        carrier = self.carrier(firing.cls)
        return None if carrier is None else pack(carrier.plain(firing.event, self))

    def carrier(self, cls: type) -> Carrier | None:
        """The carrier of events or commands of a class; None if it has a field of an open or mutable type."""
        if cls in self.facility_carriers:
            return self.facility_carriers[cls]
        if cls not in self._carriers:
            try:
                self._carriers[cls] = None if cls is ServiceStarted else self.codec.carrier(cls)
            except (TypeError, NameError):
                self._carriers[cls] = None
        return self._carriers[cls]

    def _output(self, output: Output) -> Entry | None:
        key = output.key
        if output.done:
            output.key = None
            return None if key is None else Entry(key, None)
        if key is None:
            output.key = key = b"O%d" % output.number
        command = output.command
        cls = type(command)
        carrier = self.carrier(cls) if cls in output.resource.adaptor.recovers else None
        octets = None if carrier is None else pack(carrier.plain(command, self))
        return Entry(key, pack([FORMAT, output.resource.name, cls.__name__, octets]))


def _lasts(root: SbbEntity) -> bool:
    """Whether a tree is of use after a restart: attached to an activity that is there then, or with code for its end.

    Attachments to activities that end with the process end with it, and a tree without any would be reclaimed before
    an event reached it (ATT-23).
    """
    for entity in root.tree():
        if not entity.env.plain_removal:
            return True
        for context in entity.contexts:
            if context.lasting:
                return True
    return False


def _relation(parent: SbbEntity, child: SbbEntity) -> str:
    return next(name for name, members in (parent.children or {}).items() if members is child.siblings)


__all__ = ["FORMAT", "UNSET", "Gone", "Output", "Records", "Schema", "digest"]

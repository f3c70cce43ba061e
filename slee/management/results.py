"""What management operations return: plain immutable values, the same in Python, HTTP and `--json` (MGT-2)."""

from __future__ import annotations

from dataclasses import dataclass

from slee.api.usage import Counter, Sample
from slee.facilities.alarms import Alarm
from slee.facilities.usage import UsageSource, parameters_of
from slee.management.identities import (
    AdaptorRef,
    AlarmRef,
    BundleRef,
    ComponentRef,
    SbbRef,
    ServiceRef,
    SourceRef,
)
from slee.model.repository import BundleDescriptor, ComponentDescriptor


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """One installed bundle."""

    id: BundleRef
    source: str
    installed_at: float
    """Seconds since the epoch."""
    components: tuple[ComponentRef, ...]
    depends: tuple[BundleRef, ...]
    digest: str

    @classmethod
    def of(cls, bundle: BundleDescriptor) -> BundleInfo:
        """What a bundle's descriptor says."""
        return cls(bundle.id, bundle.source, bundle.installed_at, bundle.components, bundle.depends, bundle.digest)


@dataclass(frozen=True, slots=True)
class ComponentInfo:
    """One installed component."""

    id: ComponentRef
    bundle: BundleRef
    source: str
    references: tuple[ComponentRef, ...]

    @classmethod
    def of(cls, component: ComponentDescriptor) -> ComponentInfo:
        """What a component's descriptor says."""
        return cls(component.id, component.bundle, component.source, component.references)


@dataclass(frozen=True, slots=True)
class ServiceInfo:
    """Desired and actual state of one service (MGT-3)."""

    id: ServiceRef
    state: str
    desired: str
    reason: str = ""
    """Why the two differ, empty while they do not."""


@dataclass(frozen=True, slots=True)
class ResourceInfo:
    """Desired and actual state of one resource adaptor entity (MGT-3)."""

    name: str
    adaptor: AdaptorRef
    state: str
    desired: str
    links: tuple[str, ...]
    reason: str = ""
    """Why the two differ, or why the adaptor is not at work; else empty."""


@dataclass(frozen=True, slots=True)
class PropertyInfo:
    """One property of a resource adaptor entity's configuration (RA-49)."""

    name: str
    type: str
    value: str
    """As text; a mask for a secret (RA-50)."""
    secret: bool


@dataclass(frozen=True, slots=True)
class LinkInfo:
    """One link name (RA-16)."""

    name: str
    entity: str
    sbbs: tuple[SbbRef, ...]
    """SBBs of installed services that are bound to it."""


@dataclass(frozen=True, slots=True)
class TreeInfo:
    """One entity tree of a service (SVC-23)."""

    id: str
    """Of the root entity."""
    sbb: SbbRef
    age: float
    """Seconds since the root was made."""
    entities: int
    attachments: int
    """Of all entities of the tree; it goes when there is none left."""
    activities: tuple[str, ...]
    """Ids of the activities that entities of the tree are attached to."""


@dataclass(frozen=True, slots=True)
class ActivityInfo:
    """One activity."""

    id: str
    resource: str
    """The resource adaptor entity that owns it; `slee` for the SLEE's own."""
    state: str
    kind: str
    """Class of the activity object."""
    attached: int
    """SBB entities attached."""
    queued: int
    """Events waiting or in process."""


@dataclass(frozen=True, slots=True)
class LetterInfo:
    """A message that an adaptor has given up."""

    id: str
    resource: str
    target: str
    """Whom it is for."""
    created: float
    """Seconds since the epoch."""
    attempts: int
    reason: str
    """Why it was given up."""
    octets: int
    """Length of its body."""


@dataclass(frozen=True, slots=True)
class ActivityDetails:
    """One activity with what refers to it."""

    id: str
    resource: str
    state: str
    kind: str
    handle: str
    attached: tuple[str, ...]
    """SBB entities attached, with the id of their tree."""
    queued: int
    names: tuple[str, ...]
    timers: int
    """Timers with occurrences outstanding."""
    shared: int
    """Shared attributes that have been written."""


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """One notification source (ALM-1)."""

    source: SourceRef
    counts: bool
    """Whether it has usage parameters."""


@dataclass(frozen=True, slots=True)
class TracerInfo:
    """The level of one tracer (TRC-15)."""

    source: SourceRef
    tracer: str
    """Empty for the root."""
    level: str
    """The effective level."""
    assigned: bool
    """Whether the level is the tracer's own, not that of an ancestor."""


@dataclass(frozen=True, slots=True)
class AlarmInfo:
    """One active alarm (ALM-12)."""

    id: AlarmRef
    source: SourceRef
    level: str
    type: str
    instance: str
    message: str
    cause: str | None
    time: float
    """When it was raised, in seconds since the epoch."""
    sequence: int
    """Number of the notification that told it."""

    @classmethod
    def of(cls, alarm: Alarm) -> AlarmInfo:
        """What an active alarm says."""
        return cls(
            alarm.id,
            alarm.source,
            alarm.level.name,
            alarm.alarm_type,
            alarm.instance_id,
            alarm.message,
            alarm.cause,
            alarm.time,
            alarm.sequence,
        )


@dataclass(frozen=True, slots=True)
class ParameterInfo:
    """One usage parameter of a set (USG-5, USG-6)."""

    name: str
    kind: str
    """`counter` or `sample`."""
    help: str
    told: bool
    """Whether its changes are told (USG-13)."""
    value: int | None
    """Of a counter."""
    count: int | None
    """Of a sample, as are the rest."""
    minimum: int | None
    maximum: int | None
    mean: float | None

    @classmethod
    def of(cls, parameter: Counter | Sample, *, told: bool) -> ParameterInfo:
        """What a counter or sample says now."""
        if isinstance(parameter, Counter):
            return cls(parameter.name, "counter", parameter.help, told, parameter.value, None, None, None, None)
        p = parameter
        return cls(p.name, "sample", p.help, told, None, p.count, p.minimum, p.maximum, p.mean)


@dataclass(frozen=True, slots=True)
class UsageInfo:
    """One usage parameter set (USG-10)."""

    source: SourceRef
    set: str | None
    """`None` for the default set."""
    since: float
    """When it last began at zero, in seconds since the epoch: its reset, or the start; values do not survive one."""
    parameters: tuple[ParameterInfo, ...]

    @classmethod
    def of(cls, sets: UsageSource, name: str | None) -> UsageInfo:
        """What a set says now; `UnrecognizedUsageParameterSetNameError` if there is none of that name."""
        parameters = parameters_of(sets.get(name))
        infos = tuple(ParameterInfo.of(parameter, told=parameter.name in sets.told) for parameter in parameters)
        return cls(sets.source, name, sets.since[name], infos)


@dataclass(frozen=True, slots=True)
class SleeInfo:
    """Desired and actual state of the SLEE, and who it is (SLE-13, MGT-3)."""

    state: str
    desired: str
    name: str
    vendor: str
    version: str

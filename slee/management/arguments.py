"""Arguments of operations: the same names and defaults on every surface (MGT-1)."""

from __future__ import annotations

from typing import Any

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from slee.management.identities import (
    AdaptorChoice,
    AlarmRef,
    BundleChoice,
    ComponentChoice,
    IdentityRef,
    LevelRef,
    ServiceChoice,
    SourceChoice,
)


class Arguments(BaseModel):
    """Arguments of an operation: the same names and defaults on every surface; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NoArguments(Arguments):
    """An operation without arguments."""


class Bundle(Arguments):
    """Names a bundle."""

    bundle: BundleChoice = Field(description="id of the bundle, or its name where one version is installed")


class Install(Arguments):
    """A bundle to install."""

    source: str = Field(description="path or URL that the archive comes from", min_length=1)
    archive: Base64Bytes = Field(description="content of the archive, in base64 on the wire")
    configuration: dict[str, dict[str, Any]] = Field({}, description="configuration by name of the SBB")


class Origin(Arguments):
    """Names where a bundle came from."""

    source: str = Field(description="path or URL that a bundle was installed from")


class Kind(Arguments):
    """May name a kind of components."""

    kind: str | None = Field(None, description="event, sbb, service, adaptor, resource-type, profile-specification")


class Component(Arguments):
    """Names a component."""

    component: ComponentChoice = Field(description="id of the component, or its name if that is its alone")


class Components(Arguments):
    """Names components."""

    components: tuple[ComponentChoice, ...] = Field(description="ids of components, or names")


class Identity(Arguments):
    """Names a bundle or a component."""

    identity: IdentityRef = Field(description="id of a bundle or component")


class ChosenServices(Arguments):
    """Names services."""

    services: tuple[ServiceChoice, ...] = Field(description="ids of services, or names where one version is installed")


class Deactivation(ChosenServices):
    """Names services to end, and how long that may take."""

    within: float | None = Field(None, description="seconds after which the entity trees that are left are removed")


class Replacement(Arguments):
    """Names a service and the one that takes its place."""

    old: ServiceChoice = Field(description="id of the service that ends")
    new: ServiceChoice = Field(description="id of the service that takes its place")
    within: float | None = Field(None, description="seconds after which the entity trees that are left are removed")


class ChosenService(Arguments):
    """Names a service."""

    service: ServiceChoice = Field(description="id of a service, or its name where one version is installed")


class State(Arguments):
    """May name a state of services."""

    state: str | None = Field(None, description="Inactive, Active or Stopping")


class Entity(Arguments):
    """Names a resource adaptor entity."""

    name: str = Field(description="name of the entity")


class NewEntity(Arguments):
    """A resource adaptor entity to make."""

    name: str = Field(description="name of the entity")
    adaptor: AdaptorChoice = Field(description="id of the adaptor, or its name")
    configuration: dict[str, Any] = Field({}, description="properties by name")
    section: str | None = Field(None, description="section of the server's configuration to take properties from")


class EntityChange(Arguments):
    """Properties of a resource adaptor entity to change."""

    name: str = Field(description="name of the entity")
    configuration: dict[str, Any] = Field(description="properties by name; those that are not named keep their values")


class Entities(Arguments):
    """May choose among resource adaptor entities."""

    adaptor: AdaptorChoice | None = Field(None, description="id of an adaptor, or its name")
    state: str | None = Field(None, description="Inactive, Active or Stopping")
    link: str | None = Field(None, description="a link name")


class NewLink(Arguments):
    """A link name for an entity."""

    name: str = Field(description="name of the entity")
    link: str = Field(description="the link name")


class Link(Arguments):
    """Names a link."""

    link: str = Field(description="the link name")


class Stop(Arguments):
    """How long a stop may take."""

    within: float | None = Field(None, description="seconds after which activities that are left are ended")


class Tree(Arguments):
    """Names an entity tree of a service."""

    service: ServiceChoice = Field(description="id of a service, or its name where one version is installed")
    tree: str = Field(description="id of the root entity")


class Activities(Arguments):
    """May choose among activities."""

    resource: str | None = Field(None, description="name of a resource adaptor entity; slee for the SLEE's own")
    limit: int = Field(1_000, description="most activities to list", ge=1, le=1_000_000)


class Activity(Arguments):
    """Names an activity."""

    activity: str = Field(description="id of the activity, as activity list prints it")


class EntityChoice(Arguments):
    """May name a resource adaptor entity."""

    resource: str | None = Field(None, description="name of a resource adaptor entity")


class Letters(Arguments):
    """Names a dead letter, or all of an entity."""

    resource: str = Field(description="name of the resource adaptor entity")
    letter: str | None = Field(None, description="id of the letter, as letter list prints it; all without")


class Source(Arguments):
    """Names a notification source."""

    source: SourceChoice = Field(description="notification source, or its short name: service/SBB, entity")


class AnySource(Arguments):
    """May name a notification source."""

    source: SourceChoice | None = Field(None, description="notification source, or its short name")


class SourceTracer(Source):
    """Names a tracer of a source."""

    tracer: str = Field(description="name of the tracer, such as sip.in")


class AnyTracer(Source):
    """Names a source, and perhaps a tracer of it."""

    tracer: str = Field("", description="name of the tracer, such as sip.in; the root tracer without")


class TracerLevel(Source):
    """A trace level to assign."""

    level: LevelRef = Field(description="OFF, SEVERE, WARNING, INFO, CONFIG, FINE, FINER or FINEST")
    tracer: str = Field("", description="name of the tracer, such as sip.in; the root tracer without")


class Alarm(Arguments):
    """Names an alarm."""

    alarm: AlarmRef = Field(description="id of the alarm")


class ChosenAlarms(Arguments):
    """Names alarms."""

    alarms: tuple[AlarmRef, ...] = Field(description="ids of alarms")


class SourceAlarms(Source):
    """Names alarms of a source."""

    alarm_type: str | None = Field(None, description="type of the alarms; all types without")


class UsageSet(Source):
    """Names a usage parameter set of a source."""

    name: str = Field(description="name of the set")


class AnyUsageSet(Source):
    """Names a source, and perhaps a usage parameter set of it."""

    name: str | None = Field(None, description="name of the set; the default set without")


class Told(Source):
    """Whether changes of a usage parameter are told."""

    parameter: str = Field(description="name of the usage parameter")
    on: bool = Field(description="on or off")


class UpgradeRequest(Arguments):
    """What an upgrade is to do."""

    bundles: tuple[BundleChoice, ...] = Field(
        description="ids of the bundles to come to, or names for the highest version installed"
    )
    confirm_within: float | None = Field(
        None, description="seconds after which it is rolled back if not made permanent"
    )
    drain_within: float | None = Field(None, description="seconds after which old trees that are left are removed")
    expected_drain: float | None = Field(None, description="seconds after which an alarm tells of old trees left")
    allowed_failures: int = Field(0, description="trees that may fail to migrate before it is rolled back", ge=0)
    follow_convergence: bool = Field(
        False, description="let an initial event go to the living old tree that its convergence name designates"
    )


class Plan(Arguments):
    """Names a plan."""

    plan: str = Field(description="id of the plan, as upgrade plan prints it")


class ChosenUpgrade(Arguments):
    """Names an upgrade."""

    upgrade: str = Field(description="id of the upgrade, which is that of its plan")


class AnyUpgrade(Arguments):
    """May name an upgrade."""

    upgrade: str | None = Field(None, description="id of the upgrade; all of them without")

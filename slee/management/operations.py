"""Every operation of management, declared once: HTTP routes, the command line and tests follow it (MGT-1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from slee.api import errors
from slee.management.activities import ActivityOperations
from slee.management.alarms import ActiveAlarms
from slee.management.arguments import (
    Activities,
    Activity,
    Alarm,
    AnySource,
    AnyTracer,
    AnyUpgrade,
    AnyUsageSet,
    Bundle,
    ChosenAlarms,
    ChosenService,
    ChosenServices,
    ChosenUpgrade,
    Component,
    Components,
    Deactivation,
    Entities,
    Entity,
    EntityChange,
    EntityChoice,
    Identity,
    Install,
    Kind,
    Letters,
    Link,
    NewEntity,
    NewLink,
    NoArguments,
    Origin,
    Plan,
    Replacement,
    Source,
    SourceAlarms,
    SourceTracer,
    State,
    Stop,
    Told,
    TracerLevel,
    Tree,
    UpgradeRequest,
    UsageSet,
)
from slee.management.bundles import Bundles
from slee.management.identities import AlarmRef, SbbRef
from slee.management.letters import DeadLetters
from slee.management.operation import Operation, Role, Transfer, change, reading, state
from slee.management.profile_operations import PROFILE_OPERATIONS
from slee.management.resources import Resources
from slee.management.results import (
    ActivityDetails,
    ActivityInfo,
    AlarmInfo,
    BundleInfo,
    ComponentInfo,
    LetterInfo,
    LinkInfo,
    PropertyInfo,
    ResourceInfo,
    ServiceInfo,
    SleeInfo,
    SourceInfo,
    TracerInfo,
    TreeInfo,
    UsageInfo,
)
from slee.management.schedule_operations import SCHEDULE_OPERATIONS
from slee.management.services import Services
from slee.management.state import SleeStates
from slee.management.tracing import Tracing
from slee.management.upgrade_results import UpgradeInfo, UpgradePlan
from slee.management.upgrades import Upgrades
from slee.management.usage import Usage

_BUNDLE: Final = errors.UnrecognizedBundleError
_SERVICE: Final = errors.UnrecognizedServiceError
_COMPONENT: Final = errors.UnrecognizedComponentError
_ENTITY: Final = errors.UnrecognizedResourceAdaptorEntityError
_LINK: Final = errors.UnrecognizedLinkNameError
_STATE: Final = errors.InvalidStateError
_REFUSED: Final = (errors.AlreadyInstalledError, errors.DeploymentError, errors.VerificationError)
_BINDING: Final = errors.InvalidLinkNameBindingError
_HANDLE: Final = errors.UnrecognizedActivityHandleError
_SOURCE: Final = errors.UnrecognizedNotificationSourceError
_COUNTING: Final = (
    _SOURCE,
    _SERVICE,
    errors.UnrecognizedSbbError,
    _ENTITY,
    errors.UnrecognizedProfileTableError,
    errors.UnrecognizedSubsystemError,
)
_SET: Final = (*_COUNTING, errors.UnrecognizedUsageParameterSetNameError)
_NEW: Final = (errors.ResourceAdaptorEntityAlreadyExistsError, errors.InvalidConfigurationError)

OPERATIONS: Final = (
    reading("state.show", NoArguments, SleeInfo, SleeStates.show),
    state("state.start", NoArguments, SleeInfo, SleeStates.start, _STATE),
    state("state.stop", Stop, SleeInfo, SleeStates.stop, _STATE),
    change("state.shutdown", NoArguments, None, SleeStates.shutdown, _STATE),
    reading("bundle.list", NoArguments, tuple[BundleInfo, ...], Bundles.list),
    reading("bundle.show", Bundle, BundleInfo, Bundles.show, _BUNDLE),
    reading("bundle.source", Origin, BundleInfo, Bundles.find_source, _BUNDLE),
    change("bundle.install", Install, BundleInfo, Bundles.install, *_REFUSED),
    change("bundle.uninstall", Bundle, None, Bundles.uninstall, _BUNDLE, _STATE, errors.DependencyError),
    reading("bundle.installed", Identity, bool, Bundles.is_installed),
    reading("component.list", Kind, tuple[ComponentInfo, ...], Bundles.components),
    reading("component.show", Component, ComponentInfo, Bundles.component, _COMPONENT),
    reading("component.find", Components, tuple[ComponentInfo | None, ...], Bundles.descriptors),
    reading(
        "component.referring",
        Component,
        tuple[ComponentInfo, ...],
        Bundles.referring_components,
        _COMPONENT,
    ),
    reading("service.list", State, tuple[ServiceInfo, ...], Services.list),
    reading("service.show", ChosenService, ServiceInfo, Services.show, _SERVICE),
    reading("service.sbbs", ChosenService, tuple[SbbRef, ...], Services.sbbs, _SERVICE),
    state(
        "service.activate",
        ChosenServices,
        tuple[ServiceInfo, ...],
        Services.activate,
        _SERVICE,
        _STATE,
        _BINDING,
    ),
    state(
        "service.deactivate",
        Deactivation,
        tuple[ServiceInfo, ...],
        Services.deactivate,
        _SERVICE,
        _STATE,
    ),
    state(
        "service.replace",
        Replacement,
        tuple[ServiceInfo, ...],
        Services.deactivate_and_activate,
        _SERVICE,
        _STATE,
        _BINDING,
    ),
    reading("service.trees", ChosenService, tuple[TreeInfo, ...], Services.trees, _SERVICE),
    state("service.remove-tree", Tree, None, Services.remove_tree, _SERVICE, errors.NoSuchObjectError),
    reading(
        "resource.list", Entities, tuple[ResourceInfo, ...], Resources.list, errors.UnrecognizedResourceAdaptorError
    ),
    reading("resource.show", Entity, ResourceInfo, Resources.show, _ENTITY),
    change(
        "resource.create",
        NewEntity,
        ResourceInfo,
        Resources.create,
        errors.UnrecognizedResourceAdaptorError,
        *_NEW,
    ),
    change(
        "resource.configure",
        EntityChange,
        ResourceInfo,
        Resources.configure,
        _ENTITY,
        _STATE,
        errors.InvalidConfigurationError,
    ),
    reading("resource.properties", Entity, tuple[PropertyInfo, ...], Resources.properties, _ENTITY),
    change("resource.remove", Entity, None, Resources.remove, _ENTITY, _STATE, errors.DependencyError),
    state("resource.activate", Entity, ResourceInfo, Resources.activate, _ENTITY, _STATE),
    state("resource.deactivate", Entity, ResourceInfo, Resources.deactivate, _ENTITY, _STATE),
    change(
        "resource.bind",
        NewLink,
        ResourceInfo,
        Resources.bind_link,
        _ENTITY,
        errors.LinkNameAlreadyBoundError,
    ),
    change("resource.unbind", Link, ResourceInfo, Resources.unbind_link, _LINK, errors.DependencyError),
    reading("resource.links", NoArguments, tuple[LinkInfo, ...], Resources.links),
    reading("resource.bound", Link, tuple[SbbRef, ...], Resources.bound_sbbs, _LINK),
    reading("activity.list", Activities, tuple[ActivityInfo, ...], ActivityOperations.list, _ENTITY),
    reading("activity.show", Activity, ActivityDetails, ActivityOperations.show, _HANDLE),
    state("activity.end", Activity, None, ActivityOperations.end, _HANDLE, _STATE),
    reading("letter.list", EntityChoice, tuple[LetterInfo, ...], DeadLetters.list, _ENTITY),
    state("letter.retry", Letters, int, DeadLetters.retry, _ENTITY, errors.NoSuchObjectError, _STATE),
    state("letter.drop", Letters, int, DeadLetters.drop, _ENTITY, errors.NoSuchObjectError, _STATE),
    reading("trace.sources", NoArguments, tuple[SourceInfo, ...], Tracing.sources),
    state("trace.set", TracerLevel, TracerInfo, Tracing.set_level, _SOURCE),
    state("trace.unset", SourceTracer, TracerInfo, Tracing.unset_level, _SOURCE),
    reading("trace.level", AnyTracer, TracerInfo, Tracing.level, _SOURCE),
    reading("trace.used", Source, tuple[TracerInfo, ...], Tracing.used, _SOURCE),
    reading("trace.assigned", Source, tuple[TracerInfo, ...], Tracing.assigned, _SOURCE),
    reading("alarm.list", AnySource, tuple[AlarmInfo, ...], ActiveAlarms.list, _SOURCE),
    reading("alarm.ids", AnySource, tuple[AlarmRef, ...], ActiveAlarms.ids, _SOURCE),
    reading("alarm.active", Alarm, bool, ActiveAlarms.is_active),
    reading("alarm.show", Alarm, AlarmInfo | None, ActiveAlarms.show),
    reading("alarm.find", ChosenAlarms, tuple[AlarmInfo | None, ...], ActiveAlarms.find),
    state("alarm.clear", Alarm, bool, ActiveAlarms.clear),
    state("alarm.clear-source", SourceAlarms, int, ActiveAlarms.clear_source, _SOURCE),
    reading("usage.sets", Source, tuple[str, ...], Usage.sets, *_COUNTING),
    change(
        "usage.create", UsageSet, UsageInfo, Usage.create, *_COUNTING, errors.UsageParameterSetNameAlreadyExistsError
    ),
    change("usage.remove", UsageSet, None, Usage.remove, *_SET),
    reading("usage.read", AnyUsageSet, UsageInfo, Usage.read, *_SET),
    state("usage.take", AnyUsageSet, UsageInfo, Usage.take, *_SET),
    state("usage.reset", AnyUsageSet, UsageInfo, Usage.reset, *_SET),
    state("usage.reset-all", Source, tuple[UsageInfo, ...], Usage.reset_all, *_COUNTING),
    state("usage.reset-service", ChosenService, tuple[UsageInfo, ...], Usage.reset_service, _SERVICE),
    state("usage.tell", Told, UsageInfo, Usage.tell, *_COUNTING),
    *SCHEDULE_OPERATIONS,
    *PROFILE_OPERATIONS,
    reading("upgrade.plan", UpgradeRequest, UpgradePlan, Upgrades.plan, _BUNDLE),
    replace(state("upgrade.apply", Plan, UpgradeInfo, Upgrades.apply, errors.UpgradeError), stepwise=Upgrades.applying),
    reading("upgrade.status", AnyUpgrade, tuple[UpgradeInfo, ...], Upgrades.status, errors.UpgradeError),
    state("upgrade.make-permanent", ChosenUpgrade, UpgradeInfo, Upgrades.make_permanent, errors.UpgradeError),
    replace(
        state("upgrade.rollback", ChosenUpgrade, UpgradeInfo, Upgrades.rollback, errors.UpgradeError),
        stepwise=Upgrades.rolling_back,
    ),
    state("upgrade.force", ChosenUpgrade, UpgradeInfo, Upgrades.force, errors.UpgradeError),
)
"""The table."""


__all__ = ["OPERATIONS", "Operation", "Role", "Transfer"]

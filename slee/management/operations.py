"""Every operation of management, declared once: HTTP routes, the command line and tests follow it (MGT-1)."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from slee.api import errors
from slee.api.errors import SleeError
from slee.management.activities import ActivityOperations
from slee.management.alarms import ActiveAlarms
from slee.management.arguments import (
    Activities,
    Activity,
    Alarm,
    AnySource,
    AnyTracer,
    AnyUsageSet,
    Arguments,
    Bundle,
    ChosenAlarms,
    ChosenService,
    ChosenServices,
    Component,
    Components,
    Deactivation,
    Entities,
    Entity,
    EntityChange,
    Identity,
    Install,
    Kind,
    Link,
    NewEntity,
    NewLink,
    NoArguments,
    Origin,
    Source,
    SourceAlarms,
    SourceTracer,
    State,
    Stop,
    Told,
    TracerLevel,
    Tree,
    UsageSet,
)
from slee.management.bundles import Bundles
from slee.management.identities import AlarmRef, SbbRef
from slee.management.profile_arguments import (
    AnySpecification,
    NewProfile,
    NewProfileTable,
    ProfileChange,
    ProfileChoice,
    ProfileExport,
    ProfileImport,
    ProfileName,
    ProfileQuery,
    ProfileSearch,
    ProfileTableName,
    ProfileTableRenaming,
)
from slee.management.profile_results import ImportInfo, ProfileInfo, ProfileTableInfo, ReloadInfo
from slee.management.profiles import Profiles
from slee.management.resources import Resources
from slee.management.results import (
    ActivityDetails,
    ActivityInfo,
    AlarmInfo,
    BundleInfo,
    ComponentInfo,
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
from slee.management.services import Services
from slee.management.state import SleeStates
from slee.management.tracing import Tracing
from slee.management.usage import Usage

if TYPE_CHECKING:
    from slee.management.management import Management


_RULES: Final = re.compile(r",? \(?[A-Z]+-\d+(?:(?:, | to )[A-Z]+-\d+)*\)?")


class Role(enum.IntEnum):
    """Who may call an operation; each may do what the ones before may (MGT-14)."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


class Transfer(enum.Enum):
    """How a file goes with an operation; its arguments are then in the query, whatever the method."""

    UPLOAD = "upload"
    """The request's body is a file, read in pieces: the Python form gives what the pieces are fed to."""
    DOWNLOAD = "download"
    """The answer is a file: the Python form gives its pieces."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation."""

    name: str
    """Family and verb, `service.activate`: also the route and the command."""
    arguments: type[Arguments]
    result: Any
    """Type of the result."""
    role: Role
    """The least role that may call it."""
    changes: bool
    """Whether it changes anything; such a one is called by POST, the others by GET."""
    call: Callable[..., Any]
    """The Python form: a method of a part of `Management`."""
    raises: tuple[type[SleeError], ...] = ()
    """Errors besides `InvalidArgumentError`."""
    transfer: Transfer | None = None

    @property
    def family(self) -> str:
        """First word of the command."""
        return self.name.partition(".")[0]

    @property
    def verb(self) -> str:
        """The words of the command behind the family, with a dot between two."""
        return self.name.partition(".")[2]

    @property
    def path(self) -> str:
        """The route."""
        return f"/v1/{self.name.replace('.', '/')}"

    @property
    def summary(self) -> str:
        """What it does, as the documentation of its Python form begins, without the rules' ids."""
        first = (self.call.__doc__ or "").strip().partition("\n\n")[0]
        return _RULES.sub("", " ".join(first.split()))

    def run(self, management: Management, arguments: Arguments) -> Any:
        """Call the Python form with checked arguments; `InvalidStateError` once the SLEE is shut down (SLE-12)."""
        if management.slee.is_shut_down:
            raise errors.InvalidStateError("the SLEE is shut down [SLE-12]; start the server again")
        values = {name: getattr(arguments, name) for name in type(arguments).model_fields}
        return self.call(_PARTS[self.call.__qualname__.partition(".")[0]](management), **values)


_PARTS: Final[dict[str, Callable[[Management], object]]] = {
    SleeStates.__name__: lambda management: management.slee,
    Bundles.__name__: lambda management: management.bundles,
    Services.__name__: lambda management: management.services,
    Resources.__name__: lambda management: management.resources,
    ActivityOperations.__name__: lambda management: management.activities,
    Tracing.__name__: lambda management: management.tracing,
    ActiveAlarms.__name__: lambda management: management.alarms,
    Usage.__name__: lambda management: management.usage,
    Profiles.__name__: lambda management: management.profiles,
}
"""The part of `Management` by its class."""


def _reading(name: str, arguments: type[Arguments], result: Any, call: Callable[..., Any], *raises: Any) -> Operation:
    return Operation(name, arguments, result, Role.VIEWER, False, call, raises)


def _state(name: str, arguments: type[Arguments], result: Any, call: Callable[..., Any], *raises: Any) -> Operation:
    return Operation(name, arguments, result, Role.OPERATOR, True, call, raises)


def _change(name: str, arguments: type[Arguments], result: Any, call: Callable[..., Any], *raises: Any) -> Operation:
    return Operation(name, arguments, result, Role.ADMIN, True, call, raises)


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

_TABLE: Final = errors.UnrecognizedProfileTableError
_SPECIFICATION: Final = errors.UnrecognizedProfileSpecificationError
_TABLE_NAME: Final = errors.ProfileTableAlreadyExistsError
_PROFILE: Final = errors.UnrecognizedProfileError
_UNFIT: Final = (
    errors.UnrecognizedAttributeError,
    errors.ProfileVerificationError,
    errors.UniqueAttributeViolationError,
    errors.TransactionRolledBackError,
)
_ATTRIBUTE: Final = (errors.UnrecognizedAttributeError, errors.AttributeTypeMismatchError)

_PROFILE_OPERATIONS: Final = (
    _reading("profile.table.list", AnySpecification, tuple[ProfileTableInfo, ...], Profiles.tables, _SPECIFICATION),
    _reading("profile.table.show", ProfileTableName, ProfileTableInfo, Profiles.table, _TABLE),
    _change(
        "profile.table.create",
        NewProfileTable,
        ProfileTableInfo,
        Profiles.create_table,
        _SPECIFICATION,
        _TABLE_NAME,
        errors.CreateError,
        *_UNFIT,
    ),
    _change("profile.table.rename", ProfileTableRenaming, ProfileTableInfo, Profiles.rename_table, _TABLE, _TABLE_NAME),
    _change("profile.table.remove", ProfileTableName, None, Profiles.remove_table, _TABLE, *_UNFIT),
    _state("profile.table.reload", ProfileTableName, ReloadInfo, Profiles.reload_table, _TABLE, _STATE, *_UNFIT),
    _change(
        "profile.add",
        NewProfile,
        ProfileInfo,
        Profiles.add,
        _TABLE,
        errors.ProfileAlreadyExistsError,
        errors.CreateError,
        *_UNFIT,
    ),
    _reading("profile.show", ProfileChoice, ProfileInfo, Profiles.show, _TABLE, _PROFILE),
    _change("profile.set", ProfileChange, ProfileInfo, Profiles.set, _TABLE, _PROFILE, *_UNFIT),
    _change("profile.remove", ProfileName, None, Profiles.remove, _TABLE, _PROFILE, *_UNFIT),
    _reading("profile.find", ProfileSearch, tuple[ProfileInfo, ...], Profiles.find, _TABLE, *_ATTRIBUTE),
    _reading(
        "profile.query",
        ProfileQuery,
        tuple[ProfileInfo, ...],
        Profiles.query,
        _TABLE,
        errors.UnrecognizedQueryError,
        errors.AttributeTypeMismatchError,
    ),
    Operation(
        "profile.export", ProfileExport, bytes, Role.VIEWER, False, Profiles.export, (_TABLE,), Transfer.DOWNLOAD
    ),
    Operation(
        "profile.import",
        ProfileImport,
        ImportInfo,
        Role.ADMIN,
        True,
        Profiles.import_,
        (_TABLE, _STATE, *_UNFIT),
        Transfer.UPLOAD,
    ),
)

OPERATIONS: Final = (
    _reading("state.show", NoArguments, SleeInfo, SleeStates.show),
    _state("state.start", NoArguments, SleeInfo, SleeStates.start, _STATE),
    _state("state.stop", Stop, SleeInfo, SleeStates.stop, _STATE),
    _change("state.shutdown", NoArguments, None, SleeStates.shutdown, _STATE),
    _reading("bundle.list", NoArguments, tuple[BundleInfo, ...], Bundles.list),
    _reading("bundle.show", Bundle, BundleInfo, Bundles.show, _BUNDLE),
    _reading("bundle.source", Origin, BundleInfo, Bundles.find_source, _BUNDLE),
    _change("bundle.install", Install, BundleInfo, Bundles.install, *_REFUSED),
    _change("bundle.uninstall", Bundle, None, Bundles.uninstall, _BUNDLE, _STATE, errors.DependencyError),
    _reading("bundle.installed", Identity, bool, Bundles.is_installed),
    _reading("component.list", Kind, tuple[ComponentInfo, ...], Bundles.components),
    _reading("component.show", Component, ComponentInfo, Bundles.component, _COMPONENT),
    _reading("component.find", Components, tuple[ComponentInfo | None, ...], Bundles.descriptors),
    _reading(
        "component.referring",
        Component,
        tuple[ComponentInfo, ...],
        Bundles.referring_components,
        _COMPONENT,
    ),
    _reading("service.list", State, tuple[ServiceInfo, ...], Services.list),
    _reading("service.show", ChosenService, ServiceInfo, Services.show, _SERVICE),
    _reading("service.sbbs", ChosenService, tuple[SbbRef, ...], Services.sbbs, _SERVICE),
    _state(
        "service.activate",
        ChosenServices,
        tuple[ServiceInfo, ...],
        Services.activate,
        _SERVICE,
        _STATE,
        _BINDING,
    ),
    _state(
        "service.deactivate",
        Deactivation,
        tuple[ServiceInfo, ...],
        Services.deactivate,
        _SERVICE,
        _STATE,
    ),
    _reading("service.trees", ChosenService, tuple[TreeInfo, ...], Services.trees, _SERVICE),
    _state("service.remove-tree", Tree, None, Services.remove_tree, _SERVICE, errors.NoSuchObjectError),
    _reading(
        "resource.list", Entities, tuple[ResourceInfo, ...], Resources.list, errors.UnrecognizedResourceAdaptorError
    ),
    _reading("resource.show", Entity, ResourceInfo, Resources.show, _ENTITY),
    _change(
        "resource.create",
        NewEntity,
        ResourceInfo,
        Resources.create,
        errors.UnrecognizedResourceAdaptorError,
        *_NEW,
    ),
    _change(
        "resource.configure",
        EntityChange,
        ResourceInfo,
        Resources.configure,
        _ENTITY,
        _STATE,
        errors.InvalidConfigurationError,
    ),
    _reading("resource.properties", Entity, tuple[PropertyInfo, ...], Resources.properties, _ENTITY),
    _change("resource.remove", Entity, None, Resources.remove, _ENTITY, _STATE, errors.DependencyError),
    _state("resource.activate", Entity, ResourceInfo, Resources.activate, _ENTITY, _STATE),
    _state("resource.deactivate", Entity, ResourceInfo, Resources.deactivate, _ENTITY, _STATE),
    _change(
        "resource.bind",
        NewLink,
        ResourceInfo,
        Resources.bind_link,
        _ENTITY,
        errors.LinkNameAlreadyBoundError,
    ),
    _change("resource.unbind", Link, ResourceInfo, Resources.unbind_link, _LINK, errors.DependencyError),
    _reading("resource.links", NoArguments, tuple[LinkInfo, ...], Resources.links),
    _reading("resource.bound", Link, tuple[SbbRef, ...], Resources.bound_sbbs, _LINK),
    _reading("activity.list", Activities, tuple[ActivityInfo, ...], ActivityOperations.list, _ENTITY),
    _reading("activity.show", Activity, ActivityDetails, ActivityOperations.show, _HANDLE),
    _state("activity.end", Activity, None, ActivityOperations.end, _HANDLE, _STATE),
    _reading("trace.sources", NoArguments, tuple[SourceInfo, ...], Tracing.sources),
    _state("trace.set", TracerLevel, TracerInfo, Tracing.set_level, _SOURCE),
    _state("trace.unset", SourceTracer, TracerInfo, Tracing.unset_level, _SOURCE),
    _reading("trace.level", AnyTracer, TracerInfo, Tracing.level, _SOURCE),
    _reading("trace.used", Source, tuple[TracerInfo, ...], Tracing.used, _SOURCE),
    _reading("trace.assigned", Source, tuple[TracerInfo, ...], Tracing.assigned, _SOURCE),
    _reading("alarm.list", AnySource, tuple[AlarmInfo, ...], ActiveAlarms.list, _SOURCE),
    _reading("alarm.ids", AnySource, tuple[AlarmRef, ...], ActiveAlarms.ids, _SOURCE),
    _reading("alarm.active", Alarm, bool, ActiveAlarms.is_active),
    _reading("alarm.show", Alarm, AlarmInfo | None, ActiveAlarms.show),
    _reading("alarm.find", ChosenAlarms, tuple[AlarmInfo | None, ...], ActiveAlarms.find),
    _state("alarm.clear", Alarm, bool, ActiveAlarms.clear),
    _state("alarm.clear-source", SourceAlarms, int, ActiveAlarms.clear_source, _SOURCE),
    _reading("usage.sets", Source, tuple[str, ...], Usage.sets, *_COUNTING),
    _change(
        "usage.create", UsageSet, UsageInfo, Usage.create, *_COUNTING, errors.UsageParameterSetNameAlreadyExistsError
    ),
    _change("usage.remove", UsageSet, None, Usage.remove, *_SET),
    _reading("usage.read", AnyUsageSet, UsageInfo, Usage.read, *_SET),
    _state("usage.take", AnyUsageSet, UsageInfo, Usage.take, *_SET),
    _state("usage.reset", AnyUsageSet, UsageInfo, Usage.reset, *_SET),
    _state("usage.reset-all", Source, tuple[UsageInfo, ...], Usage.reset_all, *_COUNTING),
    _state("usage.reset-service", ChosenService, tuple[UsageInfo, ...], Usage.reset_service, _SERVICE),
    _state("usage.tell", Told, UsageInfo, Usage.tell, *_COUNTING),
    *_PROFILE_OPERATIONS,
)
"""The table."""

"""Every operation of management, declared once: HTTP routes, the command line and tests follow it (MGT-1)."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from slee.api import errors
from slee.api.errors import SleeError
from slee.management.bundles import Bundles
from slee.management.identities import AdaptorRef, BundleRef, ComponentRef, SbbRef, ServiceChoice
from slee.management.resources import Resources
from slee.management.results import (
    BundleInfo,
    ComponentInfo,
    LinkInfo,
    PropertyInfo,
    ResourceInfo,
    ServiceInfo,
    SleeInfo,
)
from slee.management.services import Services
from slee.management.state import SleeStates

if TYPE_CHECKING:
    from slee.management.management import Management


_RULES: Final = re.compile(r",? \(?[A-Z]+-\d+(?:(?:, | to )[A-Z]+-\d+)*\)?")


class Role(enum.IntEnum):
    """Who may call an operation; each may do what the ones before may (MGT-14)."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


class Arguments(BaseModel):
    """Arguments of an operation: the same names and defaults on every surface; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NoArguments(Arguments):
    """An operation without arguments."""


class Bundle(Arguments):
    """Names a bundle."""

    bundle: BundleRef = Field(description="id of the bundle")


class Install(Arguments):
    """A bundle to install."""

    source: str = Field(description="path or URL that the archive comes from", min_length=1)
    archive: Base64Bytes = Field(description="content of the archive, in base64 on the wire")
    configuration: dict[str, dict[str, Any]] = Field({}, description="configuration by name of the SBB")


class Source(Arguments):
    """Names where a bundle came from."""

    source: str = Field(description="path or URL that a bundle was installed from")


class Kind(Arguments):
    """May name a kind of components."""

    kind: str | None = Field(None, description="event, sbb, service, adaptor, resource-type, profile-specification")


class Component(Arguments):
    """Names a component."""

    component: ComponentRef = Field(description="id of the component")


class Components(Arguments):
    """Names components."""

    components: tuple[ComponentRef, ...] = Field(description="ids of components")


class Identity(Arguments):
    """Names a bundle or a component."""

    identity: BundleRef | ComponentRef = Field(description="id of a bundle or component")


class ChosenServices(Arguments):
    """Names services."""

    services: tuple[ServiceChoice, ...] = Field(description="ids of services, or names where one version is installed")


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
    adaptor: AdaptorRef = Field(description="id of the adaptor")
    configuration: dict[str, Any] = Field({}, description="properties by name")
    section: str | None = Field(None, description="section of the server's configuration to take properties from")


class EntityChange(Arguments):
    """Properties of a resource adaptor entity to change."""

    name: str = Field(description="name of the entity")
    configuration: dict[str, Any] = Field(description="properties by name; those that are not named keep their values")


class Entities(Arguments):
    """May choose among resource adaptor entities."""

    adaptor: AdaptorRef | None = Field(None, description="id of an adaptor")
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

    @property
    def family(self) -> str:
        """First word of the command."""
        return self.name.partition(".")[0]

    @property
    def verb(self) -> str:
        """Second word of the command."""
        return self.name.partition(".")[2]

    @property
    def path(self) -> str:
        """The route."""
        return f"/v1/{self.family}/{self.verb}"

    @property
    def summary(self) -> str:
        """What it does, as the documentation of its Python form begins, without the rules' ids."""
        first = (self.call.__doc__ or "").strip().partition("\n\n")[0]
        return _RULES.sub("", " ".join(first.split()))

    def run(self, management: Management, arguments: Arguments) -> Any:
        """Call the Python form with checked arguments."""
        values = {name: getattr(arguments, name) for name in type(arguments).model_fields}
        return self.call(_PARTS[self.call.__qualname__.partition(".")[0]](management), **values)


_PARTS: Final[dict[str, Callable[[Management], object]]] = {
    SleeStates.__name__: lambda management: management.slee,
    Bundles.__name__: lambda management: management.bundles,
    Services.__name__: lambda management: management.services,
    Resources.__name__: lambda management: management.resources,
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
_NEW: Final = (errors.ResourceAdaptorEntityAlreadyExistsError, errors.InvalidConfigurationError)

OPERATIONS: Final = (
    _reading("state.show", NoArguments, SleeInfo, SleeStates.show),
    _state("state.start", NoArguments, SleeInfo, SleeStates.start, _STATE),
    _state("state.stop", Stop, SleeInfo, SleeStates.stop, _STATE),
    _change("state.shutdown", NoArguments, None, SleeStates.shutdown, _STATE),
    _reading("bundle.list", NoArguments, tuple[BundleInfo, ...], Bundles.list),
    _reading("bundle.show", Bundle, BundleInfo, Bundles.show, _BUNDLE),
    _reading("bundle.source", Source, BundleInfo, Bundles.find_source, _BUNDLE),
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
        ChosenServices,
        tuple[ServiceInfo, ...],
        Services.deactivate,
        _SERVICE,
        _STATE,
    ),
    _reading("resource.list", Entities, tuple[ResourceInfo, ...], Resources.list),
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
)
"""The table."""

"""Every operation of the management surface, declared once: HTTP routes, the command line and tests follow it (MGT-1)."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from slee.api import errors
from slee.api.errors import SleeError
from slee.management.identities import AdaptorRef, BundleRef, ComponentRef, SbbRef, ServiceChoice
from slee.management.results import BundleInfo, ComponentInfo, LinkInfo, ResourceInfo, ServiceInfo, SleeInfo

if TYPE_CHECKING:
    from slee.management.management import Management


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
    bundle: BundleRef = Field(description="id of the bundle")


class Install(Arguments):
    source: str = Field(description="path or URL that the archive comes from", min_length=1)
    archive: Base64Bytes = Field(description="content of the archive, in base64 on the wire")
    configuration: dict[str, dict[str, Any]] = Field({}, description="configuration by name of the SBB")


class Source(Arguments):
    source: str = Field(description="path or URL that a bundle was installed from")


class Kind(Arguments):
    kind: str | None = Field(None, description="event, sbb, service, adaptor, resource-type, profile-specification")


class Component(Arguments):
    component: ComponentRef = Field(description="id of the component")


class Components(Arguments):
    components: tuple[ComponentRef, ...] = Field(description="ids of components")


class Identity(Arguments):
    identity: BundleRef | ComponentRef = Field(description="id of a bundle or component")


class ChosenServices(Arguments):
    services: tuple[ServiceChoice, ...] = Field(description="ids of services, or names where one version is installed")


class ChosenService(Arguments):
    service: ServiceChoice = Field(description="id of a service, or its name where one version is installed")


class State(Arguments):
    state: str | None = Field(None, description="Inactive, Active or Stopping")


class Entity(Arguments):
    name: str = Field(description="name of the entity")


class NewEntity(Arguments):
    name: str = Field(description="name of the entity")
    adaptor: AdaptorRef = Field(description="id of the adaptor")
    configuration: dict[str, Any] = Field({}, description="properties by name")
    section: str | None = Field(None, description="section of the server's configuration to take properties from")


class Entities(Arguments):
    adaptor: AdaptorRef | None = Field(None, description="id of an adaptor")
    state: str | None = Field(None, description="Inactive, Active or Stopping")
    link: str | None = Field(None, description="a link name")


class NewLink(Arguments):
    name: str = Field(description="name of the entity")
    link: str = Field(description="the link name")


class Link(Arguments):
    link: str = Field(description="the link name")


class Stop(Arguments):
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
    call: Callable[[Management], Callable[..., Any]]
    """The Python form."""
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

    def run(self, management: Management, arguments: Arguments) -> Any:
        """Call the Python form with checked arguments."""
        values = {name: getattr(arguments, name) for name in type(arguments).model_fields}
        return self.call(management)(**values)


def _reading(
    name: str, arguments: type[Arguments], result: Any, call: Callable[[Management], Callable[..., Any]], *raises: Any
) -> Operation:
    return Operation(name, arguments, result, Role.VIEWER, False, call, raises)


def _state(
    name: str, arguments: type[Arguments], result: Any, call: Callable[[Management], Callable[..., Any]], *raises: Any
) -> Operation:
    return Operation(name, arguments, result, Role.OPERATOR, True, call, raises)


def _change(
    name: str, arguments: type[Arguments], result: Any, call: Callable[[Management], Callable[..., Any]], *raises: Any
) -> Operation:
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
    _reading("state.show", NoArguments, SleeInfo, lambda m: m.slee.show),
    _state("state.start", NoArguments, SleeInfo, lambda m: m.slee.start, _STATE),
    _state("state.stop", Stop, SleeInfo, lambda m: m.slee.stop, _STATE),
    _change("state.shutdown", NoArguments, None, lambda m: m.slee.shutdown, _STATE),
    _reading("bundle.list", NoArguments, tuple[BundleInfo, ...], lambda m: m.bundles.list),
    _reading("bundle.show", Bundle, BundleInfo, lambda m: m.bundles.show, _BUNDLE),
    _reading("bundle.source", Source, BundleInfo, lambda m: m.bundles.find_source, _BUNDLE),
    _change("bundle.install", Install, BundleInfo, lambda m: m.bundles.install, *_REFUSED),
    _change("bundle.uninstall", Bundle, None, lambda m: m.bundles.uninstall, _BUNDLE, _STATE, errors.DependencyError),
    _reading("bundle.installed", Identity, bool, lambda m: m.bundles.is_installed),
    _reading("component.list", Kind, tuple[ComponentInfo, ...], lambda m: m.bundles.components),
    _reading("component.show", Component, ComponentInfo, lambda m: m.bundles.component, _COMPONENT),
    _reading("component.find", Components, tuple[ComponentInfo | None, ...], lambda m: m.bundles.descriptors),
    _reading(
        "component.referring",
        Component,
        tuple[ComponentInfo, ...],
        lambda m: m.bundles.referring_components,
        _COMPONENT,
    ),
    _reading("service.list", State, tuple[ServiceInfo, ...], lambda m: m.services.list),
    _reading("service.show", ChosenService, ServiceInfo, lambda m: m.services.show, _SERVICE),
    _reading("service.sbbs", ChosenService, tuple[SbbRef, ...], lambda m: m.services.sbbs, _SERVICE),
    _state(
        "service.activate",
        ChosenServices,
        tuple[ServiceInfo, ...],
        lambda m: m.services.activate,
        _SERVICE,
        _STATE,
        _BINDING,
    ),
    _state(
        "service.deactivate",
        ChosenServices,
        tuple[ServiceInfo, ...],
        lambda m: m.services.deactivate,
        _SERVICE,
        _STATE,
    ),
    _reading("resource.list", Entities, tuple[ResourceInfo, ...], lambda m: m.resources.list),
    _reading("resource.show", Entity, ResourceInfo, lambda m: m.resources.show, _ENTITY),
    _change(
        "resource.create",
        NewEntity,
        ResourceInfo,
        lambda m: m.resources.create,
        errors.UnrecognizedResourceAdaptorError,
        *_NEW,
    ),
    _change("resource.remove", Entity, None, lambda m: m.resources.remove, _ENTITY, _STATE, errors.DependencyError),
    _state("resource.activate", Entity, ResourceInfo, lambda m: m.resources.activate, _ENTITY, _STATE),
    _state("resource.deactivate", Entity, ResourceInfo, lambda m: m.resources.deactivate, _ENTITY, _STATE),
    _change(
        "resource.bind",
        NewLink,
        ResourceInfo,
        lambda m: m.resources.bind_link,
        _ENTITY,
        errors.LinkNameAlreadyBoundError,
    ),
    _change("resource.unbind", Link, ResourceInfo, lambda m: m.resources.unbind_link, _LINK, errors.DependencyError),
    _reading("resource.links", NoArguments, tuple[LinkInfo, ...], lambda m: m.resources.links),
    _reading("resource.bound", Link, tuple[SbbRef, ...], lambda m: m.resources.bound_sbbs, _LINK),
)
"""The table."""

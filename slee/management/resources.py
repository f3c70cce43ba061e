"""Resource adaptor entities and their links (group RA)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from pydantic import BaseModel, ValidationError

from slee.api.errors import (
    DependencyError,
    InvalidArgumentError,
    InvalidConfigurationError,
    InvalidStateError,
    Issue,
    LinkNameAlreadyBoundError,
    ResourceAdaptorEntityAlreadyExistsError,
    SleeError,
    UnrecognizedLinkNameError,
    UnrecognizedResourceAdaptorEntityError,
    UnrecognizedResourceAdaptorError,
)
from slee.api.ids import ResourceAdaptorID, SbbID, ServiceID, parse_id
from slee.api.resource import ResourceAdaptorType
from slee.api.source import ResourceSource
from slee.management.bundle import ServiceSetup
from slee.management.document import Places, issues_of, with_field_names
from slee.management.engine import Engine, Entity, Host
from slee.management.names import identified
from slee.management.results import LinkInfo, PropertyInfo, ResourceInfo
from slee.management.sources import Sources
from slee.management.store import ResourceRecord, StateDirectory
from slee.model.repository import Repository
from slee.spi.adaptor import ResourceAdaptor
from slee.spi.properties import ConfigurationProperties

Properties = Mapping[str, Any]
_LOG = logging.getLogger(__name__)


class Resources:
    """The resource adaptor entities of one server."""

    def __init__(
        self,
        *,
        repository: Repository,
        engine: Engine,
        store: StateDirectory,
        host: Host,
        sources: Sources,
        sections: Mapping[str, Properties],
    ) -> None:
        """Take what the entities live on.

        Args:
            repository: the installed adaptors.
            engine: the kernel.
            store: the state directory.
            host: the runtime.
            sources: the notification sources, of which each entity is one.
            sections: the sections of the server's configuration that configure entities.
        """
        self._repository = repository
        self._engine = engine
        self._store = store
        self._host = host
        self._sources = sources
        self._sections = sections
        self.users: dict[ServiceID, ServiceSetup] = {}
        """The installed services, which may use links."""

    # Entities.

    def create(
        self,
        name: str,
        adaptor: ResourceAdaptorID | str,
        configuration: Properties | None = None,
        section: str | None = None,
    ) -> ResourceInfo:
        """Make an entity of an adaptor, Inactive (RA-1 to RA-4).

        Args:
            name: name of the entity.
            adaptor: id of the adaptor, or its name where one version is installed.
            configuration: properties, by name.
            section: section of the server's configuration to take the properties from instead, at each start anew.

        Raises:
            InvalidArgumentError: the name is empty.
            UnrecognizedResourceAdaptorError: the adaptor is not installed.
            ResourceAdaptorEntityAlreadyExistsError: an entity has that name.
            InvalidConfigurationError: lists every property that is missing, unknown or does not fit.
        """
        if not name:
            raise InvalidArgumentError("entity name: it is empty [RA-4]; give a name")
        adaptor = self._adaptor(adaptor)
        self._repository.component(adaptor)
        if name in self._engine.resources:
            raise ResourceAdaptorEntityAlreadyExistsError(f"{name}: an entity has that name [RA-4]; give another")
        record = ResourceRecord(str(adaptor), section, dict(configuration or {}))
        with self._store.changing(self._desiring(name, record)):
            self._make(name, record)
        _changed(name, f"entity of {adaptor} created")
        return self.show(name)

    def remove(self, name: str) -> None:
        """Remove an Inactive entity without links (RA-10).

        Raises:
            UnrecognizedResourceAdaptorEntityError: there is none of that name.
            InvalidStateError: it is not Inactive.
            DependencyError: a link name is bound to it.
        """
        entity = self._entity(name)
        self._require_state(name, "Inactive", "RA-10")
        if links := self._record(name).links:
            raise DependencyError(f"{name}: it has the links {', '.join(links)} [RA-10]; unbind them first")
        left = {other: record for other, record in self._store.desired.resources.items() if other != name}
        with self._store.changing(msgspec.structs.replace(self._store.desired, resources=left)):
            self._engine.remove_resource(name)
            entity.adaptor.ra_unconfigure()
            entity.adaptor.unset_context()
            self._sources.remove(ResourceSource(name))
        _changed(name, "removed")

    def configure(self, name: str, configuration: Properties) -> ResourceInfo:
        """Change properties of an entity; those that are not named keep their values (RA-11, RA-12).

        Raises:
            UnrecognizedResourceAdaptorEntityError: there is none of that name.
            InvalidStateError: it is not Inactive, the SLEE not Stopped, and its adaptor takes no change while active.
            InvalidConfigurationError: the adaptor refuses the whole, or the entity follows a section of the file.
        """
        entity = self._entity(name)
        record = self._record(name)
        adaptor = entity.adaptor
        if not adaptor.reconfigures_while_active and self._engine.state.value != "Stopped":
            self._require_state(name, "Inactive", "RA-12")
        if record.section is not None:
            raise InvalidConfigurationError(
                f"{name}: section {record.section} of the server's configuration configures it [RA-11]; change the file"
            )
        model = adaptor.configuration
        if model is not None:
            configuration = {
                **with_field_names(model, record.configuration),
                **with_field_names(model, configuration),
            }
        checked = checked_properties(type(adaptor), configuration, Places("", table=(name,)))
        if checked is not None:
            _verify(adaptor, checked, name)
            changed = msgspec.structs.replace(record, configuration=dict(configuration))
            with self._store.changing(self._desiring(name, changed)):
                entity.callback("ra_configuration_update", adaptor.ra_configuration_update, checked)
            self._host.pump()
        return self.show(name)

    def properties(self, name: str) -> tuple[PropertyInfo, ...]:
        """The configuration of an entity, property by property; secrets are masked (RA-49, RA-50).

        Raises:
            UnrecognizedResourceAdaptorEntityError: there is none of that name.
        """
        adaptor = self._entity(name).adaptor
        record = self._record(name)
        places = Places("", table=(record.section or name,))
        configuration = checked_properties(type(adaptor), self._given(record), places)
        found = ConfigurationProperties.of(configuration, entity=name)
        return tuple(PropertyInfo(each.name, each.type, each.text, each.secret) for each in found)

    def activate(self, name: str) -> ResourceInfo:
        """Make an entity Active; its adaptor works while the SLEE is Running as well (RA-5 to RA-7).

        Raises:
            UnrecognizedResourceAdaptorEntityError: there is none of that name.
            InvalidStateError: it is not Inactive.
        """
        entity = self._entity(name)
        self._require_state(name, "Inactive", "RA-5")
        with self._store.changing(self._desiring(name, self._record(name), active=True)):
            entity.activate()
        _changed(name, "activated")
        self._host.pump()
        return self.show(name)

    def deactivate(self, name: str) -> ResourceInfo:
        """Let an entity end: Stopping until the last of its activities has ended (RA-5, RA-8).

        Raises:
            UnrecognizedResourceAdaptorEntityError: there is none of that name.
            InvalidStateError: it is not Active.
        """
        entity = self._entity(name)
        self._require_state(name, "Active", "RA-5")
        with self._store.changing(self._desiring(name, self._record(name), active=False)):
            entity.deactivate()
        _changed(name, "deactivated")
        self._host.pump()
        return self.show(name)

    def list(
        self, adaptor: ResourceAdaptorID | str | None = None, state: str | None = None, link: str | None = None
    ) -> tuple[ResourceInfo, ...]:
        """Every entity, or those of one adaptor, in one state, or behind one link, by name (RA-16)."""
        if adaptor is not None:
            adaptor = self._adaptor(adaptor)
        found = (self.show(name) for name in sorted(self._engine.resources))
        return tuple(
            info
            for info in found
            if adaptor in (None, info.adaptor) and state in (None, info.state) and (link is None or link in info.links)
        )

    def show(self, name: str) -> ResourceInfo:
        """Desired and actual state of one entity (MGT-3)."""
        entity = self._entity(name)
        record = self._record(name)
        state = entity.state.value
        reason = ""
        if state == "Stopping":
            reason = "activities are left"
        elif state == "Active" and self._engine.state.value == "Running" and not entity.is_object_active:
            failure = entity.failure
            reason = f"{type(failure).__name__}: {failure}" if failure else "its work has not begun"
        desired = "Active" if record.active else "Inactive"
        return ResourceInfo(name, entity.adaptor.id, state, desired, record.links, reason)

    # Links.

    def bind_link(self, name: str, link: str) -> ResourceInfo:
        """Give an entity a link name, by which services find it (RA-14).

        Raises:
            InvalidArgumentError: the link name is empty, or the adaptor offers SBBs nothing.
            UnrecognizedResourceAdaptorEntityError: there is no entity of that name.
            LinkNameAlreadyBoundError: the link name is bound.
        """
        entity = self._entity(name)
        if not link:
            raise InvalidArgumentError("link name: it is empty [RA-14]; give a name")
        if not entity.adaptor.ra_types:
            raise InvalidArgumentError(f"{entity.adaptor.id}: it offers SBBs no interface [RA-14]; it needs no link")
        if (other := self._links().get(link)) is not None:
            raise LinkNameAlreadyBoundError(f"{link}: it is bound to {other} [RA-14]; unbind it first")
        record = self._record(name)
        bound = msgspec.structs.replace(record, links=(*record.links, link))
        with self._store.changing(self._desiring(name, bound)):
            pass
        _changed(name, f"link {link} bound")
        return self.show(name)

    def unbind_link(self, link: str) -> ResourceInfo:
        """Take a link name away (RA-15).

        Raises:
            UnrecognizedLinkNameError: it is not bound.
            DependencyError: an installed service uses it; names the services.
        """
        name = self._links().get(link)
        if name is None:
            raise UnrecognizedLinkNameError(f"{link}: it is not bound [RA-15]; list the links")
        users = sorted(str(service) for service, setup in self.users.items() if self._sbbs(setup, link))
        if users:
            raise DependencyError(f"{link}: {', '.join(users)} use it [RA-15]; uninstall them first")
        record = self._record(name)
        left = msgspec.structs.replace(record, links=tuple(other for other in record.links if other != link))
        with self._store.changing(self._desiring(name, left)):
            pass
        _changed(name, f"link {link} unbound")
        return self.show(name)

    def links(self) -> tuple[LinkInfo, ...]:
        """Every link name with its entity and the SBBs bound to it (RA-16)."""
        return tuple(LinkInfo(link, name, self.bound_sbbs(link)) for link, name in sorted(self._links().items()))

    def bound_sbbs(self, link: str) -> tuple[SbbID, ...]:
        """The SBBs of installed services that are bound to a link name (RA-16)."""
        if link not in self._links():
            raise UnrecognizedLinkNameError(f"{link}: it is not bound [RA-15]; list the links")
        return tuple(sorted({sbb for setup in self.users.values() for sbb in self._sbbs(setup, link)}))

    def link_problem(self, link: str, ra_type: ResourceAdaptorType[Any]) -> str:
        """Why a link does not serve an RA type, empty if it does (SVC-3)."""
        name = self._links().get(link)
        if name is None:
            return f"link {link} is not bound"
        entity: Entity | None = self._engine.resources.get(name)
        if entity is None:
            return f"link {link} is bound to {name}, which could not be made"
        if ra_type not in entity.adaptor.ra_types:
            return f"link {link} is bound to {name}, which does not offer {ra_type.id}"
        return ""

    def provider(self, link: str, ra_type: ResourceAdaptorType[Any]) -> object:
        """What SBBs call through a link that serves the RA type."""
        return self._entity(self._links()[link]).adaptor.provider(ra_type)

    # Start.

    def restore(self) -> None:
        """Make the entities that the state directory names, and activate those that should be Active.

        Raises:
            InvalidConfigurationError: the configuration of one does not fit; none of its work can begin.
        """
        for name, record in self._store.desired.resources.items():
            self._make(name, record)
            if record.active:
                self._entity(name).activate()

    def _make(self, name: str, record: ResourceRecord) -> None:
        """RA-1: construct, set_context, ra_verify_configuration, ra_configure."""
        identity = parse_id(record.adaptor, ResourceAdaptorID)
        adaptor_class: Any = self._repository.component(identity).definition
        places = Places("", table=(record.section or name,))
        configuration = checked_properties(adaptor_class, self._given(record), places)
        adaptor: ResourceAdaptor = adaptor_class()
        self._sources.add(ResourceSource(name), adaptor.usage_parameters)
        endpoint = self._engine.create_resource(name, adaptor)
        try:
            adaptor.set_context(self._host.context(name, endpoint))
            if configuration is not None:
                _verify(adaptor, configuration, record.section or name)
                adaptor.ra_configure(configuration)
        except BaseException:
            self._engine.remove_resource(name)
            self._sources.remove(ResourceSource(name))
            raise

    def _adaptor(self, given: ResourceAdaptorID | str) -> ResourceAdaptorID:
        found = (component.id for component in self._repository.components("adaptor"))
        known = [identity for identity in found if isinstance(identity, ResourceAdaptorID)]
        return identified(given, known, UnrecognizedResourceAdaptorError)

    def _given(self, record: ResourceRecord) -> Properties:
        return record.configuration if record.section is None else self._sections.get(record.section, {})

    def _entity(self, name: str) -> Entity:
        entity: Entity | None = self._engine.resources.get(name)
        if entity is None:
            raise UnrecognizedResourceAdaptorEntityError(f"{name}: no entity has that name [RA-4]; list the entities")
        return entity

    def _record(self, name: str) -> ResourceRecord:
        return self._store.desired.resources[name]

    def _require_state(self, name: str, state: str, rule: str) -> None:
        found = self._entity(name).state.value
        if found != state:
            raise InvalidStateError(f"{name}: it is {found} [{rule}]; that is possible when {state}")

    def _links(self) -> dict[str, str]:
        return {link: name for name, record in self._store.desired.resources.items() for link in record.links}

    def _sbbs(self, setup: ServiceSetup, link: str) -> tuple[SbbID, ...]:
        return tuple(
            sbb.id
            for sbb in setup.descriptor.sbbs.values()
            if any(setup.links[ra_type.id] == link for ra_type in sbb.resources.values())
        )

    def _desiring(self, name: str, record: ResourceRecord, *, active: bool | None = None) -> Any:
        if active is not None:
            record = msgspec.structs.replace(record, active=active)
        desired = self._store.desired
        return msgspec.structs.replace(desired, resources={**desired.resources, name: record})


def _changed(name: str, what: str) -> None:
    _LOG.info("%s: %s", name, what, extra={"component": name})


def checked_properties(adaptor: type[ResourceAdaptor], given: Properties, places: Places) -> BaseModel | None:
    """The configuration of an adaptor, checked against its model before any object is made (RA-3)."""
    model = adaptor.configuration
    if model is None:
        if given:
            issue = Issue(places.of(tuple(given)[:1]), "RA-3", f"{adaptor.id} takes no configuration", "leave it out")
            raise InvalidConfigurationError(str(issue))
        return None
    try:
        return model.model_validate(with_field_names(model, given), extra="forbid")
    except ValidationError as error:
        issues = issues_of(error, model, places, "RA-3")
        raise InvalidConfigurationError("\n".join(str(issue) for issue in issues)) from error


def _verify(adaptor: ResourceAdaptor, configuration: BaseModel, where: str) -> None:
    """RA-2: whatever the adaptor raises refuses the configuration."""
    try:
        adaptor.ra_verify_configuration(configuration)
    except InvalidConfigurationError:
        raise
    except Exception as error:
        text = str(error) if isinstance(error, SleeError) else repr(error)
        raise InvalidConfigurationError(f"{where}: {text} [RA-2]; mend the configuration") from error

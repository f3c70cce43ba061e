"""Services: their states, and what their SBBs' declarations are bound to (group SVC)."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from slee.api.errors import (
    InvalidArgumentError,
    InvalidLinkNameBindingError,
    InvalidStateError,
    Issue,
    NoSuchObjectError,
    UnrecognizedServiceError,
)
from slee.api.ids import SbbID, ServiceID, parse_id
from slee.api.source import SbbSource
from slee.management.bundle import ServiceSetup
from slee.management.engine import Engine, Host
from slee.management.resources import Resources
from slee.management.results import ServiceInfo, TreeInfo
from slee.management.sources import Sources
from slee.management.store import StateDirectory
from slee.model.descriptor import SbbDescriptor

_LOG = logging.getLogger(__name__)

STATES = ("Inactive", "Active", "Stopping")


class Services:
    """The services of one server."""

    def __init__(
        self, *, engine: Engine, store: StateDirectory, resources: Resources, host: Host, sources: Sources
    ) -> None:
        self._engine = engine
        self._store = store
        self._resources = resources
        self._host = host
        self._setups: dict[ServiceID, ServiceSetup] = {}
        self._sources = sources
        self._reasons: dict[ServiceID, str] = {}

    def activate(self, services: Sequence[ServiceID | str]) -> tuple[ServiceInfo, ...]:
        """Make services Active, all or none (SVC-2, SVC-3, SVC-7).

        Raises:
            UnrecognizedServiceError: one is not installed.
            InvalidStateError: one is not Inactive.
            InvalidLinkNameBindingError: a resource that one needs is not bound; lists SBB, link and RA type.
            InvalidArgumentError: none is given, or one twice.
        """
        chosen = self._choose(services)
        self._require_free(chosen)
        self._require_state(chosen, "Inactive")
        self._require_links(chosen)
        with self._store.changing(self._desiring(chosen, active=True)):
            self.renew(chosen)
            self._engine.activate_service(*chosen)
        self._host.pump()
        self._warn_of_tables(chosen)
        return tuple(self.show(service) for service in chosen)

    def deactivate(self, services: Sequence[ServiceID | str], within: float | None = None) -> tuple[ServiceInfo, ...]:
        """Let services end, all or none: Stopping until their last entity tree is gone (SVC-4, SVC-7, SVC-22).

        Args:
            services: ids, or names where one version is installed.
            within: seconds after which the trees that are left are removed; without it the wait has no limit.

        Raises:
            UnrecognizedServiceError: one is not installed.
            InvalidStateError: one is not Active.
            InvalidArgumentError: none is given, or one twice.
        """
        chosen = self._choose(services)
        _require_bound(within)
        self._host.pump()  # brings the kernel's clock, from which the bound counts, up to now
        self._require_free(chosen)
        self._require_state(chosen, "Active")
        with self._store.changing(self._desiring(chosen, active=False)):
            self._engine.deactivate_service(*chosen, within=within)
        self._host.pump()
        return tuple(self.show(service) for service in chosen)

    def deactivate_and_activate(
        self, old: ServiceID | str, new: ServiceID | str, within: float | None = None
    ) -> tuple[ServiceInfo, ...]:
        """Replace an Active service by an Inactive one in one step; calls in progress stay with the old one (SVC-14).

        Args:
            old: the service that ends: Stopping until its last entity tree is gone.
            new: the service that takes every initial event from now on.
            within: seconds after which the trees of the old service that are left are removed.

        Raises:
            UnrecognizedServiceError: one is not installed.
            InvalidStateError: the old one is not Active, or the new one not Inactive.
            InvalidLinkNameBindingError: a resource that the new one needs is not bound; lists SBB, link and RA type.
            InvalidArgumentError: the two are one.
        """
        return self.replace([(self.identity(old), self.identity(new))], within)

    def replace(
        self, pairs: Sequence[tuple[ServiceID, ServiceID]], within: float | None = None
    ) -> tuple[ServiceInfo, ...]:
        """The same for several pairs of an old and a new service, all in one step or none (SVC-15)."""
        olds, news = tuple(old for old, _ in pairs), tuple(new for _, new in pairs)
        both = self._choose([*olds, *news])
        _require_bound(within)
        self._host.pump()
        self._require_free(both)
        self._require_state(olds, "Active")
        self._require_state(news, "Inactive")
        self._require_links(news)
        desired = self._store.desired
        changed = {**desired.services, **dict.fromkeys(map(str, olds), False), **dict.fromkeys(map(str, news), True)}
        with self._store.changing(msgspec.structs.replace(desired, services=changed)):
            self.renew(news)
            self._engine.registry.switch(pairs, within=within)
        self._host.pump()
        return tuple(self.show(service) for service in both)

    def renew(self, services: Sequence[ServiceID]) -> None:
        """Bind the declarations of Inactive services anew: links may have changed, and no entity loses anything."""
        for service in services:
            self._engine.remove_service(service)
            self._engine.add_service(self._setups[service].descriptor, self._bound(self._setups[service]))

    def list(self, state: str | None = None) -> tuple[ServiceInfo, ...]:
        """Every service, or those in one state, in the order of their ids (SVC-1)."""
        if state is not None and state not in STATES:
            raise InvalidArgumentError(f"{state!r}: it is no state of services [SVC-1]; give {', '.join(STATES)}")
        found = [*(self.show(service) for service in sorted(self._setups)), *self._unrestored()]
        return tuple(info for info in found if state in (None, info.state))

    def show(self, service: ServiceID | str) -> ServiceInfo:
        """Desired and actual state of one service (MGT-3)."""
        (identity,) = self._choose([service])
        state = self._engine.service_state(identity).value
        active = self._store.desired.services.get(str(identity), False)
        reason = self._reasons.get(identity, "") if active and state != "Active" else ""
        if not active and state == "Stopping":
            reason = "entity trees are left"
        return ServiceInfo(identity, state, "Active" if active else "Inactive", reason)

    def sbbs(self, service: ServiceID | str) -> tuple[SbbID, ...]:
        """Root SBB and every SBB reachable by child relations (DU-31)."""
        (identity,) = self._choose([service])
        return tuple(self._setups[identity].descriptor.sbbs)

    def trees(self, service: ServiceID | str) -> tuple[TreeInfo, ...]:
        """The entity trees of a service, oldest first (SVC-23).

        Raises:
            UnrecognizedServiceError: it is not installed.
        """
        (identity,) = self._choose([service])
        now = self._host.now()
        roots = sorted(self._engine.services[identity].roots.items(), key=lambda item: item[0].sequence)
        return tuple(_tree(root, now - made) for root, made in roots)

    def remove_tree(self, service: ServiceID | str, tree: str) -> None:
        """Remove one entity tree, by the id of its root; its activities go on (SVC-23, SVC-24).

        Raises:
            UnrecognizedServiceError: the service is not installed.
            NoSuchObjectError: it has no such tree.
        """
        (identity,) = self._choose([service])
        found = [root for root in self._engine.services[identity].roots if root.id == tree]
        if not found:
            raise NoSuchObjectError(f"{tree}: {identity} has no such entity tree [SVC-23]; list its trees")
        self._engine.remove_tree(found[0])
        self._host.pump()

    def add(self, setup: ServiceSetup) -> None:
        """Take in a service of a bundle that is being installed; it is Inactive."""
        service = setup.descriptor.id
        for sbb in setup.descriptor.sbbs.values():
            self._sources.add(SbbSource(service, sbb.id), next(iter(sbb.usage.values()), None))
        self._engine.add_service(setup.descriptor, self._bound(setup))
        self._setups[service] = setup
        self._resources.users[service] = setup

    def remove(self, service: ServiceID) -> None:
        """Forget an Inactive service."""
        self._engine.remove_service(service)
        self._sources.remove(*(SbbSource(service, sbb) for sbb in self._setups[service].descriptor.sbbs))
        del self._setups[service], self._resources.users[service]
        name = (service.name, service.vendor)
        others = tuple(other for other in self._setups if (other.name, other.vendor) == name)
        for entity in tuple(self._engine.resources.values()):
            entity.callback("service_removed", entity.adaptor.service_removed, service, others)

    def restore(self) -> tuple[ServiceInfo, ...]:
        """Activate what should be Active (SVC-9); returns those that cannot be."""
        failed: list[ServiceInfo] = []
        for service in sorted(self._setups):
            if not self._store.desired.services.get(str(service)):
                continue
            try:
                self.activate([service])
            except InvalidLinkNameBindingError as error:
                self._reasons[service] = str(error)
                failed.append(self.show(service))
        return tuple(failed)

    def _unrestored(self) -> Iterator[ServiceInfo]:
        """Services that are desired, and whose bundle the start could not restore."""
        reason = "its bundle could not be restored; the log of the start says why"
        for text, active in sorted(self._store.desired.services.items()):
            service = parse_id(text, ServiceID)
            if service not in self._setups:
                yield ServiceInfo(service, "-", "Active" if active else "Inactive", reason)

    def _choose(self, services: Sequence[ServiceID | str]) -> tuple[ServiceID, ...]:
        chosen = tuple(self.identity(service) for service in services)
        if not chosen or len(set(chosen)) != len(chosen):
            raise InvalidArgumentError("services: none is given, or one twice [SVC-7]; name each once")
        return chosen

    def identity(self, given: ServiceID | str) -> ServiceID:
        """The id of an installed service, given so or by a name that only one version has."""
        if isinstance(given, str):
            named = [identity for identity in self._setups if identity.name == given]
            if len(named) > 1:
                versions = ", ".join(map(str, sorted(named)))
                raise InvalidArgumentError(f"{given}: several services have that name [SVC-2]; give one of {versions}")
            if not named:
                raise UnrecognizedServiceError(f"{given}: no service of that name is installed [SVC-2]; list them")
            return named[0]
        wrong: object = given
        if not isinstance(wrong, ServiceID):
            raise TypeError(f"{given!r}: it is no ServiceID [SVC-2]; give the id of a service")
        if given not in self._setups:
            raise UnrecognizedServiceError(f"{given}: it is not installed [SVC-2]; list the services")
        return given

    def _require_state(self, services: Sequence[ServiceID], state: str) -> None:
        for service in services:
            found = self._engine.service_state(service).value
            if found != state:
                raise InvalidStateError(f"{service}: it is {found} [SVC-2]; that is possible when {state}")

    def _require_free(self, services: Sequence[ServiceID]) -> None:
        for service in services:
            if upgrade := self._store.desired.tentative(str(service)):
                raise InvalidStateError(
                    f"{service}: upgrade {upgrade} of it is tentative [UPG-13]; make that permanent, or roll it back"
                )

    def _require_links(self, services: Sequence[ServiceID]) -> None:
        if issues := self.link_issues(services):
            raise InvalidLinkNameBindingError("\n".join(str(issue) for issue in issues))

    def link_issues(self, services: Sequence[ServiceID]) -> Sequence[Issue]:
        """Each resource of services that is not bound, or bound to an entity of another type (SVC-3)."""
        issues: list[Issue] = []
        for service in services:
            setup = self._setups[service]
            for sbb in setup.descriptor.sbbs.values():
                for ra_type in sbb.resources.values():
                    link = setup.links[ra_type.id]
                    if problem := self._resources.link_problem(link, ra_type):
                        remedy = f"bind {link} to an entity that offers {ra_type.id}"
                        issues.append(Issue(f"{service} {sbb.id}", "SVC-3", problem, remedy))
        return issues

    def _warn_of_tables(self, services: Sequence[ServiceID]) -> None:
        """A table may be made later; until then uses of it fail, and addresses looked up in it are not found."""
        for service in services:
            descriptor = self._setups[service].descriptor
            names = {declared.table for sbb in descriptor.sbbs.values() for declared in sbb.profiles.values()}
            if descriptor.address_profile_table is not None:
                names.add(descriptor.address_profile_table)
            for name in sorted(names):
                if name not in self._host.profiles.by_name:
                    _LOG.warning(
                        "%s: there is no profile table %s [PRF-3]; `slee profile table create`, or [[profile-table]]",
                        service,
                        name,
                    )

    def setup(self, service: ServiceID) -> ServiceSetup:
        """A service with what its manifest says of it."""
        return self._setups[service]

    def _desiring(self, services: Sequence[ServiceID], *, active: bool) -> Any:
        desired = self._store.desired
        changed = {**desired.services, **{str(service): active for service in services}}
        return msgspec.structs.replace(desired, services=changed)

    def _bound(self, setup: ServiceSetup) -> dict[SbbID, dict[str, object]]:
        return {identity: self._values(setup, sbb) for identity, sbb in setup.descriptor.sbbs.items()}

    def _values(self, setup: ServiceSetup, sbb: SbbDescriptor) -> dict[str, object]:
        """What each declaration of an SBB stands for in its instances."""
        values: dict[str, object] = dict(setup.configuration.get(sbb.id, {}))
        for name, ra_type in sbb.resources.items():
            link = setup.links[ra_type.id]
            if not self._resources.link_problem(link, ra_type):
                values[name] = self._resources.provider(link, ra_type)
        for name in sbb.usage:
            source = SbbSource(setup.descriptor.id, sbb.id)
            values[name] = self._sources.facilities.usage(source).default
        for name, table in sbb.tables.items():
            values[name] = self._host.table(table)
        for name, declared in sbb.profiles.items():
            values[name] = self._host.profiles.view(declared.table)
        return values


def _require_bound(within: float | None) -> None:
    if within is not None and not 0 <= within < math.inf:
        raise InvalidArgumentError(f"within: {within} seconds [SVC-22]; give a finite number, 0 or more")


def _tree(root: Any, age: float) -> TreeInfo:
    entities = list(root.tree())
    activities = dict.fromkeys(str(context) for entity in entities for context in entity.contexts)
    return TreeInfo(root.id, root.env.descriptor.id, age, len(entities), root.count, tuple(activities))

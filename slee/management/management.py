"""Management as a whole: made once by the composition root, reached by Python, HTTP and the command line alike."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from slee.api import event, profile_event
from slee.api.event import event_type_id
from slee.api.ids import BundleID, ResourceAdaptorID
from slee.management.activities import ActivityOperations
from slee.management.alarm_file import AlarmFile
from slee.management.alarms import ActiveAlarms
from slee.management.bundle import BundleLoader
from slee.management.bundles import Bundles
from slee.management.engine import Engine, Host
from slee.management.letters import DeadLetters
from slee.management.namespace import Importer
from slee.management.profiles import Profiles
from slee.management.resources import Properties, Resources
from slee.management.schedules import Schedules
from slee.management.services import Services
from slee.management.sources import Sources
from slee.management.state import SleeStates
from slee.management.store import StateDirectory
from slee.management.tracing import Tracing
from slee.management.upgrade_alarms import SOURCE as UPGRADE
from slee.management.upgrade_plan import Planner
from slee.management.upgrades import Upgrades
from slee.management.usage import Usage
from slee.model.repository import BundleDescriptor, Repository
from slee.model.verification import Verification
from slee.spi.adaptor import ResourceAdaptor
from slee.version import NAME, VENDOR, VERSION

_LOG = logging.getLogger(__name__)
BUILT_IN = BundleID(NAME, VENDOR, VERSION)
"""The bundle of what every bundle shares: the events of the SLEE, the adaptors and their types."""
_OWN_EVENTS = (
    event.ActivityEnd,
    event.ServiceStarted,
    event.TimerEvent,
    event.RowExpired,
    profile_event.ProfileAdded,
    profile_event.ProfileUpdated,
    profile_event.ProfileRemoved,
)


@dataclass(frozen=True, slots=True)
class EntityEquipment:
    """A resource adaptor entity of a first start."""

    name: str
    adaptor: str
    """Name of the adaptor, which is built in."""
    section: str
    """Section of the server's configuration that configures it."""
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Equipment:
    """What a first start deploys."""

    bundles: tuple[tuple[str, bytes], ...] = ()
    """Source and archive of each, in an order in which each follows what it depends on."""
    entities: tuple[EntityEquipment, ...] = ()
    services: tuple[str, ...] = ()
    """Names of the services to activate."""


class Management:
    """Everything that an operator can do; one object per operation family."""

    def __init__(
        self,
        *,
        engine: Engine,
        host: Host,
        store: StateDirectory,
        adaptors: Sequence[type[ResourceAdaptor]] = (),
        sections: Mapping[str, Properties] | None = None,
    ) -> None:
        """Put the parts together; nothing is restored yet.

        Args:
            engine: the kernel.
            host: the runtime.
            store: the state directory.
            adaptors: the resource adaptors of the built-in bundle.
            sections: the sections of the server's configuration that configure RA entities.
        """
        self.store = store
        self.repository = built_in_repository(adaptors, host.now())
        loader = BundleLoader(Importer(), self.repository, VERSION)
        self._alarm_file = AlarmFile(store.path)
        host.facilities.alarms.journal = self._alarm_file
        self.sources = Sources(facilities=host.facilities, store=store, alarms=self._alarm_file)
        self.slee = SleeStates(engine=engine, store=store, host=host)
        self.resources = Resources(
            repository=self.repository,
            engine=engine,
            store=store,
            host=host,
            sources=self.sources,
            sections=sections or {},
        )
        self.services = Services(engine=engine, store=store, resources=self.resources, host=host, sources=self.sources)
        self.activities = ActivityOperations(engine=engine, host=host)
        self.letters = DeadLetters(engine=engine, host=host)
        self.schedules = Schedules(engine=engine, host=host)
        self.tracing = Tracing(sources=self.sources, store=store)
        self.alarms = ActiveAlarms(sources=self.sources)
        self.usage = Usage(sources=self.sources, store=store, service=self.services.identity)
        self.profiles = Profiles(host.profiles)
        self.bundles = Bundles(
            repository=self.repository,
            loader=loader,
            store=store,
            services=self.services,
            engine=engine,
            host=host,
        )
        planner = Planner(
            engine=engine, store=store, bundles=self.bundles, services=self.services, tables=host.profiles
        )
        self.upgrades = Upgrades(planner=planner, engine=engine, store=store, services=self.services, host=host)
        self.sources.add(UPGRADE)
        self._engine = engine
        self._host = host

    def restore(self) -> None:
        """Bring back what the state directory holds, as at every start; the SLEE stays Stopped (SLE-1, SVC-9).

        A bundle or service that cannot be brought back is logged and stays desired.

        Raises:
            InvalidConfigurationError: the configuration of an RA entity does not fit.
        """
        for record, error in self.bundles.restore():
            _LOG.error("bundle %s cannot be restored: %s", record.source, error, extra={"component": record.source})
        self.resources.restore()
        self.upgrades.settle()
        for service in self.services.restore():
            _LOG.error("%s cannot be activated: %s", service.id, service.reason, extra={"component": str(service.id)})
        self.upgrades.resume()

    def resume(self) -> None:
        """Start the SLEE if that is desired (SLE-1)."""
        if self.store.desired.running:
            self._engine.start()
            self._host.pump()

    def equip(self, equipment: Equipment) -> None:
        """Deploy the shipped bundles, once in the life of a state directory, in one durable step."""
        if self.store.desired.equipped:
            return
        with self.store.together():
            for source, archive in equipment.bundles:
                self.bundles.install(source, archive)
            for entity in equipment.entities:
                self.resources.create(entity.name, self._adaptor(entity.adaptor), section=entity.section)
                for link in entity.links:
                    self.resources.bind_link(entity.name, link)
                self.resources.activate(entity.name)
            if equipment.services:
                self.services.activate(equipment.services)
            with self.store.changing(msgspec.structs.replace(self.store.desired, equipped=True)):
                pass

    async def kept(self) -> None:
        """Wait until what the last operation has changed is durable (MGT-3).

        Raises:
            JournalError: it has been done, and it is not known to outlast the process.
        """
        await self._host.kept()

    def close(self) -> None:
        """Forget the modules of every bundle, and let go of the state directory."""
        self.bundles.close()
        self._alarm_file.close()
        self.store.close()

    def _adaptor(self, name: str) -> ResourceAdaptorID:
        """The id of a built-in adaptor by its name."""
        return next(
            identity
            for identity in self.repository.bundle(BUILT_IN).components
            if isinstance(identity, ResourceAdaptorID) and identity.name == name
        )


def built_in_repository(adaptors: Sequence[type[ResourceAdaptor]], now: float) -> Repository:
    """A repository that holds the built-in bundle; `VerificationError` if an adaptor is wrong."""
    repository = Repository()
    verification = Verification(BUILT_IN, repository)
    for event_class in _OWN_EVENTS:
        own = event_type_id(event_class)
        assert own is not None, "the SLEE's own events are event types"
        verification.add(own, f"{event_class.__module__}:{event_class.__name__}", event_class)
    for adaptor in adaptors:
        source = f"{adaptor.__module__}:{adaptor.__qualname__}"
        verification.add(adaptor.id, source, adaptor)
        for ra_type in adaptor.ra_types:
            verification.add(ra_type.id, source, ra_type)
            for fired, identity in ra_type.event_types.items():
                verification.add(identity, f"{fired.__module__}:{fired.__qualname__}", fired)
    components = verification.finish()
    descriptor = BundleDescriptor(BUILT_IN, "", now, tuple(c.descriptor.id for c in components))
    repository.add(descriptor, components)
    return repository

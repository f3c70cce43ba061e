"""Installing and uninstalling bundles, and asking what is installed (group DU)."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from slee.api.errors import (
    AlreadyInstalledError,
    DependencyError,
    DeploymentError,
    InvalidStateError,
    UnrecognizedBundleError,
    UnrecognizedComponentError,
)
from slee.api.ids import BundleID, ComponentID, EventTypeID, ProfileSpecificationID, ServiceID, parse_id
from slee.management.archive import Archive, ArchiveLimits, read_archive
from slee.management.bundle import BundleLoader, BundleSource, LoadedBundle
from slee.management.engine import Engine, Host
from slee.management.manifest import Manifest
from slee.management.names import identified, named
from slee.management.namespace import Namespace
from slee.management.profile_tables import BundleTables
from slee.management.results import BundleInfo, ComponentInfo
from slee.management.services import Services
from slee.management.store import BundleRecord, Desired, StateDirectory
from slee.model.repository import BundleDescriptor, Repository

_LOG = logging.getLogger(__name__)


class Bundles:
    """The bundles of one server."""

    def __init__(
        self,
        *,
        repository: Repository,
        loader: BundleLoader,
        store: StateDirectory,
        services: Services,
        engine: Engine,
        host: Host,
        limits: ArchiveLimits | None = None,
    ) -> None:
        self._repository = repository
        self._loader = loader
        self._store = store
        self._services = services
        self._engine = engine
        self._host = host
        self._limits = limits or ArchiveLimits()
        self._tables = BundleTables(host.profiles)
        self._loaded: dict[BundleID, LoadedBundle] = {}
        self._unrestored: set[str] = set()
        """Digests of archives that are desired and could not be loaded at the start."""

    @property
    def unrestored(self) -> int:
        """How many bundles are desired and could not be loaded at the start."""
        return len(self._unrestored)

    def install(
        self, source: str, archive: bytes, configuration: Mapping[str, Mapping[str, Any]] | None = None
    ) -> BundleInfo:
        """Install a bundle; its services are Inactive, its components usable at once (DU-14 to DU-25).

        Args:
            source: path or URL that the archive comes from.
            archive: content of the archive.
            configuration: values of configuration keys by name of the SBB, before those of the manifest (DU-23).

        Raises:
            AlreadyInstalledError: the source, the bundle or a component of it is installed.
            DeploymentError: the archive, its manifest or its lock is refused, or does not fit the environment.
            VerificationError: its components do not fit together; lists everything.
        """
        if any(bundle.source == source for bundle in self._repository.bundles):
            raise AlreadyInstalledError(f"{source}: it is installed [DU-15]; uninstall it first")
        judged = read_archive(archive, source, self._limits)
        settings = {name: dict(values) for name, values in (configuration or {}).items()}
        record = BundleRecord(source, judged.digest, self._host.now(), settings)
        with self._loading(judged, record) as loaded:
            self._store.write_bundle(judged.digest, archive)
            with self._store.changing(self._desiring(record)):
                self._take_in(loaded, record)
        self._unrestored.discard(record.digest)
        identity = loaded.manifest.id
        _LOG.info(
            "%s installed from %s, sha256 %s", identity, source, judged.digest, extra={"component": str(identity)}
        )
        return self.show(identity)

    def restore(self) -> Iterator[tuple[BundleRecord, Exception]]:
        """Load what the state directory holds, without changing it; yields each bundle that cannot be loaded."""
        for record in self._store.desired.bundles:
            try:
                judged = read_archive(self._store.read_bundle(record), record.source, self._limits)
                with self._loading(judged, record) as loaded:
                    self._take_in(loaded, record)
            except Exception as error:  # noqa: BLE001  code of a bundle may raise anything, and must not stop the others
                self._unrestored.add(record.digest)
                yield record, error

    def uninstall(self, bundle: BundleID | str) -> None:
        """Remove a bundle with every component of it (DU-26 to DU-30).

        Raises:
            UnrecognizedBundleError: it is not installed.
            DependencyError: something that is installed needs it; names everything that does.
            InvalidStateError: a service of it is Active or Stopping.
        """
        descriptor = self._find(bundle)
        bundle = descriptor.id
        if bundle not in self._loaded:
            raise InvalidStateError(f"{bundle}: the built-in bundle stays [DU-26]; uninstall others")
        self._require_unused(descriptor)
        if upgrade := self._store.desired.tentative(str(bundle)):
            raise InvalidStateError(
                f"{bundle}: upgrade {upgrade} of it is tentative [UPG-13]; make that permanent, or roll it back"
            )
        services = [identity for identity in descriptor.components if isinstance(identity, ServiceID)]
        for service in services:
            state = self._engine.service_state(service)
            if state.value != "Inactive":
                raise InvalidStateError(f"{service}: it is {state.value} [DU-28]; deactivate it and wait for Inactive")
        desired = self._store.desired
        left = msgspec.structs.replace(
            desired,
            bundles=tuple(record for record in desired.bundles if record.digest != descriptor.digest),
            services={name: on for name, on in desired.services.items() if name not in map(str, services)},
            upgrades={name: upgrade for name, upgrade in desired.upgrades.items() if not upgrade.names(str(bundle))},
        )
        with self._store.changing(left):
            for service in services:
                self._services.remove(service)
            for component in descriptor.components:
                if isinstance(component, ProfileSpecificationID):
                    self._host.drop_table(component)
            self._tables.take_out(descriptor.components)
            for event_class in self._events(descriptor.components):
                self._engine.remove_event_type(event_class)
            self._repository.remove(bundle)
            self._loader.unload(self._loaded.pop(bundle))
        self._store.sweep()
        _LOG.info("%s uninstalled, sha256 %s", bundle, descriptor.digest, extra={"component": str(bundle)})

    def list(self) -> tuple[BundleInfo, ...]:
        """Every bundle once, in the order of installation (DU-31)."""
        return tuple(BundleInfo.of(bundle) for bundle in self._repository.bundles)

    def show(self, bundle: BundleID | str) -> BundleInfo:
        """One bundle; `UnrecognizedBundleError` if it is not installed (DU-32)."""
        return BundleInfo.of(self._find(bundle))

    def find_source(self, source: str) -> BundleInfo:
        """The bundle that came from a path or URL (DU-14)."""
        return BundleInfo.of(self._repository.bundle_from(source))

    def components(self, kind: str | None = None) -> tuple[ComponentInfo, ...]:
        """Every component, or those of one kind: event, sbb, service, adaptor, resource-type, ... (DU-31)."""
        return tuple(ComponentInfo.of(component) for component in self._repository.components(kind))

    def component(self, component: ComponentID | str) -> ComponentInfo:
        """One component; the error is that of its kind if it is not installed (DU-32)."""
        return ComponentInfo.of(self._repository.component(self._component(component)).descriptor)

    def descriptors(self, components: Sequence[ComponentID | str]) -> tuple[ComponentInfo | None, ...]:
        """As many elements as ids, in their order, none for each unknown one (DU-32)."""
        known = [component.id for component in self._repository.components()]
        chosen = [named(given, known) if isinstance(given, str) else given for given in components]
        found = [component and self._repository.find(component) for component in chosen]
        return tuple(ComponentInfo.of(component.descriptor) if component else None for component in found)

    def is_installed(self, identity: BundleID | ComponentID) -> bool:
        """Whether a bundle or component is installed (DU-34)."""
        return self._repository.is_installed(identity)

    def referring_components(self, component: ComponentID | str) -> tuple[ComponentInfo, ...]:
        """The components that use this one directly (DU-35)."""
        users = self._repository.referring_components(self._component(component))
        return tuple(self.component(user) for user in users)

    def manifest(self, bundle: BundleID) -> Manifest:
        """What a bundle's manifest says."""
        return self._loaded[bundle].manifest

    def namespace_of(self, bundle: BundleID) -> Namespace:
        """Where the bundle's modules are imported; `UnrecognizedBundleError` if it is not installed."""
        self._repository.bundle(bundle)
        return self._loaded[bundle].namespace

    def close(self) -> None:
        """Forget the modules of every bundle, as at the end of the process."""
        for loaded in self._loaded.values():
            self._loader.unload(loaded)
        self._loaded.clear()

    def _find(self, bundle: BundleID | str) -> BundleDescriptor:
        known = [installed.id for installed in self._repository.bundles]
        return self._repository.bundle(identified(bundle, known, UnrecognizedBundleError))

    def _component(self, component: ComponentID | str) -> ComponentID:
        known = [installed.id for installed in self._repository.components()]
        return identified(component, known, UnrecognizedComponentError)

    @contextmanager
    def _loading(self, archive: Archive, record: BundleRecord) -> Generator[LoadedBundle]:
        """Load an archive; an exception before the end of the block leaves nothing of it (DU-17)."""
        manifest = archive.manifest
        if self._repository.is_installed(manifest.id):
            raise AlreadyInstalledError(f"{manifest.id}: it is installed [DU-15]; uninstall it first")
        depends = tuple(parse_id(entry.bundle, BundleID) for entry in archive.lock.depends)
        missing = [str(bundle) for bundle in depends if bundle not in self._loaded]
        if missing:
            raise DeploymentError(f"{manifest.id}: it needs {', '.join(missing)} [DU-20]; install exactly that first")
        source = BundleSource(
            manifest,
            archive.manifest_text,
            archive.files,
            archive.lock.modules,
            archive.digest,
            depends,
            record.configuration,
        )
        loaded = self._loader.load(source, [self._loaded[bundle].namespace for bundle in depends])
        try:
            self._require_new(loaded)
            _require_locked(loaded, archive)
            yield loaded
        except BaseException:
            self._loader.unload(loaded)
            raise

    def _desiring(self, record: BundleRecord) -> Desired:
        """With one bundle more, which takes its old place if the start could not restore the same archive."""
        desired = self._store.desired
        bundles = {other.digest: other for other in desired.bundles} | {record.digest: record}
        return msgspec.structs.replace(desired, bundles=tuple(bundles.values()))

    def _take_in(self, loaded: LoadedBundle, record: BundleRecord) -> None:
        components = tuple(component.descriptor.id for component in loaded.components)
        identity = loaded.manifest.id
        descriptor = BundleDescriptor(
            identity, record.source, record.installed_at, components, loaded.depends, record.digest
        )
        added: list[ServiceID] = []
        self._tables.take_in(loaded)
        try:
            for setup in loaded.services:
                self._services.add(setup)
                added.append(setup.descriptor.id)
        except BaseException:
            for service in added:
                self._services.remove(service)
            self._tables.undo(loaded)
            raise
        self._repository.add(descriptor, loaded.components, loaded.views)
        self._loaded[identity] = loaded
        for event_class in self._events(components):
            self._engine.add_event_type(event_class)

    def _events(self, components: Iterable[ComponentID]) -> tuple[type, ...]:
        """The classes of the event types among installed components."""
        found = (self._repository.component(i).definition for i in components if isinstance(i, EventTypeID))
        return tuple(definition for definition in found if isinstance(definition, type))

    def _require_new(self, loaded: LoadedBundle) -> None:
        """No component is installed already by another bundle (DU-16)."""
        clashes = [
            f"{component.descriptor.id}: {other.descriptor.bundle} installed it [DU-16]; uninstall that bundle first"
            for component in loaded.components
            if (other := self._repository.find(component.descriptor.id))
        ]
        if clashes:
            raise AlreadyInstalledError("\n".join(clashes))

    def _require_unused(self, bundle: BundleDescriptor) -> None:
        """No other bundle refers to it, and no RA entity is made of an RA of it (DU-27, DU-29)."""
        needs = [
            f"{user}: of {other}, uses {component} [DU-27]; uninstall that bundle first"
            for component in bundle.components
            for user in self._repository.referring_components(component)
            if (other := self._repository.component(user).descriptor.bundle) != bundle.id
        ]
        needs += [
            f"{other.id}: depends on {bundle.id} [DU-27]; uninstall that bundle first"
            for other in self._repository.bundles
            if bundle.id in other.depends
        ]
        needs += [
            f"{name}: is an entity of {entity.adaptor.id} [DU-29]; remove it first"
            for name, entity in self._engine.resources.items()
            if entity.adaptor.id in bundle.components
        ]
        needs += self._tables.needs(bundle.components)
        if needs:
            raise DependencyError("\n".join(dict.fromkeys(needs)))


def _require_locked(loaded: LoadedBundle, archive: Archive) -> None:
    """The components found are those that the builder found, with the same state (design, section 7)."""
    found = {str(c.descriptor.id): c.descriptor.schema_hash for c in loaded.components}
    locked = {entry.id: entry.schema_hash for entry in archive.lock.component}
    different = sorted(name for name in found.keys() | locked.keys() if found.get(name, "") != locked.get(name, ""))
    if different:
        raise DeploymentError(f"{different[0]}: it is not what the lock says [DU-11]; build the bundle anew")

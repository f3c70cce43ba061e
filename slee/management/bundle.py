"""From an archive, or the files that will make one, to verified components in a private namespace."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from pydantic import BaseModel, ValidationError

from slee.api.errors import ComponentDefinitionError, DeploymentError, Issue, VerificationError
from slee.api.ids import BundleID, ProfileSpecificationID, ResourceAdaptorTypeID, SbbID, ServiceID
from slee.api.profile import Profile
from slee.api.sbb import Sbb
from slee.api.view import ActivityContextView
from slee.management.archive import seed_path
from slee.management.document import Places, issues_of, key_lines, line_of, with_field_names
from slee.management.imports import assigned_names, import_issues, modules_of
from slee.management.manifest import MANIFEST, Manifest, ServiceSection
from slee.management.namespace import Importer, Namespace
from slee.model.descriptor import SbbDescriptor, ServiceDescriptor, describe_service
from slee.model.repository import Component, Repository
from slee.model.verification import Verification

Settings = Mapping[str, Mapping[str, Any]]
"""Values of configuration keys, by name of the SBB."""

C = TypeVar("C", bound="Sbb | Profile")
_ANY_ORDER: Final[Settings] = {}


@dataclass(frozen=True, slots=True)
class ServiceSetup:
    """A service of a bundle with what its manifest says of it."""

    descriptor: ServiceDescriptor
    links: Mapping[ResourceAdaptorTypeID, str]
    """RA entity link by RA type."""
    configuration: Mapping[SbbID, Mapping[str, BaseModel]]
    """Configuration by SBB and attribute."""


@dataclass(frozen=True, slots=True)
class LoadedBundle:
    """A verified bundle, its modules imported."""

    manifest: Manifest
    depends: tuple[BundleID, ...]
    namespace: Namespace
    components: tuple[Component, ...]
    services: tuple[ServiceSetup, ...]
    views: tuple[type[ActivityContextView], ...]
    """Views of activity contexts that its SBBs use."""
    tables: tuple[tuple[str, ProfileSpecificationID], ...] = ()
    """The profile tables that its manifest names."""
    seeds: Mapping[str, tuple[str, bytes]] = field(default_factory=dict[str, tuple[str, bytes]])
    """Files of profiles that tables begin with, and their names, by table."""


@dataclass(slots=True)
class BundleSource:
    """What a bundle is loaded from."""

    manifest: Manifest
    manifest_text: str
    files: Mapping[str, bytes]
    modules: Sequence[str]
    """Every module that the bundle carries."""
    digest: str
    depends: tuple[BundleID, ...] = ()
    settings: Settings = field(default_factory=lambda: dict(_ANY_ORDER))
    """Configuration given at install, before that of the manifest (DU-23)."""
    is_build: bool = False
    """Whether configuration keys without value may still get one at install."""


class BundleLoader:
    """Loads bundles into namespaces; a refused one leaves no module behind (DU-17)."""

    def __init__(self, importer: Importer, repository: Repository, version: str) -> None:
        """Take what is shared, and the version of the running SLEE."""
        self._importer = importer
        self._repository = repository
        self._version = version

    def load(self, source: BundleSource, lenders: Sequence[Namespace]) -> LoadedBundle:
        """Import and verify a bundle.

        Args:
            source: the bundle's files.
            lenders: namespaces of the bundles that it depends on.

        Raises:
            DeploymentError: it does not fit the environment, or a module or configuration value of it is wrong.
            VerificationError: lists everything in which its components do not fit together.
        """
        manifest = source.manifest
        require_environment(manifest, self._version)
        label = f"{manifest.bundle.name}-{manifest.bundle.version}"
        modules = modules_of(source.files, source.modules)
        namespace = self._importer.open(label, source.digest, modules, lenders)
        try:
            return self._verify(source, namespace)
        except BaseException:
            self._importer.close(namespace)
            raise

    def unload(self, bundle: LoadedBundle) -> None:
        """Forget the bundle's modules (DU-26)."""
        self._importer.close(bundle.namespace)

    def _verify(self, source: BundleSource, namespace: Namespace) -> LoadedBundle:
        manifest = source.manifest
        missing = [module for module in source.modules if module not in namespace.modules]
        if missing:
            raise DeploymentError(f"{MANIFEST}: module {missing[0]} has no file [DU-10]; add it, or list it no more")
        issues = [
            issue
            for name, module in namespace.modules.items()
            for issue in import_issues(name, module, namespace.provision)
        ]
        if issues:
            raise VerificationError(issues)
        verification = Verification(manifest.id, self._repository)
        for name in listed(source.modules, manifest.bundle.modules):
            self._add_module(name, namespace, verification)
        services = _Services(source, namespace, verification)
        setups = tuple(services.set_up())
        tables = tuple(services.tables())
        components = verification.finish()
        views = tuple(verification.views)
        return LoadedBundle(manifest, source.depends, namespace, components, setups, views, tables, _seeds(source))

    def _add_module(self, name: str, namespace: Namespace, verification: Verification) -> None:
        try:
            module = namespace.load(name)
        except (ComponentDefinitionError, VerificationError) as error:
            verification.issues.extend(error.issues)
        except Exception as error:  # any code may stand in a module; the cause goes with the refusal
            raise DeploymentError(
                f"{name}: its import fails: {type(error).__name__}: {error} [DU-10]; mend the module"
            ) from error
        else:
            verification.add_module(name, module, assigned_names(namespace.modules[name]))


def _seeds(source: BundleSource) -> dict[str, tuple[str, bytes]]:
    """The files of profiles that the manifest names; each is there."""
    found: dict[str, tuple[str, bytes]] = {}
    for table in source.manifest.profile_table:
        if table.seed is None:
            continue
        octets = source.files.get(seed_path(source.manifest, table.seed))
        if octets is None:
            raise DeploymentError(
                f"{MANIFEST}: profile table {table.name}: {table.seed} is not there [DU-10]; put it beside the manifest"
            )
        found[table.name] = (table.seed, octets)
    return found


class _Services:
    """Reads the sections of a manifest that speak of services."""

    def __init__(self, source: BundleSource, namespace: Namespace, verification: Verification) -> None:
        self.source = source
        self.manifest = source.manifest
        self.namespace = namespace
        self.verification = verification
        self._lines = dict(key_lines(source.manifest_text))
        self._problems: list[str] = []

    def set_up(self) -> Iterator[ServiceSetup]:
        described = [found for at, s in enumerate(self.manifest.service) if (found := self._describe(at, s))]
        sbbs = {sbb.id: sbb for service in described for sbb in service.sbbs.values()}
        links = self._links(sbbs.values())
        configuration = self._configuration(sbbs.values())
        if len(described) == len(self.manifest.service):
            # What an SBB uses that could not be described is not known; its own issues are told.
            self._refuse_unused(sbbs.values())
        if self._problems:
            raise DeploymentError("\n".join(self._problems))
        for service in described:
            own = {sbb: configuration[sbb] for sbb in service.sbbs}
            yield ServiceSetup(service, links, own)

    def _describe(self, index: int, section: ServiceSection) -> ServiceDescriptor | None:
        bundle = self.manifest.bundle
        root = self._class(self._place("service", index, "root-sbb"), section.root_sbb, Sbb)
        if root is None:
            return None
        identity = ServiceID(section.name, bundle.vendor, bundle.version)
        try:
            service = describe_service(
                identity,
                root,
                default_priority=section.default_priority,
                durability=section.durability,
                address_profile_table=section.address_profile_table,
                schedules=self.manifest.schedules_of(section.name),
            )
        except VerificationError as error:
            self.verification.issues.extend(i for i in error.issues if i not in self.verification.issues)
            return None
        self.verification.add_service(service, f"{MANIFEST}: service {section.name}")
        return service

    def tables(self) -> Iterator[tuple[str, ProfileSpecificationID]]:
        """The profile tables, each with its specification."""
        for index, section in enumerate(self.manifest.profile_table):
            found = self._class(self._place("profile-table", index, "specification"), section.specification, Profile)
            if found is not None:
                yield section.name, found.specification_id

    def _class(self, where: str, path: str, kind: type[C]) -> type[C] | None:
        """The component class that a manifest names, or `None` and an issue (DU-19)."""
        module, _, name = path.partition(":")
        if module not in self.namespace.provision.modules:
            self._issue(where, "DU-19", f"no module {module}", "name a module of the bundle or of one in [depends]")
            return None
        try:
            found: object = getattr(self.namespace.load(module), name, None)
        except (ComponentDefinitionError, VerificationError):
            return None  # the module is listed, so its issues are
        if not isinstance(found, type) or not issubclass(found, kind) or found is kind:
            word = "SBB" if kind is Sbb else "profile specification"
            self._issue(where, "DU-19", f"{path} is no {word}", f"name the class of the {word}")
            return None
        return found

    def _links(self, sbbs: Collection[SbbDescriptor]) -> dict[ResourceAdaptorTypeID, str]:
        """The link of each RA type used; one without a link is an issue."""
        used = {ra_type.id: sbb for sbb in sbbs for ra_type in sbb.resources.values()}
        links: dict[ResourceAdaptorTypeID, str] = {}
        for ra_type, sbb in used.items():
            link = self.manifest.links.get(str(ra_type)) or self.manifest.links.get(ra_type.name)
            if link is None:
                self._issue(str(sbb.id), "SVC-3", f"no link for {ra_type}", f'add {ra_type.name} = "..." to [links]')
            else:
                links[ra_type] = link
        return links

    def _refuse_unused(self, sbbs: Collection[SbbDescriptor]) -> None:
        """Each link needs an SBB that uses its RA type, and each configuration an SBB that has one (DU-9)."""
        used = {ra_type.id for sbb in sbbs for ra_type in sbb.resources.values()}
        names = {text for ra_type in used for text in (ra_type.name, str(ra_type))}
        for name in self.manifest.links.keys() - names:
            remedy = f"used are {', '.join(sorted(r.name for r in used)) or 'none'}"
            self._issue(self._place("links", name), "DU-9", "no SBB of the bundle uses that RA type", remedy)
        known = {sbb.id.name for sbb in sbbs if sbb.configuration}
        for name in (self.manifest.config.keys() | self.source.settings.keys()) - known:
            remedy = f"configurable are {', '.join(sorted(known)) or 'none'}"
            self._issue(self._place("config", name), "DU-9", "no SBB of that name has a configuration", remedy)

    def _configuration(self, sbbs: Collection[SbbDescriptor]) -> dict[SbbID, dict[str, BaseModel]]:
        configuration: dict[SbbID, dict[str, BaseModel]] = {}
        for sbb in sbbs:
            values = {**self.manifest.config.get(sbb.id.name, {}), **self.source.settings.get(sbb.id.name, {})}
            models = {name: self._configured(sbb.id, model, values) for name, model in sbb.configuration.items()}
            configuration[sbb.id] = {name: model for name, model in models.items() if model is not None}
        return configuration

    def _configured(self, sbb: SbbID, model: type[Any], values: Mapping[str, Any]) -> BaseModel | None:
        """The configuration of one SBB; keys that are missing at a build may come at install (DU-23)."""
        try:
            checked: BaseModel = model.model_validate(with_field_names(model, values), extra="forbid")
        except ValidationError as error:
            places = Places(MANIFEST, self._lines, ("config", sbb.name))
            without = ("missing",) if self.source.is_build else ()
            self._problems.extend(map(str, issues_of(error, model, places, "DU-23", without=without)))
            return None
        return checked

    def _place(self, *path: str | int) -> str:
        return f"{MANIFEST}:{line_of(path, self._lines)}: {'.'.join(map(str, path))}"

    def _issue(self, component: str, rule: str, problem: str, remedy: str) -> None:
        self.verification.issues.append(Issue(component, rule, problem, remedy))


def listed(modules: Sequence[str], names: Collection[str]) -> list[str]:
    """Those of `modules` whose components are installed: named themselves or inside a package named (DU-10)."""
    return [module for module in modules if any(module == name or module.startswith(f"{name}.") for name in names)]


def require_environment(manifest: Manifest, version: str) -> None:
    """Refuse a bundle that the running SLEE or the environment's packages do not satisfy (DU-13)."""
    issues: list[Issue] = []
    ours = SpecifierSet(manifest.bundle.requires_slee)
    if not ours.contains(version, prereleases=True):
        issues.append(Issue(str(manifest.id), "DU-13", f"it needs slee {ours}, found {version}", "run such a SLEE"))
    for text in manifest.bundle.requires:
        requirement = Requirement(text)
        try:
            found = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            found = ""
        if not found or not requirement.specifier.contains(found, prereleases=True):
            problem = f"it needs {requirement}, found {found or 'none'}"
            issues.append(Issue(str(manifest.id), "DU-13", problem, "install that distribution"))
    if issues:
        raise DeploymentError("\n".join(str(issue) for issue in issues))

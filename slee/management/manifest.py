"""The two documents of a bundle: the manifest that its author writes, and the lock that the builder writes.

`bundle.toml` says what the bundle holds, `bundle.lock` what exactly was built: every file with its hash, every
component with its identity, every dependency with the one version that was chosen (DU-8 to DU-11, DU-20).
"""

from __future__ import annotations

import json
import re
import sys
from typing import Annotated, Any, Final, Literal

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from slee.api.declaration import PRIORITIES
from slee.api.errors import DeploymentError
from slee.api.ids import BundleID
from slee.management.document import DocumentKind, Section, load
from slee.model.descriptor import Durability
from slee.spi.scheduling import DeclaredSchedule

MANIFEST: Final = "bundle.toml"
LOCK: Final = "bundle.lock"
LOCK_FORMAT: Final = 1
SHARED: Final = frozenset({"slee", "resource_adaptors", "deploy", "slee_bundles"})
"""Packages that no bundle carries: one class for everybody (design, section 7)."""

_KIND: Final = DocumentKind("DU-8", DeploymentError)
_MODULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def _no_control(text: str) -> str:
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise ValueError("it holds a control character [CID-4]")
    return text


def _module(name: str) -> str:
    if not _MODULE.fullmatch(name):
        raise ValueError(f"{name!r} is no module name")
    top = name.partition(".")[0]
    if top in SHARED or top in sys.stdlib_module_names:
        raise ValueError(f"{name} cannot be part of a bundle, {top} is shared by all; choose another package")
    return name


def _specifiers(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ValueError(f"{text!r} is no version range such as '>=1.0,<2'") from error
    return text


def _requirement(text: str) -> str:
    try:
        Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(f"{text!r} is no requirement such as 'phonenumbers>=8'") from error
    return text


Text = Annotated[str, StringConstraints(min_length=1), AfterValidator(_no_control)]
ModuleName = Annotated[str, AfterValidator(_module)]
ClassPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
BundleName = Annotated[str, StringConstraints(pattern=r"^[^#]+#[^#]+$"), AfterValidator(_no_control)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class BundleSection(Section):
    """`[bundle]`: identity, and the modules that hold components."""

    name: Text
    vendor: Text
    version: Text
    requires_slee: Annotated[str, AfterValidator(_specifiers)] = ""
    """Versions of the SLEE that the bundle runs in; all if empty (DU-13)."""
    requires: tuple[Annotated[str, AfterValidator(_requirement)], ...] = ()
    """Distributions of the environment that the bundle imports, with versions (DU-13)."""
    modules: tuple[ModuleName, ...] = ()
    """Modules, or packages with all modules below them, that the bundle carries and whose components it installs."""


class ServiceSection(Section):
    """`[[service]]`: a root SBB and how to run it."""

    name: Text
    root_sbb: ClassPath
    default_priority: Annotated[int, Field(ge=PRIORITIES.start, lt=PRIORITIES.stop)] = 0
    durability: Durability = Durability.ASYNC
    address_profile_table: Text | None = None
    """Where handlers that select ADDRESS_PROFILE have addresses looked up (IES-11)."""


class ProfileTableSection(Section):
    """`[[profile-table]]`: a table that is made when the bundle is installed, unless there is one (DU-29)."""

    name: Annotated[Text, StringConstraints(pattern=r"^[^/]+$")]
    specification: ClassPath
    seed: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][\w.-]*\.(toml|jsonl|csv)$")] | None = None
    """File beside the manifest with the profiles that the table begins with, as `slee profile import` takes them."""


class ScheduleSection(Section, DeclaredSchedule):
    """`[[schedule]]`: a schedule that is made when its service becomes Active, and is fired to it (TIM-23)."""

    service: Text | None = None
    """Name of the service; may be left out where the bundle has one."""


class UpgradeSection(Section):
    """One entry of `[upgrade]`: how to come from a predecessor, and go back to it (SVC-21)."""

    up: Literal["migrate", "drain"]
    down: Literal["migrate", "drain"] | None = None


class Manifest(Section):
    """`bundle.toml`."""

    bundle: BundleSection
    depends: dict[BundleName, Text] = Field(default_factory=dict)
    """Bundles needed, `"name#vendor" = range`."""
    service: tuple[ServiceSection, ...] = ()
    links: dict[Text, Text] = Field(default_factory=dict)
    """RA entity link by name of the RA type."""
    config: dict[Text, dict[str, Any]] = Field(default_factory=dict)
    """Configuration by name of the SBB."""
    profile_table: tuple[ProfileTableSection, ...] = ()
    schedule: tuple[ScheduleSection, ...] = ()
    upgrade: dict[Text, UpgradeSection] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _holds_something(self) -> Manifest:
        if not self.bundle.modules and not self.service:
            raise ValueError("the bundle holds neither a module nor a service; list at least one")
        names = [service.name for service in self.service]
        for schedule in self.schedule:
            if schedule.service not in names and not (schedule.service is None and len(names) == 1):
                raise ValueError(
                    f"schedule {schedule.name}: service {schedule.service or 'not given'}; give one of "
                    f"{', '.join(names) or 'none, the bundle has no service'}"
                )
        return self

    def schedules_of(self, service: str) -> tuple[DeclaredSchedule, ...]:
        """The schedules that are declared for a service."""
        found = (section for section in self.schedule if section.service in (None, service))
        return tuple(DeclaredSchedule.model_validate(each.model_dump(exclude={"service"})) for each in found)

    @property
    def seeds(self) -> tuple[str, ...]:
        """The files of profiles that it names."""
        return tuple(dict.fromkeys(table.seed for table in self.profile_table if table.seed is not None))

    @property
    def id(self) -> BundleID:
        """Identity of the bundle."""
        return BundleID(self.bundle.name, self.bundle.vendor, self.bundle.version)


class FileEntry(Section):
    """One file of the archive."""

    path: Text
    sha256: Digest


class ComponentEntry(Section):
    """One component as it was found at the build."""

    id: Text
    source: Text
    schema_hash: Digest | None = None
    """Of an SBB: the hash of names and types of its CMP fields."""


class DependencyEntry(Section):
    """One dependency, resolved."""

    bundle: Text


class Lock(Section):
    """`bundle.lock`."""

    format: Literal[1]
    bundle: Text
    modules: tuple[ModuleName, ...] = ()
    """Every module that the bundle carries."""
    depends: tuple[DependencyEntry, ...] = ()
    component: tuple[ComponentEntry, ...] = ()
    file: tuple[FileEntry, ...] = ()


def read_manifest(text: str, source: str = MANIFEST) -> Manifest:
    """Read a manifest; a `DeploymentError` lists every problem with file, line and key (DU-8, DU-9)."""
    return load(Manifest, text, source, _KIND)


def read_lock(text: str, source: str = LOCK) -> Lock:
    """Read a lock; a `DeploymentError` lists every problem with file, line and key (DU-8)."""
    return load(Lock, text, source, _KIND)


def write_lock(lock: Lock) -> str:
    """The text of a lock: the same for equal locks, whatever machine writes it."""
    lines = [
        "# Written by `slee bundle build`; not for editing.",
        f"format = {lock.format}",
        f"bundle = {_quoted(lock.bundle)}",
        f"modules = [{', '.join(_quoted(module) for module in lock.modules)}]",
    ]
    for name, entries in (("depends", lock.depends), ("component", lock.component), ("file", lock.file)):
        for entry in entries:
            lines += ["", f"[[{name}]]"]
            values = entry.model_dump(by_alias=True, exclude_none=True)
            lines += [f"{key} = {_quoted(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A TOML basic string: a JSON string, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")

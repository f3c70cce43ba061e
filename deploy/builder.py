"""Builds bundles from source folders: verified, locked, and byte for byte the same each time."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from slee.api.errors import DeploymentError, Issue, VerificationError
from slee.api.ids import BundleID, parse_id
from slee.management.archive import (
    Archive,
    digest,
    dist_info,
    read_archive,
    record,
    seed_path,
    wheel_files,
    wheel_name,
    write_archive,
)
from slee.management.bundle import BundleLoader, BundleSource, LoadedBundle
from slee.management.dependencies import resolve
from slee.management.management import built_in_repository
from slee.management.manifest import (
    LOCK,
    LOCK_FORMAT,
    MANIFEST,
    ComponentEntry,
    DependencyEntry,
    FileEntry,
    Lock,
    Manifest,
    read_manifest,
    write_lock,
)
from slee.management.namespace import Importer
from slee.model.repository import BundleDescriptor
from slee.spi.adaptor import ResourceAdaptor
from slee.version import VERSION


@dataclass(frozen=True, slots=True)
class Built:
    """A bundle built."""

    manifest: Manifest
    file_name: str
    archive: bytes


@dataclass(frozen=True, slots=True)
class _Folder:
    """A source folder with a manifest."""

    path: Path
    manifest: Manifest
    text: str


class Builder:
    """Builds bundles, and what they depend on as far as that is there as source only."""

    def __init__(self, adaptors: Sequence[type[ResourceAdaptor]] = ()) -> None:
        """Take the resource adaptors of the environment."""
        self._repository = built_in_repository(adaptors, 0.0)
        self._loader = BundleLoader(Importer(), self._repository, VERSION)
        self._candidates: dict[BundleID, _Folder | Archive] = {}
        self._loaded: dict[BundleID, LoadedBundle] = {}
        self._built: dict[BundleID, Built] = {}
        self._on_the_way: list[BundleID] = []

    def offer_archive(self, source: str, data: bytes) -> None:
        """Let bundles depend on the one in this archive."""
        archive = read_archive(data, source)
        self._candidates[archive.manifest.id] = archive

    def offer_folder(self, folder: Path) -> None:
        """Let bundles depend on the one in this source folder."""
        source = _read_folder(folder)
        self._candidates.setdefault(source.manifest.id, source)

    def build(self, folder: Path) -> Built:
        """Build the bundle of a source folder.

        Raises:
            DeploymentError: manifest or modules are wrong.
            VerificationError: lists everything in which the components do not fit together.
        """
        source = _read_folder(folder)
        self._candidates[source.manifest.id] = source
        self._require(source.manifest.id)
        return self._built[source.manifest.id]

    def built(self) -> Iterator[Built]:
        """Every bundle built so far, each after what it depends on."""
        yield from self._built.values()

    def close(self) -> None:
        """Forget every module that has been imported for verification."""
        for loaded in self._loaded.values():
            self._loader.unload(loaded)
        self._loaded.clear()

    def _require(self, bundle: BundleID) -> LoadedBundle:
        """The bundle, loaded with everything that it depends on."""
        if loaded := self._loaded.get(bundle):
            return loaded
        with self._entered(bundle):
            candidate = self._candidates[bundle]
            loaded = self._from_folder(candidate) if isinstance(candidate, _Folder) else self._from_archive(candidate)
        components = tuple(component.descriptor.id for component in loaded.components)
        self._repository.add(BundleDescriptor(bundle, "", 0.0, components, loaded.depends), loaded.components)
        self._loaded[bundle] = loaded
        return loaded

    @contextmanager
    def _entered(self, bundle: BundleID) -> Generator[None]:
        if bundle in self._on_the_way:
            cycle = " -> ".join(f"{b.name} {b.version}" for b in (*self._on_the_way, bundle))
            raise VerificationError([Issue(str(bundle), "DU-21", f"bundles depend in a cycle: {cycle}", "break it")])
        self._on_the_way.append(bundle)
        try:
            yield
        finally:
            self._on_the_way.pop()

    def _from_archive(self, archive: Archive) -> LoadedBundle:
        depends = tuple(parse_id(entry.bundle, BundleID) for entry in archive.lock.depends)
        missing = [str(bundle) for bundle in depends if bundle not in self._candidates]
        if missing:
            raise DeploymentError(f"{archive.manifest.id}: it needs {missing[0]} [DU-20]; give its archive with --with")
        source = BundleSource(
            archive.manifest, archive.manifest_text, archive.files, archive.lock.modules, archive.digest, depends
        )
        return self._load(source)

    def _from_folder(self, folder: _Folder) -> LoadedBundle:
        manifest = folder.manifest
        files, modules = collect_modules(folder.path, manifest.bundle.modules)
        files |= {seed_path(manifest, seed): _seed(folder.path / seed) for seed in manifest.seeds}
        depends = resolve(manifest.depends, self._candidates.keys() - {manifest.id}, manifest.id)
        content = digest(b"".join(files[path] for path in sorted(files)))
        loaded = self._load(BundleSource(manifest, folder.text, files, modules, content, depends, is_build=True))
        self._built[manifest.id] = _packed(folder, files, modules, loaded)
        return loaded

    def _load(self, source: BundleSource) -> LoadedBundle:
        return self._loader.load(source, [self._require(bundle).namespace for bundle in source.depends])


def collect_modules(folder: Path, names: Iterable[str]) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The files of the modules listed, and the names of all modules in them.

    Args:
        folder: the source folder; `sbbs/registrar` holds the modules below `sbbs.registrar`, and any other folder the
            modules by their full paths.
        names: modules, and packages, which stand for every module below them.

    Raises:
        DeploymentError: a module has no file in the folder (DU-10).
    """
    folder = folder.resolve()
    found: dict[str, Path] = {}
    for name in names:
        root = _root(folder, name)
        base = root.joinpath(*name.split("."))
        if (base / "__init__.py").is_file() and base.is_relative_to(folder):
            paths = sorted(base.rglob("*.py"))
        elif base.with_suffix(".py").is_file() and base.is_relative_to(folder):
            paths = [base.with_suffix(".py")]
        else:
            raise DeploymentError(
                f"{folder / MANIFEST}: module {name} has no file there [DU-10]; write it, or unlist it"
            )
        for path in paths:
            relative = path.relative_to(root).with_suffix("")
            parts = relative.parts[:-1] if relative.name == "__init__" else relative.parts
            found[".".join(parts)] = path.relative_to(root)
    files = {found[module].as_posix(): (_root(folder, module) / found[module]).read_bytes() for module in found}
    return files, tuple(sorted(found))


def _seed(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DeploymentError(f"{path}: it cannot be read: {error.strerror} [DU-10]; write it, or unlist it") from error


def _root(folder: Path, module: str) -> Path:
    """The folder that the path of a module begins in."""
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if folder.parts[-length:] == tuple(parts[:length]):
            return folder.parents[length - 1]
    return folder


def _read_folder(folder: Path) -> _Folder:
    path = folder / MANIFEST
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeploymentError(f"{path}:1: it cannot be read: {error} [DU-8]; give a folder with {MANIFEST}") from error
    return _Folder(folder, read_manifest(text, str(path)), text)


def _packed(folder: _Folder, files: dict[str, bytes], modules: tuple[str, ...], loaded: LoadedBundle) -> Built:
    manifest = folder.manifest
    readme = folder.path / "README.md"
    inside = dist_info(manifest)
    content = dict(files)
    content |= wheel_files(manifest, readme.read_text(encoding="utf-8") if readme.is_file() else "")
    content[f"{inside}/{MANIFEST}"] = folder.text.encode()
    components = sorted(loaded.components, key=lambda component: component.descriptor.id)
    entries = tuple(
        ComponentEntry.model_validate(
            {"id": str(c.descriptor.id), "source": c.descriptor.source, "schema-hash": c.descriptor.schema_hash}
        )
        for c in components
    )
    lock = Lock(
        format=LOCK_FORMAT,
        bundle=str(manifest.id),
        modules=modules,
        depends=tuple(DependencyEntry(bundle=str(bundle)) for bundle in loaded.depends),
        component=entries,
        file=tuple(FileEntry(path=path, sha256=digest(data)) for path, data in sorted(content.items())),
    )
    content[f"{inside}/{LOCK}"] = write_lock(lock).encode()
    content[f"{inside}/RECORD"] = record(content, inside)
    return Built(manifest, wheel_name(manifest), write_archive(content))

"""The archive of a bundle: a wheel, written byte for byte the same everywhere, and judged before anything of it runs.

Reading works in memory. An archive that is refused has left no file behind because none was written (DU-12).
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from packaging.version import InvalidVersion, Version

from slee.api.errors import DeploymentError, Issue
from slee.management.manifest import LOCK, MANIFEST, Lock, Manifest, read_lock, read_manifest

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The time of every file in an archive: the earliest that a zip can say."""
_ENCRYPTED: Final = 0x1
_UNREADABLE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What `zipfile` raises over damaged archives."""
_FREE_RATIO: Final = 4096
"""Octets up to which a file may be compressed as well as it likes."""


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What an archive may be at most (DU-12)."""

    files: int = 2_000
    archive: int = 32 * 1024 * 1024
    """Octets of the archive itself."""
    total: int = 64 * 1024 * 1024
    """Octets of all files together."""
    ratio: int = 100
    """Octets of a file for each octet that it takes in the archive."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A bundle's archive that has passed every check of its form."""

    manifest: Manifest
    manifest_text: str
    lock: Lock
    files: Mapping[str, bytes]
    digest: str
    """sha256 of the archive, in hexadecimal."""


class _Refusals:
    """Collects why an archive is refused."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.issues: list[Issue] = []

    def add(self, name: str, rule: str, problem: str, remedy: str) -> None:
        self.issues.append(Issue(f"{self.source}: {name!r}" if name else self.source, rule, problem, remedy))

    def check(self) -> None:
        if self.issues:
            raise DeploymentError("\n".join(str(issue) for issue in self.issues))


def read_archive(data: bytes, source: str, limits: ArchiveLimits | None = None) -> Archive:
    """Read and judge an archive; runs nothing of it and writes nothing.

    Args:
        data: the archive.
        source: where it came from, for messages.
        limits: sizes allowed; the defaults serve.

    Raises:
        DeploymentError: the reason, or all reasons of one sort, for which the archive is refused whole.
    """
    limits = limits or ArchiveLimits()
    if len(data) > limits.archive:
        raise DeploymentError(f"{source}: {len(data)} octets, more than {limits.archive} [DU-12]; build it smaller")
    files = _unpack(data, source, limits)
    folder = _dist_info(files, source)
    manifest_text = _text(files[f"{folder}/{MANIFEST}"], f"{folder}/{MANIFEST}")
    manifest = read_manifest(manifest_text)
    lock = read_lock(_text(files[f"{folder}/{LOCK}"], f"{folder}/{LOCK}"))
    _compare(files, folder, lock, source)
    if lock.bundle != str(manifest.id):
        raise DeploymentError(f"{LOCK}:1: bundle: {lock.bundle}, but {MANIFEST} says {manifest.id} [DU-11]; build anew")
    return Archive(manifest, manifest_text, lock, files, hashlib.sha256(data).hexdigest())


def write_archive(files: Mapping[str, bytes]) -> bytes:
    """The archive of these files: in order of their paths, without times or owners.

    Files are stored, not deflated: what deflate makes depends on the zlib of the machine, and bundles are small.
    """
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(files):
            info = zipfile.ZipInfo(path, _EPOCH)
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, files[path])
    return target.getvalue()


def digest(data: bytes) -> str:
    """The sha256 of a file, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def wheel_name(manifest: Manifest) -> str:
    """The file name of the bundle's archive."""
    return f"{_stem(manifest)}-py3-none-any.whl"


def dist_info(manifest: Manifest) -> str:
    """The folder of the archive that holds what is not code."""
    return f"{_stem(manifest)}.dist-info"


def wheel_files(manifest: Manifest, description: str) -> dict[str, bytes]:
    """The files that make the archive a standard wheel, but for RECORD."""
    bundle = manifest.bundle
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {_name(bundle.name)}",
        f"Version: {_version(bundle.version)}",
        f"Author: {bundle.vendor}",
        *(f"Requires-Dist: {requirement}" for requirement in bundle.requires),
        "Description-Content-Type: text/markdown",
    ]
    wheel = ["Wheel-Version: 1.0", "Generator: slee", "Root-Is-Purelib: true", "Tag: py3-none-any", ""]
    folder = dist_info(manifest)
    return {
        f"{folder}/METADATA": ("\n".join(metadata) + "\n\n" + description).encode(),
        f"{folder}/WHEEL": "\n".join(wheel).encode(),
    }


def seed_path(manifest: Manifest, seed: str) -> str:
    """Where the archive has a file of profiles."""
    return f"{dist_info(manifest)}/seeds/{seed}"


def record(files: Mapping[str, bytes], folder: str) -> bytes:
    """The wheel's RECORD: it names every file, itself without hash."""
    lines = [f"{path},{_record_hash(data)},{len(data)}" for path, data in sorted(files.items())]
    return "".join(f"{line}\n" for line in (*lines, f"{folder}/RECORD,,")).encode()


def _unpack(data: bytes, source: str, limits: ArchiveLimits) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            refusals = _Refusals(source)
            _judge_sizes(members, len(data), refusals, limits)
            _judge_names(members, refusals)
            refusals.check()
            return {member.filename: archive.read(member) for member in members}
    except _UNREADABLE as error:
        raise DeploymentError(f"{source}: no readable archive: {error} [DU-8]; build the bundle anew") from error


def _judge_sizes(members: list[zipfile.ZipInfo], size: int, refusals: _Refusals, limits: ArchiveLimits) -> None:
    """Sizes as the archive declares them; `zipfile` does not read beyond the declared size of a member."""
    if len(members) > limits.files:
        refusals.add("", "DU-12", f"{len(members)} files, more than {limits.files}", "build it smaller")
    total = sum(member.file_size for member in members)
    if total > limits.total:
        refusals.add("", "DU-12", f"{total} octets unpacked, more than {limits.total}", "build it smaller")
    if sum(member.compress_size for member in members) > size:
        refusals.add("", "DU-12", "its files overlap", "build it with slee bundle build")
    for member in members:
        if member.file_size > _FREE_RATIO and member.file_size > limits.ratio * member.compress_size:
            refusals.add(member.filename, "DU-12", f"compressed more than {limits.ratio} times", "store it plainly")


def _judge_names(members: list[zipfile.ZipInfo], refusals: _Refusals) -> None:
    seen: set[str] = set()
    for member in members:
        name = member.orig_filename
        kind = stat.S_IFMT(member.external_attr >> 16)
        if name.startswith("/") or re.match(r"[A-Za-z]:", name):
            refusals.add(name, "DU-12", "the path is absolute", "name it relative to the bundle")
        elif "\\" in name or "\0" in name or any(part in ("", ".", "..") for part in name.rstrip("/").split("/")):
            refusals.add(name, "DU-12", "the path climbs out or is not plain", "name it relative to the bundle")
        elif kind not in (0, stat.S_IFREG) or name.endswith("/"):
            refusals.add(name, "DU-12", f"it is {_KINDS.get(kind, 'a special file')}", "put plain files in only")
        elif member.flag_bits & _ENCRYPTED or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            refusals.add(name, "DU-12", "it is encrypted, or compressed in an unusual way", "store it plainly")
        if name.casefold() in seen:
            refusals.add(name, "DU-12", "the name stands twice", "put each file in once")
        seen.add(name.casefold())


_KINDS: Final = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a directory", 0: "a directory"}


def _dist_info(files: Mapping[str, bytes], source: str) -> str:
    """The one folder that holds manifest and lock."""
    folders = {path.partition("/")[0] for path in files if re.fullmatch(r"[^/]+\.dist-info/[^/]+", path)}
    if len(folders) != 1:
        raise DeploymentError(f"{source}: {len(folders)} dist-info folders [DU-8]; build it with slee bundle build")
    folder = folders.pop()
    missing = [name for name in (MANIFEST, LOCK) if f"{folder}/{name}" not in files]
    if missing:
        raise DeploymentError(f"{folder}/{missing[0]}:1: the file is missing [DU-8]; build it with slee bundle build")
    return folder


def _compare(files: Mapping[str, bytes], folder: str, lock: Lock, source: str) -> None:
    """Every file is in the lock and every entry of the lock is a file, with that hash (DU-11)."""
    refusals = _Refusals(source)
    own = {f"{folder}/{LOCK}", f"{folder}/RECORD"}
    locked = {entry.path: entry.sha256 for entry in lock.file}
    for path in sorted(files.keys() - own - locked.keys()):
        refusals.add(path, "DU-11", "the lock does not name it", "build the bundle anew")
    for path, sha256 in sorted(locked.items()):
        if path not in files or path in own:
            refusals.add(path, "DU-11", "the lock names it, the archive lacks it", "build the bundle anew")
        elif digest(files[path]) != sha256:
            refusals.add(path, "DU-11", "it differs from the lock", "build the bundle anew")
    listed = record({path: data for path, data in files.items() if path != f"{folder}/RECORD"}, folder)
    if files.get(f"{folder}/RECORD") != listed:
        refusals.add(f"{folder}/RECORD", "DU-11", "it differs from the files", "build the bundle anew")
    refusals.check()


def _text(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DeploymentError(f"{name}:{line}: it is no UTF-8 [DU-8]; save it as UTF-8") from error


def _record_hash(data: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _stem(manifest: Manifest) -> str:
    return f"{_name(manifest.bundle.name)}-{_version(manifest.bundle.version)}".replace("/", "_")


def _name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "_", name).strip("_.").lower() or "bundle"


def _version(version: str) -> str:
    """The version where it is one to Python, else a local version that shows it."""
    try:
        return str(Version(version))
    except InvalidVersion:
        return "0+" + (re.sub(r"[^A-Za-z0-9]+", ".", version).strip(".").lower() or "0")

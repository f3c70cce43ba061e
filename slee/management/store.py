"""The state directory: what the operator wants, durable before an operation returns, and the installed archives.

    format          the version of everything below; another one is refused and nothing is changed
    lock            held by the process that uses the directory
    identity        32 hex digits that tell this SLEE from every other: its profile database bears them too (PRF-46)
    desired.json    desired state: bundles, services, resource adaptor entities, links, the SLEE (SLE-15)
    bundles/        one archive per installed bundle, named by its hash
    alarms.jsonl    active alarms, one line for each raise and each clear (ALM-19)

One file says what holds, and it is replaced in one step. An archive is written before the file that names it and
deleted after, so that a crash leaves the state before or the state after, and at most an archive that nobody names,
which the next start sweeps away (DU-18).
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from slee.api.errors import DeploymentError, StateDirectoryError

FORMAT: Final = "slee state 1\n"
SOCKET: Final = "slee.sock"
SHIPPED: Final = "shipped:"
"""What the source of a bundle that the product ships begins with; the rest is its folder."""


class BundleRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One installed bundle."""

    source: str
    """Path or URL that it was installed from (DU-14)."""
    digest: str
    """sha256 of the archive, which is its file name."""
    installed_at: float
    """Seconds since the epoch."""
    configuration: dict[str, dict[str, Any]] = {}
    """Configuration given at install, by name of the SBB (DU-23)."""


class ResourceRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One resource adaptor entity."""

    adaptor: str
    """Id of the adaptor, as text."""
    section: str | None = None
    """Section of the server's configuration that configures it; its configuration is not kept here then."""
    configuration: dict[str, Any] = {}
    active: bool = False
    links: tuple[str, ...] = ()


class PairRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One service of an upgrade and the version that replaces it."""

    old: str
    """Id of the service, as text."""
    new: str
    up: str
    """`drain` or `migrate`."""
    down: str | None
    """The same for the way back; `None` if the manifest names none, which drains."""


class TableRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One profile table of an upgrade."""

    table: str
    old: str
    """Id of the specification that it had before, as text."""
    new: str


class UpgradeRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An applied upgrade (UPG-13, UPG-15). What `services` wants and this are written in one step."""

    bundles: tuple[str, ...]
    """Ids of the old and the new bundles, as text."""
    pairs: tuple[PairRecord, ...]
    phase: Literal["tentative", "permanent", "rolled-back"]
    applied_at: float
    """Seconds since the epoch, as are the other times."""
    turned_at: float
    """When the version that is Active now took the place of the other one."""
    confirm_by: float | None = None
    """When a tentative upgrade is rolled back by itself."""
    drain_within: float | None = None
    """Seconds after which the trees that are left are removed."""
    expected_drain: float | None = None
    """Seconds after which an alarm tells that trees are left."""
    follow_convergence: bool = False
    allowed_failures: int = 0
    """How many trees may fail to migrate before the rollback begins."""
    reason: str = ""
    """Why it was rolled back."""
    tables: tuple[TableRecord, ...] = ()
    """Profile tables that come to another version of their specification."""

    def names(self, identity: str) -> bool:
        """Whether a service or bundle takes part."""
        return identity in self.bundles or any(identity in (pair.old, pair.new) for pair in self.pairs)


class Desired(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Desired state, whole."""

    running: bool = True
    """Whether the SLEE should be Running; a first boot should."""
    equipped: bool = False
    """Whether the shipped bundles have been deployed, which is done once."""
    bundles: tuple[BundleRecord, ...] = ()
    """In the order of installation, in which each follows what it depends on."""
    services: dict[str, bool] = {}
    """Whether a service should be Active, by id."""
    resources: dict[str, ResourceRecord] = {}
    traces: dict[str, dict[str, str]] = {}
    """Assigned trace levels by notification source and tracer (TRC-18)."""
    usage_sets: dict[str, tuple[str, ...]] = {}
    """Named usage parameter sets by notification source (USG-2)."""
    usage_told: dict[str, tuple[str, ...]] = {}
    """Usage parameters whose changes are told, by notification source (USG-13)."""
    upgrades: dict[str, UpgradeRecord] = {}
    """Applied upgrades by id."""

    def tentative(self, identity: str) -> str | None:
        """The id of the upgrade that a service or bundle takes part in and that is not permanent yet."""
        found = (name for name, upgrade in self.upgrades.items() if upgrade.names(identity))
        return next((name for name in found if self.upgrades[name].phase == "tentative"), None)


class StateDirectory:
    """A state directory held by this process; `close` lets go of it."""

    def __init__(self, path: Path) -> None:
        """Take the directory, making it if it does not exist.

        Raises:
            StateDirectoryError: it is of another version, held by another process, or no state directory.
        """
        self.path = path
        self.identity = ""
        """Tells this SLEE from every other, for good (PRF-46)."""
        self._depth = 0
        self._written = Desired()
        try:
            _require_format(path)
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _take_lock(path)
            try:
                self._prepare()
            except BaseException:
                self._lock.close()
                raise
        except OSError as error:
            raise StateDirectoryError(f"{path}: {error.strerror} [MGT-3]; give another --state-dir") from error
        self.desired = self._written

    def close(self) -> None:
        """Let go of the directory."""
        self._lock.close()

    @property
    def socket(self) -> Path:
        """Where the management API listens."""
        return self.path / SOCKET

    @contextmanager
    def changing(self, desired: Desired) -> Generator[None]:
        """Make `desired` durable, then run the block; if it raises, what was desired before holds again.

        Nested in `together`, the writing waits for the end of the outermost block.
        """
        before = self.desired
        self._set(desired)
        try:
            yield
        except BaseException:
            self._set(before)
            raise

    @contextmanager
    def together(self) -> Generator[None]:
        """Make all changes of the block durable in one step at its end, or none of them."""
        before = self.desired
        self._depth += 1
        try:
            yield
        except BaseException:
            self.desired = before
            raise
        finally:
            self._depth -= 1
        self._set(self.desired)

    def write_bundle(self, digest: str, data: bytes) -> None:
        """Keep an archive; to be called before the desired state that names it."""
        self._write(f"bundles/{digest}.whl", data)

    def read_bundle(self, record: BundleRecord) -> bytes:
        """A kept archive; `StateDirectoryError` if it cannot be read."""
        try:
            return _archive(self.path, record.digest).read_bytes()
        except OSError as error:
            raise StateDirectoryError(_unreadable(self.path, record, error)) from error

    def sweep(self) -> None:
        """Delete what no bundle of the desired state names: remains of a crash, archives of uninstalled bundles."""
        named = {f"{record.digest}.whl" for record in self.desired.bundles}
        for path in (self.path / "bundles").iterdir():
            if path.name not in named:
                path.unlink()

    def _set(self, desired: Desired) -> None:
        if self._depth == 0 and desired != self._written:
            self._write("desired.json", msgspec.json.format(msgspec.json.encode(desired), indent=2) + b"\n")
            self._written = desired
        self.desired = desired

    def _write(self, name: str, data: bytes) -> None:
        try:
            replace_file(self.path / name, data, 0o600)
        except OSError as error:
            raise StateDirectoryError(
                f"{self.path / name}: it cannot be written: {error.strerror} [MGT-3]; make room, nothing has changed"
            ) from error

    def _prepare(self) -> None:
        if not (self.path / "format").exists():
            replace_file(self.path / "format", FORMAT.encode(), 0o600)
        if not (self.path / "identity").exists():
            replace_file(self.path / "identity", os.urandom(16).hex().encode(), 0o600)
        self.identity = (self.path / "identity").read_text(errors="replace")
        (self.path / "bundles").mkdir(mode=0o700, exist_ok=True)
        self._written = self.desired = read_desired(self.path)
        self.sweep()


def read_desired(path: Path) -> Desired:
    """The desired state kept in a directory, which need not be held: that of a first boot if there is none.

    Raises:
        StateDirectoryError: it is of another version or cannot be read.
    """
    _require_format(path)
    file = path / "desired.json"
    try:
        return msgspec.json.decode(file.read_bytes(), type=Desired)
    except FileNotFoundError:
        return Desired()
    except (OSError, msgspec.DecodeError) as error:
        raise StateDirectoryError(f"{file}: it cannot be read: {error} [MGT-3]; restore it from a backup") from error


def installed_archives(path: Path) -> Iterator[tuple[str, bytes]]:
    """Source and content of each archive installed in a state directory, which need not be held.

    Raises:
        StateDirectoryError: the directory is of another version or cannot be read.
        DeploymentError: an archive that is installed cannot be read (DU-18).
    """
    for record in read_desired(path).bundles:
        try:
            data = _archive(path, record.digest).read_bytes()
        except OSError as error:
            raise DeploymentError(_unreadable(path, record, error)) from error
        yield record.source, data


def _archive(path: Path, digest: str) -> Path:
    return path / "bundles" / f"{digest}.whl"


def _unreadable(path: Path, record: BundleRecord, error: OSError) -> str:
    """What is said of an archive that cannot be read; one that was shipped can be made again (DU-18)."""
    remedy = "restore the file from a backup"
    if record.source.startswith(SHIPPED):
        folder = record.source.removeprefix(SHIPPED)
        remedy = f"run slee bundle build {folder} --state-dir none, install the wheel, and start the server again"
    return f"{_archive(path, record.digest)}: archive of {record.source}: {error.strerror} [DU-18]; {remedy}"


def _require_format(path: Path) -> None:
    """Refuse a directory of another version, and one that holds something else, before anything is changed."""
    if not path.exists():
        return
    if not path.is_dir():
        raise StateDirectoryError(f"{path}: it is no directory [MGT-3]; give another --state-dir")
    file = path / "format"
    if file.exists():
        found = file.read_text(errors="replace")
        if found != FORMAT:
            raise StateDirectoryError(
                f"{path}: state of another version, {found.strip()!r}, this program reads {FORMAT.strip()!r} [MGT-3]; "
                "run the program that wrote it, or give another --state-dir"
            )
    elif any(entry.name not in ("lock", ".format.new") for entry in path.iterdir()):
        raise StateDirectoryError(f"{path}: it holds files that are no SLEE state [MGT-3]; give an empty --state-dir")


def _take_lock(path: Path) -> Any:
    lock = (path / "lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise StateDirectoryError(
            f"{path}: another process runs on it [MGT-3]; stop that one, or give another --state-dir"
        ) from error
    return lock


def replace_file(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Write a file in one step that is on disk when this returns."""
    new = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)

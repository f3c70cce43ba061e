"""Disks that take no more while a server runs on them, and do again.

`SmallDisk` is a filesystem of its own in the server's mount namespace, which the lane fills up; some machines forbid
that. `ReadOnlyDisk` has the filesystem refuse every write to the files that the server has open, as one does that turns
read-only under it; that takes root. `WriteLimit` has the operating system refuse every write of that process, and works
everywhere.
"""

from __future__ import annotations

import errno
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

from tests.interop.peers import find_program, run
from tests.interop.servers import Slee

_MOUNT: Final = 'mount -t tmpfs -o size="$1" tmpfs "$2" && shift 2 && exec "$@"'


class Disk(Protocol):
    """What a lane does with the disk under a server."""

    server: Slee

    def fill(self) -> None:
        """From now on nothing more can be written."""

    def free(self) -> None:
        """It can again."""


class WriteLimit:
    """Every write to a file is refused, as on a disk that has become read-only."""

    def __init__(self, folder: Path) -> None:
        self.server = Slee(folder)

    def fill(self) -> None:
        self._limit(0)

    def free(self) -> None:
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, octets: int) -> None:
        pid = self.server.child.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (octets, hard))


class ReadOnlyDisk:
    """Nothing in the state directory can be changed, through descriptors that are open neither.

    A real remount does not serve: the kernel refuses one while files are open for writing.
    """

    def __init__(self, folder: Path) -> None:
        self.server = Slee(folder)

    def fill(self) -> None:
        _set_immutable(self.server.state_dir, "+i")

    def free(self) -> None:
        _set_immutable(self.server.state_dir, "-i")


class SmallDisk:
    """A disk of some megabytes, full to the last octet."""

    def __init__(self, folder: Path, *, size: str = "8m") -> None:
        state = folder / "state"
        state.mkdir()
        self.server = _Inside(folder, prefix=[*namespace(), _MOUNT, "sh", size, str(state), sys.executable])

    @property
    def _ballast(self) -> Path:
        return self.server.state_dir / "ballast"

    def fill(self) -> None:
        block = b"\0" * 4096
        with self._ballast.open("ab", buffering=0) as ballast:
            try:
                while ballast.write(block) == len(block):
                    pass
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        self._ballast.unlink(missing_ok=True)


class _Inside(Slee):
    """A server whose state directory only its own mount namespace shows."""

    def start(self) -> Slee:
        super().start()
        self.state_dir = Path(f"/proc/{self.child.pid}/root{self._state_inside}")
        return self

    def __init__(self, folder: Path, *, prefix: Sequence[str]) -> None:
        super().__init__(folder, prefix=prefix)
        self._state_inside = self.state_dir


def _set_immutable(place: Path, change: str) -> None:
    """`+i` or `-i`; for sockets there is no such thing, of which chattr complains."""
    names = [str(path) for path in (place, *place.rglob("*")) if path.is_dir() or path.is_file()]
    status, output = run([find_program("chattr") or "chattr", change, *names])
    if status != 0:
        raise OSError(f"chattr {change} {place}: {output.strip()}")


def why_no_read_only_disk(folder: Path) -> str:
    """Why files of this folder cannot be made immutable; empty if they can."""
    probe = folder / "probe"
    probe.mkdir()
    try:
        _set_immutable(probe, "+i")
    except OSError as error:
        return str(error)
    _set_immutable(probe, "-i")
    return ""


def namespace() -> list[str]:
    """The command that runs a shell in a mount namespace of its own."""
    return [find_program("unshare") or "unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]


def why_no_small_disk() -> str:
    """Why this machine lets nobody mount a filesystem of his own; empty if it does."""
    if find_program("unshare") is None:
        return "no unshare"
    status, output = run([*namespace(), "mount -t tmpfs -o size=1m tmpfs /mnt"])
    return "" if status == 0 else f"unshare: {output.strip()}"

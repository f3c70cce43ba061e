"""Disks that take no more while a server runs on them, and do again: two means that need no root.

`SmallDisk` is a filesystem of its own in the server's mount namespace, which the lane fills up; some machines forbid
that. `WriteLimit` has the operating system refuse every write to a file of that process, and works everywhere.
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
        self._ballast.unlink()


class _Inside(Slee):
    """A server whose state directory only its own mount namespace shows."""

    def start(self) -> Slee:
        super().start()
        self.state_dir = Path(f"/proc/{self.child.pid}/root{self._state_inside}")
        return self

    def __init__(self, folder: Path, *, prefix: Sequence[str]) -> None:
        super().__init__(folder, prefix=prefix)
        self._state_inside = self.state_dir


def namespace() -> list[str]:
    """The command that runs a shell in a mount namespace of its own."""
    return [find_program("unshare") or "unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]


def why_no_small_disk() -> str:
    """Why this machine lets nobody mount a filesystem of his own; empty if it does."""
    if find_program("unshare") is None:
        return "no unshare"
    status, output = run([*namespace(), "mount -t tmpfs -o size=1m tmpfs /mnt"])
    return "" if status == 0 else f"unshare: {output.strip()}"

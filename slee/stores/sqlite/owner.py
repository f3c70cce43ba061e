"""Ownership of a journal's directory: a lock on a file that names who holds it (DUR-16)."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path
from typing import Final

from slee.api.errors import JournalInUseError

__all__ = ["OWNER_FILE", "Ownership", "read_owner"]

OWNER_FILE: Final = "owner"


class Ownership:
    """The lock, held until `close` or the end of the process."""

    def __init__(self, directory: Path) -> None:
        """Take the directory.

        Raises:
            JournalInUseError: another process has it, or another journal of this one.
            OSError: the file cannot be made.
        """
        path = directory / OWNER_FILE
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._file)
            raise JournalInUseError(
                f"{directory}: the journal is in use by {read_owner(directory) or 'a process unknown'} [DUR-16]; "
                "stop it, or give another --state-dir"
            ) from error
        self.told = f"process {os.getpid()} on {socket.gethostname()} since {_now()}"
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{self.told}\n".encode(), 0)
        except BaseException:
            os.close(self._file)
            raise

    def close(self) -> None:
        """Give the directory up; the file stays and says who had it last."""
        os.close(self._file)


def read_owner(directory: Path) -> str:
    """Who has the journal, or had it last; empty if that is not known."""
    try:
        return (directory / OWNER_FILE).read_text(errors="replace").strip()
    except OSError:
        return ""


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())

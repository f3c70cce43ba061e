"""The Unix socket of the management API, bound before anything slow is imported."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final

from slee.api.errors import StateDirectoryError

_LONGEST: Final = 107
"""Octets that the kernel takes for the path of a Unix socket."""


def require_short(path: Path) -> None:
    """Refuse a path that no Unix socket can have."""
    if len(os.fsencode(path)) > _LONGEST:
        raise StateDirectoryError(
            f"{path}: the path of the socket is longer than {_LONGEST} octets [MGT-14]; give a shorter --state-dir"
        )


def bind_unix(path: Path) -> socket.socket:
    """A listening Unix socket that only this user can use, in place of one that a dead server left.

    The caller holds the state directory, so no living server listens there.
    """
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
        listener.listen()
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise StateDirectoryError(f"{path}: no socket there: {error} [MGT-14]; give another --state-dir") from error
    finally:
        os.umask(mask)
    return listener

"""Imports files into the table `subscriber` of a server, again and again, until it is ended.

`python -m tests.interop.importer STATE_DIR SPEEDS FILE...` appends the rows per second of each import to SPEEDS.
"""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

from deploy.client import upload
from slee.management.operations import OPERATIONS
from slee.management.profile_arguments import ProfileImport
from slee.management.store import SOCKET

_PIECE = 1 << 16
_IMPORT = next(operation for operation in OPERATIONS if operation.name == "profile.import")


def main(state_dir: str, speeds: str, *files: str) -> None:
    """Import until the process is ended."""
    for file in itertools.cycle(files):
        octets = Path(file).read_bytes()
        pieces = (octets[begin : begin + _PIECE] for begin in range(0, len(octets), _PIECE))
        began = time.monotonic()
        result = upload(Path(state_dir) / SOCKET, _IMPORT, ProfileImport(table="subscriber", source=file), pieces)
        assert result["added"] + result["changed"] == result["read"], result
        with Path(speeds).open("a", encoding="utf-8") as told:
            told.write(f"{result['read'] / (time.monotonic() - began):.1f}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])

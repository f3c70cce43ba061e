"""The servers that are measured, each on processor 0; load generator, probe and this program run on processor 1."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.interop.servers import Kamailio, Server, Slee

SERVER_CORE: Final = 0
LOAD_CORE: Final = 1
# Each call keeps state for seconds after its end, so a fast run needs room (MB).
_SHARED_MB: Final = 2048


@dataclass(frozen=True, slots=True)
class Contender:
    """A server by name, and how to make one in a folder of its own."""

    name: str
    make: Callable[[Path], Server]


def contenders(only: Sequence[str] = (), profile: Path | None = None) -> list[Contender]:
    """Return the servers to measure in turn, or those named in `only`; with `profile` the product writes one there."""
    prefix = [sys.executable, "-m", "cProfile", "-o", str(profile)] if profile else []
    known = [
        Contender("slee", lambda folder: Slee(folder, core=SERVER_CORE, prefix=prefix)),
        Contender("kamailio", lambda folder: Kamailio(folder, core=SERVER_CORE, shared_mb=_SHARED_MB)),
        Contender(
            "kamailio-fm",
            lambda folder: Kamailio(folder, core=SERVER_CORE, shared_mb=_SHARED_MB, fast_allocator=True),
        ),
    ]
    return [one for one in known if not only or one.name in only or one.name.partition("-")[0] in only]

"""Memory of registrations: how far 100,000 distinct users raise the server's resident size (SIP-211)."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.command_line import parser, take_load_core
from benchmarks.contenders import Contender, contenders
from benchmarks.loads import register_users
from benchmarks.process_tree import Memory, memory
from benchmarks.report import publish, table

TITLE = "Memory of registrations"
USERS = 100_000
_RATE: Final = 2_000.0
# So many are there before the first reading: code and tables that come with the first users are not theirs.
_FIRST: Final = 1_000


def growth(contender: Contender, users: int) -> tuple[Memory, Memory]:
    """Return the server's memory before and after `users` registrations."""
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder = Path(place)
        server = contender.make(folder).start()
        with server.child:
            register_users(server, folder, _FIRST, port=9, rate=_RATE)
            before = memory(server.child.pid)
            register_users(server, folder, users + _FIRST, port=9, rate=_RATE)
            return before, memory(server.child.pid)


def compare(users: int, only: Sequence[str]) -> str:
    """Return the table of all servers."""
    header = ["server", "users", "RSS before MiB", "RSS after MiB", "growth MiB", "PSS growth MiB", "PSS bytes a user"]
    take_load_core()
    rows: list[list[str]] = []
    for contender in contenders(only):
        print(f"memory: {contender.name} ...", file=sys.stderr, flush=True)
        before, after = growth(contender, users)
        pss = after.pss - before.pss
        figures = [f"{before.rss:.0f}", f"{after.rss:.0f}", f"{after.rss - before.rss:.0f}", f"{pss:.1f}"]
        rows.append([contender.name, f"{users}", *figures, f"{pss * 2**20 / users:.0f}"])
    return "\n\n".join([f"### {TITLE}", table(header, rows)])


if __name__ == "__main__":
    arguments = parser(TITLE)
    arguments.add_argument("--users", type=int, default=USERS, help="registrations (%(default)s)")
    options = arguments.parse_args()
    publish([compare(options.users, options.only)], record=options.record)

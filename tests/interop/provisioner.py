"""An operator who provisions a server that is killed, and the judge of what was answered (PRF-46, DUR-4).

One thread adds, changes, removes and imports subscribers, one operation after the other. It keeps what each answer
promised, and of the operation that a kill left without answer both what was before and what was to be. After the
restart, table and database have to agree with that: an import is there as a whole, or not at all.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx

from tests.profile_databases import DatabaseUnderTest

TABLE: Final = "subscriber"
_POOL: Final = 12_000
"""Names that there may be."""
_IMPORTS: Final = (20, 200, 10_000)
"""Rows of an import."""
_Holding = Mapping[str, str | None]
"""Identities by the name of the profile; `None` where there is no profile."""


class Provisioner(threading.Thread):
    """Runs until `close`; works between `begin` and `pause`."""

    def __init__(self, socket: Path, database: DatabaseUnderTest, *, rate: float, seed: int) -> None:
        """Begin an operation `rate` times a second, at most; with 0 none."""
        super().__init__(name="provisioner", daemon=True)
        self.lock: Final = threading.Lock()
        """Held while an operation is under way."""
        self.counts: Final = Counter[str]()
        self.on_answer: Callable[[], None] | None = None
        """Called once at the next answer that promises something, and forgotten."""
        self.on_import: Callable[[], None] | None = None
        """Called once at some moment of the next import, which is a long one, and forgotten."""
        self._duration = 0.6
        """Seconds that the last long import took."""
        self._socket = socket
        self._database = database
        self._pause = 1 / rate if rate else 0.0
        self._lot = random.Random(seed)
        self._serial = count(1)
        self._held: dict[str, str | None] = {}
        """What was promised."""
        self._doubt: _Holding = {}
        """What the operation without an answer was to bring about."""
        self._open = True
        self._busy = threading.Event()
        self._problems: list[str] = []

    def begin(self) -> None:
        """Make new work."""
        if self._pause:
            self._busy.set()

    def pause(self) -> None:
        """Make no new work, and wait for the end of what is under way."""
        self._busy.clear()
        with self.lock:
            return

    @property
    def is_busy(self) -> bool:
        """Whether there is work."""
        return self._busy.is_set()

    def close(self) -> None:
        """End the thread."""
        self._open = False
        self._busy.set()
        self.join()

    def run(self) -> None:
        """Do one thing after the other; without a server, wait for the next `begin`."""
        while self._busy.wait() and self._open:
            with self.lock:
                if self._busy.is_set() and self._open:
                    self._work()
            time.sleep(self._pause)

    # Working.

    def _work(self) -> None:
        """One operation; with the server gone, it is in doubt, and nothing more is done."""
        lot = self._lot
        name = f"u{lot.randrange(_POOL)}@example.net"
        try:
            if lot.random() < 0.3 or self.on_import:
                self._import()
            elif self._held.get(name) is None:
                self._change("add", name, self._identity())
            elif lot.random() < 0.7:
                self._change("set", name, self._identity())
            else:
                self._change("remove", name, None)
        except httpx.TransportError:
            self.counts["profile operations without answer"] += 1
            self._busy.clear()

    def _identity(self) -> str:
        return f"+{next(self._serial)}"

    def _change(self, verb: str, name: str, identity: str | None) -> None:
        values = {} if identity is None else {"values": {"identity": identity}}
        self._doubt = {name: identity}
        self._answered(verb, self._ask("POST", f"profile/{verb}", json={"table": TABLE, "profile": name, **values}))

    def _import(self) -> None:
        """Import a file; every fifth has a last row that does not fit, and changes nothing."""
        size = _IMPORTS[-1] if self.on_import else self._lot.choice(_IMPORTS)
        wanted = {f"u{number}@example.net": self._identity() for number in self._lot.sample(range(_POOL), size)}
        rows = [f"{name},{identity}\n" for name, identity in wanted.items()]
        is_bad = not self.on_import and self._lot.random() < 0.2
        if is_bad:
            rows.append("nobody,+0\n")
        self._doubt = {} if is_bad else wanted
        file = ("profile_name,identity\n" + "".join(rows)).encode()
        if self.on_import:
            threading.Timer(self._lot.uniform(0.4, 1.0) * self._duration, self.on_import).start()
            self.on_import = None
        began = time.monotonic()
        response = self._ask("POST", f"profile/import?table={TABLE}", content=file)
        if size == _IMPORTS[-1]:
            self._duration = time.monotonic() - began
        if is_bad and response.status_code == 422:
            self.counts["imports refused"] += 1
        else:
            self._answered("import", response)

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self._socket))) as client:
            return client.request(method, f"http://slee/v1/{path}", timeout=60.0, **options)

    def _answered(self, verb: str, response: httpx.Response) -> None:
        if response.is_success:
            self._held.update(self._doubt)
            self.counts[f"acknowledged: {verb}"] += 1
            self.counts["acknowledged profile writes"] += len(self._doubt)
            if self.on_answer is not None:
                told, self.on_answer = self.on_answer, None
                told()
        else:
            self._problems.append(f"{verb} is answered {response.status_code}: {response.text[:200]}")
        self._doubt = {}

    # Judging.

    def judge(self, *, is_fresh: bool) -> Iterator[str]:
        """What is not as it was promised; hold work back meanwhile.

        Args:
            is_fresh: whether the server has just been started: then the database has everything at once.
        """
        yield from self._problems
        self._problems.clear()
        if not self._pause:
            return
        found = self._resident()
        yield from self._missing(found)
        yield from self._unindexed(found)
        deadline = time.monotonic() + (0.0 if is_fresh else 10.0)
        while (stored := self._stored()) != found and time.monotonic() < deadline:
            time.sleep(0.05)
        for name in sorted(stored.keys() | found.keys()):
            if stored.get(name) != found.get(name):
                yield f"{name} has {found.get(name)} in the table and {stored.get(name)} in the database"
        self._held = {**dict.fromkeys(self._held), **found}
        self._doubt = {}
        self.counts["profiles compared"] += len(found)

    def _missing(self, found: _Holding) -> Iterator[str]:
        """Promises that are not kept, and an operation in doubt of which there is a part."""
        arrived = [name for name, identity in self._doubt.items() if found.get(name) == identity]
        is_part = 0 < len(arrived) < len(self._doubt)
        if is_part:
            yield f"{len(arrived)} of {len(self._doubt)} rows of an import are there"
        expected = {**self._held, **(self._doubt if arrived else {})}
        self.counts["operations without answer that had come about"] += bool(arrived)
        for name in sorted(expected.keys() | found.keys()):
            if expected.get(name) != found.get(name) and not (is_part and name in self._doubt):
                yield f"{name} was promised with {expected.get(name)} and has {found.get(name)}"

    def _unindexed(self, found: _Holding) -> Iterator[str]:
        """Profiles that the unique index does not find."""
        for name, identity in self._lot.sample(sorted(found.items()), min(3, len(found))):
            where = {"table": TABLE, "where": f"identity={identity}"}
            names = [profile["profile"] for profile in self._ask("GET", "profile/find", params=where).json()]
            if names != [name]:
                yield f"identity {identity} of {name} finds {names}"

    def _resident(self) -> dict[str, str | None]:
        response = self._ask("GET", "profile/export", params={"table": TABLE, "format": "jsonl"})
        assert response.is_success, response.text
        rows = [json.loads(line) for line in response.text.splitlines()]
        return {row["profile_name"]: row["identity"] for row in rows}

    def _stored(self) -> dict[str, str | None]:
        ((table,),) = self._database.outside(f"SELECT sql_name FROM slee_profile_tables WHERE name = '{TABLE}'")
        return dict(self._database.outside(f"SELECT profile_name, identity FROM {table}"))


__all__ = ["TABLE", "Provisioner"]

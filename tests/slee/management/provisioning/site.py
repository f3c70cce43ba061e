"""Provisioning without a server's process: profile tables, their management, and the database that follows."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from slee import Profile
from slee.facilities.profiles.tables import ProfileTables
from slee.facilities.profiles.watch import ProfileDatabaseWatch
from slee.management.profile_results import ImportInfo
from slee.management.profiles import Profiles
from slee.model.profile import describe_profile
from slee.stores.profiles.database import open_profile_database
from slee.testing import SleeHarness


class Site:
    """A SLEE with its profile database; `restart` makes another on the same database."""

    def __init__(self, url: str, *specifications: type[Profile]) -> None:
        self.url = url
        self.specifications = specifications
        self.start()

    def start(self) -> None:
        self.harness = SleeHarness()
        self.database = open_profile_database(self.url, Path("/nowhere"))
        self.tables = ProfileTables(self.harness.kernel, self.harness.facilities, self.database)
        for specification in self.specifications:
            self.tables.add_specification(describe_profile(specification))
            self.tables.load_stored(specification.specification_id)
        self.watch = ProfileDatabaseWatch(self.harness.kernel, self.harness.facilities, self.tables, self.database)
        self.profiles = Profiles(self.tables)

    def restart(self) -> None:
        self.database.close()
        self.start()

    def load(self, text: str | bytes, table: str = "Subscriber", **options: Any) -> ImportInfo:
        octets = text if isinstance(text, bytes) else text.encode()
        pieces = (octets[begin : begin + 7] for begin in range(0, len(octets), 7))
        return self.profiles.import_(table, **options).run(pieces)

    def file(self, table: str = "Subscriber", form: str = "csv") -> str:
        return b"".join(self.profiles.export(table, form)).decode()

    def until(self, condition: Callable[[], bool]) -> None:
        """Let the database's thread and the watch work; a second is what the rule gives them."""
        end = time.monotonic() + 5.0
        while not condition():
            assert time.monotonic() < end
            self.database.flush(0.05)
            with self.database.writer._changed:
                self.database.writer._changed.wait(0.1)
            self.watch.run()


__all__ = ["Site"]

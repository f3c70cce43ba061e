"""Profile specifications, a service that uses them, and a world of tables, shared by the tests of group PRF."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

from pydantic import Field

from slee import (
    ActivityContext,
    ActivityEnd,
    Address,
    Collation,
    Condition,
    Profile,
    ProfileAdded,
    ProfileRemoved,
    ProfileUpdated,
    Sbb,
    attribute,
    fires,
    handles,
    initial_event,
    local,
    profiles,
    query,
    resource,
    where,
)
from slee.api.errors import ProfileVerificationError
from slee.facilities.profiles.session import EditSession
from slee.stores.profiles.catalogue import entries
from slee.stores.profiles.database import open_profile_database
from tests.conformance.kit import LOG, RA, Boom, Do, Note, World, play

CALLS: list[str] = []
"""Callbacks of `Traced` profiles, in order."""
FOLLOWING: dict[str, str] = {}
"""URL of the database that follows the tables of the test that runs."""
ACTS: dict[str, Callable[[Any], object]] = {}
"""What a callback of a `Traced` profile does."""


class Plain(Profile, vendor="test", version="1.0", events=True):
    """A specification without callbacks."""

    number: str | None = attribute(None, unique=True)
    city: str = attribute("", indexed=True)
    age: int = 0
    weight: Annotated[float, Field(ge=0)] = 0.0
    vip: bool = False
    home: Address | None = None
    tags: tuple[str, ...] = ()
    nick: str = attribute("", collation=Collation.CASELESS)

    def grow(self, years: int = 1) -> int:
        self.age += years
        return self.age

    def run(self, act: Callable[[Any], object]) -> object:
        return act(self)

    @local(raises=(LookupError,))
    def look(self) -> None:
        raise LookupError

    @query
    def of_city(self, city: str) -> Condition:
        return where(self.city).equals(city)

    @query(max_matches=2, read_only=True)
    def grown(self, age: int) -> Condition:
        return where(self.age).at_least(age)

    @query
    def in_age(self, low: int, high: int) -> Condition:
        return where(self.age).between(low, high)


class Fixed(Profile, vendor="test", version="1.0", read_only=True):
    """Components only read it."""

    text: str = "fixed"


class Traced(Profile, vendor="test", version="1.0"):
    """Has every callback; each logs itself."""

    number: int = 0

    def profile_initialize(self) -> None:
        _traced(self, "initialize")

    def profile_post_create(self) -> None:
        _traced(self, "post_create")

    def profile_activate(self) -> None:
        _traced(self, "activate")

    def profile_passivate(self) -> None:
        _traced(self, "passivate")

    def profile_load(self) -> None:
        _traced(self, "load")

    def profile_store(self) -> None:
        _traced(self, "store")

    def profile_remove(self) -> None:
        _traced(self, "remove")

    def profile_verify(self) -> None:
        _traced(self, "verify")
        if self.number < 0:
            raise ProfileVerificationError("number is negative")

    def use(self) -> None:
        _traced(self, "use")


def _traced(profile: Any, callback: str) -> None:
    CALLS.append(callback)
    if callback in ACTS:
        ACTS[callback](profile)


class Again(Profile, vendor="test", version="1.0", reentrant=True):
    """May be called back into."""

    depth: int = 0

    def run(self, act: Callable[[Any], object]) -> object:
        self.depth += 1
        return act(self)


class User(Sbb, vendor="test", version="1.0"):
    """Uses the tables; does what the event says."""

    ra = resource(RA)
    note = fires(Note)
    plain = profiles(Plain)
    fixed = profiles(Fixed)
    traced = profiles(Traced)
    again = profiles(Again)

    @initial_event()
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        event.act(self, aci)

    @handles
    def on_note(self, event: Note, aci: ActivityContext) -> None:
        play(self, "on_note", event, aci)


class Watcher(Sbb, vendor="test", version="1.0"):
    """Is told of changes to profiles."""

    @initial_event()
    def on_added(self, event: ProfileAdded, aci: ActivityContext) -> None:
        play(self, "on_added", event, aci)

    @initial_event()
    def on_updated(self, event: ProfileUpdated, aci: ActivityContext) -> None:
        play(self, "on_updated", event, aci)

    @initial_event()
    def on_removed(self, event: ProfileRemoved, aci: ActivityContext) -> None:
        play(self, "on_removed", event, aci)

    @handles
    def on_end(self, event: ActivityEnd, aci: ActivityContext) -> None:
        play(self, "on_end", event, aci)


class Tables(World):
    """A world with the tables Plain, Fixed, Traced and Again, and `User` installed.

    A database follows the tables: that of the fixture `followed`. When the world ends, the database has what they have.
    """

    def __init__(self, *services: type[Sbb], failures_allowed: bool = False) -> None:
        CALLS.clear()
        ACTS.clear()
        super().__init__(User, *services, failures_allowed=failures_allowed)
        self.profiles = self.slee.profiles
        CALLS.clear()
        LOG.clear()

    def prepare(self) -> None:
        self.database = open_profile_database(FOLLOWING["url"], Path())
        self.slee.profiles.follow_with(self.database)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
            if error is None and self.profiles.following.storage is self.database:
                self._compare()
        finally:
            self.database.close()

    def _compare(self) -> None:
        """What the database has is what is resident."""
        assert self.database.flush(10.0), self.database.status()
        with self.database.dialect.engine.connect() as connection:
            assert entries(connection).keys() == self.profiles.by_name.keys()
        for name, table in self.profiles.by_name.items():
            rows = dict(self.database.load(name, table.descriptor))
            assert rows == {None: table.resident.default, **table.resident.rows}, name

    def add(self, table: str, name: str, **values: object) -> EditSession:
        """Create a profile by management, with values."""
        session = self.profiles.create(table, name)
        for attribute_, value in values.items():
            session.set(attribute_, value)
        session.commit()
        self.slee.run()
        return session

    def change(self, table: str, name: str | None, **values: object) -> EditSession:
        """Change a profile by management."""
        session = self.profiles.edit(table, name)
        session.edit()
        for attribute_, value in values.items():
            session.set(attribute_, value)
        session.commit()
        self.slee.run()
        return session

    def use(self, act: Callable[[Any], object]) -> Any:
        """Run a function of the SBB in a delivery; what it returned."""
        returned: list[object] = []
        self.do("a", lambda sbb, aci: returned.append(act(sbb)))
        return returned[0] if returned else None

    def values(self, table: str, name: str | None) -> dict[str, object]:
        return self.profiles.edit(table, name).values


__all__ = ["ACTS", "CALLS", "FOLLOWING", "Again", "Boom", "Fixed", "Plain", "Tables", "Traced", "User", "Watcher"]

"""The profile database follows the journal: in order, once, with its position, whatever happens to it (PRF-46)."""

from __future__ import annotations

import datetime
import decimal
import enum
import random
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import psycopg
import pytest

from slee.api.address import Address, AddressPlan
from slee.api.errors import InvalidConfigurationError, SchemaMismatchError, StateDirectoryError
from slee.api.profile import Collation, Profile, attribute
from slee.kernel.profile_storage import RowChange, TableCreated, TableRemoved, TableRenamed
from slee.model.profile import Row, describe_profile
from slee.stores.profiles.database import ProfileDatabase, open_profile_database
from tests.profile_databases import DatabaseUnderTest


class Colour(enum.Enum):
    RED = "red"


class Rule(msgspec.Struct, frozen=True):
    match: str
    action: str = "reject"


class Everything(Profile, vendor="test", version="1.0"):
    text: str = ""
    number: int | None = attribute(None, unique=True)
    ratio: float = 0.5
    on: bool | None = None
    octets: bytes = b""
    colour: Colour = Colour.RED
    price: decimal.Decimal = decimal.Decimal("1.10")
    at: datetime.datetime | None = None
    address: Address | None = attribute(None, indexed=True)
    rules: tuple[Rule, ...] = ()
    groups: frozenset[str] = frozenset()
    nick: str | None = attribute(None, unique=True, collation=Collation.CASELESS)


EVERYTHING = describe_profile(Everything)
FULL: Row = (
    'it\'s "%s"; DROP TABLE x; -- \u20ac\x00\U0001f600',
    2**63 - 1,
    20.25,
    True,
    b"\x00\xff",
    Colour.RED,
    decimal.Decimal("0.30"),
    datetime.datetime(2026, 11, 25, 17, 0, tzinfo=datetime.UTC),
    Address(AddressPlan.SIP, "sip:a@b", presentation="x"),
    (Rule("406"), Rule("a", "allow")),
    frozenset({"b", "a"}),
    "Straße",
)

Opened = Callable[[], ProfileDatabase]


@pytest.fixture
def opened(database: DatabaseUnderTest, tmp_path: Any) -> Iterator[Opened]:
    made: list[ProfileDatabase] = []

    def open_it() -> ProfileDatabase:
        for earlier in made:
            earlier.close()
        made.append(open_profile_database(database.url, tmp_path))
        return made[-1]

    yield open_it
    for one in made:
        one.close()


def contents(database: ProfileDatabase, table: str = "t") -> dict[str | None, Row]:
    return dict(database.load(table, EVERYTHING))


def row(number: int | None, **values: object) -> Row:
    return EVERYTHING.row({"number": number, **values})


def begun(opened: Opened) -> ProfileDatabase:
    database = opened()
    database.append(1, [TableCreated("t", EVERYTHING), RowChange("t", None, EVERYTHING.defaults)])
    return database


def test_an_empty_database_is_at_position_0(opened: Opened) -> None:
    database = opened()
    assert (database.position, dict(database.tables())) == (0, {})


def test_every_type_of_value_comes_back_as_it_was(opened: Opened) -> None:
    database = begun(opened)
    database.append(2, [RowChange("t", "a/b'\"%s\x00", FULL), RowChange("t", "none", row(None))])
    database = opened()
    contents(database)
    database.append(3, [RowChange("t", "a/b'\"%s\x00", FULL)])
    database = opened()
    assert database.position == 3
    found = contents(database)
    assert found == {None: EVERYTHING.defaults, "a/b'\"%s\x00": FULL, "none": row(None)}
    assert [type(value) for value in found["a/b'\"%s\x00"]] == [type(value) for value in FULL]


def test_the_default_profile_comes_first_and_keeps_its_own_values(opened: Opened) -> None:
    database = begun(opened)
    database.append(2, [RowChange("t", None, FULL), RowChange("t", "a", FULL)])
    database = opened()
    assert list(database.load("t", EVERYTHING)) == [(None, FULL), ("a", FULL)]


def test_values_of_a_unique_attribute_can_be_swapped(opened: Opened) -> None:
    database = begun(opened)
    database.append(2, [RowChange("t", "a", row(1)), RowChange("t", "b", row(2))])
    assert database.flush(5.0)
    database.append(3, [RowChange("t", "a", row(2)), RowChange("t", "b", row(1))])
    assert contents(opened()) == {None: EVERYTHING.defaults, "a": row(2), "b": row(1)}


class Long(Profile, vendor="test", version="1.0"):
    unique: str | None = attribute(None, unique=True)
    indexed: str = attribute("", indexed=True)
    folded: str | None = attribute(None, unique=True, collation=Collation.CASELESS)
    number: int | None = attribute(None, indexed=True)


def test_texts_of_indexed_attributes_may_be_long(opened: Opened, database: DatabaseUnderTest) -> None:
    lot, descriptor = random.Random(1), describe_profile(Long)
    one, other = ("".join(chr(lot.randrange(0x4E00, 0x9FFF)) for _ in range(5_000)) for _ in range(2))
    row = descriptor.row({"unique": one, "indexed": one, "folded": one, "number": 1})
    held = opened()
    held.append(1, [TableCreated("t", descriptor), RowChange("t", "a", row)])
    held.append(2, [RowChange("t", "b", descriptor.row({"unique": other, "indexed": one, "folded": other}))])
    assert held.flush(5.0), held.status()
    assert dict(opened().load("t", descriptor))["a"] == row
    with pytest.raises((sqlite3.IntegrityError, psycopg.errors.UniqueViolation)):
        database.outside('UPDATE profile_1_t SET "unique" = (SELECT max("unique") FROM profile_1_t)')


def test_an_append_at_or_below_the_position_changes_nothing(opened: Opened) -> None:
    database = begun(opened)
    database.append(2, [RowChange("t", "a", row(1))])
    database = opened()
    database.load("t", EVERYTHING)
    database.append(2, [RowChange("t", "a", None)])
    assert contents(opened()) == {None: EVERYTHING.defaults, "a": row(1)}


def test_tables_are_renamed_removed_and_made_anew_under_an_old_name(opened: Opened) -> None:
    database = begun(opened)
    database.append(2, [RowChange("t", "a", row(1)), TableRenamed("t", "u"), RowChange("u", "b", row(2))])
    database.append(3, [TableCreated("t", EVERYTHING), RowChange("t", "c", row(1))])
    database = opened()
    assert set(database.tables()) == {"t", "u"}
    assert set(contents(database, "u")) == {None, "a", "b"}
    assert set(contents(database)) == {None, "c"}
    database.append(4, [RowChange("u", "d", row(4)), TableRemoved("u")])
    assert set(opened().tables()) == {"t"}


def test_declared_indexes_and_unique_constraints_are_in_the_database_too(
    opened: Opened, database: DatabaseUnderTest
) -> None:
    held = begun(opened)
    held.append(2, [RowChange("t", "a", row(1, nick="STRASSE"))])
    assert held.flush(5.0)
    for column, value in (("number", "1"), ("nick__key", "'strasse'")):
        with pytest.raises(Exception, match=r"(?i)unique"):
            database.outside(f"INSERT INTO profile_1_t (profile_name, {column}) VALUES ('z', {value})")


def test_one_slee_owns_it(opened: Opened, database: DatabaseUnderTest, tmp_path: Any) -> None:
    opened()
    with pytest.raises(StateDirectoryError, match=r"another SLEE owns it \[PRF-46\]"):
        open_profile_database(database.url, tmp_path)


def test_another_schema_has_to_be_migrated_first(opened: Opened) -> None:
    class Changed(Profile, vendor="test", version="2.0"):
        text: str = ""

    begun(opened)
    database = opened()
    with pytest.raises(SchemaMismatchError, match=r"profile table t .*\[PRF-46\]"):
        list(database.load("t", describe_profile(Changed)))


def test_what_other_programs_change_is_found_and_what_the_owner_changes_is_not(
    opened: Opened, database: DatabaseUnderTest
) -> None:
    held = begun(opened)
    held.append(2, [RowChange("t", name, row(n)) for n, name in enumerate("abc")])
    assert held.flush(5.0)
    assert look(held, 0) == []
    database.outside("UPDATE profile_1_t SET text = 'new', number = 7 WHERE profile_name = 'a'")
    database.outside("DELETE FROM profile_1_t WHERE profile_name = 'b'")
    found: dict[str, Row | None] = {}
    for change in look(held, 2):
        assert (change.table, change.everything, list(change.unreadable)) == ("t", False, [])
        found.update(change.rows)
    assert found["b"] is None
    assert found["a"] is not None
    # What a column is NULL for stays None: here the statement named two of them.
    assert found["a"][:2] == ("new", 7)


def test_what_other_programs_write_is_judged(opened: Opened, database: DatabaseUnderTest) -> None:
    held = begun(opened)
    held.append(2, [RowChange("t", "a", row(1))])
    assert held.flush(5.0)
    database.outside("UPDATE profile_1_t SET colour = '\"green\"' WHERE profile_name = 'a'")
    (change,) = look(held, 1)
    assert "t/a.colour" in change.unreadable[0]


def test_a_database_that_goes_away_is_told_and_nothing_is_lost(database: DatabaseUnderTest, tmp_path: Any) -> None:
    if database.server is None:
        pytest.skip("a file does not go away")
    told: list[str] = []
    held = open_profile_database(database.url, tmp_path, on_status=lambda status: told.append(status.reason))
    try:
        held.append(1, [TableCreated("t", EVERYTHING), RowChange("t", "a", row(1))])
        assert held.flush(5.0)
        database.server.stop()
        held.append(2, [RowChange("t", "b", row(2))])
        held.append(3, [RowChange("t", "a", None)])
        assert not held.flush(0.5)
        status = held.status()
        assert status.waiting == 2
        assert status.age > 0
        assert status.reason
        assert told == [status.reason] or len(told) >= 1
        database.server.start()
        assert held.flush(10.0)
        assert held.position == 3
        assert told[-1] == ""
        assert set(contents(held)) == {None, "b"}
    finally:
        held.close()


@pytest.mark.parametrize("url", ["nonsense", "mysql://u@h/d", "sqlite://", "postgresql://u:secret@/d?host=/nowhere"])
def test_a_url_that_serves_nothing_is_refused_without_its_password(url: str, tmp_path: Any) -> None:
    with pytest.raises(InvalidConfigurationError, match=r"\[PRF-46\]") as caught:
        open_profile_database(url, tmp_path)
    assert "secret" not in str(caught.value)


def look(database: ProfileDatabase, least: int) -> list[Any]:
    """What is found within two looks of the writer, or as much as is waited for."""
    found: list[Any] = []
    writer = database.writer
    for _ in range(10):
        with writer._changed:
            writer._changed.wait(0.25)
        found.extend(database.outside())
        if least and sum(len(change.rows) + len(change.unreadable) for change in found) >= least:
            break
    return found

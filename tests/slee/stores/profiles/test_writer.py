"""The writer of a profile database: whatever goes wrong, it says so, tries again, and loses nothing (PRF-46)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from slee.api.profile import Profile
from slee.kernel.profile_storage import RowChange, TableCreated
from slee.model.profile import Row, describe_profile
from slee.stores.profiles import writer as writing
from slee.stores.profiles.database import ProfileDatabase, open_profile_database
from slee.stores.profiles.dialect import dialect_of
from slee.stores.profiles.schema import sql_table
from tests.profile_databases import DatabaseUnderTest


class Counted(Profile, vendor="test", version="1.0"):
    count: int = 0


COUNTED = describe_profile(Counted)


@pytest.fixture
def held(database: DatabaseUnderTest, tmp_path: Any) -> Iterator[ProfileDatabase]:
    """A database with an empty table."""
    held = open_profile_database(database.url, tmp_path)
    held.append(1, [TableCreated("t", COUNTED), RowChange("t", None, COUNTED.defaults)])
    assert held.flush(5.0)
    yield held
    held.close()


def contents(database: ProfileDatabase) -> dict[str | None, Row]:
    return {name: row for name, row in database.load("t", COUNTED) if name is not None}


def until(database: ProfileDatabase, condition: Callable[[], bool]) -> bool:
    """Wait for something that the writer does, 10 s at most."""
    return database.writer.wait_for(condition, 10.0) or condition()


def breaking(database: ProfileDatabase, monkeypatch: pytest.MonkeyPatch, error: Exception) -> threading.Event:
    """Have each INSERT raise, until the event that is given is set."""
    mended = threading.Event()
    insert = database.dialect.insert

    def broken(*arguments: Any) -> None:
        if not mended.is_set():
            raise error
        insert(*arguments)

    monkeypatch.setattr(database.dialect, "insert", broken)
    return mended


def test_an_error_that_nobody_foresaw_is_told_and_tried_again(
    held: ProfileDatabase, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mended = breaking(held, monkeypatch, KeyError("what"))
    held.append(2, [RowChange("t", "a", (1,))])
    held.append(3, [RowChange("t", "b", (2,))])
    assert until(held, lambda: held.status().reason != "")
    status = held.status()
    assert "KeyError('what')" in status.reason
    assert (status.waiting, held.position) == (2, 1)
    mended.set()
    assert held.flush(10.0)
    assert (held.status().reason, contents(held)) == ("", {"a": (1,), "b": (2,)})
    (told,) = [record for record in caplog.records if record.name.startswith("slee.stores.profiles")]
    assert told.exc_info is not None, "the next engineer needs to see where"


def test_an_error_that_nobody_foresaw_does_not_hold_the_end_up(
    database: DatabaseUnderTest, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = open_profile_database(database.url, tmp_path)
    breaking(held, monkeypatch, KeyError("what"))
    held.append(1, [TableCreated("t", COUNTED), RowChange("t", "a", (1,))])
    assert until(held, lambda: held.status().reason != "")
    held.close()
    again = open_profile_database(database.url, tmp_path)
    assert again.position == 0, "the journal has it"
    again.close()


def test_a_commit_whose_answer_is_lost_is_taken_for_what_it_was(
    held: ProfileDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    transact = held.writer._transact
    lost = [exc.OperationalError("COMMIT", {}, OSError("connection reset"))]

    def losing(*arguments: Any) -> Any:
        made = transact(*arguments)
        if lost:
            raise lost.pop()
        return made

    monkeypatch.setattr(held.writer, "_transact", losing)
    held.append(2, [TableCreated("u", COUNTED), RowChange("u", None, COUNTED.defaults), RowChange("t", "a", (1,))])
    held.append(3, [RowChange("u", "b", (2,)), RowChange("t", "a", (3,))])
    assert held.flush(10.0)
    assert not lost
    assert (held.position, contents(held)) == (3, {"a": (3,)})
    assert dict(held.load("u", COUNTED)) == {None: (0,), "b": (2,)}


def test_a_table_that_is_loaded_while_others_are_written_stays_known(
    held: ProfileDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    transact = held.writer._transact
    described = sql_table(7, "loaded", COUNTED)

    def meanwhile(*arguments: Any) -> Any:
        made = transact(*arguments)
        held.writer.replace_tables({"loaded": described})
        return made

    monkeypatch.setattr(held.writer, "_transact", meanwhile)
    held.append(2, [TableCreated("u", COUNTED), RowChange("u", None, COUNTED.defaults), RowChange("t", "a", (1,))])
    assert held.flush(5.0)
    assert set(held.writer.tables) == {"t", "u", "loaded"}


def test_a_database_that_does_not_answer_is_told_of(held: ProfileDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_SILENCE", 0.2)
    answers = threading.Event()
    delete = held.dialect.delete

    def silent(*arguments: Any) -> None:
        assert answers.wait(20.0)
        delete(*arguments)

    monkeypatch.setattr(held.dialect, "delete", silent)
    assert not held.writer.wait_for(lambda: False, 0.5)
    assert held.status().reason == "", "nothing waits for it"
    held.append(2, [RowChange("t", "a", (1,))])
    assert held.status().reason == ""
    assert not held.flush(0.5)
    assert "has not answered for" in held.status().reason
    answers.set()
    assert held.flush(10.0)
    assert (held.status().reason, contents(held)) == ("", {"a": (1,)})


def test_a_database_that_does_not_answer_does_not_hold_the_end_up(
    database: DatabaseUnderTest, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_SILENCE", 0.2)
    held = open_profile_database(database.url, tmp_path)
    answers = threading.Event()
    insert = held.dialect.insert

    def silent(*arguments: Any) -> None:
        assert answers.wait(20.0)
        insert(*arguments)

    monkeypatch.setattr(held.dialect, "insert", silent)
    held.append(1, [TableCreated("t", COUNTED), RowChange("t", "a", (1,))])
    held.writer.stop()
    assert held.writer.is_alive
    answers.set()
    held.writer.stop()
    assert not held.writer.is_alive
    held.close()


def test_a_lock_that_another_program_holds_is_an_error_after_a_while(
    held: ProfileDatabase, database: DatabaseUnderTest
) -> None:
    if database.server is None:
        pytest.skip("SQLite's busy timeout is tried with its file")
    with psycopg.connect(database.url.replace("+psycopg", "")) as other:
        other.execute("LOCK TABLE profile_1_t IN ACCESS EXCLUSIVE MODE")
        held.append(2, [RowChange("t", "a", (1,))])
        assert until(held, lambda: held.status().reason != "")
        assert "lock timeout" in held.status().reason
    assert held.flush(10.0)
    assert contents(held) == {"a": (1,)}


def test_a_new_connection_looks_for_changes_whatever_it_reminds_of(database: DatabaseUnderTest, tmp_path: Any) -> None:
    open_profile_database(database.url, tmp_path).close()
    dialect = dialect_of(database.url)
    database.outside("CREATE TABLE other (number INTEGER)")

    def looks() -> bool:
        with dialect.engine.connect() as connection, connection.begin():
            return dialect.has_changed(connection)

    for _ in range(20):  # a connection may lie where one lay that has been closed
        assert looks()
        database.outside("INSERT INTO other VALUES (1)")
    dialect.close()


def test_changes_that_commit_in_another_order_than_they_were_made_are_all_found(
    held: ProfileDatabase, database: DatabaseUnderTest
) -> None:
    if database.server is None:
        pytest.skip("SQLite has one writer at a time")
    held.append(2, [RowChange("t", name, (0,)) for name in "ab"])
    assert held.flush(5.0)
    with psycopg.connect(database.url.replace("+psycopg", "")) as slow:
        slow.execute("UPDATE profile_1_t SET count = 1 WHERE profile_name = 'a'")
        pending = [slow]

        def has_read(_connection: Any, _cursor: Any, statement: str, *_: object) -> None:
            reads = "slee_profile_changes" in statement and not statement.startswith("INSERT")
            if reads and has_committed.is_set() and pending:
                pending.pop().commit()

        has_committed = threading.Event()
        sa.event.listen(held.dialect.engine, "after_cursor_execute", has_read)
        database.outside("UPDATE profile_1_t SET count = 2 WHERE profile_name = 'b'")
        has_committed.set()
        found: dict[str, Row | None] = {}
        for _ in range(20):
            held.writer.wait_for(lambda: False, 0.25)
            for change in held.outside():
                found.update(change.rows)
            if not pending and len(found) == 2:
                break
    assert found == {"a": (1,), "b": (2,)}

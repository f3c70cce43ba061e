"""Provisioning as an operator does it: commands against a real server, on each kind of profile database."""

from __future__ import annotations

import json
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.deploy.provisioned import GOOD, HEADER, Server
from tests.profile_databases import DatabaseUnderTest

pytestmark = pytest.mark.timeout(120)  # each starts servers, one after another


@pytest.fixture
def server(tmp_path: Path, database: DatabaseUnderTest) -> Iterator[Server]:
    server = Server(tmp_path, database.url)
    assert "SLEE running" in server.line
    yield server
    if server.process.poll() is None:
        server.end()


@pytest.fixture
def bounded(tmp_path: Path, database: DatabaseUnderTest) -> Iterator[Server]:
    """A server that lets half a second's changes wait for its database."""
    server = Server(tmp_path, database.url, "store.unwritten-seconds=0.5")
    yield server
    if server.process.poll() is None:
        server.end()


@pytest.fixture
def exported(server: Server) -> Callable[[], str]:
    """The whole table, as a file says it."""
    return lambda: server.slee("profile export subscriber").stdout


def test_a_fresh_server_has_the_shipped_tables_and_makes_more(server: Server) -> None:
    tables = {table["name"]: table for table in server.json("profile table list")}
    assert tables.keys() >= {"subscriber", "alias", "domain", "account", "forwarding", "screening", "speed_dial"}
    assert tables.keys() >= {"gateway", "route", "trusted_address"}
    made = server.json("profile table create guests Subscriber")
    assert made["specification"] == "ProfileSpecificationID[name=Subscriber,vendor=slee,version=1.0]"
    server.json("profile table rename guests visitors")
    assert "visitors" in server.slee("profile table list").stdout
    assert server.slee("profile table remove visitors").stdout == "done\n"
    refused = server.slee("profile table remove visitors")
    assert (refused.exit_code, refused.stderr) == (
        4,
        "slee: there is no profile table visitors [PRF-3]; list the tables\n",
    )


def test_a_table_is_filled_changed_searched_and_written_out(server: Server, exported: Callable[[], str]) -> None:
    file = server.file("subscribers.csv", GOOD)
    assert (
        server.slee(f"profile import subscriber {file}").stdout
        == "2 read, 2 added, 0 changed, 0 unchanged, 0 skipped\n"
    )
    server.json("profile add subscriber carol@example.net --set password=secret --set display_name=Carol")
    assert server.json("profile set subscriber carol@example.net --set max_contacts=5")["values"]["max_contacts"] == 5
    shown = server.slee("profile show subscriber carol@example.net").stdout
    assert ["max_contacts", "5"] in [line.split() for line in shown.splitlines()]
    assert "secret" not in shown
    found = server.slee("profile find subscriber --where 'max_contacts>=3'").stdout.splitlines()
    assert found[0].split()[:3] == ["table", "profile", "display_name"]
    assert [line.split()[1] for line in found[2:]] == ["bob@example.net", "carol@example.net"]
    assert [p["profile"] for p in server.json("profile query subscriber of_identity +4930123")] == ["alice@example.net"]
    assert server.slee("profile remove subscriber bob@example.net").stdout == "done\n"
    before = exported()
    assert "bob@" not in before
    assert "secret" not in before
    again = server.file("again.csv", before)
    assert (
        server.slee(f"profile import subscriber {again}").stdout
        == "2 read, 0 added, 0 changed, 2 unchanged, 0 skipped\n"
    )
    server.end()
    server.start()
    assert exported() == before


def test_bad_rows_are_skipped_where_that_is_asked_and_written_out_to_be_mended(server: Server) -> None:
    file = server.file("x.csv", GOOD + "carol@example.net,+4930123,Carol,1\ndave@example.net,,Dave,many\n")
    dry = server.slee(f"profile import subscriber {file} --dry-run --skip-bad")
    assert dry.stdout == "4 read, 2 would be added, 0 would be changed, 0 unchanged, 2 would be skipped\n"
    assert dry.exit_code == 5
    assert server.json("profile find subscriber") == []
    rejects = server.folder / "rejects.csv"
    result = server.slee(f"profile import subscriber {file} --skip-bad --rejects {rejects}")
    assert (result.exit_code, result.stdout) == (5, "4 read, 2 added, 0 changed, 0 unchanged, 2 skipped\n")
    assert [line.partition(": ")[2].partition(": ")[0] for line in result.stderr.splitlines()] == [
        "line 4:19",
        "line 5:24",
    ]
    assert rejects.read_text() == HEADER + "carol@example.net,+4930123,Carol,1\ndave@example.net,,Dave,many\n"
    rejects.write_text(rejects.read_text().replace("+4930123", "+4930124").replace("many", "4"))
    assert (
        server.slee(f"profile import subscriber {rejects}").stdout
        == "2 read, 2 added, 0 changed, 0 unchanged, 0 skipped\n"
    )


def test_a_rejects_file_that_cannot_be_written_is_told_before_anything_is_imported(server: Server) -> None:
    file = server.file("x.csv", GOOD + "dave@example.net,,Dave,many\n")
    for options, told in (
        ("--skip-bad --rejects /nowhere/r.csv", "/nowhere/r.csv cannot be written: No such file or directory"),
        ("--rejects /nowhere/r.csv", "--rejects has nothing to write without --skip-bad"),
    ):
        refused = server.slee(f"profile import subscriber {file} {options}")
        assert (refused.exit_code, server.json("profile find subscriber")) == (2, [])
        assert told in refused.stderr


def test_sql_in_names_is_a_name_like_any_other(server: Server, database: DatabaseUnderTest) -> None:
    name = "x\"'; DROP TABLE profile_1_subscriber; --@x"
    server.json(f"profile table create {shlex.quote(name)} Subscriber")
    file = server.file("a.jsonl", json.dumps({"profile_name": name, "identity": name}) + "\n")
    assert server.slee(f"profile import {shlex.quote(name)} {file}").exit_code == 0
    found = server.json(f"profile find {shlex.quote(name)} --where {shlex.quote('identity=' + name)}")
    assert [profile["profile"] for profile in found] == [name]
    server.end()
    assert database.outside("SELECT count(*) FROM profile_1_subscriber") == [(0,)]
    server.start()
    assert [p["profile"] for p in server.json(f"profile find {shlex.quote(name)}")] == [name]
    server.slee(f"profile table remove {shlex.quote(name)}")
    assert "subscriber" in [table["name"] for table in server.json("profile table list")]


def test_a_database_that_is_away_ends_the_start_with_one_line(tmp_path: Path) -> None:
    for url, told in (
        (f"postgresql://nobody@/none?host={tmp_path}", "make it reachable, or give another URL as profiles.database"),
        (f"sqlite:///{tmp_path}/none/p.sqlite", "make it reachable, or give another URL as profiles.database"),
        ("mysql://x/y", "profiles are not kept in mysql [PRF-46]; give a URL of sqlite or postgresql"),
        ("nonsense", "the URL of the profile database is none [PRF-46]"),
    ):
        server = Server(tmp_path, url)
        status, errors = server.end() if server.line else (server.process.wait(15), server.process.communicate()[1])
        assert (status, server.line) == (2, "")
        assert len(errors.splitlines()) == 1
        assert told in errors


def test_a_database_of_another_server_ends_the_start_with_one_line(server: Server, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    for told in ("another SLEE owns it [PRF-46]; stop that one first", "it follows the journal of another SLEE"):
        other = Server(tmp_path / "other", server.url)
        assert other.line == ""
        _, errors = other.process.communicate(timeout=15)
        assert other.process.returncode == 2
        assert told in errors
        if server.process.poll() is None:
            server.end()


@contextmanager
def away(database: DatabaseUnderTest) -> Iterator[None]:
    """Keep the database from the server: stop PostgreSQL, or hold SQLite's lock."""
    if database.server is not None:
        database.server.stop()
        try:
            yield
        finally:
            database.server.start()
        return
    with closing(sqlite3.connect(database.url.removeprefix("sqlite:///"), timeout=5.0)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def test_a_database_that_goes_away_is_told_and_takes_what_waits_when_it_is_back(
    database: DatabaseUnderTest, bounded: Server
) -> None:
    server = bounded
    assert server.slee(f"profile import subscriber {server.file('good.csv', GOOD)}").exit_code == 0
    with away(database):
        server.json("profile set subscriber bob@example.net --set max_contacts=9")
        told = server.until("alarm list", lambda result: "profile.database" in result.stdout).stdout
        assert "none is lost" in told
        more = server.file("more.csv", HEADER + "".join(f"u{n}@x,,U,1\n" for n in range(500)))
        numbers = count()
        server.until(lambda: f"profile add subscriber e{next(numbers)}@x", lambda result: "[DUR-13]" in result.stderr)
        before = server.slee("profile export subscriber").stdout
        refused = server.slee(f"profile import subscriber {more}")
        assert "more changes wait to be written than the bounds of the store allow [DUR-13]" in refused.stderr
        assert server.slee("profile export subscriber").stdout == before
    server.until("alarm list", lambda result: "profile.database" not in result.stdout)
    server.end()
    server.start()
    assert server.slee("profile export subscriber").stdout == before
    assert "bob@example.net,Bob,,,active,[],9" in before
    assert database.outside("SELECT max_contacts FROM profile_1_subscriber WHERE display_name = 'Bob'") == [(9,)]

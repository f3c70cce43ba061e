"""Provisioning as an operator does it: commands against a real server, on each kind of profile database.

Bad data names the row and the attribute, and changes nothing.
"""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deploy.cli import main
from tests.postgresql import PostgresqlServer
from tests.profile_databases import DatabaseUnderTest

pytestmark = pytest.mark.timeout(120)  # each starts servers, one after another
ROOT = Path(__file__).parents[2]
HEADER = "profile_name,identity,display_name,max_contacts\n"
GOOD = HEADER + 'alice@example.net,+4930123,"Alice ""A""",2\nbob@example.net,,Bob,3\n'


class Server:
    """The product, with its shipped bundles, on one profile database."""

    def __init__(self, folder: Path, url: str, *settings: str) -> None:
        self.folder = folder
        self.url = url
        self.settings = settings
        self.start()

    def start(self) -> None:
        options = ["--state-dir", str(self.folder / "state"), "--set", f"profiles.database={self.url}"]
        for option in ("--sip", "--http", "--metrics"):
            options += [option, "127.0.0.1:0"]
        for setting in self.settings:
            options += ["--set", setting]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "deploy.cli", "run", *options],
            cwd=ROOT,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()

    def slee(self, command: str) -> Result:
        """Run `slee COMMAND` against it."""
        return CliRunner().invoke(main, [*shlex.split(command), "--state-dir", str(self.folder / "state")])

    def json(self, command: str) -> Any:
        """What a command prints with --json."""
        result = self.slee(f"{command} --json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def resident_octets(self) -> int:
        """The most memory that the process has had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])

    def until(self, command: str | Callable[[], str], condition: Callable[[Result], bool]) -> Result:
        """Run a command until it says what is waited for."""
        end = time.monotonic() + 10.0
        while not condition(result := self.slee(command if isinstance(command, str) else command())):
            assert time.monotonic() < end, result.output
        return result

    def end(self) -> tuple[int, str]:
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=15)
        return self.process.returncode, errors


@pytest.fixture
def server(tmp_path: Path, database: DatabaseUnderTest) -> Iterator[Server]:
    server = Server(tmp_path, database.url)
    assert "SLEE running" in server.line
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


BAD = {
    "wrong type": (HEADER + "a@b,,A,many\n", "x.csv:2:8: a@b/max_contacts: 'many' is no int [PRF-17]"),
    "out of range": (HEADER + "a@b,,A,0\n", "x.csv:2:8: a@b/max_contacts: Input should be greater than or equal to 1"),
    "over-long": (HEADER + f"a@b,,{'A' * 129},1\n", "x.csv:2:6: a@b/display_name: String should have at most 128"),
    "two names": (HEADER + "a@b,,A,1\na@b,,A,1\n", "x.csv:3:1: a@b/profile_name: line 2 has that name too"),
    "two holders": (HEADER + "a@b,1,A,1\nc@d,1,A,1\n", "x.csv:3:5: c@d/identity: a@b on line 2 has the same value"),
    "holder stored": (HEADER + "a@b,+4930123,A,1\n", "x.csv:2: a@b/identity: alice@example.net has the same value"),
    "name refused": (HEADER + "nobody,,A,1\n", "x.csv:2: nobody: nobody is no address-of-record"),
    "bad UTF-8": (HEADER.encode() + b"a@b,,\xff,1\n", "x.csv:2:6: octet 0xff is no UTF-8 [PRF-17]"),
    "cells": (HEADER + "a@b,,A\n", "x.csv:2: 3 cells where the header has 4 [PRF-17]"),
    "open quote": (HEADER + 'a@b,,"A,1\n', "x.csv:2: a quote is not closed [PRF-17]"),
    "no name": ("identity\n1\n", "x.csv:1: the header has no column profile_name [PRF-17]"),
    "unknown column": ("profile_name,colour\na@b,red\n", "x.csv:1: Subscriber has no attribute colour [PRF-32]"),
    "twice": ("profile_name,identity,identity\n", "x.csv:1:23: column 'identity' is there twice [PRF-17]"),
    "empty": ("", "x.csv:1: there is no header [PRF-17]"),
    "SQL in a column": ('profile_name,"x"");DROP TABLE y"\n', 'x.csv:1: Subscriber has no attribute x");DROP TABLE y'),
}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with two subscribers, which bad data leaves as they are."""
    folder = tmp_path_factory.mktemp("filled")
    server = Server(folder, f"sqlite:///{folder}/profiles.sqlite")
    assert server.slee(f"profile import subscriber {server.file('good.csv', GOOD)}").exit_code == 0
    yield server
    server.end()


@pytest.mark.parametrize("case", BAD)
def test_bad_data_names_row_and_attribute_and_changes_nothing(filled: Server, case: str) -> None:
    content, told = BAD[case]
    before = filled.slee("profile export subscriber").stdout
    # The good rows before the bad one are not taken either.
    good = b"new@example.net,,New,1\n"
    octets = content if isinstance(content, bytes) else content.encode()
    file = filled.file("x.csv", octets)
    result = filled.slee(f"profile import subscriber {file}")
    assert (result.exit_code, result.stdout) == (5, "")
    assert any(line.startswith(f"slee: {told}") for line in result.stderr.splitlines()), result.stderr
    if octets.startswith(HEADER.encode()):
        file.write_bytes(octets + good if b'"' not in octets else octets)
        assert filled.slee(f"profile import subscriber {file}").exit_code == 5
    assert filled.slee("profile export subscriber").stdout == before


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


def test_a_line_of_a_gigabyte_is_told_and_never_held(filled: Server) -> None:
    file = filled.file("x.csv", HEADER + "a@b,,")
    with file.open("r+b") as sparse:
        sparse.truncate(1 << 30)
        sparse.seek(0, 2)
        sparse.write(b"\nc@d,,C,1\n")
    before = filled.resident_octets()
    result = filled.slee(f"profile import subscriber {file}")
    file.unlink()
    told = (
        "slee: x.csv:2: the record is longer than 1048576 octets [PRF-17]; shorten it, or close the quote that is open"
    )
    assert (result.exit_code, result.stderr.strip()) == (5, told)
    assert filled.resident_octets() - before < 32 << 20


@pytest.mark.parametrize(
    ("command", "status", "told"),
    [
        ("import nowhere {file}", 4, "there is no profile table nowhere [PRF-3]; list the tables"),
        ("find nowhere", 4, "there is no profile table nowhere [PRF-3]; list the tables"),
        ("export nowhere", 4, "there is no profile table nowhere [PRF-3]; list the tables"),
        ("show subscriber nobody@x", 4, "subscriber/nobody@x does not exist [PRF-21]; list the profiles"),
        ("set subscriber nobody@x --set language=de", 4, "subscriber/nobody@x does not exist [PRF-21]"),
        ("add subscriber alice@example.net", 7, "subscriber/alice@example.net exists [PRF-5]"),
        ("add subscriber new@x --set colour=red", 4, "subscriber/new@x: Subscriber has no attribute colour [PRF-32]"),
        ("add subscriber new@x --set max_contacts=many", 5, "subscriber/new@x.max_contacts: 'many' is no int"),
        ("add subscriber new@x --set identity=+4930123", 5, "subscriber/new@x.identity"),
        ("find subscriber --where colour=red", 4, "there is no attribute colour to search by [PRF-32]"),
        ("find subscriber --where max_contacts=many", 2, "max_contacts: 'many' is no int"),
        ("find subscriber --where ha1_sha256=x", 4, "ha1_sha256"),
        ("query subscriber none", 4, "subscriber has no query none [PRF-30]; it has of_identity"),
        ("table create subscriber Subscriber", 7, "the profile table subscriber exists [PRF-2]"),
        ("table create more Nothing", 4, "Nothing"),
        ("table create 'a/b' Subscriber", 2, "a profile table's name is 'a/b' [PRF-1]; give a text without /"),
        ("table reload subscriber", 3, "subscriber: components may change it [PRF-20]"),
    ],
)
def test_a_command_that_is_refused_says_why_and_changes_nothing(
    filled: Server, command: str, status: int, told: str
) -> None:
    file = filled.file("good.csv", GOOD)
    before = filled.slee("profile export subscriber").stdout, filled.json("profile table list")
    result = filled.slee("profile " + command.format(file=file))
    assert told in result.stderr
    assert result.exit_code == status
    assert (filled.slee("profile export subscriber").stdout, filled.json("profile table list")) == before


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


@pytest.fixture
def bounded(tmp_path: Path, postgresql_server: PostgresqlServer) -> Iterator[Server]:
    """A server that lets half a second's changes wait for its database."""
    url = postgresql_server.url(postgresql_server.take_database())
    server = Server(tmp_path, url, "store.unwritten-seconds=0.5")
    yield server
    if server.process.poll() is None:
        server.end()


def test_a_database_that_goes_away_is_told_and_takes_what_waits_when_it_is_back(
    bounded: Server, postgresql_server: PostgresqlServer
) -> None:
    server, postgresql = bounded, postgresql_server
    assert server.slee(f"profile import subscriber {server.file('good.csv', GOOD)}").exit_code == 0
    postgresql.stop()
    try:
        server.json("profile set subscriber bob@example.net --set max_contacts=9")
        server.until("alarm list", lambda result: "profile.database" in result.stdout)
        more = server.file("more.csv", HEADER + "".join(f"u{n}@x,,U,1\n" for n in range(500)))
        numbers = count()
        server.until(lambda: f"profile add subscriber e{next(numbers)}@x", lambda result: "[DUR-13]" in result.stderr)
        before = server.slee("profile export subscriber").stdout
        refused = server.slee(f"profile import subscriber {more}")
        assert "more changes wait to be written than the bounds of the store allow [DUR-13]" in refused.stderr
        assert server.slee("profile export subscriber").stdout == before
    finally:
        postgresql.start()
    server.until("alarm list", lambda result: "profile.database" not in result.stdout)
    server.end()
    server.start()
    assert server.slee("profile export subscriber").stdout == before
    assert "bob@example.net,Bob,,,active,[],9" in before

"""Bad data on each kind of database, by the command line and over HTTP.

The error names row, attribute, rule and remedy; neither the table in memory nor the database's has changed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.deploy.provisioned import GOOD, HEADER, ROOT, Server
from tests.profile_databases import DatabaseUnderTest

pytestmark = pytest.mark.timeout(120)
ROWS = "SELECT * FROM profile_1_subscriber ORDER BY profile_name"


BAD = {
    "wrong type": (HEADER + "a@b,,A,many\n", "x.csv:2:8: a@b/max_contacts: 'many' is no int [PRF-17]"),
    "out of range": (HEADER + "a@b,,A,0\n", "x.csv:2:8: a@b/max_contacts: Input should be greater than or equal to 1"),
    "over-long": (HEADER + f"a@b,,{'A' * 129},1\n", "x.csv:2:6: a@b/display_name: String should have at most 128"),
    "two names": (HEADER + "a@b,,A,1\na@b,,A,1\n", "x.csv:3:1: a@b/profile_name: line 2 has that name too"),
    "two holders": (HEADER + "a@b,1,A,1\nc@d,1,A,1\n", "x.csv:3:5: c@d/identity: a@b on line 2 has the same value"),
    "holder stored": (HEADER + "a@b,+4930123,A,1\n", "x.csv:2: a@b/identity: alice@example.net has the same value"),
    "name refused": (HEADER + "nobody,,A,1\n", "x.csv:2: nobody: 'nobody' is no address-of-record"),
    "name of two lines": (HEADER + '"a\nb@c",,A,1\n', "x.csv:2: 'a\\nb@c': 'a\\nb@c' is no address-of-record"),
    "bad UTF-8": (HEADER.encode() + b"a@b,,\xff,1\n", "x.csv:2:6: a@b/display_name: octet 0xff is no UTF-8 [PRF-17]"),
    "cells": (HEADER + "a@b,,A\n", "x.csv:2: 3 cells where the header has 4 [PRF-17]"),
    "open quote": (HEADER + 'a@b,,"A,1\n', "x.csv:2: a quote is not closed [PRF-17]"),
    "no name": ("identity\n1\n", "x.csv:1: the header has no column profile_name [PRF-17]"),
    "unknown column": ("profile_name,colour\na@b,red\n", "x.csv:1: Subscriber has no attribute colour [PRF-32]"),
    "twice": ("profile_name,identity,identity\n", "x.csv:1:23: column 'identity' is there twice [PRF-17]"),
    "empty": ("", "x.csv:1: there is no header [PRF-17]"),
    "SQL in a column": (
        'profile_name,"x"");DROP TABLE y"\n',
        "x.csv:1: Subscriber has no attribute 'x\");DROP TABLE y'",
    ),
}


class Filled(Server):
    """A server with two subscribers, which bad data leaves as they are."""

    outside: Callable[[str], list[tuple[Any, ...]]]

    def stored(self) -> tuple[str, list[tuple[Any, ...]]]:
        """The subscribers, in memory and in the database."""
        return self.slee("profile export subscriber").stdout, self.outside(ROWS)


@pytest.fixture(scope="module")
def filled(module_database: DatabaseUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    server = Filled(tmp_path_factory.mktemp("filled"), module_database.url)
    server.outside = module_database.outside
    assert server.slee(f"profile import subscriber {server.file('good.csv', GOOD)}").exit_code == 0
    while len(module_database.outside(ROWS)) < 2:  # the database follows
        assert server.process.poll() is None
    yield server
    server.end()


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_names_row_and_attribute_and_changes_nothing(filled: Filled, case: str) -> None:
    content, told = BAD[case]
    before = filled.stored()
    octets = content if isinstance(content, bytes) else content.encode()
    file = filled.file("x.csv", octets)
    result = filled.slee(f"profile import subscriber {file}")
    assert (result.exit_code, result.stdout) == (5, "")
    assert any(line.startswith(f"slee: {told}") for line in result.stderr.splitlines()), result.stderr
    answer = filled.http("POST", "/v1/profile/import?table=subscriber&source=x.csv", content=octets)
    assert answer.status_code == 422
    issues = answer.json()["issues"]
    assert any(f"{issue['component']}: {issue['problem']}".startswith(told.partition(" [")[0]) for issue in issues)
    assert all(issue["rule"] and issue["remedy"] for issue in issues)
    if octets.startswith(HEADER.encode()) and b'"' not in octets:
        # The good rows beside the bad one are not taken either.
        file.write_bytes(octets.replace(b"\n", b"\nnew1@example.net,,New,1\n", 1) + b"new2@example.net,,New,1\n")
        assert filled.slee(f"profile import subscriber {file}").exit_code == 5
    assert filled.stored() == before


def test_an_export_that_finds_no_room_says_so_in_one_line(filled: Filled) -> None:
    for command in ("profile export subscriber -o /dev/full", "profile export subscriber > /dev/full"):
        script = f"{sys.executable} -m deploy.cli {command} --state-dir {filled.folder / 'state'}"
        result = subprocess.run(["/bin/sh", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.returncode == 1
        assert "No space left on device; 0 octets of the export were written" in result.stderr
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("option", ["", "--skip-bad"])
def test_an_import_that_is_interrupted_says_what_becomes_of_it(filled: Filled, option: str) -> None:
    before = filled.stored()
    command = f"{sys.executable} -m deploy.cli profile import subscriber - {option} --state-dir {filled.folder}/state"
    process = subprocess.Popen(command.split(), cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(HEADER + "new@example.net,,New,1\n" * 10_000)  # its end does not come
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=10)
    stays = "what was imported by then stays" if option else "the server takes all of it back, unless it was done"
    assert f"slee: <stdin>: the import was interrupted; {stays}" in told
    assert filled.stored() == before


def test_rejects_that_find_no_room_are_told_with_what_was_imported(filled: Filled) -> None:
    file = filled.file("x.csv", HEADER + 'alice@example.net,+4930123,"Alice ""A""",2\na@b,,A,many\n')
    result = filled.slee(f"profile import subscriber {file} --skip-bad --rejects /dev/full")
    assert result.exit_code == 1
    assert result.stdout == "2 read, 0 added, 0 changed, 1 unchanged, 1 skipped\n"
    assert result.stderr.splitlines() == [
        "slee: line 3:8: a@b/max_contacts: 'many' is no int; give a whole number",
        "slee: /dev/full: No space left on device; the records skipped are not in it",
    ]


def test_rejects_do_not_overwrite_the_file_that_is_imported(filled: Filled) -> None:
    text = HEADER + "a@b,,A,many\n"
    file = filled.file("x.csv", text)
    result = filled.slee(f"profile import subscriber {file} --skip-bad --rejects {filled.folder}/./x.csv")
    assert result.exit_code == 2
    assert "x.csv is the file that is imported; give another file" in result.stderr
    assert file.read_text() == text


def test_a_line_of_a_gigabyte_is_told_and_never_held(filled: Filled) -> None:
    file = filled.file("x.csv", HEADER + "a@b,,")
    with file.open("r+b") as sparse:
        sparse.truncate(1 << 30)
        sparse.seek(0, 2)
        sparse.write(b"\nc@d,,C,1\n")
    before, exported = filled.resident_octets(), filled.stored()
    result = filled.slee(f"profile import subscriber {file}")
    file.unlink()
    told = (
        "slee: x.csv:2: the record is longer than 1048576 octets [PRF-17]; shorten it, or close the quote that is open"
    )
    assert (result.exit_code, result.stderr.strip()) == (5, told)
    assert filled.resident_octets() - before < 32 << 20
    assert filled.stored() == exported


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
        (
            "table create 'a/b' Subscriber",
            2,
            "a profile table's name is 'a/b' [PRF-1]; give a printable text without /",
        ),
        ("table reload subscriber", 3, "subscriber: components may change it [PRF-20]"),
    ],
)
def test_a_command_that_is_refused_says_why_and_changes_nothing(
    filled: Filled, command: str, status: int, told: str
) -> None:
    file = filled.file("good.csv", GOOD)
    before = filled.stored(), filled.json("profile table list")
    result = filled.slee("profile " + command.format(file=file))
    assert told in result.stderr
    assert result.exit_code == status
    assert (filled.stored(), filled.json("profile table list")) == before

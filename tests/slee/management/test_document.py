"""TOML documents: the line of every key, and problems told by file, line and key."""

from __future__ import annotations

import pytest
from pydantic import Field

from slee.api.errors import InvalidConfigurationError
from slee.management.document import DocumentKind, Section, key_lines, line_of, load

KIND = DocumentKind("RA-3", InvalidConfigurationError)
TEXT = '''# a comment [not.a.header]
title = """
[fake]
fake = 1
"""
[server]
listen.host = "a"
"quoted key" = 1 # with a comment
ports = [
    1,
    2,
]

[[server.peer]]
name = "one"
[server.peer.limits]
rate = 1
[[server.peer]]
name = "two"
'''


class Limits(Section):
    rate: int = 0


class Peer(Section):
    name: str
    limits: Limits = Limits()


class Group(Section):
    source_burst: int = 0
    peers: tuple[Peer, ...] = ()


class Server(Section):
    drain_timeout: float = 1.0
    peer: tuple[Peer, ...] = ()
    groups: dict[str, Group] = Field(default_factory=dict)


class Document(Section):
    server: Server = Server()


def test_each_key_and_table_has_its_line() -> None:
    lines = dict(key_lines(TEXT))
    assert lines["title",] == 2
    assert ("fake",) not in lines
    assert lines["server",] == 6
    assert lines["server", "listen", "host"] == 7
    assert lines["server", "quoted key"] == 8
    assert lines["server", "ports"] == 9
    assert lines["server", "peer", 0, "name"] == 15
    assert lines["server", "peer", 0, "limits", "rate"] == 17
    assert lines["server", "peer", 1, "name"] == 19


def test_a_key_that_is_not_there_has_the_line_of_the_table_around_it() -> None:
    lines = dict(key_lines(TEXT))
    assert line_of(("server", "peer", 1, "limits"), lines) == 18
    assert line_of(("nowhere", "at", "all"), lines) == 1


def test_keys_are_spelt_with_hyphens() -> None:
    assert load(Document, "[server]\ndrain-timeout = 3\n", "f", KIND).server.drain_timeout == 3.0
    with pytest.raises(InvalidConfigurationError, match=r"f:2: server\.drain_timeout: unknown key.*drain-timeout\?"):
        load(Document, "[server]\ndrain_timeout = 3\n", "f", KIND)


def test_keys_of_tables_that_users_name_are_spelt_with_hyphens_and_the_names_stay() -> None:
    text = '[server.groups."GET /source-burst"]\nsource-burst = 3\n[server.groups.source-burst]\nsource-burst = 4\n'
    groups = load(Document, text, "f", KIND).server.groups
    assert {name: group.source_burst for name, group in groups.items()} == {"GET /source-burst": 3, "source-burst": 4}
    with pytest.raises(InvalidConfigurationError, match=r"f:2: .*source-brust: unknown key.*source-burst\?"):
        load(Document, "[server.groups.one]\nsource-brust = 3\n", "f", KIND)
    with pytest.raises(InvalidConfigurationError, match="unknown key.*name"):
        load(Document, "[[server.groups.one.peers]]\nnmae = 'a'\n", "f", KIND)


def test_all_problems_are_told_at_once_each_with_its_line() -> None:
    text = '[server]\ndrain-timeout = "long"\n[[server.peer]]\nnmae = "a"\n[server.peer.limits]\nrate = 1.5\n'
    with pytest.raises(InvalidConfigurationError) as error:
        load(Document, text, "slee.toml", KIND)
    told = str(error.value).splitlines()
    assert len(told) == 4
    assert any(line.startswith("slee.toml:2: server.drain-timeout: input should be a valid number") for line in told)
    assert any(line.startswith("slee.toml:3: server.peer.0.name: the key is missing") for line in told)
    assert "slee.toml:4: server.peer.0.nmae: unknown key [RA-3]; did you mean name?" in told
    assert any(
        line.startswith("slee.toml:6: server.peer.0.limits.rate: input should be a valid integer") for line in told
    )


@pytest.mark.parametrize(("text", "line"), [("a = \n", 1), ("a = 1\nb = [\n", 3), ("a = 1\na = 2\n", 2)])
def test_what_is_no_toml_is_told_by_line(text: str, line: int) -> None:
    with pytest.raises(InvalidConfigurationError, match=rf"^f:{line}: it is no TOML: "):
        load(Document, text, "f", KIND)

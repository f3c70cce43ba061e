"""Fixtures of the rules that are met in deployment: a running server, and bundles to install."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.builder import Built
from tests.conformance.profile_kit import FOLLOWING
from tests.deploy.workshop import GREETER, PLACES, Server, build
from tests.profile_databases import DatabaseUnderTest


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "state")
    server.kernel.start()
    server.pump()
    yield server
    server.close()


@pytest.fixture
def followed(database: DatabaseUnderTest) -> Iterator[None]:
    """A database follows the profile tables of the test: once of SQLite, once of PostgreSQL."""
    FOLLOWING["url"] = database.url
    yield
    del FOLLOWING["url"]


@pytest.fixture
def places() -> Built:
    return build(PLACES)


@pytest.fixture
def greeter(places: Built) -> Built:
    return build(GREETER, places)

"""The OpenAPI description is complete: no answer to a request is a fault, or one that it does not describe (MGT-1).

On each kind of profile database; `scripts/test tests/slee/server --hypothesis-profile=long` asks for long.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from profiles.subscriber.subscriber import Subscriber
from slee.model.profile import describe_profile
from slee.server.api import management_app
from tests.deploy.workshop import Server
from tests.profile_databases import DatabaseUnderTest

TABLE = "subscriber"
PROFILE = "alice@example.test"
_IS_LONG = settings.get_current_profile_name() == "long"
_ASKED = settings(max_examples=300) if _IS_LONG else settings(max_examples=16, derandomize=True)
DESTRUCTIVE = ("/v1/state/shutdown", "/v1/profile/table/remove", "/v1/profile/table/rename")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, module_database: DatabaseUnderTest) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("openapi") / "state", database=module_database.url)
    server.kernel.start()
    server.pump()
    tables = server.management.profiles._tables
    tables.add_specification(describe_profile(Subscriber))
    tables.create_table(TABLE, Subscriber.specification_id)
    server.management.profiles.add(TABLE, PROFILE)
    yield server
    server.close()


def aimed(case: Any, number: int) -> None:
    """Let most requests name a table that there is, some a profile: wild ones seldom get past the first look-up."""
    given_ = case.query if case.method == "GET" or case.path.endswith("/import") else case.body
    if not isinstance(given_, dict) or not number % 4 or case.path in DESTRUCTIVE:
        return
    if "table" in given_ and not case.path.endswith("/create"):
        given_["table"] = TABLE
    if "profile" in given_ and number % 4 == 1 and not case.path.endswith("/add"):
        given_["profile"] = PROFILE


class Asker:
    """Asks one operation after the other, and keeps what was wrong."""

    def __init__(self) -> None:
        self.wrong: list[tuple[str, int, str]] = []
        self.seen: Counter[tuple[str, int]] = Counter()

    def ask(self, operation: Any) -> None:
        @given(case=operation.as_strategy())
        @settings(_ASKED, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        def run(case: Any) -> None:
            aimed(case, self.seen.total())
            response = case.call()
            self.seen[operation.label, response.status_code] += 1
            if response.status_code >= 500 or str(response.status_code) not in operation.definition.raw["responses"]:
                self.wrong.append((operation.label, response.status_code, response.text[:200]))

        run()


@pytest.mark.timeout(0 if _IS_LONG else 120)
def test_no_answer_is_a_fault_or_undescribed(server: Server) -> None:
    asker = Asker()
    schema = schemathesis.openapi.from_asgi("/openapi.json", management_app(server.management))
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.path != "/v1/state/shutdown":
            asker.ask(operation)
    assert sorted(set(asker.wrong)) == []
    assert server.database is not None
    assert server.database.flush(10.0), server.database.status()
    # The test has looked behind the first check: there were answers of every kind.
    for label, status in (
        ("GET /v1/profile/show", 200),
        ("GET /v1/profile/find", 400),
        ("POST /v1/profile/set", 404),
        ("POST /v1/profile/import", 422),
        ("POST /v1/profile/table/reload", 409),
    ):
        assert asker.seen[label, status], (label, status)

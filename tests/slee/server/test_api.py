"""The management API as an ASGI application: the same documents and codes as everywhere (MGT-1, MGT-2)."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest

from slee import Profile
from slee.management.metrics import registry
from slee.management.operations import OPERATIONS
from slee.model.profile import describe_profile
from slee.server.api import _walk, management_app
from slee.server.exposition import metrics_app
from tests.deploy.workshop import PLACES, Server, build, plain


class Person(Profile, vendor="test", version="1.0"):
    """Without attributes of its own to judge."""

    age: int = 0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "state")
    server.kernel.start()
    server.pump()
    yield server
    server.close()


def request(server: Server, method: str, path: str, **more: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(management_app(server.management), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://slee") as client:
            return await client.request(method, path, **more)

    return anyio.run(ask)


def test_every_operation_has_its_route_and_documentation(server: Server) -> None:
    paths = request(server, "GET", "/openapi.json").json()["paths"]
    for operation in OPERATIONS:
        route = paths[operation.path]["post" if operation.changes else "get"]
        assert route["description"] == operation.summary
    assert len(paths) == len(OPERATIONS)


def test_a_result_is_the_document_of_the_python_form(server: Server) -> None:
    archive = base64.b64encode(build(PLACES).archive).decode()
    answer = request(server, "POST", "/v1/bundle/install", json={"source": "a.whl", "archive": archive})
    assert answer.status_code == 200
    assert answer.json()["id"] == "BundleID[name=places,vendor=test,version=1.0]"
    found = request(server, "GET", "/v1/component/list", params={"kind": "profile-specification"}).json()
    assert [component["source"] for component in found] == ["profiles.places.places:PLACES"]
    many = request(
        server, "GET", "/v1/component/find", params={"components": [found[0]["id"], "SbbID[name=a,vendor=b,version=c]"]}
    )
    assert many.json() == [found[0], None]
    assert request(server, "POST", "/v1/state/stop").json()["state"] == "Stopped"


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/v1/service/activate", {"services": ["nobody"]}, 404, "unrecognized-service"),
        ("POST", "/v1/service/activate", {"services": []}, 400, "invalid-argument"),
        ("POST", "/v1/service/activate", {}, 400, "invalid-argument"),
        ("POST", "/v1/service/activate", {"services": ["a"], "force": True}, 400, "invalid-argument"),
        ("POST", "/v1/service/activate", {"services": ["SbbID[name=a,vendor=b,version=c]"]}, 400, "invalid-argument"),
        ("POST", "/v1/state/shutdown", None, 409, "invalid-state"),
        ("POST", "/v1/bundle/install", {"source": "a", "archive": "eA=="}, 422, "deployment"),
        ("POST", "/v1/bundle/uninstall", {"bundle": "BundleID[name=a,vendor=b,version=c]"}, 404, "unrecognized-bundle"),
        ("POST", "/v1/bundle/uninstall", {"bundle": "nobody"}, 404, "unrecognized-bundle"),
        ("GET", "/v1/component/show?component=nobody", None, 404, "unrecognized-component"),
        ("POST", "/v1/resource/create", {"name": "e", "adaptor": "no"}, 404, "unrecognized-resource-adaptor"),
    ],
)
def test_a_refusal_has_its_status_and_code(
    server: Server, method: str, path: str, body: object, status: int, code: str
) -> None:
    answer = request(server, method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert all(issue["remedy"] for issue in answer.json()["issues"])


def test_a_fault_of_the_product_is_logged_in_full_and_told_in_short(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server.management.repository, "_bundles", None)
    answer = request(server, "GET", "/v1/bundle/list")
    assert (answer.status_code, answer.json()["code"]) == (500, "unexpected")
    assert "Traceback" not in answer.text
    assert caplog.records[-1].exc_info is not None


def test_metrics_are_at_their_path_only(server: Server) -> None:
    app = metrics_app(registry(server.kernel, server.management, lambda: ()))

    async def ask(method: str, path: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://slee") as client:
            return await client.request(method, path)

    assert "slee_state" in anyio.run(ask, "GET", "/metrics").text
    assert anyio.run(ask, "GET", "/").status_code == 404
    assert anyio.run(ask, "POST", "/metrics").status_code == 405


def test_mgt_2_a_wrong_identity_is_told_in_the_words_of_this_product(server: Server) -> None:
    answer = request(server, "GET", "/v1/bundle/installed", params={"identity": "SbbID[name=a]"}).json()
    (issue,) = answer["issues"]
    assert (issue["component"], issue["rule"]) == ("identity", "CID-7")
    assert issue["problem"] == "'SbbID[name=a]' at 13: vendor is missing"
    assert issue["remedy"] == "give name, vendor and version"


def test_a_short_name_will_do_where_one_thing_alone_has_it(server: Server, tmp_path: Path) -> None:
    server.install(plain(tmp_path, "1.0"))
    shown = request(server, "GET", "/v1/bundle/show", params={"bundle": "plain"}).json()
    assert shown["id"] == "BundleID[name=plain,vendor=test,version=1.0]"
    found = request(server, "GET", "/v1/component/find", params={"components": ["ECHO", "nobody"]}).json()
    assert [component and component["id"] for component in found] == [
        "ResourceAdaptorTypeID[name=ECHO,vendor=test,version=1.0]",
        None,
    ]
    several = request(server, "GET", "/v1/component/show", params={"component": "Plain"}).json()
    assert several["code"] == "invalid-argument"
    assert several["issues"][0]["remedy"] == (
        "give one of SbbID[name=Plain,vendor=test,version=1.0], ServiceID[name=Plain,vendor=test,version=1.0]"
    )
    body = {"name": "e", "adaptor": "echo", "configuration": {"listen-port": 5}}
    made = request(server, "POST", "/v1/resource/create", json=body).json()
    assert made["adaptor"] == "ResourceAdaptorID[name=echo,vendor=test,version=1.0]"
    listed = request(server, "GET", "/v1/resource/list", params={"adaptor": "echo"}).json()
    assert [entity["name"] for entity in listed] == ["e"]
    assert request(server, "POST", "/v1/bundle/uninstall", json={"bundle": "plain"}).json() is None


def test_an_import_whose_client_goes_away_after_the_last_octet_is_taken_back(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever interrupts the command is told that nothing stays, whatever of the file has been sent by then."""
    caplog.set_level("INFO", "slee.server.api")
    server.profiles.add_specification(describe_profile(Person))
    server.profiles.create_table("people", Person.specification_id)
    app = management_app(server.management)
    rows: list[int] = []
    sent: list[Any] = []

    def stored() -> int:
        return server.management.profiles.table("people").profiles

    async def receive() -> dict[str, Any]:
        if not rows:
            rows.append(0)
            return {"type": "http.request", "body": b"profile_name\n" + b"".join(b"u%d\n" % n for n in range(2000))}
        while stored() < 500:
            await anyio.lowlevel.checkpoint()
        rows.append(stored())
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/profile/import",
        "query_string": b"table=people",
        "headers": [],
    }
    anyio.run(app, scope, receive, send)
    assert 0 < rows[-1] < 2000
    assert stored() == 0
    assert not server.profiles.following.is_whole
    assert sent[0]["status"] == 400
    assert [record.levelname for record in caplog.records if record.name == "slee.server.api"] == ["INFO"]


def test_steps_whose_client_goes_away_take_back_in_steps() -> None:
    """Calls pass between what is done and between what is taken back alike."""
    told: list[str] = []

    def work() -> Iterator[None]:
        try:
            for number in range(100):
                told.append(f"done {number}")
                yield
        except Exception:
            for number in range(3):
                told.append(f"taken back {number}")
                yield
            raise

    async def calls(client: anyio.CancelScope) -> None:
        for number in range(20):
            told.append("call")
            await anyio.lowlevel.checkpoint()
            if number == 5:
                client.cancel()

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as client:
                tasks.start_soon(calls, client)
                await _walk(work())

    anyio.run(run)
    ends = [told.index(f"taken back {number}") for number in range(3)]
    assert all("call" in told[begin:end] for begin, end in itertools.pairwise(ends))

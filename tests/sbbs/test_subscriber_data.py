"""Subscriber data by HTTP: what the home subscriber server keeps is read, written under a condition, and removed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from resource_adaptors.diameter.api import RepositoryData, ShReply, ShResult, UserData, UserIdentity
from resource_adaptors.diameter.testing import DiameterSimulator
from resource_adaptors.diameter.user_data_double import UserDataDouble
from resource_adaptors.http.testing import HttpSimulator, Pending
from sbbs.subscriber_data.answers import Refused, expected, refusal, user_of
from sbbs.subscriber_data.config import SubscriberDataUsage
from sbbs.subscriber_data.sbb import SubscriberData
from slee.testing import SleeHarness

ALICE = UserIdentity("sip:alice@example.net")
PLACE = "/v1/subscribers/sip:alice@example.net"
GREETING = f"{PLACE}/data/greeting"


class World:
    """The service, and a subscriber server that knows Alice."""

    def __init__(self, slee: SleeHarness, **config: object) -> None:
        self.slee = slee
        self.diameter = DiameterSimulator()
        self.peer = self.diameter.peer("hss.operator.net", realm="operator.net")
        self.hss = UserDataDouble(self.peer)
        self.hss.users[ALICE] = UserData(public_identities=("sip:alice@example.net",), ims_user_state=1)
        self.http = slee.add_resource("http-main", HttpSimulator())
        slee.add_resource("diameter-main", self.diameter, self.diameter.configuration_for())
        slee.install(SubscriberData, configuration={"realm": "operator.net", **config})
        slee.advance(1)

    def ask(self, method: str, target: str, text: str | bytes = b"", *headers: tuple[str, str]) -> Pending:
        body = text if isinstance(text, bytes) else text.encode()
        named = [*headers, ("Content-Type", "text/plain")] if method == "PUT" else list(headers)
        pending = self.http.client().request(method, target, headers=named, body=body)
        self.slee.advance(0.1)
        return pending

    def keep(self, text: str, sequence: int = 0) -> None:
        kept = RepositoryData.holding("greeting", text, sequence)
        self.hss.users[ALICE] = UserData(repository=(kept,))

    @property
    def kept(self) -> RepositoryData | None:
        return self.hss.users[ALICE].of_service("greeting")


@pytest.fixture
def world() -> Iterator[World]:
    with SleeHarness(leftovers_allowed=True) as slee:
        world = World(slee)
        yield world
        slee.advance(60)
        assert sum(service.entities for service in slee.kernel.statistics().services) == 0


def test_data_are_read_with_their_number_as_entity_tag(world: World) -> None:
    world.keep("Good morning & welcome", 7)
    answer = world.ask("GET", GREETING)
    assert (answer.status, answer.header("etag")) == (200, '"7"')
    assert answer.json() == {"service": "greeting", "sequence": 7, "data": "Good morning & welcome"}
    assert world.slee.usage(SubscriberDataUsage).read.value == 1


def test_what_the_network_knows_of_a_subscriber_is_shown(world: World) -> None:
    assert world.ask("GET", PLACE).json() == {
        "public_identities": ["sip:alice@example.net"],
        "msisdns": [],
        "state": "registered",
        "scscf": "",
    }


def test_first_write_makes_the_data_and_the_next_ones_follow(world: World) -> None:
    first = world.ask("PUT", GREETING, "one <1>")
    assert (first.status, first.header("etag")) == (204, '"0"')
    second = world.ask("PUT", GREETING, "two")
    assert (second.status, second.header("etag")) == (204, '"1"')
    assert world.kept is not None
    assert (world.kept.text, world.kept.sequence) == ("two", 1)


def test_write_under_a_condition_needs_no_reading(world: World) -> None:
    world.keep("old", 4)
    answer = world.ask("PUT", GREETING, "new", ("If-Match", '"4"'))
    assert (answer.status, answer.header("etag")) == (204, '"5"')
    assert len(world.hss.requests) == 1


def test_write_over_a_change_of_somebody_else_is_refused(world: World) -> None:
    world.keep("theirs", 5)
    answer = world.ask("PUT", GREETING, "ours", ("If-Match", '"4"'))
    assert (answer.status, answer.json()["code"]) == (412, "changed")
    assert world.kept is not None
    assert world.kept.text == "theirs"


def test_write_of_what_must_not_be_there_yet(world: World) -> None:
    assert world.ask("PUT", GREETING, "first", ("If-None-Match", "*")).status == 204
    assert world.ask("PUT", GREETING, "second", ("If-None-Match", "*")).status == 412


def test_removal_can_be_repeated(world: World) -> None:
    world.keep("old", 4)
    assert world.ask("DELETE", GREETING).status == 204
    assert world.kept is None
    assert world.ask("DELETE", GREETING).status == 204
    assert world.ask("GET", GREETING).status == 404


def test_unknown_subscriber_and_missing_data_are_told_apart(world: World) -> None:
    unknown = world.ask("GET", "/v1/subscribers/sip:nobody@example.net/data/greeting")
    assert (unknown.status, unknown.json()["code"]) == (404, "unknown-subscriber")
    missing = world.ask("GET", GREETING)
    assert (missing.status, missing.json()["code"]) == (404, "no-data")


def test_number_names_a_subscriber(world: World) -> None:
    world.hss.users[UserIdentity(msisdn="436641234567")] = UserData(public_identities=("sip:carol@example.net",))
    assert world.ask("GET", "/v1/subscribers/+436641234567").json()["public_identities"] == ["sip:carol@example.net"]


@pytest.mark.parametrize(
    ("target", "headers", "body", "status", "code"),
    [
        ("/v1/subscribers/nobody/data/greeting", (), b"x", 422, "invalid-subscriber"),
        (GREETING, (("If-Match", "*"),), b"x", 400, "invalid-condition"),
        (GREETING, (("If-Match", '"70000"'),), b"x", 400, "invalid-condition"),
        (GREETING, (("If-None-Match", '"1"'),), b"x", 400, "invalid-condition"),
        (GREETING, (("If-Match", '"1"'), ("If-None-Match", "*")), b"x", 400, "two-conditions"),
        (GREETING, (), b"\xff", 422, "no-text"),
        (GREETING, (), b"x" * 101, 413, "too-long"),
        (GREETING, (), b"\x01", 422, "unfit-request"),
        (f"{PLACE}/data/secret", (), b"x", 403, "service-not-allowed"),
    ],
)
def test_unfit_requests_are_refused_and_go_nowhere(
    target: str, headers: tuple[tuple[str, str], ...], body: bytes, status: int, code: str
) -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        world = World(slee, longest=100, services=("greeting",))
        answer = world.ask("PUT", target, body, *headers)
        assert (answer.status, answer.json()["code"]) == (status, code)
        assert all(request.data is None for request in world.hss.requests)
        assert slee.usage(SubscriberDataUsage).refused.value == 1


def test_silent_server_is_504(world: World) -> None:
    world.peer.is_silent = True
    answer = world.ask("GET", GREETING)
    assert not answer.is_answered
    world.slee.advance(25)
    assert answer.status in (503, 504)
    assert world.slee.usage(SubscriberDataUsage).failed.value == 1


def test_unreachable_server_is_503(world: World) -> None:
    world.peer.kill()
    world.slee.advance(1)
    answer = world.ask("GET", GREETING)
    world.slee.advance(15)
    assert (answer.status, answer.header("retry-after")) == (503, "5")


def test_client_that_goes_away_changes_nothing(world: World) -> None:
    client = world.http.client()
    client.request("PUT", GREETING, headers=[("Content-Type", "text/plain")], body=b"kept")
    client.disconnect()
    world.slee.advance(1)
    assert world.kept is None or world.kept.text == "kept"


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (ShResult.USER_DATA_NOT_AVAILABLE, 503),
        (ShResult.PRIOR_UPDATE_IN_PROGRESS, 503),
        (ShResult.OPERATION_NOT_ALLOWED, 403),
        (ShResult.USER_DATA_CANNOT_BE_MODIFIED, 403),
        (ShResult.USER_DATA_NOT_RECOGNIZED, 422),
        (ShResult.DSAI_NOT_AVAILABLE, 502),
    ],
)
def test_each_result_of_sh_has_a_status(result: ShResult, status: int) -> None:
    assert refusal(ShReply(result=result, is_experimental=True)).status == status


def test_base_result_is_no_result_of_sh() -> None:
    assert refusal(ShReply(result=5001)).status == 502


def test_names_of_subscribers() -> None:
    assert user_of("alice@example.net") == ALICE
    assert user_of("tel:+43664") == UserIdentity("tel:+43664")
    with pytest.raises(Refused):
        user_of("mailto:alice@example.net")
    with pytest.raises(Refused):
        user_of("\u0661\u0662\u0663\u0664")


def test_conditions() -> None:
    assert expected(None, None) is False
    assert expected(None, "*") is None
    assert expected('"0"', None) == 0

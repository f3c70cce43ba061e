"""HTTP-4 to HTTP-10, HTTP-14, HTTP-17 to HTTP-20: what services get of requests, and what becomes of their answers."""

from __future__ import annotations

from typing import Any

import pytest

from resource_adaptors.http import api
from resource_adaptors.http.api import (
    ClientDisconnected,
    DeleteRequest,
    GetRequest,
    LocalProtocolError,
    OtherRequest,
    PatchRequest,
    PostRequest,
    PutRequest,
    ResponseDeadline,
    ResponseSent,
)
from slee import ActivityContext, Sbb, Select, TimerEvent, initial_event, resource
from slee.api.errors import FireEventError, VerificationError
from slee.spi import FailureReason
from tests.resource_adaptors.http.kit import Desk, World, head


@pytest.mark.parametrize(
    ("target", "path", "field"),
    [
        ("/calls/a%20b", "/calls/a b", "a b"),
        ("/calls/%2e%2e%2fx", None, None),
        ("/calls/a%2Fb", "/calls/a%2Fb", "a/b"),
        ("/x/../calls/./7", "/calls/7", "7"),
        ("/calls/%c3%a9", "/calls/é", "é"),
        ("/calls/%25", "/calls/%", "%"),
    ],
)
def test_http_4_paths_are_decoded_once_per_segment(target: str, path: str | None, field: str | None) -> None:
    with World() as world:
        world.answer(GetRequest)
        answer = world.client().get(target)
        if path is not None:
            assert world.events[0].request.path == path
            assert world.events[0].request.fields == {"id": field}
        else:
            assert answer.status == 200
            assert world.events[0].request.fields == {"id": "../x"}


@pytest.mark.parametrize(
    "target", ["/calls/%00", "/calls/%ff", "/calls/%2e%2e", "/calls/%2E", "/calls/%zz", "/calls/%1"]
)
def test_http_4_encoded_dot_segments_and_unfit_octets_are_400(target: str) -> None:
    with World() as world:
        world.answer(GetRequest)
        assert world.client().get(target).status == 400
        assert not world.events


@pytest.mark.parametrize(("count", "status"), [(256, 200), (257, 400), (2560, 400)])
def test_http_5_a_query_has_at_most_256_fields(count: int, status: int) -> None:
    with World() as world:
        world.answer(GetRequest)
        query = "&".join("a" for _ in range(count))
        assert world.client().get(f"/x?{query}").status == status


def test_http_5_queries_and_forms_are_read_by_field() -> None:
    with World() as world:
        world.answer(PostRequest)
        world.client().post("/x?a=1&a=2&b=%C3%A9", body=b"c=3+4")
        request = world.events[0].request
        assert request.query_fields == [("a", "1"), ("a", "2"), ("b", "é")]
        assert request.query_field("b") == "é"
        assert request.form == [("c", "3 4")]


DEEP = b"[" * 32 + b"]" * 32
JSON = {
    "a value": (b'{"a": [1, null]}', 200),
    "32 levels": (DEEP, 200),
    "33 levels": (b"[" + DEEP + b"]", 400),
    "a million levels": (b"[" * 60_000, 400),
    "nothing": (b"{", 400),
    "a key twice": (b'{"a": 1, "a": 2}', 400),
    "NaN": (b"[NaN]", 400),
    "Infinity": (b"[-Infinity]", 400),
    "no UTF-8": (b'"\xff"', 400),
    "many nodes": (b"[" + b"0," * 30_000 + b"0]", 200),
}


@pytest.mark.parametrize(("body", "status"), JSON.values(), ids=JSON.keys())
def test_http_5_json_is_strict_and_bounded(body: bytes, status: int) -> None:
    with World() as world:
        world.answer(PostRequest)
        answer = world.client().post("/json", body=body, headers=[("Content-Type", "application/json; charset=utf-8")])
        assert answer.status == status
        assert bool(world.events) == (status == 200)


def test_http_5_json_has_at_most_100_000_values() -> None:
    from resource_adaptors.http.message.errors import RemoteProtocolError
    from resource_adaptors.http.message.json import parse_json

    assert len(parse_json(b"[" + b"0," * 99_998 + b"0]")) == 99_999
    with pytest.raises(RemoteProtocolError, match="json_nodes"):
        parse_json(b"[" + b"0," * 99_999 + b"0]")


def test_http_5_a_type_that_the_route_does_not_name_is_415() -> None:
    with World() as world:
        answer = world.client().post("/json", body=b"<a/>", headers=[("Content-Type", "application/xml")])
        assert (answer.status, answer.header("accept")) == (415, "application/json")


def test_http_6_head_is_answered_as_get_without_body() -> None:
    with World() as world:
        world.answer(GetRequest, body=b"12345")
        answer = world.client().request("HEAD", "/x")
        assert (answer.status, answer.header("content-length"), answer.body) == (200, "5", b"")
        assert world.kinds()[0] == "GetRequest"
        assert world.events[0].request.method == "HEAD"


def test_http_6_options_and_405_tell_what_the_route_allows() -> None:
    with World() as world:
        client = world.client()
        expected = "GET, HEAD, OPTIONS"
        options = client.request("OPTIONS", "/calls/1")
        assert (options.status, options.header("allow")) == (204, expected)
        refused = client.request("DELETE", "/calls/1")
        assert (refused.status, refused.header("allow")) == (405, expected)
        assert not client.is_closed


def test_http_6_a_get_where_there_are_other_methods_is_405() -> None:
    with World() as world:
        answer = world.client().get("/calls/1/hangup")
        assert (answer.status, answer.header("allow")) == (405, "POST, OPTIONS")
        assert answer.header("upgrade") is None


@pytest.mark.parametrize(
    ("method", "target", "status"), [("FROB", "/x", 501), ("MKCOL", "/y", 501), ("MKCOL", "/x", 405)]
)
def test_http_6_a_method_that_is_unknown_everywhere_is_501(method: str, target: str, status: int) -> None:
    with World() as world:
        client = world.client()
        client.request(method, target)
        assert [answer.status for answer in client.answers] == [status]


def test_http_7_an_answer_has_date_and_exact_length_and_no_server() -> None:
    with World() as world:
        world.answer(GetRequest, body="é", headers=[("X-A", "b")])
        answer = world.client().get("/x")
        assert answer.header("date") == "Sun, 09 Sep 2001 01:46:40 GMT"
        assert answer.header("content-length") == "2"
        assert answer.header("x-a") == "b"
        assert answer.header("server") is None


def test_http_7_server_is_configured() -> None:
    with World(server="slee") as world:
        world.answer(GetRequest)
        assert world.client().get("/x").header("server") == "slee"


@pytest.mark.parametrize("status", [204, 304])
def test_http_7_no_body_and_no_length_where_none_belongs(status: int) -> None:
    with World() as world:
        world.answer(GetRequest, status=status)
        answer = world.client().get("/x")
        assert (answer.status, answer.body, answer.header("content-length")) == (status, b"", None)


UNFIT = {
    "CR LF": {"headers": [("X", "a\r\nSet-Cookie: b")]},
    "NUL": {"headers": [("X", "a\0")]},
    "a name that is no token": {"headers": [("X Y", "a")]},
    "framing": {"headers": [("Transfer-Encoding", "chunked")]},
    "length": {"headers": [("content-length", "7")]},
    "no Latin-1": {"headers": [("X", "\u20ac")]},
    "a body with 204": {"status": 204, "body": b"x"},
    "a provisional status": {"status": 103},
}


@pytest.mark.parametrize("given", UNFIT.values(), ids=UNFIT.keys())
def test_http_7_what_cannot_stand_on_the_wire_is_refused_at_the_call(given: dict[str, object]) -> None:
    with World(failures_allowed=True) as world:
        raised: list[BaseException] = []

        def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
            try:
                sbb.http.respond(aci, given.get("status", 200), **{k: v for k, v in given.items() if k != "status"})
            except LocalProtocolError as error:
                raised.append(error)
                sbb.http.respond(aci, 200)

        world.at(GetRequest, act)
        assert world.client().get("/x").status == 200
        assert len(raised) == 1


def test_http_8_errors_of_the_adaptor_are_problem_documents() -> None:
    with World() as world:
        answer = world.client().get("/nowhere")
        assert answer.header("content-type") == "application/problem+json"
        assert answer.json() == {
            "type": "about:blank",
            "title": "Not Found",
            "status": 404,
            "code": "no_route",
            "detail": "There is nothing here.",
        }


def test_http_8_a_service_that_fails_is_500_without_its_words() -> None:
    with World(failures_allowed=True) as world:
        world.at(GetRequest, lambda sbb, event, aci: 1 / 0)
        answer = world.client().get("/x")
        assert (answer.status, answer.json()["code"]) == (500, "service_failed")
        assert b"Zero" not in answer.body


@pytest.mark.parametrize(
    ("tag", "condition", "weak", "same"),
    [
        ('"a"', '"a"', True, True),
        ('W/"a"', '"a"', True, True),
        ('W/"a"', '"a"', False, False),
        ('"a"', '"b", "a"', False, True),
        ('"a"', "*", False, True),
        ('"a"', '"A"', True, False),
    ],
)
def test_http_9_entity_tags_are_compared_weakly_or_strongly(tag: str, condition: str, weak: bool, same: bool) -> None:
    assert api.is_same_entity(tag, condition, weak=weak) is same


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("bytes=0-4", (0, 4)),
        ("bytes=5-", (5, 9)),
        ("bytes=-3", (7, 9)),
        ("bytes=-30", (0, 9)),
        ("bytes=8-99", (8, 9)),
        ("bytes=4-2", None),
        ("bytes=0-1,3-4", None),
        ("lines=1-2", None),
        ("bytes=-", None),
    ],
)
def test_http_9_a_single_range_is_read_or_ignored(value: str, found: tuple[int, int] | None) -> None:
    assert api.single_range(value, 10) == found


@pytest.mark.parametrize("value", ["bytes=10-", "bytes=-0"])
def test_http_9_a_range_beyond_the_end_cannot_be_satisfied(value: str) -> None:
    with pytest.raises(ValueError, match="416"):
        api.single_range(value, 10)


@pytest.mark.parametrize(("coding", "status"), [("gzip", 415), ("identity", 200)])
def test_http_10_a_coded_body_is_415(coding: str, status: int) -> None:
    with World() as world:
        world.answer(PostRequest)
        assert world.client().post("/x", body=b"x", headers=[("Content-Encoding", coding)]).status == status


@pytest.mark.parametrize(
    ("target", "route", "fields"),
    [
        ("/calls/active", "/calls/active", {}),
        ("/calls/7", "/calls/{id}", {"id": "7"}),
        ("/files/a/b/c", "/files/{path...}", {"path": "a/b/c"}),
    ],
)
def test_http_14_the_most_specific_route_wins(target: str, route: str, fields: dict[str, str]) -> None:
    with World() as world:
        world.answer(GetRequest)
        assert world.client().get(target).status == 200
        request = world.events[0].request
        assert (request.route, request.fields) == (route, fields)


@pytest.mark.parametrize("target", ["/calls", "/calls/", "/calls/7/", "/calls//hangup", "/"])
def test_http_14_a_path_that_no_template_fits_is_404(target: str) -> None:
    with World() as world:
        assert world.client().get(target).status == 404


class Rival(Sbb, vendor="test", version="1.0"):
    """Claims a route of Desk under another name of its field."""

    @initial_event(Select.ACTIVITY_CONTEXT, option="GET /calls/{number}")
    def on_get(self, event: GetRequest, aci: ActivityContext) -> None: ...


class Neighbour(Sbb, vendor="test", version="1.0"):
    """Receives the same event class on a route of its own."""

    http = resource(api.HTTP)

    @initial_event(Select.ACTIVITY_CONTEXT, option="GET /neighbour")
    def on_get(self, event: GetRequest, aci: ActivityContext) -> None:
        self.http.respond(aci, 200, body="neighbour")


class Wrong(Sbb, vendor="test", version="1.0"):
    """Its option is no route of its event."""

    @initial_event(Select.ACTIVITY_CONTEXT, option="POST /y")
    def on_get(self, event: GetRequest, aci: ActivityContext) -> None: ...


class Deaf(Sbb, vendor="test", version="1.0"):
    """Claims no route."""

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_get(self, event: GetRequest, aci: ActivityContext) -> None: ...


def test_http_14_a_service_of_requests_without_a_route_is_refused() -> None:
    """It would be active and never be asked."""
    with World() as world:
        service = world.slee.install(Deaf, activate=False)
        with pytest.raises(VerificationError, match=r"GetRequest without a route \[HTTP-14\]; give its initial_event"):
            world.slee.kernel.activate_service(service)


def test_http_14_a_second_service_with_the_same_route_is_refused_at_activation() -> None:
    with World() as world:
        service = world.slee.install(Rival, activate=False)
        with pytest.raises(VerificationError, match="HTTP-14"):
            world.slee.kernel.activate_service(service)
        assert world.slee.kernel.service_state(service).value == "Inactive"


def test_http_14_an_option_that_is_no_route_of_its_event_is_refused() -> None:
    with World() as world:
        service = world.slee.install(Wrong, activate=False)
        with pytest.raises(VerificationError, match="POST /y"):
            world.slee.kernel.activate_service(service)


def test_http_14_a_request_reaches_the_service_of_its_route_alone() -> None:
    with World() as world:
        world.slee.install(Neighbour)
        world.answer(GetRequest, body="desk")
        client = world.client()
        assert client.get("/neighbour").text == "neighbour"
        assert not world.events
        assert client.get("/x").text == "desk"


def test_http_14_the_routes_of_a_service_go_with_it() -> None:
    with World(install=False) as world:
        service = world.slee.install(Neighbour)
        client = world.client()
        assert client.get("/neighbour").status == 200
        world.slee.kernel.deactivate_service(service)
        world.slee.run()
        assert client.get("/neighbour").status == 404


@pytest.mark.parametrize(
    ("method", "event_class"),
    [
        ("GET", GetRequest),
        ("POST", PostRequest),
        ("PUT", PutRequest),
        ("PATCH", PatchRequest),
        ("DELETE", DeleteRequest),
        ("PROPFIND", OtherRequest),
    ],
)
def test_http_17_a_request_fires_one_event_by_its_method(method: str, event_class: type) -> None:
    with World() as world:
        world.answer(event_class)
        body = b"" if method == "GET" else b"body"
        answer = world.client().request(method, "/x?q=1", body=body, headers=[("X-A", "b")])
        assert answer.status == 200
        first, second = world.events
        assert type(first) is event_class
        assert type(second) is ResponseSent
        request = first.request
        assert (request.method, request.path, request.query, request.route) == (method, "/x", "q=1", "/x")
        assert (request.body, request.header("X-a"), request.source.host) == (body, "b", "198.51.100.7")


def test_http_18_a_later_event_may_answer() -> None:
    with World() as world:
        world.at(GetRequest, lambda sbb, event, aci: sbb.timers.set(aci, after=20))
        world.at(TimerEvent, lambda sbb, event, aci: sbb.http.respond(aci, 200, body="late"))
        answer = world.client().get("/x")
        assert not answer.is_answered
        world.slee.advance(20)
        assert answer.text == "late"


def test_http_18_a_second_answer_is_refused_at_the_call() -> None:
    with World() as world:
        raised: list[str] = []

        def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
            assert sbb.http.is_waiting(aci)
            sbb.http.respond(aci, 200)
            assert not sbb.http.is_waiting(aci)
            with pytest.raises(LocalProtocolError, match="HTTP-18"):
                sbb.http.respond(aci, 201)
            raised.append("x")

        world.at(GetRequest, act)
        assert world.client().get("/x").status == 200
        assert raised


def test_http_18_an_answer_that_rolled_back_was_never_given() -> None:
    with World(failures_allowed=True) as world:

        def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
            sbb.http.respond(aci, 200)
            raise LookupError

        world.at(GetRequest, act)
        assert world.client().get("/x").status == 500


def test_http_18_an_answer_to_a_client_that_has_gone_is_no_error() -> None:
    with World() as world:
        world.at(GetRequest, lambda sbb, event, aci: sbb.timers.set(aci, after=20))
        world.at(ClientDisconnected, lambda sbb, event, aci: sbb.http.respond(aci, 200))
        client = world.client()
        client.get("/x")
        client.disconnect()
        world.slee.run()
        assert world.kinds() == ["GetRequest", "ClientDisconnected"]
        assert world.http.serving.counts.dropped["answer_to_gone_client"] == 1
        assert not world.http.serving.connections


@pytest.mark.parametrize(("answers", "status"), [(True, 200), (False, 504)])
def test_http_19_at_the_deadline_the_service_has_its_last_word(answers: bool, status: int) -> None:
    with World() as world:
        world.at(GetRequest, lambda sbb, event, aci: None)
        if answers:
            world.answer(ResponseDeadline)
        else:
            world.at(GetRequest, lambda sbb, event, aci: sbb.timers.set(aci, after=600))
        world.at(GetRequest, lambda sbb, event, aci: sbb.timers.set(aci, after=600))
        answer = world.client().get("/x")
        world.slee.advance(29)
        assert not answer.is_answered
        world.slee.advance(3)
        assert answer.status == status
        assert world.kinds()[1] == "ResponseDeadline"


def test_http_17_nobody_home_is_404_and_nobody_who_answers_500() -> None:
    with World() as world:
        world.at(GetRequest, lambda sbb, event, aci: aci.detach(sbb))
        answer = world.client().get("/x")
        assert (answer.status, answer.json()["code"]) == (500, "unanswered")


LONG = b"x" * 200_000


def test_http_20_a_long_body_is_read_by_credit() -> None:
    with World() as world:
        world.at(PostRequest, lambda sbb, event, aci: sbb.http.read_body(aci, 100_000))
        world.at(api.BodyChunk, lambda sbb, event, aci: sbb.http.read_body(aci, 100_000))
        world.at(api.BodyComplete, lambda sbb, event, aci: sbb.http.respond(aci, 200, body=str(event.length)))
        client = world.client()
        answer = client.request("POST", "/x", body=LONG)
        assert answer.text == "200000"
        first = world.events[0]
        assert first.request.is_streamed
        assert first.request.body == b""
        assert b"".join(e.data for e in world.events if isinstance(e, api.BodyChunk)) == LONG


@pytest.mark.parametrize("octets", [1_000, 65_536])
def test_http_20_a_piece_is_no_longer_than_what_was_asked_for(octets: int) -> None:
    """TLS hands over what it has decrypted, paused or not: a service that asks once a piece must get all of it."""
    with World() as world:
        world.at(PostRequest, lambda sbb, event, aci: sbb.http.read_body(aci, octets))
        world.at(api.BodyChunk, lambda sbb, event, aci: sbb.http.read_body(aci, octets))
        world.at(api.BodyComplete, lambda sbb, event, aci: sbb.http.respond(aci, 200, body=str(event.length)))
        client = world.client()
        client.transmit(head("POST", "/x", "Content-Length: 200000") + LONG[:150_000])
        client.send(LONG[150_000:])
        assert client.answers[0].text == "200000"
        pieces = [event.data for event in world.events if isinstance(event, api.BodyChunk)]
        assert max(len(piece) for piece in pieces) <= octets
        assert b"".join(pieces) == LONG


def test_http_20_what_nobody_asks_for_is_not_handed_over() -> None:
    with World() as world:
        world.at(PostRequest, lambda sbb, event, aci: sbb.timers.set(aci, after=1))
        world.at(TimerEvent, lambda sbb, event, aci: sbb.http.respond(aci, 200))
        client = world.client()
        client.send(head("POST", "/x", "Content-Length: 200000") + LONG[:100_000])
        assert world.kinds() == ["PostRequest"]
        world.slee.advance(1)
        assert client.answers[0].status == 200
        assert client.answers[0].header("connection") == "close"  # the rest is not waited for


def test_http_20_an_answer_in_pieces_waits_while_the_buffer_is_full() -> None:
    with World() as world:

        def begin(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
            sbb.http.open_body(aci, 200, content_type="text/plain")
            sbb.http.send_chunk(aci, b"one")
            sbb.timers.set(aci, after=1)

        def full(sbb: Desk, event: TimerEvent, aci: ActivityContext) -> None:
            with pytest.raises(LocalProtocolError, match="Writable"):
                sbb.http.send_chunk(aci, b"two")

        def go_on(sbb: Desk, event: api.Writable, aci: ActivityContext) -> None:
            sbb.http.send_chunk(aci, b"two")
            sbb.http.close_body(aci)

        world.at(GetRequest, begin)
        world.at(TimerEvent, full)
        world.at(api.Writable, go_on)
        client = world.client()
        answer = client.get("/x")
        assert (answer.body, answer.is_answered) == (b"one", False)
        client.stall()
        world.slee.advance(1)
        client.drain()
        assert (answer.body, answer.is_answered) == (b"onetwo", True)
        assert not client.is_closed


def test_http_20_one_handler_cannot_send_more_than_the_buffer_takes() -> None:
    """The loop of the documentation: as much as there is room for, and on at `Writable`."""
    piece, left, turns = b"x" * 1_000, [2_000], []

    def go_on(sbb: Desk, event: object, aci: ActivityContext) -> None:
        if isinstance(event, GetRequest):
            sbb.http.open_body(aci, 200, content_type="text/plain")
        before = left[0]
        try:
            while left[0]:
                sbb.http.send_chunk(aci, piece)
                left[0] -= 1
        except LocalProtocolError:
            turns.append(before - left[0])
            return
        sbb.http.close_body(aci)

    with World(limits={"unsent": 65_536}) as world:
        world.at(GetRequest, go_on)
        world.at(api.Writable, go_on)
        answer = world.client().get("/x")
        assert answer.is_answered
        assert len(answer.body) == 2_000_000
        assert max(turns) <= 66
        assert len(turns) >= 2_000 // 66


def test_http_20_what_is_rolled_back_takes_no_room() -> None:
    with World(limits={"unsent": 65_536}, failures_allowed=True) as world:

        def fail(sbb: Desk, event: TimerEvent, aci: ActivityContext) -> None:
            sbb.http.send_chunk(aci, b"x" * 65_000)
            raise RuntimeError

        world.at(GetRequest, lambda sbb, event, aci: sbb.http.open_body(aci, 200, content_type="text/plain"))
        world.at(GetRequest, lambda sbb, event, aci: sbb.timers.set(aci, after=1))
        world.at(TimerEvent, fail)
        client = world.client()
        client.get("/x")
        (exchange,) = world.http.serving.exchanges.values()
        world.slee.advance(1)
        assert exchange.held == 0
        client.disconnect()


def test_http_22_an_unanswered_get_and_a_timer_make_a_long_poll() -> None:
    with World() as world:
        world.at(GetRequest, lambda sbb, event, aci: sbb.timers.set(aci, after=25))
        world.at(TimerEvent, lambda sbb, event, aci: sbb.http.respond(aci, 204))
        client = world.client()
        for _ in range(3):
            answer = client.get("/x")
            world.slee.advance(25)
            assert answer.status == 204


def test_http_20_a_body_of_which_a_piece_is_not_taken_gets_503(monkeypatch: Any) -> None:
    with World() as world:
        world.at(PostRequest, lambda sbb, event, aci: sbb.http.read_body(aci, 100_000))
        world.at(api.BodyComplete, lambda sbb, event, aci: sbb.http.respond(aci, 200))
        endpoint = world.http.context.endpoint
        fire = type(endpoint).fire

        def full(self: Any, handle: Any, event: Any, *given: Any) -> None:
            if isinstance(event, api.BodyChunk):
                raise FireEventError("the queue is full", FailureReason.QUEUE_FULL)
            fire(self, handle, event, *given)

        monkeypatch.setattr(type(endpoint), "fire", full)
        assert world.client().post("/x", body=LONG).status == 503

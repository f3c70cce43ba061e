"""HTTP-21: server-sent events (the WHATWG event-stream format)."""

from __future__ import annotations

import pytest

from resource_adaptors.http.api import GetRequest, LocalProtocolError, PostRequest, SseClosed, SseOpened
from resource_adaptors.http.message.event_stream import format_event
from slee import ActivityContext
from tests.resource_adaptors.http.kit import Desk, World


def opened(world: World, key: str | None = "news") -> None:
    def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
        sbb.http.open_events(aci, key=key, retry=2).attach(sbb)

    world.at(GetRequest, act)
    world.at(
        PostRequest,
        lambda sbb, event, aci: (sbb.http.publish("news", event.request.body.decode()), sbb.http.respond(aci, 204)),
    )


def test_http_21_an_event_has_its_fields_and_each_line_of_its_data() -> None:
    assert format_event("a\nb\r\nc", "note", "7") == b"id: 7\nevent: note\ndata: a\ndata: b\ndata: c\n\n"
    assert format_event("", None, None) == b"data: \n\n"


@pytest.mark.parametrize(("event", "event_id"), [("a\nb", None), (None, "a\rb"), (None, "a\0")])
def test_http_21_names_and_ids_are_one_line(event: str | None, event_id: str | None) -> None:
    with pytest.raises(LocalProtocolError, match="HTTP-21"):
        format_event("x", event, event_id)


def test_http_21_a_stream_is_an_activity_that_gets_what_is_published() -> None:
    with World() as world:
        opened(world)
        reader, other, writer = world.client(), world.client(), world.client()
        stream = reader.get("/x")
        assert (stream.status, stream.header("content-type")) == (200, "text/event-stream")
        assert stream.header("cache-control") == "no-store"
        assert stream.body == b"retry: 2000\n\n"
        other.get("/x")
        writer.post("/x", body=b"hello")
        lines = stream.text.splitlines()[2:]
        assert lines[1:] == ["data: hello", ""]
        assert lines[0].startswith("id: ")
        assert [e for e in world.events if isinstance(e, SseOpened)] == [SseOpened(None, 0, False)] * 2
        reader.disconnect()
        other.disconnect()
        assert world.kinds().count("SseClosed") == 2
        assert not world.http.streams.open


def test_http_21_a_client_that_comes_back_gets_what_it_missed() -> None:
    with World() as world:
        opened(world)
        writer, reader = world.client(), world.client()
        stream = reader.get("/x")
        for text in (b"1", b"2", b"3"):
            writer.post("/x", body=text)
        ids = [line[4:] for line in stream.text.splitlines() if line.startswith("id: ")]
        reader.disconnect()
        again = world.client()
        resumed = again.get("/x", headers=[("Last-Event-ID", ids[0])])
        assert [line for line in resumed.text.splitlines() if line.startswith("data")] == ["data: 2", "data: 3"]
        assert world.events[-2] == SseOpened(ids[0], 2, False)
        again.disconnect()


def test_http_21_a_client_that_missed_too_much_is_told_to_start_afresh() -> None:
    with World(sse_ring=2) as world:
        opened(world)
        writer = world.client()
        for text in (b"1", b"2", b"3"):
            writer.post("/x", body=text)
        reader = world.client()
        assert "event: reset" in reader.get("/x", headers=[("Last-Event-ID", "long-ago")]).text
        assert world.events[-2] == SseOpened("long-ago", 0, True)
        reader.disconnect()


def test_http_21_an_idle_stream_gets_a_comment_and_a_service_can_close_it() -> None:
    with World() as world:
        opened(world, key=None)
        world.at(SseOpened, lambda sbb, event, aci: sbb.timers.set(aci, after=40))
        from slee import TimerEvent

        world.at(TimerEvent, lambda sbb, event, aci: (sbb.http.send_event(aci, "bye"), sbb.http.close_events(aci)))
        client = world.client()
        stream = client.get("/x")
        world.slee.advance(33)
        assert stream.body.count(b":\n\n") == 2
        world.slee.advance(8)
        assert stream.is_answered
        assert stream.text.endswith("data: bye\n\n")
        assert not [e for e in world.events if isinstance(e, SseClosed)]


@pytest.mark.parametrize(("count", "refused"), [(2, 0), (3, 1)])
def test_http_21_event_streams_are_bounded(count: int, refused: int) -> None:
    with World(limits={"event_streams": 2}) as world:
        opened(world)
        clients = [world.client() for _ in range(count)]
        statuses = [client.get("/x").status for client in clients]
        assert statuses == [200, 200] + [503] * refused
        for client in clients:
            client.disconnect()


def test_http_21_keys_of_event_streams_are_bounded() -> None:
    with World(limits={"event_keys": 3}) as world:

        def act(sbb: Desk, event: GetRequest, aci: ActivityContext) -> None:
            for key in ("a", "b", "c", "a", "d"):
                sbb.http.publish(key, "x")
            sbb.http.respond(aci, 200)

        world.at(GetRequest, act)
        world.client().get("/x")
        assert list(world.http.streams._kept) == ["c", "a", "d"]

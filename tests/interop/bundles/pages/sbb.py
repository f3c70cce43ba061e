"""Services for a browser: a page with what it fetches, event streams, and WebSockets with a count for each session.

They print how things end. The name in a path is the page's own, so that what is printed tells of that page alone.
"""

from __future__ import annotations

from resource_adaptors.http.api import (
    HTTP,
    BodyChunk,
    BodyComplete,
    ClientDisconnected,
    EventStreamActivity,
    GetRequest,
    LocalProtocolError,
    PostRequest,
    PutRequest,
    SseClosed,
    SseOpened,
    Writable,
    WsClosed,
    WsMessage,
    WsRequest,
)
from slee import ActivityContext, Cmp, Sbb, Select, cmp, handles, initial_event, resource

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Pages</title>
<script src="/script"></script>
<form method="post" action="/count"><input name="note" value="grüße &amp; ☎"></form>
<form method="post" action="/files" enctype="multipart/form-data"><input name="note" value="grüße &amp; ☎"></form>
"""
TAG = '"one"'
PIECES = 20
PIECE = b"0123456789" * 10_000
RETRY = 0.1
"""Seconds after which a page asks for its stream again."""


def name_of(event: GetRequest | PostRequest | WsRequest) -> str:
    """Initial event selector: one entity for each session, or for each name in a path."""
    return event.request.session_key or event.request.fields["name"]


class Pages(Sbb, vendor="test", version="1.0"):
    """Of one request."""

    http = resource(HTTP)
    name: Cmp[str] = cmp("")
    count: Cmp[int] = cmp(0)

    @initial_event(
        Select.ACTIVITY_CONTEXT,
        option="GET /page, GET /script, GET /tagged, GET /pieces, GET /wait/{name}, GET /shared/text",
    )
    def on_get(self, event: GetRequest, aci: ActivityContext) -> None:
        request = event.request
        if request.path == "/page":
            self.http.respond(aci, 200, body=PAGE, content_type="text/html; charset=utf-8")
        elif request.path == "/script":
            self.http.respond(aci, 200, body="window.hasRun = true;", content_type="text/javascript")
        elif request.path == "/shared/text":
            self.http.respond(aci, 200, body="shared", headers=[("X-Shown", "1"), ("X-Hidden", "1")])
        elif request.path == "/tagged":
            is_known = request.header("if-none-match") == TAG
            fields = [("ETag", TAG), ("Cache-Control", "no-cache"), ("X-Known", str(is_known))]
            self.http.respond(aci, 304 if is_known else 200, body=b"" if is_known else "same", headers=fields)
        elif request.path == "/pieces":
            self.http.open_body(aci, content_type="application/octet-stream")
            self._send_pieces(aci)
        else:
            self.name = request.fields["name"]  # and no answer

    @handles
    def on_writable(self, event: Writable, aci: ActivityContext) -> None:
        self._send_pieces(aci)

    def _send_pieces(self, aci: ActivityContext) -> None:
        try:
            while self.count < PIECES:
                self.http.send_chunk(aci, PIECE)
                self.count += 1
        except LocalProtocolError:
            return  # the buffer is full: on at Writable
        self.http.close_body(aci)

    @handles
    def on_disconnected(self, event: ClientDisconnected, aci: ActivityContext) -> None:
        print(self.name, "disconnected")

    @initial_event(Select.ACTIVITY_CONTEXT, option="POST /echo application/json, POST /files")
    def on_post(self, event: PostRequest, aci: ActivityContext) -> None:
        request = event.request
        if request.path == "/echo":
            self.http.respond_json(aci, request.json())
        elif request.is_streamed:
            self.http.read_body(aci)
        else:
            self.http.respond_json(aci, [(p.name, p.filename, p.content_type, p.data.hex()) for p in request.parts])

    @handles
    def on_chunk(self, event: BodyChunk, aci: ActivityContext) -> None:
        self.count += len(event.data)
        self.http.read_body(aci)

    @handles
    def on_complete(self, event: BodyComplete, aci: ActivityContext) -> None:
        self.http.respond_json(aci, self.count)

    @initial_event(Select.ACTIVITY_CONTEXT, option="PUT /shared/value application/json")
    def on_put(self, event: PutRequest, aci: ActivityContext) -> None:
        self.http.respond_json(aci, [event.request.json(), event.request.header("x-token")])


class Streams(Sbb, vendor="test", version="1.0"):
    """Of all event streams of one name."""

    http = resource(HTTP)
    name: Cmp[str] = cmp("")

    @initial_event(Select.NONE, selector=name_of, option="GET /events/{name}")
    def on_get(self, event: GetRequest, aci: ActivityContext) -> None:
        self.name = event.request.fields["name"]
        if event.request.header("last-event-id") == "enough":
            self.http.respond(aci, 204)  # which ends it for good
        else:
            self.http.open_events(aci, key=self.name, retry=RETRY).attach(self)

    @initial_event(Select.NONE, selector=name_of, option="POST /events/{name}, POST /events/{name}/end/{id}")
    def on_post(self, event: PostRequest, aci: ActivityContext) -> None:
        request = event.request
        text, identity = request.body.decode(), request.fields.get("id")
        if identity is None:
            self.http.publish(request.fields["name"], text, event=request.query_field("event"))
        for stream in self.activities:
            if identity is not None and isinstance(stream.activity, EventStreamActivity):
                if identity != "same":
                    self.http.send_event(stream, text, event_id=identity)
                self.http.close_events(stream)
        self.http.respond(aci, 204)

    @handles
    def on_opened(self, event: SseOpened, aci: ActivityContext) -> None:
        print(self.name, "resumed", event.resumed, event.is_reset)

    @handles
    def on_closed(self, event: SseClosed, aci: ActivityContext) -> None:
        print(self.name, "closed its stream")


class Talks(Sbb, vendor="test", version="1.0"):
    """Of one session, or of all WebSockets of one name."""

    http = resource(HTTP)
    name: Cmp[str] = cmp("")
    count: Cmp[int] = cmp(0)

    @initial_event(Select.NONE, selector=name_of, option="POST /count")
    def on_post(self, event: PostRequest, aci: ActivityContext) -> None:
        session = self.http.session(aci)
        if session is not None and not self.count:
            session.attach(self)
        self.count += 1
        self.http.respond_json(aci, [self.count, *[value for name, value in event.request.form if name == "note"]])

    @initial_event(
        Select.NONE,
        selector=name_of,
        option="WEBSOCKET /talk/{name} chat.v2 chat.v1, WEBSOCKET /shared/{name}, WEBSOCKET /count",
    )
    def on_request(self, event: WsRequest, aci: ActivityContext) -> None:
        self.name = event.request.fields.get("name", "")
        if self.name == "staff":
            self.http.problem(aci, 403, code="staff_only")
            return
        socket = self.http.open_socket(aci)
        socket.attach(self)
        if event.request.session_key is not None:
            self.count += 1
            self.http.send_message(socket, str(self.count))

    @handles
    def on_message(self, event: WsMessage, aci: ActivityContext) -> None:
        if event.text == "close":
            self.http.close_socket(aci, 4001, "genug ☎")
        else:
            self.http.send_message(aci, event.data if event.text is None else event.text)

    @handles
    def on_closed(self, event: WsClosed, aci: ActivityContext) -> None:
        print(self.name, event.code, event.reason, "by the", event.by)

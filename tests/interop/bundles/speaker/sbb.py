"""An SBB that holds the WebSockets of a room, and answers each message with how many the room has had.

The room is a session, so that it outlives the process; its WebSockets do not.
"""

from __future__ import annotations

from resource_adaptors.http.api import HTTP, WsMessage, WsRequest
from slee import ActivityContext, Cmp, Sbb, Select, cmp, handles, initial_event, resource


def room_of(event: WsRequest) -> str | None:
    """Initial event selector: one entity for each room."""
    return event.request.session_key


class Speaker(Sbb, vendor="test", version="1.0"):
    """Of one room."""

    http = resource(HTTP)
    count: Cmp[int] = cmp(0)
    last: Cmp[ActivityContext | None] = cmp(None)

    @initial_event(Select.NONE, selector=room_of, option="WEBSOCKET /rooms/{room} count.v1")
    def on_request(self, event: WsRequest, aci: ActivityContext) -> None:
        session = self.http.session(aci)
        if session is not None:
            session.attach(self)
        self.last = self.http.open_socket(aci)
        self.last.attach(self)

    @handles
    def on_message(self, event: WsMessage, aci: ActivityContext) -> None:
        self.count += 1
        self.http.send_message(aci, f"{event.text} {self.count}")

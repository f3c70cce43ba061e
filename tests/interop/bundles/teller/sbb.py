"""An SBB that tells a receiver of web-hooks whatever is posted to it, and counts the requests of a session.

`POST /tell` is answered 202 once the web-hook is recorded. `POST /count?s=KEY` is answered with the number of requests
of that session so far.
"""

from __future__ import annotations

from resource_adaptors.http.api import HTTP, PostRequest
from slee import ActivityContext, Cmp, Sbb, Select, cmp, initial_event, resource


def session_of(event: PostRequest) -> str | None:
    """Initial event selector: one entity for each session, and for each request to tell."""
    request = event.request
    return request.session_key if request.route == "/count" else request.header("x-serial")


class Teller(Sbb, vendor="test", version="1.0"):
    """Of one session, or of one request to tell."""

    http = resource(HTTP)
    count: Cmp[int] = cmp(0)

    @initial_event(Select.NONE, selector=session_of, option="POST /tell, POST /count")
    def on_post(self, event: PostRequest, aci: ActivityContext) -> None:
        if event.request.route == "/tell":
            self.http.webhook("receiver", event.request.body, content_type="text/plain")
            self.http.respond(aci, 202)
            return
        session = self.http.session(aci)
        if session is not None and not self.count:
            session.attach(self)
        self.count += 1
        self.http.respond_json(aci, self.count)

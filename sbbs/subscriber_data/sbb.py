"""Subscriber data: what the home subscriber server keeps, by HTTP (TS 29.328, TS 29.329)."""

from __future__ import annotations

from collections.abc import Sequence

from resource_adaptors.diameter.api import (
    DIAMETER,
    AnswerTimeout,
    DataReference,
    LocalProtocolError,
    RepositoryData,
    ShAnswer,
    Undeliverable,
    UserIdentity,
    next_sequence,
)
from resource_adaptors.http.api import HTTP, DeleteRequest, GetRequest, PutRequest
from resource_adaptors.http.api import Request as HttpRequest
from sbbs.subscriber_data.answers import Refused, etag, expected, profile, refusal, shown, user_of
from sbbs.subscriber_data.config import SubscriberDataConfiguration, SubscriberDataUsage
from slee import (
    ActivityContext,
    Cmp,
    Sbb,
    Select,
    cmp,
    configuration,
    handles,
    initial_event,
    resource,
    usage_parameters,
)

_PROFILE = (DataReference.IMS_PUBLIC_IDENTITY, DataReference.MSISDN, DataReference.IMS_USER_STATE)


class SubscriberData(Sbb, vendor="slee", version="1.0"):
    """One entity for each HTTP request; it lives until the subscriber server has answered."""

    http = resource(HTTP)
    diameter = resource(DIAMETER)
    config = configuration(SubscriberDataConfiguration)
    usage = usage_parameters(SubscriberDataUsage)

    request: Cmp[ActivityContext | None] = cmp(None)
    """The HTTP request that waits."""
    began: Cmp[float] = cmp(0.0)
    user: Cmp[UserIdentity] = cmp(UserIdentity())
    service: Cmp[str] = cmp("")
    """Name of the data; empty where the profile is asked for."""
    text: Cmp[str | None] = cmp(None)
    """What is to be written, `None` to remove it."""
    is_update: Cmp[bool] = cmp(False)
    number: Cmp[int] = cmp(0)
    """The number that the update has."""

    @initial_event(
        Select.ACTIVITY_CONTEXT, option="GET /v1/subscribers/{user}, GET /v1/subscribers/{user}/data/{service}"
    )
    def on_question(self, event: GetRequest, aci: ActivityContext) -> None:
        self._begin(event.request, aci)

    @initial_event(Select.ACTIVITY_CONTEXT, option="PUT /v1/subscribers/{user}/data/{service} text/plain")
    def on_write(self, event: PutRequest, aci: ActivityContext) -> None:
        self._begin(event.request, aci, is_update=True)

    @initial_event(Select.ACTIVITY_CONTEXT, option="DELETE /v1/subscribers/{user}/data/{service}")
    def on_removal(self, event: DeleteRequest, aci: ActivityContext) -> None:
        self._begin(event.request, aci, is_update=True)

    def _begin(self, request: HttpRequest, aci: ActivityContext, *, is_update: bool = False) -> None:
        """Ask the subscriber server, or refuse."""
        self.request, self.began, self.is_update = aci, self.now, is_update
        try:
            self.user = user_of(request.fields["user"])
            self.service = self._allowed(request.fields.get("service", ""))
            if request.method == "PUT":
                self.text = self._text(request)
            stored = expected(request.header("if-match"), request.header("if-none-match")) if is_update else False
            if stored is False:
                self._read()
            else:
                self._write(next_sequence(stored))
        except Refused as refused:
            self._refuse(refused)
        except LocalProtocolError as error:
            self._refuse(Refused(422, "unfit-request", str(error)))

    def _allowed(self, service: str) -> str:
        names = self.config.services
        if service and names and service not in names:
            raise Refused(403, "service-not-allowed", f"data of {service!r} are not served here")
        return service

    def _text(self, request: HttpRequest) -> str:
        if request.is_streamed or len(request.body) > 4 * self.config.longest:
            raise Refused(413, "too-long", f"data have at most {self.config.longest} characters")
        try:
            text = request.body.decode()
        except UnicodeDecodeError as error:
            raise Refused(422, "no-text", "data are text in UTF-8") from error
        if len(text) > self.config.longest:
            raise Refused(413, "too-long", f"data have at most {self.config.longest} characters")
        return text

    # To the subscriber server.

    def _read(self) -> None:
        wanted = (DataReference.REPOSITORY_DATA,) if self.service else _PROFILE
        names = (self.service,) if self.service else ()
        config = self.config
        asked = self.diameter.user_data(self.user, wanted, realm=config.realm, host=config.host, services=names)
        asked.attach(self)

    def _write(self, number: int) -> None:
        self.number = number
        text, service = self.text, self.service
        update = RepositoryData(service, number) if text is None else RepositoryData.holding(service, text, number)
        config = self.config
        self.diameter.profile_update(self.user, update, realm=config.realm, host=config.host).attach(self)

    # From it.

    @handles
    def on_answer(self, event: ShAnswer, aci: ActivityContext) -> None:
        reply = event.reply
        try:
            if not reply.is_success:
                raise refusal(reply)
            if event.kind == "PUA":
                self.usage.written.increment()
                self._answer(204, headers=[("ETag", etag(self.number))] if self.text is not None else [])
            elif self.is_update:
                self._write_after(event)
            elif self.service:
                found = shown(reply.data, self.service)
                self.usage.read.increment()
                self._answer(200, found, headers=[("ETag", etag(found.sequence))])
            else:
                self.usage.read.increment()
                self._answer(200, profile(reply.data))
        except Refused as refused:
            self._refuse(refused)

    def _write_after(self, event: ShAnswer) -> None:
        """What is stored is known: write the next number, or find that nothing is there to be removed."""
        data = event.reply.data
        stored = None if data is None else data.of_service(self.service)
        is_there = stored is not None and stored.data is not None
        if self.text is None and not is_there:
            self._answer(204)
            return
        try:
            self._write(next_sequence(stored.sequence if stored is not None and is_there else None))
        except LocalProtocolError as error:
            self._refuse(Refused(422, "unfit-request", str(error)))

    @handles
    def on_timeout(self, event: AnswerTimeout, aci: ActivityContext) -> None:
        self._refuse(Refused(504, "no-answer", "the subscriber server has not answered in time"))

    @handles
    def on_undeliverable(self, event: Undeliverable, aci: ActivityContext) -> None:
        self._refuse(Refused(503, "unreachable", f"no subscriber server can be reached: {event.reason}"))

    # To the client.

    def _refuse(self, refused: Refused) -> None:
        counter = self.usage.failed if refused.status >= 500 else self.usage.refused
        counter.increment()
        request = self.request
        if request is not None and self.http.is_waiting(request):
            headers = [("Retry-After", "5")] if refused.status == 503 else []
            self.http.problem(request, refused.status, code=refused.code, detail=str(refused), headers=headers)
        self._done()

    def _answer(self, status: int, value: object = None, *, headers: Sequence[tuple[str, str]] = ()) -> None:
        request = self.request
        if request is not None and self.http.is_waiting(request):
            if value is None:
                self.http.respond(request, status, headers=headers)
            else:
                self.http.respond_json(request, value, status=status, headers=headers)
        self._done()

    def _done(self) -> None:
        self.usage.delay.record(round((self.now - self.began) * 1000))
        self.request = None

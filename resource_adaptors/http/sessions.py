"""Sessions: requests of one key share an activity until nobody has used it for a while (HTTP-15, HTTP-16)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.http import events
from resource_adaptors.http.census import RETRY_LATER
from resource_adaptors.http.message.errors import RemoteProtocolError
from resource_adaptors.http.message.headers import cookie
from resource_adaptors.http.message.json import pointed
from slee.api.errors import ActivityAlreadyExistsError, ActivityError, FireEventError, InvalidStateError

if TYPE_CHECKING:
    from resource_adaptors.http.config import HttpConfiguration, SessionSection
    from resource_adaptors.http.exchange import Exchange
    from resource_adaptors.http.message.request import Request
    from slee.spi import ResourceAdaptorContext, TimerTask

_PREFIX: Final = "session-"
_LONGEST: Final = 128
"""Characters of a session key."""


class Session:
    """One live session."""

    __slots__ = ("handle", "idle", "last_used", "timer")

    def __init__(self, handle: str, idle: float, now: float) -> None:
        self.handle = handle
        self.idle = idle
        self.last_used = now
        self.timer: TimerTask | None = None


class Sessions:
    """The live sessions of one entity."""

    def __init__(self, context: ResourceAdaptorContext, settings: HttpConfiguration) -> None:
        self._context = context
        self.take(settings)
        self.by_handle: dict[Hashable, Session] = {}

    def take(self, settings: HttpConfiguration) -> None:
        """Take a configuration; sessions that are live stay."""
        self.routes: Mapping[str, SessionSection] = settings.sessions
        self._most = settings.limits.sessions

    def join(self, exchange: Exchange, request: Request) -> Request:
        """Find or begin the session of a request; a route without sessions gives it back as it is.

        Raises:
            RemoteProtocolError: 400, there is no key where the route wants it; 503, there are too many sessions, or the
                one of that key is about to end.
        """
        match = exchange.match
        section = None if match is None else self.routes.get(str(match.route))
        if section is None:
            return request
        key = self._key(section, request)
        is_new = key is None or f"{_PREFIX}{key}" not in self.by_handle
        if is_new and len(self.by_handle) >= self._most:
            exchange.connection.gate.limit_hit("sessions")
            raise RemoteProtocolError(503, "sessions", "Too many sessions.", headers=RETRY_LATER)
        if key is None:
            if section.source != "cookie":
                raise RemoteProtocolError(400, "session_key", "The request names no session.")
            key = self._context.random_bytes(16).hex()
            secure = "; Secure" if request.source.scheme == "https" else ""
            line = f"set-cookie: {section.name}={key}; Path=/; HttpOnly; SameSite=Lax{secure}\r\n"
            exchange.extra += line.encode("latin-1")
        exchange.session = self._touch(f"{_PREFIX}{key}", key, section)
        return msgspec.structs.replace(request, session_key=key)

    def _key(self, section: SessionSection, request: Request) -> str | None:
        name = section.name
        if section.source == "cookie":
            key = cookie(request.header("cookie"), name)
        elif section.source == "header":
            key = request.header(name)
        elif section.source == "path":
            key = request.fields.get(name)
        elif section.source == "query":
            key = request.query_field(name)
        else:
            found = pointed(request.json(), name)
            key = found if isinstance(found, str) else None
        return key if key and len(key) <= _LONGEST and key.isprintable() else None

    def _touch(self, handle: str, key: str, section: SessionSection) -> str:
        context = self._context
        session = self.by_handle.get(handle)
        if session is None:
            try:
                context.endpoint.start_activity(handle, events.SessionActivity(key))
            except (ActivityAlreadyExistsError, InvalidStateError) as error:
                text = "The session is about to end; try again later."
                raise RemoteProtocolError(503, "session_ending", text, headers=RETRY_LATER) from error
            context.endpoint.save_activity(handle, msgspec.msgpack.encode(section.idle))
            session = self._begin(handle, section.idle)
        session.last_used = context.now
        return handle

    def use(self, handle: Hashable, now: float) -> None:
        """It is in use; without effect if it has ended."""
        session = self.by_handle.get(handle)
        if session is not None:
            session.last_used = now

    def _begin(self, handle: str, idle: float) -> Session:
        context = self._context
        session = self.by_handle[handle] = Session(handle, idle, context.now)
        session.timer = context.timer.call_later(idle, self._look, session)
        return session

    def restore(self, handle: str, state: bytes) -> events.SessionActivity:
        """Take a session up again after a restart; its idle time begins anew (HTTP-43)."""
        self._begin(handle, msgspec.msgpack.decode(state, type=float))
        return events.SessionActivity(handle.removeprefix(_PREFIX))

    def _look(self, session: Session) -> None:
        """Has it been idle all the time? Otherwise look again when it would be."""
        context = self._context
        due = session.last_used + session.idle
        if due > context.now:
            session.timer = context.timer.call_at(due, self._look, session)
            return
        try:
            context.endpoint.fire(session.handle, events.SessionIdle())
        except (ActivityError, FireEventError, InvalidStateError) as error:
            context.tracer.warning(f"{session.handle}: its idle time could not be told: {error}")
        self.end(session.handle)

    def end(self, handle: Hashable) -> None:
        """End a session; without effect if it has ended."""
        session = self.by_handle.pop(handle, None)
        if session is None:
            return
        if session.timer is not None:
            session.timer.cancel()
        if self._context.activity_context(handle) is not None:
            self._context.endpoint.end_activity(handle)

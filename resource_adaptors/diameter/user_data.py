"""User data as a client of Sh: requests, subscriptions, and the notifications that come for them (DIA-41 to DIA-43)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.diameter import api
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp
from resource_adaptors.diameter.message.errors import RemoteProtocolError
from resource_adaptors.diameter.message.message import Message, decode
from resource_adaptors.diameter.protocol.capabilities import result_avp
from resource_adaptors.diameter.protocol.events import Answered, RequestReceived, Unanswered
from resource_adaptors.diameter.protocol.user_data import (
    DataReference,
    ShReply,
    ShRequest,
    ShResult,
    UserIdentity,
    data_kinds,
    read_sh_reply,
    read_sh_request,
)
from slee.spi.wheel import Timer, TimerWheel

if TYPE_CHECKING:
    from resource_adaptors.diameter.adaptor import DiameterAdaptor

_RESOLUTION: Final = 1.0


class ShToken:
    """Names a request of Sh by the handle of its activity."""

    __slots__ = ("key", "kind", "user")

    def __init__(self, key: str, kind: str, user: UserIdentity) -> None:
        self.key = key
        self.kind = kind
        """Abbreviation of the answer."""
        self.user = user


class Subscribed(msgspec.Struct):
    """One subscription of ours."""

    handle: str
    user: UserIdentity
    reference: DataReference
    service: str
    realm: str
    host: str = ""
    expires_at: float | None = None
    """In seconds since the epoch; `None` for no end."""
    is_ending: bool = False
    request: bytes = b""
    """The SNR that has not been answered, encoded."""

    @property
    def kind(self) -> tuple[int, str]:
        """What tells it from others of the same user."""
        return int(self.reference), self.service

    @property
    def activity(self) -> api.ShSubscription:
        """The activity object."""
        return api.ShSubscription(self.user, self.reference, self.service)


_decoder: Final = msgspec.msgpack.Decoder(Subscribed)


class UserDataClients:
    """The owner of requests and subscriptions."""

    def __init__(self, adaptor: DiameterAdaptor) -> None:
        self._adaptor = adaptor
        self.subscriptions: dict[str, Subscribed] = {}
        """Live subscriptions by handle."""
        self._by_user: dict[UserIdentity, dict[str, Subscribed]] = {}
        self._timers: TimerWheel[Subscribed] = TimerWheel(_RESOLUTION)
        self._expiries: dict[str, Timer[Subscribed]] = {}

    def next_deadline(self) -> float | None:
        """When to call `tick` next."""
        return self._timers.next_deadline()

    def tick(self, now: float) -> None:
        """End the subscriptions that have expired; the server has forgotten them by itself."""
        for subscribed in self._timers.expire(now):
            self._forget(subscribed)

    def add(self, subscribed: Subscribed) -> None:
        """Know a subscription."""
        self.subscriptions[subscribed.handle] = subscribed
        self._by_user.setdefault(subscribed.user, {})[subscribed.handle] = subscribed

    def drop(self, subscribed: Subscribed) -> None:
        """Know it no more."""
        self.subscriptions.pop(subscribed.handle, None)
        others = self._by_user.get(subscribed.user, {})
        others.pop(subscribed.handle, None)
        if not others:
            self._by_user.pop(subscribed.user, None)

    # What services ask for.

    def request(self, key: str, message: Message) -> None:
        """Send a UDR, PUR or PNR."""
        self._send(key, message, is_repeated=False)

    def ask(self, handle: str, message: Message, *, is_end: bool) -> None:
        """Send an SNR."""
        subscribed = self.subscriptions.get(handle)
        if subscribed is not None:
            subscribed.is_ending = is_end
            subscribed.request = message.encode()
            self._send(handle, message, is_repeated=False)
            self._save(subscribed)

    def end_request(self, subscribed: Subscribed) -> Message:
        """The SNR that ends a subscription."""
        adaptor = self._adaptor
        return ShRequest(
            user=subscribed.user,
            references=(subscribed.reference,),
            services=(subscribed.service,) if subscribed.service else (),
            is_end=True,
            session_id=adaptor.new_session_id(),
            origin_host=adaptor.settings.identity,
            origin_realm=adaptor.settings.realm,
            realm=subscribed.realm,
            host=subscribed.host,
        ).message(codes.SUBSCRIBE_NOTIFICATIONS)

    def give_up(self, handle: str) -> None:
        """Nobody listens any more, or an operator ends the subscription."""
        subscribed = self.subscriptions.get(handle)
        if subscribed is not None and not subscribed.is_ending:
            self.ask(handle, self.end_request(subscribed), is_end=True)

    def _send(self, key: str, message: Message, *, is_repeated: bool) -> None:
        user = message.find(codes.SH_USER_IDENTITY, codes.TGPP)
        assert user is not None
        token = ShToken(key, f"{codes.COMMAND_NAMES[message.command]}A", UserIdentity.read(user))
        self._adaptor.node.send(message, token, self._adaptor.now, is_repeated=is_repeated)

    # What the network tells.

    def answered(self, token: ShToken, event: Answered) -> None:
        """An answer has come."""
        reply = _read(event)
        self._adaptor.fire(token.key, api.ShAnswer(token.kind, token.user, reply))
        subscribed = self.subscriptions.get(token.key)
        if subscribed is None:
            self._adaptor.end(token.key)
        elif subscribed.is_ending or not reply.is_success:
            if token.kind == "SNA":
                self._forget(subscribed)
        else:
            subscribed.request = b""
            subscribed.host = subscribed.host or event.message.text(codes.ORIGIN_HOST)
            if reply.expires is not None:
                subscribed.expires_at = reply.expires.timestamp()
            self._plan(subscribed)
            self._save(subscribed)

    def unanswered(self, token: ShToken, event: Unanswered) -> None:
        """No answer will come."""
        is_timeout = event.reason == "timeout"
        told = api.AnswerTimeout(token.key) if is_timeout else api.Undeliverable(token.key, event.reason)
        self._adaptor.fire(token.key, told)
        subscribed = self.subscriptions.get(token.key)
        if subscribed is not None:
            self._forget(subscribed)
        else:
            self._adaptor.end(token.key)

    def notified(self, event: RequestReceived) -> Avp:
        """A PNR has come: tell the subscriptions that it is for; returns the result of its answer (DIA-43)."""
        try:
            request = read_sh_request(event.message)
        except RemoteProtocolError as error:
            return result_avp(error.result, error.vendor)
        data = request.data
        kinds = frozenset[tuple[int, str]]() if data is None else data_kinds(data)
        found = [s for s in self._by_user.get(request.user, {}).values() if s.kind in kinds]
        if not found or data is None:
            return result_avp(ShResult.NO_SUBSCRIPTION_TO_DATA, codes.TGPP)
        for subscribed in found:
            self._adaptor.fire(subscribed.handle, api.ShNotification(request.user, data))
        return result_avp(codes.SUCCESS, 0)

    # Over restarts.

    def restore(self, handle: str, state: bytes) -> api.ShSubscription | None:
        """Take up a subscription, unless it has expired meanwhile; an SNR without answer is sent again."""
        subscribed = _decoder.decode(state)
        if subscribed.expires_at is not None and subscribed.expires_at <= self._adaptor.now:
            return None
        self.add(subscribed)
        self._plan(subscribed)
        if subscribed.request:
            self._send(handle, decode(subscribed.request), is_repeated=True)
        return subscribed.activity

    def save(self, subscribed: Subscribed) -> None:
        """Have a subscription kept from the commit of the delivery that makes it."""
        self._adaptor.save(subscribed.handle, b"N", msgspec.msgpack.encode(subscribed))

    def _save(self, subscribed: Subscribed) -> None:
        if subscribed.handle in self.subscriptions:
            self.save(subscribed)

    def _plan(self, subscribed: Subscribed) -> None:
        timer = self._expiries.pop(subscribed.handle, None)
        if timer is not None:
            timer.cancel()
        if subscribed.expires_at is not None and subscribed.handle in self.subscriptions:
            self._expiries[subscribed.handle] = self._timers.set(subscribed.expires_at, subscribed)

    def _forget(self, subscribed: Subscribed) -> None:
        self.drop(subscribed)
        self._plan(subscribed)
        self._adaptor.end(subscribed.handle)


def _read(event: Answered) -> ShReply:
    """What an answer says; one that is malformed counts as the result that it deserves (DIA-5)."""
    if event.error:
        return ShReply(result=event.error)
    try:
        return read_sh_reply(event.message)
    except RemoteProtocolError as error:
        return ShReply(result=error.result, is_experimental=bool(error.vendor))

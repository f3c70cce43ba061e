"""What SBBs call on Diameter for user data: the part of Sh (DIA-41)."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

from resource_adaptors.diameter.api import Diameter, DiameterTransaction
from resource_adaptors.diameter.commands import AskUserData, Reply, Subscribe
from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.errors import LocalProtocolError
from resource_adaptors.diameter.message.message import Message
from resource_adaptors.diameter.protocol.capabilities import result_avp
from resource_adaptors.diameter.protocol.sh_document import RepositoryData, UserData
from resource_adaptors.diameter.protocol.user_data import (
    DataReference,
    ShReply,
    ShRequest,
    ShResult,
    UserIdentity,
)
from resource_adaptors.diameter.user_data import Subscribed
from slee.spi import ActivityFlags

if TYPE_CHECKING:
    from resource_adaptors.diameter.adaptor import DiameterAdaptor
    from resource_adaptors.diameter.servers import Served
    from slee.api.activity import ActivityContext


class UserDataProvider(Diameter):
    """The operations of Sh."""

    def __init__(self, adaptor: DiameterAdaptor) -> None:
        self._adaptor = adaptor

    def user_data(
        self,
        user: UserIdentity,
        references: tuple[DataReference, ...],
        *,
        realm: str,
        host: str = "",
        services: tuple[str, ...] = (),
    ) -> ActivityContext:
        if not references:
            raise LocalProtocolError("user_data: no data are asked for [DIA-41]; give a DataReference")
        request = self._request(user, references, realm, host, services=services)
        return self._ask(codes.USER_DATA, request)

    def profile_update(
        self, user: UserIdentity, data: RepositoryData, *, realm: str, host: str = ""
    ) -> ActivityContext:
        request = self._request(user, (DataReference.REPOSITORY_DATA,), realm, host, data=UserData(repository=(data,)))
        return self._ask(codes.PROFILE_UPDATE, request)

    def notify(self, user: UserIdentity, data: UserData, *, realm: str, host: str) -> ActivityContext:
        if not host:
            raise LocalProtocolError("notify: no host [DIA-41]; give the origin_host of the subscription's request")
        return self._ask(codes.PUSH_NOTIFICATION, self._request(user, (), realm, host, data=data))

    def subscribe(
        self,
        user: UserIdentity,
        reference: DataReference,
        *,
        realm: str,
        host: str = "",
        service: str = "",
        wants_data: bool = False,
        expires: datetime.datetime | None = None,
    ) -> ActivityContext:
        if (reference is DataReference.REPOSITORY_DATA) is not bool(service):
            raise LocalProtocolError(
                f"subscribe: {reference.name} with service {service!r} [DIA-41]; "
                "repository data, and nothing else, are those of a service"
            )
        request = self._request(
            user,
            (reference,),
            realm,
            host,
            services=(service,) if service else (),
            wants_data=wants_data,
            expires=expires,
        )
        adaptor = self._adaptor
        message = request.message(codes.SUBSCRIBE_NOTIFICATIONS)
        subscribed = Subscribed(
            f"n {request.session_id}",
            user,
            reference,
            service,
            realm,
            host,
            None if expires is None else expires.timestamp(),
            request=message.encode(),
        )
        adaptor.user_data.add(subscribed)
        adaptor.context.on_rollback(adaptor.user_data.drop, subscribed)
        activity = adaptor.context.endpoint.start_activity_transacted(
            subscribed.handle, subscribed.activity, ActivityFlags.UNREFERENCED
        )
        adaptor.user_data.save(subscribed)
        adaptor.context.enlist(Subscribe(subscribed.handle, message, False))
        return activity

    def unsubscribe(self, subscription: ActivityContext) -> None:
        adaptor = self._adaptor
        found = adaptor.user_data.subscriptions.get(str(adaptor.context.handle_of(subscription)))
        if found is None or found.is_ending:
            raise LocalProtocolError(f"unsubscribe: {subscription!r} is no subscription that goes on [DIA-41]")
        adaptor.context.enlist(Subscribe(found.handle, adaptor.user_data.end_request(found), True))

    def answer_user_data(
        self,
        aci: ActivityContext,
        result: int,
        data: UserData | None = None,
        *,
        expires: datetime.datetime | None = None,
    ) -> None:
        vendor = codes.TGPP if isinstance(result, ShResult) else 0
        result_avp(result, vendor)  # refuses here what does not fit
        avps = ShReply(result=result, data=data, expires=expires).avps()
        served = self._served(aci, "answer_user_data")
        self._adaptor.context.enlist(Reply(served.handle, int(result), avps, vendor))

    # Within.

    def _request(
        self,
        user: UserIdentity,
        references: tuple[DataReference, ...],
        realm: str,
        host: str,
        *,
        services: tuple[str, ...] = (),
        data: UserData | None = None,
        wants_data: bool = False,
        expires: datetime.datetime | None = None,
    ) -> ShRequest:
        if not realm:
            raise LocalProtocolError("a request for user data without realm [DIA-19]; give the Destination-Realm")
        adaptor = self._adaptor
        return ShRequest(
            user=user,
            references=references,
            services=services,
            data=data,
            wants_data=wants_data,
            expires=expires,
            session_id=adaptor.new_session_id(),
            origin_host=adaptor.settings.identity,
            origin_realm=adaptor.settings.realm,
            realm=realm,
            host=host,
        )

    def _ask(self, command: int, request: ShRequest) -> ActivityContext:
        adaptor = self._adaptor
        message: Message = request.message(command)
        key = f"u {request.session_id}"
        activity = adaptor.context.endpoint.start_activity_transacted(key, DiameterTransaction(key, message.name))
        adaptor.context.enlist(AskUserData(key, message))
        return activity

    def _served(self, aci: ActivityContext, what: str) -> Served:
        served = self._adaptor.servers.served(self._adaptor.context.handle_of(aci), what)
        served.answered = True
        self._adaptor.context.on_rollback(served.forget_answer)
        return served

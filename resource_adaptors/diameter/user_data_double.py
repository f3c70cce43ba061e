"""A home subscriber server for service tests: it keeps user data, takes updates, and tells subscribers (COM-21).

hss = UserDataDouble(diameter.peer("hss.example.net"))
hss.users[UserIdentity("sip:alice@example.net")] = UserData(scscf="sip:scscf.example.net")
"""

from __future__ import annotations

import msgspec

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import text
from resource_adaptors.diameter.message.errors import RemoteProtocolError
from resource_adaptors.diameter.message.message import Message
from resource_adaptors.diameter.protocol.capabilities import error_answer, result_avp
from resource_adaptors.diameter.protocol.sh_document import RepositoryData, UserData, next_sequence
from resource_adaptors.diameter.protocol.user_data import (
    DataReference,
    ShReply,
    ShRequest,
    ShResult,
    UserIdentity,
    read_sh_request,
)
from resource_adaptors.diameter.testing import ServerDouble

_FIELDS = {
    DataReference.IMS_PUBLIC_IDENTITY: ("public_identities",),
    DataReference.IMS_USER_STATE: ("ims_user_state",),
    DataReference.S_CSCF_NAME: ("scscf",),
    DataReference.INITIAL_FILTER_CRITERIA: ("filter_criteria",),
    DataReference.LOCATION_INFORMATION: ("cs_location", "ps_location"),
    DataReference.USER_STATE: ("cs_user_state", "ps_user_state"),
    DataReference.MSISDN: ("msisdns",),
}


class UserDataDouble:
    """Answers UDR, PUR and SNR of the adaptor out of `users`, and sends PNR."""

    def __init__(self, peer: ServerDouble) -> None:
        self.users: dict[UserIdentity, UserData] = {}
        """What is kept; those that are not there are unknown."""
        self.subscriptions: set[tuple[UserIdentity, DataReference, str]] = set()
        """User, data reference and Service-Indication."""
        self.requests: list[ShRequest] = []
        """The requests received, in order."""
        self._peer = peer
        peer.on_request = self._answer

    def change(self, user: UserIdentity, data: UserData) -> None:
        """Send a PNR with changed data, whoever has subscribed; its answer is in the peer's `answers`."""
        ours = self._peer.simulator
        request = ShRequest(
            user=user,
            data=data,
            session_id=f"{self._peer.host};{len(self._peer.answers)};{len(self.requests)}",
            origin_host=self._peer.host,
            origin_realm=self._peer.realm,
            realm=ours.realm,
            host=ours.identity,
        )
        self._peer.ask(request.message(codes.PUSH_NOTIFICATION))

    def _answer(self, message: Message) -> Message | None:
        settings = self._peer.node.settings
        try:
            request = read_sh_request(message)
        except RemoteProtocolError as error:
            return error_answer(settings, message, error.result, error.reason, vendor=error.vendor)
        self.requests.append(request)
        reply = self._judge(message.command, request)
        return message.answer(
            (
                text(codes.SESSION_ID, request.session_id),
                result_avp(reply.result, codes.TGPP if reply.is_experimental else 0),
                text(codes.ORIGIN_HOST, self._peer.host),
                text(codes.ORIGIN_REALM, self._peer.realm),
                *reply.avps(),
            )
        )

    def _judge(self, command: int, request: ShRequest) -> ShReply:
        kept = self.users.get(request.user)
        if kept is None:
            return ShReply(result=ShResult.USER_UNKNOWN, is_experimental=True)
        if command == codes.USER_DATA:
            return ShReply(result=codes.SUCCESS, data=_chosen(kept, request))
        if command == codes.PROFILE_UPDATE:
            return self._update(kept, request)
        for reference in request.references:
            for service in request.services or ("",):
                key = request.user, reference, service
                if request.is_end:
                    self.subscriptions.discard(key)
                else:
                    self.subscriptions.add(key)
        data = _chosen(kept, request) if request.wants_data and not request.is_end else None
        return ShReply(result=codes.SUCCESS, data=data, expires=request.expires)

    def _update(self, kept: UserData, request: ShRequest) -> ShReply:
        new = request.data.repository if request.data is not None else ()
        for update in new:
            stored = kept.of_service(update.service)
            if update.sequence != next_sequence(None if stored is None else stored.sequence):
                return ShReply(result=ShResult.TRANSPARENT_DATA_OUT_OF_SYNC, is_experimental=True)
        services = {update.service for update in new}
        left: list[RepositoryData] = [one for one in kept.repository if one.service not in services]
        left += [update for update in new if update.data is not None]
        self.users[request.user] = msgspec.structs.replace(kept, repository=tuple(left))
        return ShReply(result=codes.SUCCESS)


def _chosen(kept: UserData, request: ShRequest) -> UserData:
    """The data that a request asks for."""
    fields: dict[str, object] = {}
    for reference in request.references:
        if reference is DataReference.REPOSITORY_DATA:
            found = tuple(one for one in kept.repository if one.service in request.services)
            # TS 29.328 6.1.1.1: without data there is the number 0 and no ServiceData.
            fields["repository"] = found or tuple(RepositoryData(service) for service in request.services)
        else:
            fields.update((name, getattr(kept, name)) for name in _FIELDS[reference])
    return msgspec.convert(fields, UserData)

"""HTTP to Sh and back: whom a path names, which number a condition means, what a result is in HTTP."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from resource_adaptors.diameter.api import ShReply, ShResult, UserData, UserIdentity

_NUMBER: Final = re.compile(r"\+?[0-9]{3,15}\Z")
_ETAG: Final = re.compile(r'"([0-9]{1,5})"\Z')
_STATES: Final = ("not registered", "registered", "registered for services only", "being authenticated")


class Refused(Exception):
    """The client's request is answered with a problem document."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


class Shown(msgspec.Struct, frozen=True):
    """Data of a service as they are shown."""

    service: str
    sequence: int
    data: str


class Profile(msgspec.Struct, frozen=True):
    """What the network knows of a subscriber, as it is shown."""

    public_identities: tuple[str, ...]
    msisdns: tuple[str, ...]
    state: str
    scscf: str


_RESULTS: Final[dict[int, tuple[int, str, str]]] = {
    ShResult.USER_UNKNOWN: (404, "unknown-subscriber", "the subscriber server does not know that subscriber"),
    ShResult.SUBS_DATA_ABSENT: (404, "no-data", "nothing is stored there"),
    ShResult.USER_DATA_NOT_AVAILABLE: (503, "not-available", "the data are not available now"),
    ShResult.PRIOR_UPDATE_IN_PROGRESS: (503, "busy", "another update is in progress"),
    ShResult.USER_DATA_NOT_RECOGNIZED: (422, "not-recognised", "the subscriber server does not know such data"),
    ShResult.OPERATION_NOT_ALLOWED: (403, "not-allowed", "the subscriber server does not allow that"),
    ShResult.USER_DATA_CANNOT_BE_READ: (403, "not-readable", "the subscriber server does not let it be read"),
    ShResult.USER_DATA_CANNOT_BE_MODIFIED: (403, "not-writable", "the subscriber server does not let it be changed"),
    ShResult.TRANSPARENT_DATA_OUT_OF_SYNC: (412, "changed", "the data have been changed by somebody else meanwhile"),
}


def refusal(reply: ShReply) -> Refused:
    """What an answer that is no success is in HTTP; 502 for what HTTP has no word for."""
    if reply.is_experimental and reply.result in _RESULTS:
        return Refused(*_RESULTS[reply.result])
    return Refused(502, "server-refused", f"the subscriber server answered {reply.result}")


def user_of(name: str) -> UserIdentity:
    """Whom a path names: a SIP or tel URI, a SIP address without its scheme, or a number in international format."""
    if _NUMBER.match(name):
        return UserIdentity(msisdn=name.removeprefix("+"))
    if name.startswith(("sip:", "tel:")) and len(name) > 4:
        return UserIdentity(name)
    if "@" in name and ":" not in name.partition("@")[0]:
        return UserIdentity(f"sip:{name}")
    raise Refused(422, "invalid-subscriber", f"{name!r} is no SIP or tel URI, nor a number; give one of these")


def etag(sequence: int) -> str:
    """The entity tag of data: their number."""
    return f'"{sequence}"'


def expected(if_match: str | None, if_none_match: str | None) -> int | bool | None:
    """The number of the stored data that a client wants to replace: `None` for none, `False` if it does not say."""
    if if_match is not None and if_none_match is not None:
        raise Refused(400, "two-conditions", "If-Match and If-None-Match exclude each other")
    if if_none_match is not None:
        if if_none_match.strip() != "*":
            raise Refused(400, "invalid-condition", "If-None-Match can only be *, for data that are not there yet")
        return None
    if if_match is None:
        return False
    found = _ETAG.match(if_match.strip())
    if found is None or int(found[1]) > 65_535:
        raise Refused(400, "invalid-condition", "If-Match is the ETag of the data that were read")
    return int(found[1])


def shown(data: UserData | None, service: str) -> Shown:
    """Data of a service; `Refused` with 404 if there are none."""
    kept = None if data is None else data.of_service(service)
    if kept is None or kept.data is None:
        raise Refused(*_RESULTS[ShResult.SUBS_DATA_ABSENT])
    return Shown(service, kept.sequence, kept.text)


def profile(data: UserData | None) -> Profile:
    """What the network knows of a subscriber."""
    data = UserData() if data is None else data
    state = data.ims_user_state
    word = _STATES[state] if state is not None and 0 <= state < len(_STATES) else "unknown"
    return Profile(data.public_identities, data.msisdns, word, data.scscf)

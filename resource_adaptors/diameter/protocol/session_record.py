"""What is kept of a credit-control session over a restart, and the session made of it again (DIA-50)."""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from resource_adaptors.diameter.message.avp import Avp
from resource_adaptors.diameter.message.message import decode
from resource_adaptors.diameter.protocol.charging import Action, FailureHandling, RequestType, Subscription
from resource_adaptors.diameter.protocol.quota import Quota
from resource_adaptors.diameter.protocol.session import CreditSession, Owner

_Row: TypeAlias = "tuple[int | None, tuple[int, ...], Quota]"


class _Record(msgspec.Struct, frozen=True, array_like=True):
    """Everything that a session knows, plain."""

    session_id: str
    origin: tuple[str, str]
    context: str
    realm: str
    host: str
    failure_handling: FailureHandling
    debits_anyway: bool
    fails_over: bool
    subscriptions: tuple[Subscription, ...]
    state: str
    number: int
    kind: RequestType
    last: bytes
    """The last request, encoded; empty if there was none."""
    action: Action | None
    correlation: bytes
    cause: int
    queued_update: bool
    queued_end: bool
    valid_until: float | None
    quotas: list[_Row]
    done: int
    extra: tuple[Avp, ...]


def record(session: CreditSession) -> bytes:
    """What `restored` needs."""
    quotas = session.quotas
    return msgspec.msgpack.encode(
        _Record(
            session.session_id,
            session.origin,
            session.context,
            session.realm,
            session.host,
            session.failure_handling,
            session.debits_anyway,
            session.fails_over,
            session.subscriptions,
            session.state,
            session.number,
            session.kind,
            b"" if session.last is None else session.last.encode(),
            session.action,
            session.correlation,
            session.cause,
            session.queued_update,
            session.queued_end,
            quotas.valid_until,
            [(rating, services, quota) for (rating, services), quota in quotas.entries.items()],
            session.done,
            session.extra,
        )
    )


_decoder: Final = msgspec.msgpack.Decoder(_Record)


def restored(owner: Owner, data: bytes) -> CreditSession:
    """The session as it was recorded; nothing is sent, and no deadline awaited, until the owner has it done.

    Raises:
        msgspec.DecodeError: the data are no record of this version.
    """
    kept = _decoder.decode(data)
    session = CreditSession(
        owner,
        kept.session_id,
        kept.subscriptions,
        origin=kept.origin,
        context=kept.context,
        realm=kept.realm,
        failure_handling=kept.failure_handling,
        debits_anyway=kept.debits_anyway,
        fails_over=kept.fails_over,
        extra=kept.extra,
    )
    session.host, session.state, session.number, session.kind = kept.host, kept.state, kept.number, kept.kind
    session.last = decode(kept.last) if kept.last else None
    session.action, session.correlation, session.cause = kept.action, kept.correlation, kept.cause
    session.queued_update, session.queued_end = kept.queued_update, kept.queued_end
    session.quotas.valid_until = kept.valid_until
    session.quotas.entries.update({(rating, services): quota for rating, services, quota in kept.quotas})
    session.serial = session.done = kept.done
    return session

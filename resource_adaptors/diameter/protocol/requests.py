"""Requests of ours that wait for their answer, and the answers kept for requests that come again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.message import Message, T

if TYPE_CHECKING:
    from resource_adaptors.diameter.protocol.peer import Peer
    from slee.spi.wheel import Timer

_RANDOM_BITS: Final = 20


class Pending:
    """A request that is to be answered; it may be owed by several peers after a failover."""

    __slots__ = (
        "at",
        "ends_at",
        "host",
        "is_repeated",
        "message",
        "origin_hop",
        "realm",
        "refused",
        "sent_at",
        "relayed_for",
        "timer",
        "token",
        "tried",
        "was_sent",
    )

    def __init__(
        self, message: Message, token: object, *, ends_at: float, relayed_for: int | None, origin_hop: int
    ) -> None:
        self.message = message
        self.token = token
        """Whatever the owner wants to be told with the answer."""
        self.realm = message.text(codes.DESTINATION_REALM)
        self.host = message.text(codes.DESTINATION_HOST)
        """Destination-Host, empty if the realm decides."""
        self.ends_at = ends_at
        """When it is given up, whatever is tried in between (DIA-23)."""
        self.at: dict[Peer, int] = {}
        """Hop-by-Hop by peer that owes the answer."""
        self.tried: set[str] = set()
        """Hosts that have had it."""
        self.was_sent = False
        """Whether somebody may have had it: it is sent with T from then on."""
        self.is_repeated = False
        """Whether it has been sent with T."""
        self.sent_at = 0.0
        """When it was sent last."""
        self.timer: Timer[Pending] | None = None
        self.refused: Message | None = None
        """The last answer of a peer that could not deliver it."""
        self.relayed_for = relayed_for
        """The connection that it came from, if it is passed on for another (DIA-20)."""
        self.origin_hop = origin_hop

    def repeated(self, hop_by_hop: int) -> Message:
        """The same request for another peer: the same End-to-End, T set (RFC 6733 5.5.4)."""
        message = self.message
        return msgspec.structs.replace(message, hop_by_hop=hop_by_hop, flags=message.flags | T)


class EndToEnd:
    """Mints End-to-End identifiers: 12 bits of time, then 20 that begin anywhere and count (RFC 6733 3; DIA-21)."""

    __slots__ = ("_count",)

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._count = int.from_bytes(random(4), "big")

    def next(self, now: float) -> int:
        """The next one."""
        self._count += 1
        return (int(now) & 0xFFF) << _RANDOM_BITS | self._count & 0xF_FFFF


class Duplicates:
    """Answers of the last minutes by who asked and End-to-End (DIA-24)."""

    __slots__ = ("_answers", "_keeps", "_largest")

    def __init__(self, keeps: float, largest: int = 100_000) -> None:
        """Keep answers for `keeps` seconds, of `largest` requests at most."""
        self._answers: OrderedDict[tuple[str, int], tuple[float, Message | None]] = OrderedDict()
        self._keeps = keeps
        self._largest = largest

    def __len__(self) -> int:
        return len(self._answers)

    def is_known(self, request: Message, origin: str, now: float) -> bool:
        """Whether a request has come before; if it has not, it has now."""
        self._forget(now)
        key = origin, request.end_to_end
        if key in self._answers:
            return True
        self._answers[key] = now, None
        return False

    def answer_to(self, request: Message, origin: str) -> Message | None:
        """The answer to a request that is known, for its Hop-by-Hop now; `None` while it is being worked on."""
        answer = self._answers[origin, request.end_to_end][1]
        return None if answer is None else msgspec.structs.replace(answer, hop_by_hop=request.hop_by_hop)

    def keep(self, request: Message, origin: str, answer: Message) -> None:
        """Keep the answer to a request."""
        key = origin, request.end_to_end
        found = self._answers.get(key)
        if found is not None:
            self._answers[key] = found[0], answer

    def _forget(self, now: float) -> None:
        answers = self._answers
        while answers:
            since = next(iter(answers.values()))[0]
            if since > now - self._keeps and len(answers) < self._largest:
                break
            answers.popitem(last=False)

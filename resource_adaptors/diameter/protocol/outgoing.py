"""Requests of ours: routed, sent, failed over, answered or given up (DIA-19 to DIA-27)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import find_all
from resource_adaptors.diameter.message.errors import RemoteProtocolError
from resource_adaptors.diameter.message.message import Message, T
from resource_adaptors.diameter.protocol import tables
from resource_adaptors.diameter.protocol.events import Answered, Unanswered
from resource_adaptors.diameter.protocol.requests import Pending
from resource_adaptors.diameter.protocol.validation import check_answer
from slee.spi.wheel import TimerWheel

if TYPE_CHECKING:
    from resource_adaptors.diameter.protocol.node import Node
    from resource_adaptors.diameter.protocol.peer import Peer

_TRY_ANOTHER: Final = frozenset({codes.UNABLE_TO_DELIVER, codes.TOO_BUSY})


class Outgoing:
    """Requests on their way out, until they are done with."""

    __slots__ = ("_node", "_queued", "_timers", "_waiting")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._queued: dict[Pending, None] = {}
        """Requests whose peers owe as many answers as they may, oldest first."""
        self._waiting: list[Pending] = []
        """Requests that no peer can take now; they go to the first that comes up."""
        self._timers: TimerWheel[Pending] = TimerWheel(0.05)

    def next_deadline(self) -> float | None:
        """When to call `tick` next, `None` if nothing is waited for."""
        return self._timers.next_deadline()

    def tick(self, now: float) -> None:
        """Give up what has waited too long."""
        for pending in self._timers.expire(now):
            self._give_up(pending, "timeout")

    def count(self) -> int:
        """Requests that wait for an answer or a peer."""
        return sum(len(peer.pending) for peer in self._node.peers.values()) + len(self._waiting) + len(self._queued)

    def send(
        self,
        message: Message,
        token: object,
        now: float,
        *,
        relayed_for: int | None = None,
        is_repeated: bool = False,
    ) -> None:
        """Send a request to where it belongs; `Answered` or `Unanswered` comes with the token."""
        end_to_end = message.end_to_end or self._node.new_end_to_end()
        origin_hop = message.hop_by_hop
        message = msgspec.structs.replace(message, end_to_end=end_to_end)
        pending = Pending(
            message, token, ends_at=now + self._node.settings.total, relayed_for=relayed_for, origin_hop=origin_hop
        )
        pending.was_sent = is_repeated
        self._dispatch(pending)

    def _dispatch(self, pending: Pending) -> None:
        """Give a request to the best peer, or say why that cannot be."""
        message = pending.message
        candidates = self._node.routes.candidates(
            pending.realm, message.application, pending.host, now=self._node.now, tried=pending.tried
        )
        if not candidates:
            is_known = self._node.routes.knows(pending.realm) or pending.host.lower() in self._node.peers
            self._wait_or_refuse(pending, "unroutable" if is_known else "unknown_realm")
            return
        for peer in candidates:
            if len(peer.pending) < self._node.settings.window:
                self._hand(pending, peer)
                return
        if len(self._queued) < self._node.settings.queue:
            self._queued[pending] = None
            self._arm(pending, pending.ends_at)
        else:
            self._give_up(pending, "queue_full")

    def _wait_or_refuse(self, pending: Pending, reason: str) -> None:
        """A request that has been sent before waits for a peer to come back; a new one is refused at once."""
        if pending.refused is not None:
            self._settle(pending, pending.refused, "")
        elif not (pending.was_sent or self._wakes(pending)):
            self._give_up(pending, reason)
        elif len(self._waiting) < self._node.settings.queue:
            self._waiting.append(pending)
            self._arm(pending, pending.ends_at)
        else:
            self._give_up(pending, "queue_full")

    def _wakes(self, pending: Pending) -> bool:
        """Whether there is a peer now that is connected to on demand only (DIA-15)."""
        routes = self._node.routes
        found = [peer for peer in routes.known(pending.realm, pending.message.application, pending.host) if peer.wake()]
        return bool(found)

    def _hand(self, pending: Pending, peer: Peer) -> None:
        hop = self._node.new_hop()
        is_repeated = pending.was_sent
        pending.was_sent = True
        message = pending.repeated(hop) if is_repeated else msgspec.structs.replace(pending.message, hop_by_hop=hop)
        if is_repeated:
            pending.is_repeated = True
            self._node.statistics.retransmissions += 1
        peer.pending[hop] = pending
        pending.at[peer] = hop
        pending.tried.add(peer.host)
        pending.sent_at = self._node.now
        self._arm(pending, self._node.now + self._node.settings.tx)
        peer.step(tables.SEND_MESSAGE, message)

    def _arm(self, pending: Pending, until: float) -> None:
        if pending.timer is not None:
            pending.timer.cancel()
        pending.timer = self._timers.set(min(until, pending.ends_at), pending)

    def fail_over(self, peer: Peer) -> None:
        """A peer is silent or gone: others take over what it owes (DIA-22)."""
        owed = list(peer.pending.items())
        for hop, pending in owed:
            if peer.is_open and not self._has_other(pending):
                continue  # its connection still stands: the answer may come
            self._node.statistics.failovers += 1
            if not peer.is_open:
                peer.pending.pop(hop, None)
                pending.at.pop(peer, None)
            if not pending.at or peer.is_open:
                self._dispatch(pending)

    def _has_other(self, pending: Pending) -> bool:
        return bool(
            self._node.routes.candidates(
                pending.realm, pending.message.application, pending.host, now=self._node.now, tried=pending.tried
            )
        )

    def peer_opened(self, peer: Peer) -> None:
        """A peer can be sent to: requests that wait may be for it."""
        waiting, self._waiting = self._waiting, []
        for pending in waiting:
            # All that could take it have gone since it was sent: any that came back may have it again.
            pending.tried.discard(peer.host)
            self._dispatch(pending)

    def _give_up(self, pending: Pending, reason: str) -> None:
        if reason == "timeout":
            self._node.statistics.timeouts[pending.message.application] += 1
            pending.timer = None
        self._settle(pending, None, reason)

    def _settle(self, pending: Pending, answer: Message | None, reason: str, *, host: str = "", error: int = 0) -> None:
        """The request is done with: nobody owes an answer any more."""
        for peer, hop in pending.at.items():
            peer.pending.pop(hop, None)
        pending.at.clear()
        self._queued.pop(pending, None)
        if pending in self._waiting:
            self._waiting.remove(pending)
        if pending.timer is not None:
            pending.timer.cancel()
            pending.timer = None
        if pending.relayed_for is not None:
            self._node.arrivals.relay_back(pending, answer, reason)
        elif answer is not None:
            is_repeated = pending.is_repeated or bool(pending.message.flags & T)
            self._node.events.append(Answered(pending.token, answer, host, error, is_repeated))
        else:
            self._node.events.append(Unanswered(pending.token, reason))
        self._go_on()

    def _go_on(self) -> None:
        """A peer owes an answer less: the next that is queued may have its turn."""
        if not self._queued:
            return
        pending = next(iter(self._queued))
        if pending.ends_at <= self._node.now:
            return  # it is about to be given up
        candidates = self._node.routes.candidates(
            pending.realm, pending.message.application, pending.host, now=self._node.now, tried=pending.tried
        )
        for peer in candidates:
            if len(peer.pending) < self._node.settings.window:
                del self._queued[pending]
                self._hand(pending, peer)
                return

    def answered(self, peer: Peer, message: Message) -> None:
        pending = peer.pending.get(message.hop_by_hop)
        if pending is None:
            self._node.statistics.dropped["hop_unknown"] += 1
            return
        sent = pending.message
        if sent.command != message.command or sent.application != message.application:
            self._node.statistics.dropped["mismatched_answer"] += 1
            return
        self._node.statistics.answered_in(sent.application, self._node.now - pending.sent_at)
        result = message.number(codes.RESULT_CODE) or 0
        self._node.statistics.results[peer.host, result // 1000, "in"] += 1
        if result in _TRY_ANOTHER and message.is_error and pending.refused is None:
            if result == codes.TOO_BUSY:
                peer.penalty.add(self._node.now)
            peer.pending.pop(message.hop_by_hop, None)
            pending.at.pop(peer, None)
            pending.refused = message
            self._dispatch(pending)
            return
        if self._is_redirected(peer, pending, message):
            return
        peer.penalty.forget()
        error = 0
        if pending.relayed_for is None:
            try:
                check_answer(message, self._node.dictionary)
            except RemoteProtocolError as found:
                error = found.result
        self._settle(pending, message, "", host=peer.host, error=error)

    def _is_redirected(self, peer: Peer, pending: Pending, message: Message) -> bool:
        """Whether the request goes on to a peer that the answer names (DIA-20; RFC 6733 6.1.8)."""
        if not (self._node.settings.follow_redirect and message.is_error):
            return False
        if message.result != codes.REDIRECT_INDICATION:
            return False
        for avp in find_all(message.avps, codes.REDIRECT_HOST):
            host = _host_of(avp.data.decode(errors="replace"))
            named = self._node.peers.get(host)
            if named is not None and named.is_open and host not in pending.tried:
                peer.pending.pop(message.hop_by_hop, None)
                pending.at.pop(peer, None)
                self._hand(pending, named)
                return True
        return False


def _host_of(uri: str) -> str:
    """The host of a DiameterURI, in lower case: `aaa://host:port;transport=tcp` (RFC 6733 4.3.1)."""
    return uri.partition("://")[2].partition(";")[0].partition(":")[0].lower()

"""What operators are to know of: peers, realms, the outbox, certificates, impostors, uncharged calls (DIA-53)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from resource_adaptors.diameter.transport.certificate import ends_at
from slee.api.alarm import AlarmLevel

if TYPE_CHECKING:
    from resource_adaptors.diameter.adaptor import DiameterAdaptor
    from resource_adaptors.diameter.protocol.peer import Peer

_OLD: Final = 900.0
"""Age in seconds of the oldest entry of the outbox at which an alarm is raised (DIA-39)."""
_MANY: Final = 10_000
"""Entries of the outbox at which an alarm is raised."""
_DAY: Final = 86_400.0
_MINUTE: Final = 60.0


class Watch:
    """The alarms of one Diameter resource adaptor entity."""

    def __init__(self, adaptor: DiameterAdaptor) -> None:
        self._adaptor = adaptor
        self._reasons: dict[str, str] = {}
        """Why the last connection of a peer went or did not come, by host."""
        self._refused = 0
        """Connections without a handshake, since the last one was told of."""
        self._tell_at = 0.0
        """When the next one may be told of."""
        self._look_at = 0.0
        """When the certificate is looked at next."""

    def outbox(self) -> None:
        """Does something wait for too long, or too much?"""
        outbox, adaptor = self._adaptor.outbox, self._adaptor
        if len(outbox) >= _MANY or outbox.oldest(adaptor.now) > _OLD:
            age = outbox.oldest(adaptor.now) / 60
            message = f"{len(outbox)} charging requests wait, the oldest for {age:.0f} minutes; look at the peers"
            self._raise("dia.outbox_old", adaptor.context.entity_name, AlarmLevel.MAJOR, message)
        elif not len(outbox):
            adaptor.context.alarms.clear_type("dia.outbox_old")

    def certificate(self) -> None:
        """Does our certificate end soon? Looked at once a day."""
        tls, now = self._adaptor.settings.tls, self._adaptor.now
        if tls is None or now < self._look_at:
            return
        self._look_at = now + _DAY
        left = (ends_at(tls.certificate).timestamp() - now) / _DAY
        if left < tls.warn_days:
            message = f"the certificate {tls.certificate} ends in {left:.0f} days; put a new one in its place"
            self._raise("dia.tls_certificate_expiring", str(tls.certificate), AlarmLevel.MAJOR, message)
        else:
            self._adaptor.context.alarms.clear_type("dia.tls_certificate_expiring")

    def lost(self, peer: Peer, reason: str) -> None:
        """A connection of a peer has gone, or could not be opened; operators hear of it unless requests go on."""
        if not peer.is_dynamic:
            self._reasons[peer.host] = reason
            if not peer.is_up:
                self.peers()

    def peers(self) -> None:
        """Which peers take no requests, and which realms have none that does?"""
        node = self._adaptor.node
        if node.is_stopping:
            return
        for host, peer in node.peers.items():
            if not peer.is_up and not peer.is_dynamic:
                reason = self._reasons.get(host) or "it is not connected"
                self._raise("dia.peer_down", host, AlarmLevel.MAJOR, f"peer {host} takes no requests: {reason}")
        for realm in self._adaptor.settings.realms:
            if not any(node.peers[host.lower()].is_up for host in realm.peers):
                where = f"{realm.realm}/{realm.application}"
                message = f"no peer of realm {realm.realm} takes requests of application {realm.application}"
                self._raise("dia.realm_unreachable", where, AlarmLevel.CRITICAL, message)

    def peer_up(self, host: str) -> None:
        """A peer takes requests: what was said of peers is to be seen anew."""
        self._reasons.pop(host, None)
        for alarm in ("dia.peer_down", "dia.realm_unreachable", "dia.ccfh_continue"):
            self._adaptor.context.alarms.clear_type(alarm)
        self.peers()

    def refused(self, address: str, reason: str) -> None:
        """Somebody's handshake of TLS has failed: told of at once, and then once a minute with their number."""
        self._adaptor.node.statistics.dropped["handshake"] += 1
        self._refused += 1
        context = self._adaptor.context
        if context.now >= self._tell_at:
            self._tell_at = context.now + _MINUTE
            context.tracer.warning(
                "%s connections without a handshake of TLS, the last from %s: %s [DIA-17]; if it is a peer, it needs a "
                "certificate of our authorities",
                self._refused,
                address,
                reason,
            )
            self._refused = 0

    def impostor(self, host: str) -> None:
        """Somebody else has our name: two nodes with one identity take each other's answers."""
        message = f"a peer introduced itself as {host}, which is our identity; give each node a name of its own"
        self._raise("dia.duplicate_identity", host, AlarmLevel.CRITICAL, message)

    def goes_on_uncharged(self, realm: str, reason: str) -> None:
        """Calls go on though nobody could be asked (DIA-32)."""
        message = f"calls go on uncharged: realm {realm} cannot be asked ({reason})"
        self._raise("dia.ccfh_continue", realm, AlarmLevel.MAJOR, message)

    def _raise(self, alarm: str, instance: str, level: AlarmLevel, message: str) -> None:
        self._adaptor.context.alarms.raise_alarm(alarm, instance, level=level, message=message)

"""Which peers a request may go to, in which order (DIA-19, DIA-25)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from resource_adaptors.diameter.protocol.peer import Peer
from resource_adaptors.diameter.protocol.settings import RealmSettings


class Routes:
    """The realm table over the peers that there are."""

    __slots__ = ("_peers", "_realms")

    def __init__(self, realms: Iterable[RealmSettings], peers: Mapping[str, Peer]) -> None:
        self._peers = peers
        self._realms: dict[tuple[str, int], RealmSettings] = {(r.realm.lower(), r.application): r for r in realms}

    def knows(self, realm: str) -> bool:
        """Whether requests for a realm go anywhere."""
        return any(known == realm.lower() for known, _ in self._realms)

    def relays(self, realm: str, application: int) -> bool:
        """Whether requests of others for a realm are passed on."""
        found = self._realms.get((realm.lower(), application))
        return found is not None and found.relay

    def known(self, realm: str, application: int, host: str) -> list[Peer]:
        """The peers that requests go to, whether or not they can take any now, in the order of the table."""
        direct = self._peers.get(host.lower()) if host else None
        if direct is not None:
            return [direct]
        row = self._realms.get((realm.lower(), application))
        hosts = () if row is None else row.peers
        return [self._peers[h.lower()] for h in hosts if h.lower() in self._peers]

    def candidates(self, realm: str, application: int, host: str, *, now: float, tried: set[str]) -> list[Peer]:
        """The peers that can take a request now, best first.

        A direct peer that is the destination goes first; of the others those that are up, in the order of the table;
        busy ones after them; one whose watchdog has not yet shown it to be well is the last resort.
        """
        found = self.known(realm, application, host)
        able = [p for p in found if p.is_open and p.host not in tried and application in p.applications]
        able.sort(key=lambda peer: (not peer.is_up, peer.penalty.until > now))
        return able

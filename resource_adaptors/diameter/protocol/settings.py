"""What the protocol core is told of itself and of its peers; durations are in seconds."""

from __future__ import annotations

import msgspec

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import IPAddress


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One node."""

    identity: str
    realm: str
    addresses: tuple[IPAddress, ...] = ()
    product: str = "slee"
    vendor: int = 0
    origin_state: int = 1
    """Origin-State-Id: the time of the start, so that it is higher after every restart (DIA-12)."""
    auth_applications: frozenset[int] = frozenset({codes.CREDIT_CONTROL_APPLICATION})
    acct_applications: frozenset[int] = frozenset({codes.BASE_ACCOUNTING})
    vendor_applications: frozenset[tuple[int, int]] = frozenset({(codes.TGPP, codes.SH)})
    """Vendor and authorisation application."""
    tw: float = 30.0
    """Watchdog interval; 2 seconds of jitter either way (RFC 3539 3.4.1)."""
    cer_timeout: float = 10.0
    dpa_timeout: float = 5.0
    tc: float = 30.0
    """Pause before a lost connection is opened again; doubles up to `longest_tc`."""
    longest_tc: float = 300.0
    tx: float = 10.0
    """How long an answer may take."""
    total: float = 30.0
    """How long it may take with all that is tried in between."""
    window: int = 1024
    """Requests that a peer may owe an answer to."""
    queue: int = 4096
    """Requests that wait for a peer to come up, at most."""
    largest_message: int = 65_536
    accept_unknown: bool = False
    follow_redirect: bool = False
    """Whether a request goes on to the peer that an answer redirects it to (DIA-20)."""
    rate: float = 0.0
    """Requests that begin something new a second and peer, without limit if 0 (DIA-55)."""
    burst: int = 100
    """How many of them may come at once."""
    turn: int = 64
    """Messages of one connection that are read before others have their turn (DIA-55)."""
    duplicate_time: float = 240.0
    """How long answers are kept for requests that come again (DIA-24)."""

    @property
    def applications(self) -> frozenset[int]:
        """Every application served."""
        vendor = frozenset(application for _, application in self.vendor_applications)
        return self.auth_applications | self.acct_applications | vendor


class PeerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One peer."""

    host: str
    """Its Origin-Host."""
    address: str = ""
    """Where to connect to; the host unless given."""
    port: int = 3868
    tls: bool = False
    opens: bool = True
    """Whether we connect to it; it may connect to us either way."""
    weight: int = 1
    realms: frozenset[str] = frozenset()
    """Realms, in lower case, of those whose requests may come through it; anybody's if empty (DIA-18)."""
    refusal: int = codes.UNABLE_TO_DELIVER
    """Result-Code of requests from elsewhere."""


class RealmSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where requests for one realm go."""

    realm: str
    application: int
    peers: tuple[str, ...]
    """Hosts in the order in which they are tried: primary first."""
    relay: bool = False
    """Whether requests of others are passed on (DIA-20)."""

"""Configuration of the Diameter resource adaptor (D7). Unknown keys are refused; durations are in seconds."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.protocol.charging import FailureHandling
from resource_adaptors.diameter.protocol.settings import PeerSettings, RealmSettings, Settings

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Identity = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,253}[A-Za-z0-9])?$")]
TCP_PORT: Final = 3868
TLS_PORT: Final = 5868
"""RFC 6733 11.4, erratum 3997."""

Application = Annotated[int, Field(ge=0, le=0xFFFF_FFFF)]


def _with_port(given: object, key: str, value: object) -> object:
    """The port of TLS, where TLS is asked for and no port is given."""
    if not isinstance(given, Mapping):
        return given
    keys = cast("Mapping[str, object]", given)
    return {**keys, "port": TLS_PORT} if keys.get(key) == value and "port" not in keys else keys


class ListenerConfiguration(BaseModel):
    """One address to listen on; TLS begins with the first octet (DIA-9)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: Port = TCP_PORT
    """The port of TLS, 5868, unless given where `tls` is set; 0 picks a free one."""
    tls: bool = False
    allow_plain: bool = False
    """Listen without TLS on an address that is not of this machine alone (DIA-55)."""

    @model_validator(mode="before")
    @classmethod
    def _choose_port(cls, given: object) -> object:
        return _with_port(given, "tls", True)

    @model_validator(mode="after")
    def _is_private_or_safe(self) -> ListenerConfiguration:
        if not (self.tls or self.allow_plain or ipaddress.ip_address(self.host).is_loopback):
            raise ValueError(f"listener on {self.host}: plain TCP reaches beyond this machine; set tls or allow_plain")
        return self


class TlsConfiguration(BaseModel):
    """Certificates."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate: Path
    key: Path
    authorities: Path
    """Certificates of those who may sign a peer's."""
    warn_days: Annotated[int, Field(ge=0)] = 30
    """Days before the end of our certificate at which an alarm is raised."""


class PeerConfiguration(BaseModel):
    """One peer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Identity
    """Its Origin-Host."""
    address: str = ""
    """Name or address to connect to; the host unless given."""
    port: Port = TCP_PORT
    """The port of TLS, 5868, unless given where the transport is `tls`."""
    transport: Literal["tcp", "tls"] = "tcp"
    mode: Literal["initiator", "responder", "both"] = "both"
    """Who connects: `responder` waits for the peer."""
    weight: Annotated[int, Field(ge=1)] = 1
    realms: frozenset[Identity] = frozenset()
    """Realms whose requests may come through it; any unless given (DIA-18)."""
    refusal: Literal[3002, 5003] = 3002
    """Result-Code of requests from elsewhere."""

    @model_validator(mode="before")
    @classmethod
    def _choose_port(cls, given: object) -> object:
        return _with_port(given, "transport", "tls")

    def settings(self) -> PeerSettings:
        """What the core needs."""
        return PeerSettings(
            host=self.host,
            address=self.address or self.host,
            port=self.port,
            tls=self.transport == "tls",
            opens=self.mode != "responder",
            weight=self.weight,
            realms=frozenset(realm.lower() for realm in self.realms),
            refusal=self.refusal,
        )


class RealmConfiguration(BaseModel):
    """Where requests for one realm and application go."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    realm: Identity
    application: Application = codes.CREDIT_CONTROL_APPLICATION
    peers: tuple[Identity, ...] = Field(min_length=1)
    """In the order in which they are tried: primary first."""
    relay: bool = False
    """Pass requests of others on (DIA-20)."""


class DiameterConfiguration(BaseModel):
    """Everything an operator can set for a Diameter resource adaptor entity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identity: Identity = "slee.localdomain"
    """Our Origin-Host."""
    realm: Identity = "localdomain"
    addresses: tuple[str, ...] = ("127.0.0.1",)
    """Host-IP-Address in capabilities."""
    listeners: tuple[ListenerConfiguration, ...] = ()
    tls: TlsConfiguration | None = None
    peers: tuple[PeerConfiguration, ...] = ()
    realms: tuple[RealmConfiguration, ...] = ()
    auth_applications: frozenset[Application] = frozenset({codes.CREDIT_CONTROL_APPLICATION})
    acct_applications: frozenset[Application] = frozenset({codes.BASE_ACCOUNTING})
    sh: bool = True
    """Serve the Sh application of 3GPP."""
    tx: Seconds = 10.0
    """How long an answer may take (DIA-23)."""
    total: Seconds = 30.0
    """How long it may take with all that is tried in between."""
    tw: Annotated[float, Field(ge=6, allow_inf_nan=False)] = 30.0
    """Watchdog interval (RFC 3539)."""
    cer_timeout: Seconds = 10.0
    dpa_timeout: Seconds = 5.0
    tc: Seconds = 30.0
    """Pause before a lost connection is opened again."""
    window: Annotated[int, Field(ge=1)] = 1024
    queue: Annotated[int, Field(ge=0)] = 4096
    ccfh: Literal["TERMINATE", "CONTINUE", "RETRY_AND_TERMINATE"] = "TERMINATE"
    """Failure handling of credit control where the server says nothing (RFC 8506 8.14)."""
    session_failover: bool = False
    """Whether another server may go on with a session where the first one says nothing (RFC 8506 8.4)."""
    ddfh: Literal["TERMINATE_OR_BUFFER", "CONTINUE"] = "TERMINATE_OR_BUFFER"
    """What becomes of a service whose debit reaches no server: CONTINUE gives it (RFC 8506 8.15; DIA-33).

    A debit that may have been made is repeated until that is known, either way.
    """
    realtime: Literal["DELIVER_AND_GRANT", "GRANT_AND_STORE", "GRANT_AND_LOSE"] = "GRANT_AND_STORE"
    """What holds for accounting where the server says nothing (RFC 6733 9.8.7; DIA-38)."""
    rejected_records: dict[Annotated[int, Field(ge=3000, le=5999)], Literal["dead_letter", "retry", "drop"]] = {}
    """What becomes of accounting records by Result-Code of their refusal, such as 5002 or 5030 (DIA-40).

    Unless given, protocol errors, transient failures and 5012 are tried again; other refusals are dead letters.
    """
    context: str = "32260@3gpp.org"
    """Service-Context-Id (DIA-37)."""
    answer_deadline: Seconds = 8.0
    """How long a service may take to answer a request of a peer (DIA-48)."""
    outbox: Path | None = None
    """File that keeps what has to be sent until it is answered; in memory, and lost at the end, unless given."""
    accept_unknown: bool = False
    """Let peers in that are not configured."""
    follow_redirect: bool = False
    """Send a request on to the configured peer that an answer redirects it to (DIA-20)."""
    rate: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Requests that begin something a second and peer; more get 3004. Without limit if 0 (DIA-55)."""
    burst: Annotated[int, Field(ge=1)] = 100
    """How many of them may come at once."""
    max_message: Annotated[int, Field(ge=1024, le=0xFF_FFFC)] = 65_536
    dictionary_files: tuple[Path, ...] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> DiameterConfiguration:
        hosts = {peer.host.lower() for peer in self.peers}
        if len(hosts) != len(self.peers):
            raise ValueError("peers: a host is there twice; give each once")
        for realm in self.realms:
            unknown = sorted(host for host in realm.peers if host.lower() not in hosts)
            if unknown:
                raise ValueError(f"realm {realm.realm}: {', '.join(unknown)} is no peer; add it to peers")
        needs_tls = any(p.transport == "tls" for p in self.peers) or any(entry.tls for entry in self.listeners)
        if needs_tls and self.tls is None:
            raise ValueError("tls: a peer or listener needs certificates; give certificate, key and authorities")
        return self

    def fate_of_record(self, result: int) -> str:
        """`retry`, `dead_letter` or `drop`: what becomes of an accounting record that was refused (DIA-39, DIA-40)."""
        is_passing = result // 1000 in (0, 1, 3, 4) or result == codes.UNABLE_TO_COMPLY
        return self.rejected_records.get(result, "retry" if is_passing else "dead_letter")

    @property
    def failure_handling(self) -> FailureHandling:
        """`ccfh` as the protocol counts it."""
        return FailureHandling[self.ccfh]

    def settings(self, origin_state: int) -> Settings:
        """What the core needs; the state identifies this start."""
        return Settings(
            identity=self.identity,
            realm=self.realm,
            addresses=tuple(ipaddress.ip_address(text) for text in self.addresses),
            origin_state=origin_state,
            auth_applications=self.auth_applications,
            acct_applications=self.acct_applications,
            vendor_applications=frozenset({(codes.TGPP, codes.SH)}) if self.sh else frozenset(),
            tw=self.tw,
            cer_timeout=self.cer_timeout,
            dpa_timeout=self.dpa_timeout,
            tc=self.tc,
            tx=self.tx,
            total=self.total,
            window=self.window,
            queue=self.queue,
            largest_message=self.max_message,
            accept_unknown=self.accept_unknown,
            follow_redirect=self.follow_redirect,
            rate=self.rate,
            burst=self.burst,
        )

    def routes(self) -> tuple[RealmSettings, ...]:
        """The realm table."""
        return tuple(
            RealmSettings(realm=r.realm, application=r.application, peers=r.peers, relay=r.relay) for r in self.realms
        )

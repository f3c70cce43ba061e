"""Configuration of the SIP resource adaptor (B26). Unknown keys are refused; durations are in seconds."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from resource_adaptors.sip.protocol.settings import Settings
from resource_adaptors.sip.protocol.timing import Timing

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=0, le=65_535)]
MIB = 1024 * 1024


class UdpListener(BaseModel):
    """One UDP address to listen on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    """Address of one of this machine's interfaces, as a number."""
    port: Port = 5060
    """Port; 0 picks a free one (SIP-31)."""
    advertised_host: str | None = None
    """Address that others reach the listener at, for Via, Record-Route and Contact; `host` unless given."""
    advertised_port: Port | None = None
    """Port that others reach the listener at; the port listened on unless given."""
    force_rport: bool = False
    """Answer to the port that a request came from even where it does not ask for that (SIP-52)."""
    tolerant: bool = False
    """Accept bare LF or CR line ends and other leniencies of the parser (SIP-25)."""

    @field_validator("host", "advertised_host")
    @classmethod
    def _is_numeric(cls, value: str | None) -> str | None:
        if value is not None:
            ipaddress.ip_address(value)
        return value

    @model_validator(mode="after")
    def _is_reachable(self) -> UdpListener:
        if self.advertised_host is None and ipaddress.ip_address(self.host).is_unspecified:
            raise ValueError(f"SIP listener on {self.host}: nobody can answer to that address; set advertised_host")
        return self


class SipConfiguration(BaseModel):
    """Everything an operator can set for a SIP resource adaptor entity."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listeners: tuple[UdpListener, ...] = Field(default=(UdpListener(),), min_length=1, max_length=1)
    """Where to listen; one address so far."""
    domains: frozenset[str] = frozenset()
    """Domains that are ours; empty means every domain."""
    t1: Seconds = 0.5
    """Estimate of the round trip (RFC 3261 17.1.1.1)."""
    t2: Seconds = 4.0
    """Longest interval between two retransmissions."""
    t4: Seconds = 5.0
    """Longest time a message stays in the network."""
    timer_c: Seconds = 185.0
    """How long a ringing branch may go without another provisional response; RFC 3261 asks for more than 180."""
    trying_after: Annotated[float, Field(ge=0, le=0.2)] = 0.0
    """How long after an INVITE 100 is sent, unless another response has gone out (SIP-61)."""
    server_deadline: Seconds = 185.0
    """How long an INVITE may wait for a service's answer with no branch pending (SIP-63)."""
    dialog_lifetime: Seconds = 43_200.0
    """How long a dialog is followed at most for services that track it; it is told then (SIP-87)."""
    max_forwards_limit: Annotated[int, Field(ge=1, le=255)] = 70
    """Larger Max-Forwards values are lowered to this (SIP-73)."""
    rfc2543_compat: bool = True
    """Accept requests without the branch cookie of RFC 3261."""
    malformed_answers_per_second: Annotated[int, Field(ge=0)] = 50
    """Answers to malformed requests of one source (SIP-22)."""
    udp_drain: Annotated[int, Field(ge=1)] = 64
    """Datagrams read in one go before anything else runs (SIP-33)."""
    rcvbuf: Annotated[int, Field(ge=4096)] = 4 * MIB
    """Receive buffer of each socket, in octets."""
    sndbuf: Annotated[int, Field(ge=4096)] = 4 * MIB
    """Send buffer of each socket, in octets."""
    server_name: Annotated[str, Field(pattern=r"^[\x20-\x7e]*$")] = ""
    """Value of the Server header of what we answer ourselves; empty leaves it out (SIP-66)."""

    @field_validator("domains")
    @classmethod
    def _lower(cls, value: frozenset[str]) -> frozenset[str]:
        return frozenset(domain.lower() for domain in value)

    def settings(self, listener: UdpListener, port: int) -> Settings:
        """What the core of a listener needs, the listener being bound to `port`."""
        return Settings(
            host=listener.advertised_host or listener.host,
            port=listener.advertised_port or port,
            bound=(listener.host, port),
            domains=self.domains,
            timing=Timing(
                t1=self.t1,
                t2=self.t2,
                t4=self.t4,
                timer_c=self.timer_c,
                trying_after=self.trying_after,
                server_deadline=self.server_deadline,
            ),
            max_forwards_limit=self.max_forwards_limit,
            rfc2543_compat=self.rfc2543_compat,
            malformed_answers_per_second=self.malformed_answers_per_second,
            force_rport=listener.force_rport,
            tolerant=listener.tolerant,
            server_name=self.server_name,
        )

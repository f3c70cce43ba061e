"""Configuration of the HTTP resource adaptor (HTTP-42). Unknown keys are refused; durations are in seconds."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from resource_adaptors.http.access_config import (
    AuthSection,
    BrowserSection,
    CallbackSection,
    CompressionSection,
    CorsSection,
    IdempotencySection,
    RateSection,
)
from resource_adaptors.http.message.errors import LocalProtocolError
from resource_adaptors.http.message.headers import header_lines
from resource_adaptors.http.protocol.groups import parse_group
from resource_adaptors.http.protocol.routes import parse_option

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Port = Annotated[int, Field(ge=0, le=65_535)]
Count = Annotated[int, Field(ge=1)]
KIB = 1024
MIB = 1024 * KIB


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TlsSection(_Section):
    """Certificates of a TLS listener."""

    certificate: Path
    """PEM file of the certificate and its chain."""
    key: Path
    """PEM file of its private key."""
    client_ca: Path | None = None
    """PEM file of the authorities whose client certificates are asked for (HTTP-34)."""
    client_certificate: Literal["required", "optional"] = "required"
    """Whether a client without a certificate can connect at all."""
    warn_before: Seconds = 30 * 86_400.0
    """How long before its certificate expires an alarm is raised (HTTP-41)."""


class ListenerSection(_Section):
    """One TCP address to listen on."""

    host: str = "127.0.0.1"
    """Address of one of this machine's interfaces, as a number."""
    port: Port = 8080
    """Port; 0 picks a free one."""
    tls: TlsSection | None = None
    """TLS with these certificates; plain without."""

    @field_validator("host")
    @classmethod
    def _is_numeric(cls, value: str) -> str:
        ipaddress.ip_address(value)
        return value


class LimitSection(_Section):
    """What a client may ask for (HTTP-13); sizes in octets."""

    request_line: Count = 8 * KIB
    header_section: Count = 16 * KIB
    header_fields: Count = 100
    body: Count = MIB
    inline_body: Count = 64 * KIB
    """Longer bodies are handed over in pieces (HTTP-20)."""
    trailers: Count = 4 * KIB
    header_time: Seconds = 10.0
    """From the first octet of a request to the end of its header section."""
    body_rate: Count = 256
    """Octets in a second that a body must come with, once `body_grace` is over."""
    body_grace: Seconds = 10.0
    idle: Seconds = 75.0
    """How long a connection is kept between requests."""
    requests_per_connection: Count = 10_000
    pipelined: Count = 16
    """Requests of one connection that may wait for their answers."""
    connections: Count = 10_000
    connections_per_source: Count = 200
    in_progress: Count = 10_000
    """Requests in progress; 503 beyond."""
    unsent: Count = MIB
    """Octets that may wait to be sent on a connection."""
    stalled: Seconds = 30.0
    """How long a client may take nothing of what waits to be sent."""
    sessions: Count = 100_000
    """Sessions at once; a request that would begin a further one gets 503 (HTTP-15)."""
    event_streams: Count = 5_000
    event_keys: Count = 10_000
    """Keys of event streams whose events are kept; the one published to longest ago goes when there are more."""
    websockets: Count = 5_000
    """Open WebSockets; 503 beyond (HTTP-11)."""
    websocket_message: Count = 64 * KIB
    """Octets of a message of a WebSocket, its fragments together; closed with 1009 beyond."""
    unhandled_messages: Count = 64
    """Messages of one WebSocket that may wait for their handlers; nothing more is read meanwhile."""
    kept_answers: Count = 10_000
    """Answers kept for repeated idempotency keys; the one that would go first goes when there are more (HTTP-33)."""


class DeadlineSection(_Section):
    """How long things may take."""

    response: Seconds = 30.0
    """From a request to its answer; 504 after (HTTP-19)."""
    event_stream_comment: Seconds = 15.0
    """Idle time after which an event stream gets a comment."""
    websocket_ping: Seconds = 25.0
    """Silence after which a WebSocket's peer is asked whether it is there; two pings without an answer close it."""
    websocket_close: Seconds = 5.0
    """How long a WebSocket's peer may take to answer a close frame."""


class SessionSection(_Section):
    """Where the session keys of a route come from (HTTP-16)."""

    source: Literal["cookie", "header", "path", "query", "json"]
    name: str
    """Name of the cookie, header or field, or a JSON pointer into the body."""
    idle: Seconds = 1800.0
    """After which a session without a request ends."""


class RetrySection(_Section):
    """Repeated tries of client requests (HTTP-25)."""

    tries: Annotated[int, Field(ge=0, le=10)] = 2
    """Tries after the first one."""
    backoff: Seconds = 0.2
    """Before the first of them, doubled for each further one."""
    longest_retry_after: Seconds = 10.0


class BreakerSection(_Section):
    """When a target is left alone (HTTP-26)."""

    failures: Count = 10
    within: Seconds = 10.0
    open: Seconds = 10.0


class ClientSection(_Section):
    """Requests to others."""

    connections: Count = 32
    """At once for each scheme, host and port (HTTP-24)."""
    queue: Count = 1024
    """Requests that wait for a connection of one target; one more fails at once."""
    idle: Seconds = 30.0
    """How long a connection is kept."""
    connect_timeout: Seconds = 3.0
    timeout: Seconds = 10.0
    """In total, unless the request says otherwise."""
    body: Count = MIB
    """Octets of a response's body (HTTP-28)."""
    retries: RetrySection = RetrySection()
    breaker: BreakerSection = BreakerSection()
    allow_networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    """Networks that may be reached though they are private, loopback or the like (HTTP-29)."""
    ca: Path | None = None
    """PEM file of the authorities that servers are checked against; the system's without."""


class WebhookTarget(_Section):
    """One receiver of web-hooks (HTTP-30)."""

    url: str
    keys: Annotated[tuple[SecretStr, ...], Field(min_length=1, max_length=2)]
    """Keys of the signature; two while they rotate, the new one first."""


class WebhookSection(_Section):
    """Web-hooks."""

    targets: dict[str, WebhookTarget] = Field(default_factory=dict)
    """Receivers by the name that services use."""
    schedule: tuple[Seconds, ...] = (1, 5, 30, 120, 600, 3600)
    """Seconds before each further try; the last one repeats until `give_up`."""
    give_up: Seconds = 86_400.0
    """Seconds from the first try to the dead letter."""
    timeout: Seconds = 10.0
    """Of one try."""
    parallel: Count = 4
    """Tries at once for one target."""
    body: Count = 256 * KIB


class HttpConfiguration(_Section):
    """Everything an operator can set for an HTTP resource adaptor entity."""

    listeners: tuple[ListenerSection, ...] = Field(default=(ListenerSection(),), max_length=8)
    """Where to listen; none serves nothing, for an entity that only makes requests."""
    hosts: frozenset[str] = frozenset()
    """Values of Host that are served, with the port if there is one in them; empty serves every one."""
    server: Annotated[str, Field(pattern=r"^[\x21-\x7e ]*$")] = ""
    """Value of the Server header; empty leaves it out (HTTP-7)."""
    limits: LimitSection = LimitSection()
    deadlines: DeadlineSection = DeadlineSection()
    sessions: dict[str, SessionSection] = Field(default_factory=dict)
    """Sessions by route, such as `"POST /chat/{room}"`."""
    auth: dict[str, AuthSection] = Field(default_factory=dict)
    """Authentication by group of routes; a route that no group covers is open to all."""
    rates: dict[str, RateSection] = Field(default_factory=dict)
    """Limits of rates by group of routes; the routes of a group share them (HTTP-35)."""
    cors: dict[str, CorsSection] = Field(default_factory=dict)
    """Access for pages of other origins, by group of routes; there is none without (HTTP-36)."""
    browser: dict[str, BrowserSection] = Field(default_factory=dict)
    """Protection of pages, by group of routes (HTTP-37, HTTP-38)."""
    idempotency: dict[str, IdempotencySection] = Field(default_factory=dict)
    """Routes of POST and PATCH that take an Idempotency-Key, by group (HTTP-33)."""
    trusted_forwarders: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    """Networks of proxies that may say whom they ask for (HTTP-39)."""
    compression: CompressionSection = CompressionSection()
    callbacks: CallbackSection | None = None
    """Callback URLs; services cannot make any without (HTTP-32)."""
    client: ClientSection = ClientSection()
    webhooks: WebhookSection = WebhookSection()
    sse_ring: Count = 256
    """Events kept for each key of event streams, for clients that come back (HTTP-21)."""
    static: dict[str, str] = Field(default_factory=lambda: {"X-Content-Type-Options": "nosniff"})
    """Headers of every answer (HTTP-37)."""

    @field_validator("sessions")
    @classmethod
    def _are_routes(cls, value: dict[str, _Section]) -> dict[str, _Section]:
        for route in value:
            parse_option(route)
        return value

    @field_validator("auth", "rates", "cors", "browser", "idempotency")
    @classmethod
    def _are_groups(cls, value: dict[str, _Section]) -> dict[str, _Section]:
        for group in value:
            parse_group(group)
        return value

    @field_validator("static")
    @classmethod
    def _can_be_sent(cls, value: dict[str, str]) -> dict[str, str]:
        try:
            header_lines(value.items())
        except LocalProtocolError as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("hosts")
    @classmethod
    def _lower(cls, value: frozenset[str]) -> frozenset[str]:
        return frozenset(host.lower() for host in value)

    @model_validator(mode="after")
    def _listens_once(self) -> HttpConfiguration:
        places = [(listener.host, listener.port) for listener in self.listeners if listener.port]
        if len(set(places)) != len(places):
            raise ValueError("listeners: an address stands twice")
        return self

"""Configuration of who may use routes and how: keys are groups of routes, the most specific one counts (HTTP-34 to 38).

A group is `*`, `/path/*` or a template, with a method before it if only that is meant: `POST /calls/*`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from resource_adaptors.http.message.errors import LocalProtocolError
from resource_adaptors.http.message.headers import header_lines, is_token
from resource_adaptors.http.protocol.origins import parse_origin

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
_DIGEST: Final = re.compile(r"[0-9A-Fa-f]{64}")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AuthSection(_Section):
    """Who may use a route (HTTP-34): whoever proves to be one of its principals, in any of the ways named here."""

    bearer: dict[str, SecretStr] = Field(default_factory=dict)
    """SHA-256 of the token in hexadecimal, by the name of the principal."""
    signatures: dict[str, SecretStr] = Field(default_factory=dict)
    """Key by the name of the principal: requests are signed as our web-hooks are (HTTP-30)."""
    tolerance: Seconds = 300.0
    """Seconds that the time of a signature may differ from ours; an id is taken once within it."""
    certificates: dict[str, str] = Field(default_factory=dict)
    """Name in the client's certificate, such as `DNS:pbx.example.net` or `CN:pbx`, by the name of the principal."""
    roles: dict[str, frozenset[str]] = Field(default_factory=dict)
    """Roles by the name of the principal."""

    @field_validator("bearer")
    @classmethod
    def _are_digests(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, digest in value.items():
            if not _DIGEST.fullmatch(digest.get_secret_value()):
                raise ValueError(f"bearer of {name}: the SHA-256 of the token in 64 hexadecimal digits is needed")
        return value

    @field_validator("certificates")
    @classmethod
    def _are_names(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if text.partition(":")[0] not in ("CN", "DNS", "URI", "email", "IP Address"):
                raise ValueError(f"certificate of {name}: {text!r}; write DNS:name, URI:uri or CN:name")
        return value


class RateSection(_Section):
    """How often routes may be asked; what is more gets 429 (HTTP-35)."""

    source: Seconds | None = None
    """Requests in a second from one address."""
    source_burst: Count = 20
    """Requests that an address may make at once."""
    principal: Seconds | None = None
    """Requests in a second by one principal."""
    principal_burst: Count = 20


class CorsSection(_Section):
    """Pages of other origins that may use routes (HTTP-36)."""

    origins: Annotated[frozenset[str], Field(min_length=1)]
    """Exact origins, such as `https://app.example.net`; there is no wildcard."""
    methods: frozenset[str] = frozenset({"GET", "HEAD", "POST"})
    headers: frozenset[str] = frozenset({"content-type"})
    """Request headers that a page may set, in lower case."""
    exposed: frozenset[str] = frozenset()
    """Response headers that a page may read."""
    credentials: bool = False
    """Whether cookies and the like may go with the requests."""
    max_age: Annotated[int, Field(ge=0)] = 600
    """Seconds that a browser may keep the answer to its question."""

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, value: frozenset[str]) -> frozenset[str]:
        return frozenset(parse_origin(origin) for origin in value)

    @field_validator("methods", "headers", "exposed")
    @classmethod
    def _are_tokens(cls, value: frozenset[str]) -> frozenset[str]:
        for name in value:
            if not is_token(name) or name == "*":
                raise ValueError(f"{name!r} is no name; write each one out")
        return value

    @model_validator(mode="after")
    def _in_lower_case(self) -> CorsSection:
        if any(name != name.lower() for name in self.headers):
            raise ValueError("headers: write the names in lower case")
        return self


class BrowserSection(_Section):
    """Protection of routes that pages in browsers use (HTTP-37, HTTP-38)."""

    content_security_policy: str | None = "default-src 'self'"
    referrer_policy: str = "same-origin"
    """With `no-referrer` browsers send `Origin: null` with forms of our own pages, which HTTP-38 then refuses."""
    transport_security: Annotated[int, Field(ge=0)] = 31_536_000
    """Seconds for Strict-Transport-Security, over TLS only; 0 leaves it out."""
    origins: frozenset[str] = frozenset()
    """Further origins whose pages may change something with a cookie; the one that is asked always may."""
    csrf_cookie: str = "csrf"
    """Cookie whose value the header below repeats when a client sends no Origin."""
    csrf_header: str = "x-csrf-token"

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, value: frozenset[str]) -> frozenset[str]:
        return frozenset(parse_origin(origin) for origin in value)

    @model_validator(mode="after")
    def _can_be_sent(self) -> BrowserSection:
        try:
            self.lines(is_tls=True)
        except LocalProtocolError as error:
            raise ValueError(str(error)) from error
        return self

    def lines(self, *, is_tls: bool, besides: Iterable[str] = ()) -> bytes:
        """The header lines of every answer; of names that are sent `besides`, none."""
        fields = [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", self.referrer_policy)]
        if self.content_security_policy is not None:
            fields.append(("Content-Security-Policy", self.content_security_policy))
        if is_tls and self.transport_security:
            fields.append(("Strict-Transport-Security", f"max-age={self.transport_security}"))
        sent = {name.lower() for name in besides}
        return header_lines([(name, value) for name, value in fields if name.lower() not in sent])


class IdempotencySection(_Section):
    """Routes that answer a repeated request as they did the first time (HTTP-33)."""

    keep: Seconds = 86_400.0
    """How long an answer is kept."""
    required: bool = False
    """Whether a request without a key is refused with 400."""


class CompressionSection(_Section):
    """Content codings (HTTP-10)."""

    responses: bool = False
    """Whether answers are compressed for clients that take gzip."""
    minimum: Count = 1024
    """Octets below which it is not worth it."""
    types: frozenset[str] = frozenset(
        {"application/json", "application/problem+json", "application/xml", "image/svg+xml"}
    )
    """Media types that are compressed besides text/*."""
    level: Annotated[int, Field(ge=1, le=9)] = 5
    requests: bool = False
    """Whether bodies with gzip are accepted; 415 otherwise."""
    ratio: Count = 100
    """How many times as long as it was sent a body may become."""


class CallbackSection(_Section):
    """URLs that services give to others to be called back (HTTP-32)."""

    base: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")]
    """Where this server can be reached from outside, such as `https://slee.example.net`."""
    key: SecretStr
    """Secret that signs them; the same on every node and after every restart."""
    path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9/_-]+$")] = "/callbacks"
    """Path in front of the token."""
    longest: Seconds = 604_800.0
    """The longest time that a URL may be good for."""

    @field_validator("key")
    @classmethod
    def _is_long(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 16:
            raise ValueError("key: at least 16 characters are needed")
        return value

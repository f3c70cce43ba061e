"""What the configuration says about a route, looked up once for all of its requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeVar

from resource_adaptors.http.access_config import BrowserSection
from resource_adaptors.http.message.coding import compress, takes_gzip
from resource_adaptors.http.protocol.buckets import Buckets
from resource_adaptors.http.protocol.groups import chosen

if TYPE_CHECKING:
    from resource_adaptors.http.access_config import (
        AuthSection,
        CompressionSection,
        CorsSection,
        IdempotencySection,
        RateSection,
    )
    from resource_adaptors.http.config import HttpConfiguration
    from resource_adaptors.http.protocol.routes import Route

S = TypeVar("S")
_TYPE: Final = re.compile(rb"^content-type: *([^;\r ]+)", re.IGNORECASE | re.MULTILINE)
_CODED: Final = re.compile(rb"^(?:content-encoding|etag):", re.IGNORECASE | re.MULTILINE)
_API: Final = re.compile(rb"^content-type: *application/(?:[\w.-]+\+)?json\b", re.IGNORECASE | re.MULTILINE)
_CACHED: Final = re.compile(rb"^cache-control:", re.IGNORECASE | re.MULTILINE)
_KEYED: Final = ("POST", "PATCH")


class Policy:
    """The rules of one route."""

    __slots__ = ("auth", "browser", "cors", "idempotency", "origins", "pages", "plain_lines", "rates", "tls_lines")

    def __init__(self, route: Route, settings: HttpConfiguration, limiter: Limiter) -> None:
        """Look up what covers a route."""
        self.auth: AuthSection | None = _section(settings.auth, route)
        self.cors: CorsSection | None = _section(settings.cors, route)
        self.rates = limiter.of(route)
        keyed = _section(settings.idempotency, route) if route.method in _KEYED else None
        self.idempotency: IdempotencySection | None = keyed
        browser = _section(settings.browser, route)
        static = settings.static
        self.plain_lines = b"" if browser is None else browser.lines(is_tls=False, besides=static)
        self.tls_lines = b"" if browser is None else browser.lines(is_tls=True, besides=static)
        session = settings.sessions.get(str(route))
        if browser is None and session is not None and session.source == "cookie":
            browser = BrowserSection()  # who sets cookies protects them (HTTP-38)
        self.browser = browser
        self.origins = frozenset[str]()
        """Origins whose pages may change something with a cookie, besides the one that is asked."""
        if browser is not None:
            self.origins = browser.origins
            if self.cors is not None and self.cors.credentials:
                self.origins |= self.cors.origins
        self.pages = self.origins if self.cors is None else self.origins | self.cors.origins
        """Origins whose pages may open a WebSocket, besides the one that is asked."""

    def no_store(self, fields: bytes) -> bytes:
        """The line that keeps JSON for pages out of caches, unless the service says how long it is good (HTTP-37)."""
        if not self.plain_lines or not _API.search(fields) or _CACHED.search(fields):
            return b""
        return b"Cache-Control: no-store\r\n"

    @property
    def says_nothing(self) -> bool:
        """Whether its requests need not be looked at."""
        return not (self.auth or self.cors or self.rates or self.idempotency or self.browser)


def _section(sections: Mapping[str, S], route: Route) -> S | None:
    found = chosen(sections, route)
    return None if found is None else found[1]


class Rates:
    """The buckets of one group of routes."""

    def __init__(self, section: RateSection) -> None:
        """Make buckets as a section says."""
        self.section = section
        self.source = None if section.source is None else Buckets(section.source, section.source_burst)
        self.principal = None if section.principal is None else Buckets(section.principal, section.principal_burst)


class Limiter:
    """The buckets of all groups; a group whose section stays the same keeps them over a change of configuration."""

    def __init__(self) -> None:
        self._groups: dict[str, Rates] = {}
        self._sections: dict[str, RateSection] = {}

    def take(self, sections: dict[str, RateSection]) -> None:
        """Take a configuration."""
        kept = {key: rates for key, rates in self._groups.items() if sections.get(key) == rates.section}
        self._groups = {key: kept.get(key) or Rates(section) for key, section in sections.items()}
        self._sections = sections

    def of(self, route: Route) -> Rates | None:
        """The buckets for a route."""
        found = chosen(self._sections, route)
        return None if found is None else self._groups[found[0]]

    def forget_full(self, now: float) -> None:
        """Let go of what is full again."""
        for rates in self._groups.values():
            for buckets in (rates.source, rates.principal):
                if buckets is not None:
                    buckets.forget_full(now)


def coded(compression: CompressionSection, accepted: bytes | None, fields: bytes, body: bytes) -> tuple[bytes, bytes]:
    """The lines and body of an answer, compressed where it is of a kind that is and the client takes it (HTTP-10).

    One with an entity tag is left alone, since the tag names the octets that the service has given.
    """
    found = _TYPE.search(fields)
    media = "" if found is None else found[1].decode("latin-1").lower()
    if not (media.startswith("text/") or media in compression.types) or _CODED.search(fields):
        return fields, body
    fields += b"vary: Accept-Encoding\r\n"
    if not takes_gzip(None if accepted is None else accepted.decode("latin-1")):
        return fields, body
    return fields + b"content-encoding: gzip\r\n", compress(body, compression.level)

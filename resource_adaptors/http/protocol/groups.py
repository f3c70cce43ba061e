"""Groups of routes: what a key of the configuration covers (HTTP-35 to HTTP-38)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from resource_adaptors.http.message.headers import is_token
from resource_adaptors.http.protocol.routes import Route

S = TypeVar("S")


class Group(msgspec.Struct, frozen=True):
    """Routes of one template, or of all templates that begin alike."""

    method: str
    """Empty covers every method."""
    template: str
    is_prefix: bool

    def covers(self, route: Route) -> bool:
        """Whether a route belongs to it."""
        if self.method not in ("", route.method):
            return False
        if self.is_prefix:
            return route.template.startswith(self.template) or route.template == self.template.rstrip("/")
        return route.template == self.template

    @property
    def weight(self) -> tuple[bool, int, bool]:
        """The greater of two groups that cover a route is the more specific one."""
        return not self.is_prefix, len(self.template), self.method != ""


def parse_group(text: str) -> Group:
    """The group of a key: `*`, `/path/*`, `/path/{field}`, each with a method before it if only that is meant.

    Raises:
        ValueError: it says what is wrong.
    """
    method, _, template = text.rpartition(" ")
    if method and not (is_token(method) and method == method.upper()):
        raise ValueError(f"{text!r}: {method!r} is no method; write `POST /path/*`, `/path/*` or `*`")
    if template == "*":
        return Group(method, "/", is_prefix=True)
    if not template.startswith("/") or "*" in template[:-1]:
        raise ValueError(f"{text!r} is no group of routes; write `POST /path/*`, `/path/*` or `*`")
    if template.endswith("/*"):
        return Group(method, template[:-1], is_prefix=True)
    return Group(method, template, is_prefix=False)


def chosen(sections: Mapping[str, S], route: Route) -> tuple[str, S] | None:
    """The key and section of the most specific group that covers a route."""
    found = [(group.weight, key) for key in sections if (group := parse_group(key)).covers(route)]
    if not found:
        return None
    key = max(found)[1]
    return key, sections[key]

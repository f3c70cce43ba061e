"""Routes: what the options of handlers claim, and which of them a request matches (HTTP-14, correction 21)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Generic, TypeVar

import msgspec

from resource_adaptors.http.message.headers import is_token

T = TypeVar("T")

WEBSOCKET: Final = "WEBSOCKET"
"""What stands for the method in a route of WebSocket (HTTP-11)."""
KNOWN_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Route(msgspec.Struct, frozen=True):
    """A method and a template, and the media types of bodies that are accepted.

    A route of WebSocket names its subprotocols instead, the one that is liked best first.
    """

    method: str
    template: str
    accepts: tuple[str, ...] = ()
    """Media types of the body, empty accepts every one; or subprotocols, empty speaks none."""

    @property
    def key(self) -> str:
        """What no two services may claim: the method, and the template whatever its fields are called."""
        parts = ["{...}" if is_rest(s) else "{}" if s.startswith("{") else s for s in self.segments]
        return f"{self.method} /{'/'.join(parts)}"

    @property
    def segments(self) -> list[str]:
        """The segments of the template."""
        return self.template[1:].split("/")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the template's fields."""
        return tuple(s[1:-1].removesuffix("...") for s in self.segments if s.startswith("{"))

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


def is_rest(segment: str) -> bool:
    """Whether a segment of a template stands for all that is left of a path: `{name...}`."""
    return segment.startswith("{") and segment.endswith("...}")


def parse_option(option: str) -> tuple[Route, ...]:
    """The routes of a handler's option: `METHOD /template`, media types behind it; several with commas between.

    Raises:
        ValueError: it says what is wrong.
    """
    routes = tuple(_parse(part.split()) for part in option.split(","))
    if len({route.key for route in routes}) != len(routes):
        raise ValueError(f"{option!r}: a route stands twice")
    return routes


def _parse(words: list[str]) -> Route:
    if len(words) < 2:
        raise ValueError(f"{' '.join(words)!r} is no route; write METHOD /path/{{field}}")
    method, template, *accepts = words
    if not is_token(method) or method != method.upper():
        raise ValueError(f"{method!r} is no method")
    if not template.startswith("/"):
        raise ValueError(f"{template!r} does not begin with a slash")
    segments = template[1:].split("/")
    names: list[str] = []
    for place, segment in enumerate(segments):
        if "{" not in segment and "}" not in segment:
            if "%" in segment or "?" in segment or segment in (".", ".."):
                raise ValueError(f"{template!r}: segment {segment!r} can never match; write it decoded")
            continue
        name = segment[1:-1].removesuffix("...")
        if segment[0] != "{" or segment[-1] != "}" or not name.isidentifier():
            raise ValueError(f"{template!r}: a field is a whole segment, {{name}}, and its name an identifier")
        if is_rest(segment) and place != len(segments) - 1:
            raise ValueError(f"{template!r}: {segment} stands for the rest of the path, so it comes last")
        names.append(name)
    if len(set(names)) != len(names):
        raise ValueError(f"{template!r}: a field's name stands twice")
    if method == WEBSOCKET:
        unfit = next((name for name in accepts if not is_token(name)), None)
        if unfit is not None or len(set(accepts)) != len(accepts):
            raise ValueError(f"{' '.join(words)!r}: subprotocols are tokens, each once, with spaces between")
        return Route(method, template, tuple(accepts))
    for media in accepts:
        if media.count("/") != 1 or media != media.lower():
            raise ValueError(f"{media!r} is no media type in lower case")
    return Route(method, template, tuple(accepts))


class Match(msgspec.Struct, Generic[T], frozen=True):
    """The route of a request, whose it is, and what its fields stand for."""

    route: Route
    owner: T
    fields: dict[str, str]


_End = tuple[Route, T, tuple[str, ...]]
"""A route, whose it is, and the names of its fields."""


class _Node(Generic[T]):
    """A place in the trie of templates."""

    __slots__ = ("field", "here", "literals", "rest")

    def __init__(self) -> None:
        self.literals: dict[str, _Node[T]] = {}
        self.field: _Node[T] | None = None
        self.here: dict[str, _End[T]] = {}
        """Routes that end here, by method."""
        self.rest: dict[str, _End[T]] = {}
        """Routes whose last field takes all from here, by method."""


class RouteTable(Generic[T]):
    """Finds the most specific route: at each segment a literal goes before a field, a field before a rest."""

    def __init__(self, routes: Iterable[tuple[Route, T]] = ()) -> None:
        """Build the table; of two routes with one key the first stays."""
        self._root: _Node[T] = _Node()
        self._static: dict[tuple[str, str], Match[T]] = {}
        """Templates without fields by method and path: no segment is looked at."""
        for route, owner in routes:
            self._add(route, owner)

    def _add(self, route: Route, owner: T) -> None:
        node = self._root
        for segment in route.segments:
            if is_rest(segment):
                node.rest.setdefault(route.method, (route, owner, route.names))
                return
            if segment.startswith("{"):
                node.field = node.field or _Node()
                node = node.field
            else:
                node = node.literals.setdefault(segment, _Node())
        node.here.setdefault(route.method, (route, owner, route.names))
        if "{" not in route.template:
            self._static.setdefault((route.method, route.template), Match(route, owner, {}))

    def match(self, method: str, path: str, segments: tuple[str, ...]) -> Match[T] | None:
        """The most specific route of that method for a path."""
        found = self._static.get((method, path))
        if found is not None:
            return found
        return self._walk(self._root, method, segments, 0, ())

    def _walk(
        self, node: _Node[T], method: str, segments: tuple[str, ...], place: int, values: tuple[str, ...]
    ) -> Match[T] | None:
        if place == len(segments):
            ends = node.here.get(method)
            return None if ends is None else _match(ends, values)
        segment = segments[place]
        literal = node.literals.get(segment)
        if literal is not None and (found := self._walk(literal, method, segments, place + 1, values)) is not None:
            return found
        if node.field is not None and segment:
            found = self._walk(node.field, method, segments, place + 1, (*values, segment))
            if found is not None:
                return found
        rest = node.rest.get(method)
        return None if rest is None else _match(rest, (*values, "/".join(segments[place:])))

    def methods(self, segments: tuple[str, ...]) -> list[str]:
        """The methods that any route has for a path, in the usual order."""
        found: set[str] = set()
        nodes = [self._root]
        for place in range(len(segments) + 1):
            following: list[_Node[T]] = []
            for node in nodes:
                if place == len(segments):
                    found |= node.here.keys()
                    continue
                found |= node.rest.keys()
                literal = node.literals.get(segments[place])
                following += [n for n in (literal, node.field if segments[place] else None) if n is not None]
            nodes = following
        return [*(m for m in KNOWN_METHODS if m in found), *sorted(found.difference(KNOWN_METHODS))]


def _match(end: _End[T], values: tuple[str, ...]) -> Match[T]:
    route, owner, names = end
    return Match(route, owner, dict(zip(names, values, strict=True)))

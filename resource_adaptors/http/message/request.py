"""A request as services see it; parts that few read are parsed when they are read."""

from __future__ import annotations

import msgspec

from resource_adaptors.http.message.headers import RawHeaders, find, media_type
from resource_adaptors.http.message.json import Json, parse_json
from resource_adaptors.http.message.multipart import Part, parse_multipart
from resource_adaptors.http.message.target import parse_fields


class Source(msgspec.Struct, frozen=True):
    """Where a request came from."""

    host: str
    port: int
    scheme: str = "http"
    """`http` or `https`."""


class Principal(msgspec.Struct, frozen=True):
    """Who makes a request, as the route's authentication found out (HTTP-34)."""

    name: str
    roles: frozenset[str] = frozenset()


class Request(msgspec.Struct, frozen=True):
    """One request, with its route and body."""

    method: str
    path: str
    """Normal path: decoded once, dot segments resolved."""
    query: str
    """As received, without the question mark."""
    route: str
    """Template of the route that matched, such as `/calls/{id}`."""
    fields: dict[str, str]
    """What the fields of the template stand for, decoded."""
    raw_headers: RawHeaders
    body: bytes
    """Empty if `is_streamed`."""
    source: Source
    principal: Principal | None = None
    session_key: str | None = None
    """The key of the request's session on a route that has sessions (HTTP-16)."""
    is_streamed: bool = False
    """The body is longer than `inline_body`: ask for it with `read_body` (HTTP-20)."""

    def header(self, name: str) -> str | None:
        """The first value of a header field, whatever the case of its name."""
        found = find(self.raw_headers, name.lower().encode("latin-1"))
        return None if found is None else found.decode("latin-1")

    @property
    def headers(self) -> list[tuple[str, str]]:
        """All fields in order, their names in lower case."""
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.raw_headers]

    @property
    def content_type(self) -> str:
        """The media type of the body without parameters, in lower case; empty if none is given."""
        return media_type(self.header("content-type"))

    @property
    def query_fields(self) -> list[tuple[str, str]]:
        """The fields of the query in order; `RemoteProtocolError` if they are no UTF-8."""
        return parse_fields(self.query)

    def query_field(self, name: str) -> str | None:
        """The first field of that name in the query."""
        return next((value for key, value in self.query_fields if key == name), None)

    @property
    def form(self) -> list[tuple[str, str]]:
        """The fields of a form body in order; `RemoteProtocolError` if there are too many or they are no UTF-8."""
        return parse_fields(self.body.decode("ascii", "replace"))

    @property
    def parts(self) -> list[Part]:
        """The parts of a multipart/form-data body; `RemoteProtocolError` if it is none (HTTP-5).

        A body that is streamed is read with `MultipartReader.begin(request.header("content-type") or "")`.
        """
        return parse_multipart(self.header("content-type") or "", self.body)

    def json(self) -> Json:
        """The body's JSON value; `RemoteProtocolError` if it is none (HTTP-5).

        A route that names `application/json` gets only bodies that are.
        """
        return parse_json(self.body)

    def __repr__(self) -> str:
        return f"{self.method} {self.route}"

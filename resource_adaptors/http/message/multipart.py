"""Bodies of several parts: multipart/form-data, whole or piece by piece (RFC 7578, RFC 2046 5.1, HTTP-5)."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from resource_adaptors.http.message.errors import RemoteProtocolError

MAX_PARTS: Final = 64
_MOST_HEAD: Final = 4096
"""Octets of the header section of a part."""
_BOUNDARY: Final = re.compile(r"""[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]""")
_PARAMETER: Final = re.compile(r';\s*([\w*-]+)=(?:"((?:[^"\\]|\\.)*)"|([^;\s"]*))')
_PREAMBLE, _HEAD, _BODY, _END = range(4)


class Part(msgspec.Struct, frozen=True):
    """One part, or the next piece of one."""

    name: str
    """Of the field."""
    filename: str | None
    content_type: str
    """`text/plain` where the part says nothing."""
    data: bytes
    is_last: bool = True
    """The part ends with this piece."""


class MultipartReader(msgspec.Struct, frozen=True):
    """Reads a body as it comes; a value, so that a CMP field can hold it between two `BodyChunk` events.

    reader = MultipartReader.begin(request.header("content-type") or "")
    reader, parts = reader.feed(event.data)
    """

    boundary: bytes
    state: int = _PREAMBLE
    rest: bytes = b"\r\n"
    """What has come and is not judged yet; the first boundary counts as if a line ended before it."""
    is_fresh: bool = False
    """A part has no data yet: the line end of its header section may be that of its boundary as well."""
    count: int = 0
    name: str = ""
    filename: str | None = None
    content_type: str = ""

    @classmethod
    def begin(cls, content_type: str) -> MultipartReader:
        """A reader for a body of that Content-Type, parameters included.

        Raises:
            RemoteProtocolError: 400, it names no boundary; 415, it is no multipart/form-data.
        """
        if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
            raise RemoteProtocolError(415, "multipart", "The body is no multipart/form-data.")
        boundary = _parameters(content_type).get("boundary", "")
        if not _BOUNDARY.fullmatch(boundary):
            raise RemoteProtocolError(400, "multipart_boundary", "The Content-Type names no boundary.")
        return cls(b"\r\n--" + boundary.encode())

    @property
    def is_complete(self) -> bool:
        """Whether the last boundary has come."""
        return self.state == _END

    def feed(self, data: bytes) -> tuple[MultipartReader, list[Part]]:
        """The reader for what follows, and the parts, or pieces of parts, that the octets complete.

        Raises:
            RemoteProtocolError: 400, it is not well formed; 413, there are more parts than are read.
        """
        found: list[Part] = []
        reader = msgspec.structs.replace(self, rest=self.rest + data)
        while (following := reader._step(found)) is not None:
            reader = following
        return reader, found

    def _step(self, found: list[Part]) -> MultipartReader | None:
        if self.state == _HEAD:
            return self._head()
        if self.state == _END:
            return None
        if self.is_fresh and not self.rest.startswith(self.boundary):
            if self.boundary.startswith(self.rest):
                return None
            return msgspec.structs.replace(self, rest=self.rest[2:], is_fresh=False)
        place = self.rest.find(self.boundary)
        if place < 0:
            return self._wait(found)
        end = place + len(self.boundary)
        if len(self.rest) < end + 2:
            return None
        follows = self.rest[end : end + 2]
        if self.state == _BODY:
            found.append(self._part(self.rest[:place], is_last=True))
        if follows == b"--":
            return msgspec.structs.replace(self, state=_END, rest=b"", is_fresh=False)
        if follows != b"\r\n":
            raise RemoteProtocolError(400, "multipart", "Something else follows a boundary.")
        if self.count == MAX_PARTS:
            raise RemoteProtocolError(413, "multipart_parts", f"More than {MAX_PARTS} parts.")
        return msgspec.structs.replace(self, state=_HEAD, rest=self.rest[end:], is_fresh=False, count=self.count + 1)

    def _wait(self, found: list[Part]) -> MultipartReader | None:
        """No boundary yet: hand over what cannot be the beginning of one."""
        safe = len(self.rest) - len(self.boundary) + 1
        if self.state == _PREAMBLE:
            if len(self.rest) > _MOST_HEAD:
                raise RemoteProtocolError(400, "multipart", "The first boundary does not come.")
            return None
        if safe <= 0:
            return None
        found.append(self._part(self.rest[:safe], is_last=False))
        return msgspec.structs.replace(self, rest=self.rest[safe:])

    def _head(self) -> MultipartReader | None:
        """Read the header section of a part, which begins with the line end of the boundary."""
        place = self.rest.find(b"\r\n\r\n")
        if place < 0 or place > _MOST_HEAD:
            if len(self.rest) > _MOST_HEAD:
                raise RemoteProtocolError(400, "multipart_head", "The header section of a part is too long.")
            return None
        fields: dict[str, str] = {}
        for line in self.rest[2:place].split(b"\r\n") if place else ():
            name, colon, value = line.decode("utf-8", "replace").partition(":")
            if not colon or not name.strip():
                raise RemoteProtocolError(400, "multipart_head", "A part has a line that is no header field.")
            fields[name.strip().lower()] = value.strip()
        disposition = fields.get("content-disposition", "")
        parameters = _parameters(disposition)
        if disposition.partition(";")[0].strip().lower() != "form-data" or "name" not in parameters:
            raise RemoteProtocolError(400, "multipart_head", "A part does not say which field it is.")
        return msgspec.structs.replace(
            self,
            state=_BODY,
            rest=self.rest[place + 2 :],
            is_fresh=True,
            name=parameters["name"],
            filename=parameters.get("filename"),
            content_type=fields.get("content-type", "text/plain"),
        )

    def _part(self, data: bytes, *, is_last: bool) -> Part:
        return Part(self.name, self.filename, self.content_type, data, is_last)


def _parameters(value: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for match in _PARAMETER.finditer(value):
        quoted = match[2]
        found.setdefault(match[1].lower(), match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
    return found


def parse_multipart(content_type: str, body: bytes) -> list[Part]:
    """The parts of a whole body.

    Raises:
        RemoteProtocolError: as `MultipartReader` says, or 400 if the last boundary is missing.
    """
    reader, pieces = MultipartReader.begin(content_type).feed(body)
    if not reader.is_complete:
        raise RemoteProtocolError(400, "multipart", "The last boundary is missing.")
    return pieces

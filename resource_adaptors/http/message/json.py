"""JSON as strictly as its readers agree on it (RFC 8259, HTTP-5)."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from resource_adaptors.http.message.errors import RemoteProtocolError

MAX_DEPTH: Final = 32
MAX_NODES: Final = 100_000
Json = None | bool | int | float | str | list[Any] | dict[str, Any]
"""A JSON value."""


def parse_json(data: bytes) -> Json:
    """The value of a JSON text.

    Raises:
        RemoteProtocolError: 400; no UTF-8, no JSON, a key twice, NaN or Infinity, too deep or too large.
    """
    try:
        value: Json = json.loads(data.decode("utf-8"), object_pairs_hook=_members, parse_constant=_constant)
    except RemoteProtocolError:
        raise
    except (ValueError, RecursionError) as error:
        raise RemoteProtocolError(400, "json", "The body is no JSON.") from error
    _bound(value)
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RemoteProtocolError(400, "json_key", "A key stands twice in an object.")
    return found


def _constant(name: str) -> NoReturn:
    raise RemoteProtocolError(400, "json_number", f"{name} is no JSON.")


def _bound(value: Json) -> None:
    """Refuse what is nested too deeply or has too many parts."""
    level: list[Json] = [value]
    nodes = depth = 0
    while True:
        nodes += len(level)
        if nodes > MAX_NODES:
            raise RemoteProtocolError(400, "json_nodes", f"More than {MAX_NODES} values.")
        outer = [part for part in level if isinstance(part, list | dict)]
        if not outer:
            return
        depth += 1
        if depth > MAX_DEPTH:
            raise RemoteProtocolError(400, "json_depth", f"More than {MAX_DEPTH} levels.")
        level = [inner for part in outer for inner in (part if isinstance(part, list) else part.values())]


def pointed(value: Json, pointer: str) -> Json:
    """What a JSON pointer points to (RFC 6901); `None` if there is nothing."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and key.isascii() and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value

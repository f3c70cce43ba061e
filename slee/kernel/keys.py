"""How handles of activities and keys of shared attributes are written, alike in every process (AC-19, SHR-3)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

if TYPE_CHECKING:
    from slee.kernel.resource import ResourceEntity

_SIMPLE: Final = (str, int, bytes)
pack: Final = msgspec.msgpack.Encoder().encode


def handle_octets(resource: ResourceEntity, handle: Hashable) -> bytes:
    """The stable octets of an adaptor's handle (AC-19, RA-45).

    Raises:
        TypeError: the adaptor has no marshaller, and the handle is no str, int, bytes or tuple of these.
    """
    marshaller = resource.adaptor.marshaller
    if marshaller is not None:
        return marshaller.encode_handle(handle)
    if not _is_simple(handle):
        raise TypeError(
            f"{resource.name}: handle {handle!r} is to last [AC-19]; give the adaptor a marshaller, or make handles of "
            f"str, int, bytes and tuples"
        )
    return pack(handle)


def handle_of(resource: ResourceEntity, octets: bytes) -> Hashable:
    """The handle behind the octets."""
    marshaller = resource.adaptor.marshaller
    if marshaller is not None:
        return marshaller.decode_handle(octets)
    handle: Hashable = as_tuples(msgspec.msgpack.decode(octets))
    return handle


def _is_simple(value: object) -> bool:
    if type(value) is tuple:
        return all(_is_simple(part) for part in cast("tuple[object, ...]", value))
    return type(value) in _SIMPLE


def as_tuples(value: Any) -> Any:
    """A decoded value with tuples in place of lists."""
    if isinstance(value, list):
        return tuple(as_tuples(part) for part in cast("list[object]", value))
    return value


def own_handle(handle: Hashable) -> tuple[str, str]:
    """Kind and text of the handle of an activity of the SLEE's own."""
    if isinstance(handle, tuple):
        kind, identity = cast("tuple[str, object]", handle)
        return kind, str(identity)
    return "null", str(handle)


def shared_name(key: Hashable) -> object:
    """How the key of a shared attribute is written: an alias as it is, else SBB type, class and name (SHR-3)."""
    if isinstance(key, tuple):
        sbb, owner, name = cast("tuple[object, str, str]", key)
        return [str(sbb), owner, name]
    return key


__all__ = ["as_tuples", "handle_octets", "handle_of", "own_handle", "pack", "shared_name"]

"""Which flags an adaptor may give, and whether its marshaller keeps its word (RA-29, RA-30, RA-44)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Final

from slee.api.errors import FireEventError, StartActivityError
from slee.spi.adaptor import ResourceAdaptor
from slee.spi.flags import VENDOR_BITS, ActivityFlags, EventFlags, FailureReason

if TYPE_CHECKING:
    from slee.kernel.resource import ResourceEntity

# Plain ints: an operation on members of a Flag is a call of Python code.
MARSHAL_EVENT: Final = int(EventFlags.MAY_MARSHAL)
MARSHAL_ACTIVITY: Final = int(ActivityFlags.MAY_MARSHAL)
_EVENT_BITS: Final = VENDOR_BITS | int(
    EventFlags.PROCESSING_SUCCESSFUL | EventFlags.PROCESSING_FAILED | EventFlags.UNREFERENCED
)
_ACTIVITY_BITS: Final = VENDOR_BITS | int(ActivityFlags.ENDED | ActivityFlags.UNREFERENCED)


def refused_event_bits(adaptor: ResourceAdaptor) -> int:
    """The event flags that an adaptor may not give: to marshal, it needs a marshaller."""
    return ~(_EVENT_BITS if adaptor.marshaller is None else _EVENT_BITS | MARSHAL_EVENT)


def refused_flags(entity: ResourceEntity, flags: int) -> ValueError:
    """The error for flags that may not be given."""
    return ValueError(
        f"{entity.name}: flags {flags:#x} [RA-29, RA-30, RA-44]; SBB_PROCESSED is the SLEE's own, and MAY_MARSHAL "
        f"needs a marshaller"
    )


def check_event(entity: ResourceEntity, event: object) -> None:
    """Encode and decode an event; `FireEventError` if that does not give an equal one."""
    marshaller = entity.adaptor.marshaller
    if marshaller is not None and marshaller.decode_event(type(event), marshaller.encode_event(event)) != event:
        raise FireEventError(
            f"{entity.name}: {type(event).__name__} is not equal once encoded and decoded [RA-44]; mend the marshaller",
            FailureReason.MARSHALLING,
        )


def check_start(entity: ResourceEntity, handle: Hashable, flags: int) -> None:
    """Judge the flags of a start; in the serialise-everything mode, encode and decode the handle.

    Raises:
        ValueError: a flag is unknown, or asks for a marshaller that there is not.
        StartActivityError: the handle does not come back equal.
    """
    marshaller = entity.adaptor.marshaller
    if flags & ~(_ACTIVITY_BITS if marshaller is None else _ACTIVITY_BITS | MARSHAL_ACTIVITY):
        raise refused_flags(entity, flags)
    if not (flags & MARSHAL_ACTIVITY and entity.kernel.serialises) or marshaller is None:
        return
    if marshaller.decode_handle(marshaller.encode_handle(handle)) != handle:
        raise StartActivityError(
            f"{entity.name}: handle {handle!r} is not equal once encoded and decoded [RA-44]; mend the marshaller",
            FailureReason.MARSHALLING,
        )

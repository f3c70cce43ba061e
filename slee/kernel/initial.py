"""Initial event selection: which root entity of a service an event belongs to (group IES).

A convergence name is a tuple of six entries in a fixed order; an entry that takes no part is `None`, which equals no
value that does (IES-7). Values are never joined into text, so no two selections can collide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from slee.api.address import Address
from slee.api.errors import SleeError
from slee.api.event import event_type_id
from slee.api.handler import InitialEventSelection, Select

if TYPE_CHECKING:
    from slee.kernel.environment import InitialHandler
    from slee.kernel.firing import Firing

_ACTIVITY: Final = Select.ACTIVITY_CONTEXT.value
_ADDRESS: Final = Select.ADDRESS.value
_ADDRESS_PROFILE: Final = Select.ADDRESS_PROFILE.value
_EVENT_TYPE: Final = Select.EVENT_TYPE.value
_EVENT: Final = Select.EVENT.value
_CUSTOM_TYPES: Final = (str, int, bytes)

ConvergenceName = tuple[object, object, object, object, object, object]


def convergence_name(initial: InitialHandler, firing: Firing) -> ConvergenceName | None:
    """The convergence name of an event for one service, or `None` if the event is not initial for it.

    Raises:
        Exception: whatever the selector raises, or `SelectorResultError`; the caller counts it (IES-16).
    """
    variables = initial.variables
    address = firing.address
    custom: object = None
    selector: Any = initial.selector
    if selector is not None:
        if initial.selector_takes_selection:
            result = selector(firing.event, _selection(initial, firing))
        else:
            result = selector(firing.event)
        if result is None:
            return None
        if type(result) is InitialEventSelection:
            if not result.initial:
                return None
            if not isinstance(result.variables, Select) or not isinstance(result.address, Address | None):
                raise SelectorResultError(
                    f"{initial.service.id}: the selector returned {result!r} [IES-12]; "
                    "give variables of Select, and an Address or None"
                )
            variables, address, custom = result.variables.value, result.address, result.custom_name
        else:
            custom = result
        if custom is not None and not _is_custom_name(custom):
            raise SelectorResultError(
                f"{initial.service.id}: the selector returned {custom!r} [IES-8]; "
                "return str, int, bytes, a tuple of those, a selection, or None"
            )
    found: object = None
    if variables & _ADDRESS_PROFILE and address is not None and (found := _address_profile(initial, address)) is None:
        return None
    return (
        (firing.context.resource, firing.context.handle) if variables & _ACTIVITY else None,
        found,
        address if variables & _ADDRESS else None,
        firing.cls if variables & _EVENT_TYPE else None,
        firing.context.kernel.next_sequence() if variables & _EVENT else None,
        custom,
    )


def _address_profile(initial: InitialHandler, address: Address) -> object | None:
    """The id of the profile of an address, in the service's address profile table as committed (IES-11)."""
    kernel, table = initial.service.kernel, initial.service.descriptor.address_profile_table
    if table is None or kernel.find_address_profile is None:
        raise SelectorResultError(
            f"{initial.service.id}: ADDRESS_PROFILE without a table [IES-11]; name its address-profile-table"
        )
    return kernel.find_address_profile(table, address)


class SelectorResultError(SleeError):
    """A selector returned a value of a wrong type (IES-16)."""


def _selection(initial: InitialHandler, firing: Firing) -> InitialEventSelection[object]:
    identity = event_type_id(firing.cls)
    assert identity is not None
    return InitialEventSelection(
        event=firing.event,
        activity=firing.context.activity,
        event_type=identity,
        address=firing.address,
        variables=Select(initial.variables),
    )


def _is_custom_name(value: object) -> bool:
    if type(value) is tuple:
        return all(type(part) in _CUSTOM_TYPES for part in cast("tuple[object, ...]", value))
    return type(value) in _CUSTOM_TYPES

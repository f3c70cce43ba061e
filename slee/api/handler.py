"""Event handlers and initial event selection: `@handles`, `@initial_event`, `Select` (groups IES, RTR)."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Generic, Protocol, TypeAlias, TypeVar, overload

import msgspec

from slee.api.activity import ActivityContext, EventContext
from slee.api.address import Address
from slee.api.errors import ComponentDefinitionError, Issue
from slee.api.ids import EventTypeID

E = TypeVar("E")
S = TypeVar("S")
HANDLER_MARK = "__slee_handler__"


class Select(enum.Flag):
    """The variables of a convergence name; combine them with `|` (IES-1)."""

    NONE = 0
    ACTIVITY_CONTEXT = enum.auto()
    ADDRESS_PROFILE = enum.auto()
    ADDRESS = enum.auto()
    EVENT_TYPE = enum.auto()
    EVENT = enum.auto()


CustomName: TypeAlias = str | int | bytes | tuple[str | int | bytes, ...]
"""A custom name; values of different types never compare equal (IES-8)."""


class InitialEventSelection(msgspec.Struct, Generic[E], frozen=True):
    """What a selector is told and may return changed, by `msgspec.structs.replace` (IES-12)."""

    event: E
    activity: object
    event_type: EventTypeID
    address: Address | None
    variables: Select
    custom_name: CustomName | None = None
    initial: bool = True


_Selected: TypeAlias = CustomName | InitialEventSelection[E] | None
Selector: TypeAlias = Callable[[E], _Selected[E]] | Callable[[E, InitialEventSelection[E]], _Selected[E]]


@dataclass(frozen=True, slots=True)
class HandlerMark:
    """What `@handles` or `@initial_event` says of a method."""

    initial: bool
    variables: Select
    selector: Callable[..., object] | None
    selector_takes_selection: bool
    mask_on_attach: bool
    option: str | None


C = TypeVar("C", bound=ActivityContext)
"""What the context parameter is annotated with: `ActivityContext`, or a view of the SBB's own (SHR-1)."""
_Plain: TypeAlias = Callable[[S, E, C], None]
_WithContext: TypeAlias = Callable[[S, E, C, EventContext], None]


class HandlerDecorator(Protocol):
    """Makes a method the handler of any event type."""

    @overload
    def __call__(self, method: _Plain[S, E, C], /) -> _Plain[S, E, C]: ...
    @overload
    def __call__(self, method: _WithContext[S, E, C], /) -> _WithContext[S, E, C]: ...


class SelectedHandlerDecorator(Protocol[E]):
    """Makes a method the handler of the event type that the selector takes, and of no other."""

    @overload
    def __call__(self, method: _Plain[S, E, C], /) -> _Plain[S, E, C]: ...
    @overload
    def __call__(self, method: _WithContext[S, E, C], /) -> _WithContext[S, E, C]: ...


@overload
def handles(method: _Plain[S, E, C], /) -> _Plain[S, E, C]: ...
@overload
def handles(method: _WithContext[S, E, C], /) -> _WithContext[S, E, C]: ...
@overload
def handles(*, mask_on_attach: bool = False, option: str | None = None) -> HandlerDecorator: ...
def handles(
    method: Callable[..., None] | None = None, /, *, mask_on_attach: bool = False, option: str | None = None
) -> object:
    """Make a method the handler of the event type that annotates its event parameter (DU-1).

    Args:
        mask_on_attach: begin masked at every attach (RTR-17).
        option: resource option, handed to the resource adaptor as it is (RA-37).
    """
    declare = _declare(HandlerMark(False, Select.NONE, None, False, mask_on_attach, option))
    return declare if method is None else declare(method)


@overload
def initial_event(
    variables: Select = Select.NONE, *, mask_on_attach: bool = False, option: str | None = None
) -> HandlerDecorator: ...
@overload
def initial_event(
    variables: Select = Select.NONE,
    *,
    selector: Selector[E],
    mask_on_attach: bool = False,
    option: str | None = None,
) -> SelectedHandlerDecorator[E]: ...
def initial_event(
    variables: Select = Select.NONE,
    *,
    selector: Callable[..., object] | None = None,
    mask_on_attach: bool = False,
    option: str | None = None,
) -> object:
    """Make a method the handler of an initial event: one that finds or makes the root entity that it belongs to.

    Args:
        variables: what makes up the convergence name; `Select.ACTIVITY_CONTEXT` gives one entity per activity.
        selector: a module-level function of the event that returns the custom name, or `None` for "not initial"
            (IES-12 to IES-17). It has no `self`, so it cannot touch state.
        mask_on_attach: begin masked at every attach; the event that made the entity is delivered all the same.
        option: resource option, handed to the resource adaptor as it is.

    Raises:
        ComponentDefinitionError: the variables are no `Select`, or the selector is no module-level function.
    """
    given: object = variables
    if not isinstance(given, Select):
        raise ComponentDefinitionError(
            [Issue(f"initial_event({variables!r})", "IES-1", "that is no Select", "combine members of Select with |")]
        )
    takes_selection = _check_selector(selector) if selector is not None else False
    return _declare(HandlerMark(True, variables, selector, takes_selection, mask_on_attach, option))


def _declare(mark: HandlerMark) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def declare(function: Callable[..., None]) -> Callable[..., None]:
        setattr(function, HANDLER_MARK, mark)
        return function

    return declare


def _check_selector(selector: object) -> bool:
    """Refuse what is no module-level function (IES-17, SBB-25); say whether it takes the selection."""
    name = getattr(selector, "__qualname__", repr(selector))
    remedy = "write a plain function of the event at module level"
    if not isinstance(selector, FunctionType) or inspect.iscoroutinefunction(selector):
        raise ComponentDefinitionError([Issue(f"selector {name}", "IES-17", "that is no plain function", remedy)])
    parameters = list(inspect.signature(selector).parameters)
    if selector.__closure__ or (parameters and parameters[0] == "self"):
        raise ComponentDefinitionError([Issue(f"selector {name}", "IES-17", "it is a method or a closure", remedy)])
    if len(parameters) not in (1, 2):
        raise ComponentDefinitionError(
            [Issue(f"selector {name}", "IES-12", f"it takes {len(parameters)} parameters", "take the event, or two")]
        )
    return len(parameters) == 2

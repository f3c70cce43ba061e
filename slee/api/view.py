"""Activity contexts with shared attributes: subclass `ActivityContextView`, and declare `shared(...)` (group SHR)."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, Protocol, TypeVar, cast, overload

from slee.api.activity import ActivityContext
from slee.api.errors import ComponentDefinitionError, Issue
from slee.api.values import ValueType, declared_type, default_issue, resolved, value_type

if TYPE_CHECKING:
    from typing import Self

    from slee.api.ids import SbbID
    from slee.api.local import SbbLocal
    from slee.api.sbb import Sbb

T = TypeVar("T")
_CONTEXT: Final = 2
"""Place of the context among the parameters of a handler."""


class SharingContext(Protocol):
    """What a view needs of the context that it shows; the kernel's context provides it."""

    def open_view(self, view: type[ActivityContextView]) -> None:
        """Judge that the view may be made here and now."""

    def shared_value(self, what: str, key: Hashable, attribute: Shared[Any]) -> object:
        """The value of a shared attribute, its default before the first write."""
        ...

    def share(self, what: str, key: Hashable, attribute: Shared[Any], value: object) -> None:
        """Write a shared attribute in the current transaction."""


class Shared(Generic[T]):
    """An attribute of activity contexts, shared by the entities of an SBB type, or by all who declare its alias."""

    __slots__ = ("alias", "annotation", "default", "kind", "name", "owner")

    name: str
    owner: type
    annotation: object
    kind: ValueType

    def __init__(self, default: T, alias: str | None) -> None:
        self.default = default
        self.alias = alias

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner = owner
        self.name = name

    def __repr__(self) -> str:
        return f"{self.owner.__qualname__}.{self.name}"

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: ActivityContextView, owner: type[Any]) -> T: ...
    def __get__(self, instance: ActivityContextView | None, owner: type[Any]) -> Self | T:
        if instance is None:
            return self
        return cast("T", instance.sharing.shared_value(str(self), instance.shared_keys[self.name], self))

    def __set__(self, instance: ActivityContextView, value: T) -> None:
        instance.sharing.share(str(self), instance.shared_keys[self.name], self, value)

    def issues(self, view: type) -> Iterator[Issue]:
        """Resolve the type, and say what is wrong with the declaration (SHR-7)."""
        where = f"{view.__qualname__}.{self.name}"
        if hasattr(ActivityContextView, self.name):
            yield Issue(where, "SHR-10", "the name is an attribute of activity contexts", "give it another name")
        if self.alias is not None and not self.alias:
            yield Issue(where, "SHR-4", "the alias is empty", "name it, or leave it out")
        try:
            self.annotation = declared_type(view, self.name, Shared, of_default=type(self.default))
            self.kind = value_type(self.annotation)
        except (NameError, TypeError) as error:
            yield Issue(where, "SHR-7", str(error), "annotate it Shared[...] with an immutable type")
        else:
            yield from default_issue(where, self.kind, self.default, "SHR-7")


def shared(default: T, *, alias: str | None = None) -> Shared[T]:
    """Declare a shared attribute of a view: `hops: Shared[int] = shared(0)`.

    Args:
        default: what the attribute reads as before the first write (SHR-6); without annotation its type is the
            attribute's.
        alias: name under which attributes of other SBB types are the same one (SHR-4).
    """
    return Shared(default, alias)


class ActivityContextView(ActivityContext):
    """An activity context seen with the shared attributes of one SBB type: subclass it, and declare them.

        class CallView(ActivityContextView):
            hops: Shared[int] = shared(0)
            callee: Shared[str] = shared("", alias="callee")

    Annotate the context parameter of a handler with the view, or call `CallView(aci)`. A view is equal to its context,
    and serves wherever that one does (SHR-1). Attributes live as long as the activity; what is written commits and
    rolls back with the delivery (SHR-8, SHR-9).
    """

    __slots__ = ("context", "sharing")

    context: ActivityContext
    sharing: SharingContext

    shared_attributes: ClassVar[dict[str, Shared[Any]]] = {}
    shared_keys: ClassVar[dict[str, Hashable]] = {}
    """Under which each attribute is kept on a context; known once the SBB type is."""
    sbb: ClassVar[SbbID | None] = None
    """The SBB type that the view is declared for: the first one that uses it (SHR-3)."""

    def __init_subclass__(cls) -> None:
        cls.sbb = None
        cls.shared_attributes = {
            name: value for base in reversed(cls.__mro__) for name, value in vars(base).items() if _is_shared(value)
        }
        issues = [
            issue
            for attribute in cls.shared_attributes.values()
            if attribute.owner is cls
            for issue in attribute.issues(cls)
        ]
        if not issues:
            issues = list(alias_issues(cls.shared_attributes.values(), ()))
        if issues:
            raise ComponentDefinitionError(issues)

    def __init__(self, aci: ActivityContext) -> None:
        """See a context through this view; in a delivery of the SBB type that it belongs to.

        Raises:
            TransactionRequiredError: there is no delivery.
            ComponentDefinitionError: the view belongs to another SBB type (SHR-3).
        """
        context = aci.context if isinstance(aci, ActivityContextView) else aci
        sharing = cast("SharingContext", context)
        if not hasattr(sharing, "open_view"):
            raise TypeError(f"{type(self).__name__}: {aci!r} is no activity context [SHR-1]; give the aci of a handler")
        sharing.open_view(type(self))
        object.__setattr__(self, "context", context)
        object.__setattr__(self, "sharing", sharing)

    if not TYPE_CHECKING:  # a type checker that saw it would admit any attribute

        def __setattr__(self, name: str, value: object) -> None:
            self._require_shared(name)
            object.__setattr__(self, name, value)

        def __delattr__(self, name: str) -> None:
            self._require_shared(name)
            raise AttributeError(f"{type(self).__name__}.{name} cannot be deleted [SHR-10]; assign its default")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ActivityContextView):
            other = other.context
        return self.context is other

    def __hash__(self) -> int:
        return hash(self.context)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.context!r})"

    @property
    def activity(self) -> object:
        return self.context.activity

    @property
    def is_ending(self) -> bool:
        return self.context.is_ending

    def attach(self, entity: Sbb | SbbLocal[Sbb]) -> None:
        self.context.attach(entity)

    def detach(self, entity: Sbb | SbbLocal[Sbb]) -> None:
        self.context.detach(entity)

    def is_attached(self, entity: Sbb | SbbLocal[Sbb]) -> bool:
        return self.context.is_attached(entity)

    def mask_events(self, entity: Sbb | SbbLocal[Sbb], event_types: Collection[type]) -> None:
        self.context.mask_events(entity, event_types)

    def event_mask(self, entity: Sbb | SbbLocal[Sbb]) -> frozenset[type]:
        return self.context.event_mask(entity)

    @classmethod
    def _require_shared(cls, name: str) -> None:
        if name not in cls.shared_attributes:
            offered = ", ".join(cls.shared_attributes) or "none"
            raise AttributeError(f"{cls.__name__} declares no {name} [SHR-10]; it shares {offered}")


def _is_shared(value: object) -> bool:
    return isinstance(value, Shared)


def view_of(method: object) -> type[ActivityContextView] | None:
    """The view that annotates the context parameter of a handler; `None` if there is none, or it does not exist yet."""
    if not isinstance(method, FunctionType) or method.__code__.co_argcount < _CONTEXT + 1:
        return None
    hint: object = method.__annotations__.get(method.__code__.co_varnames[_CONTEXT])
    if isinstance(hint, str):
        try:
            hint = resolved(hint, method.__globals__)
        except (AttributeError, NameError, SyntaxError, TypeError):  # judged at verification (DU-4)
            return None
    return hint if isinstance(hint, type) and issubclass(hint, ActivityContextView) else None


def view_issues(view: type[ActivityContextView], sbb: SbbID) -> Iterator[Issue]:
    """Why an SBB type cannot use a view, if there is a reason (SHR-3)."""
    if view.sbb is not None and view.sbb != sbb:
        problem = f"view {view.__qualname__} is declared for {view.sbb}"
        yield Issue(str(sbb), "SHR-3", problem, f"use a subclass of it: class X({view.__name__}): ...")


def declare_view(view: type[ActivityContextView], sbb: SbbID) -> None:
    """Make a view that of an SBB type.

    An attribute without alias is kept under SBB type, declaring class and name, so that no other SBB type meets it,
    not even through a subclass of the view (SHR-2, SHR-3).
    """
    if view.sbb is None and view is not ActivityContextView:
        view.sbb = sbb
        view.shared_keys = {
            name: attribute.alias or (sbb, attribute.owner.__qualname__, name)
            for name, attribute in view.shared_attributes.items()
        }


def alias_issues(attributes: Collection[Shared[Any]], known: Collection[Shared[Any]]) -> Iterator[Issue]:
    """Aliases of `attributes` declared in two ways, among themselves or against `known` (SHR-5, SHR-6)."""
    first: dict[str, Shared[Any]] = {}
    for attribute in (*known, *attributes):
        if attribute.alias is None:
            continue
        other = first.setdefault(attribute.alias, attribute)
        where = f"{attribute} and {other}"
        if attribute.annotation != other.annotation:
            problem = f"alias {attribute.alias} has type {attribute.kind} in one and {other.kind} in the other"
            yield Issue(where, "SHR-5", problem, "declare one type, or give one of them another alias")
        elif type(attribute.default) is not type(other.default) or attribute.default != other.default:
            problem = f"alias {attribute.alias} has default {attribute.default!r} in one and {other.default!r}"
            yield Issue(where, "SHR-6", f"{problem} in the other", "declare one default")

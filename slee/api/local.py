"""Local objects, child relations, and the methods that an SBB offers through its local object (groups LOC, CHD)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar, overload

if TYPE_CHECKING:
    from slee.api.sbb import Sbb

S_co = TypeVar("S_co", bound="Sbb", covariant=True)
LOCAL_MARK: Final = "__slee_local__"


class SbbLocal(Generic[S_co]):
    """A reference to an SBB entity; offers its `@local` methods and what stands here (group LOC)."""

    __slots__ = ()

    @property
    def priority(self) -> int:
        """The entity's priority, -128 to 127 (LOC-6)."""
        raise NotImplementedError

    @priority.setter
    def priority(self, value: int) -> None:
        raise NotImplementedError

    @property
    def is_valid(self) -> bool:
        """Whether the entity exists, as this transaction sees it (LOC-15)."""
        raise NotImplementedError

    def remove(self) -> None:
        """Remove the entity and all its descendants (LOC-7)."""
        raise NotImplementedError

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Any]: ...


class ProfileLocal:
    """What every reference to a profile is; `slee.Profile` derives from it, and only references are valid values of it.

    A CMP field that refers to a profile is annotated with its specification: `Cmp[Subscriber | None]` (CMP-9).
    """

    __slots__ = ()
    slee_refers: ClassVar[bool] = False
    """Whether it is a reference, and no instance in which a specification's code runs."""

    @property
    def is_valid(self) -> bool:
        """Whether the profile exists, as this transaction sees it (CMP-17)."""
        raise NotImplementedError

    def slee_place(self) -> tuple[str, str, bool]:
        """Table and name of the profile, and whether the reference is read-only (PRF-31)."""
        raise NotImplementedError


class ChildRelation(Generic[S_co]):
    """The children of this entity in one relation, as this transaction sees them (group CHD)."""

    __slots__ = ()

    def create(self) -> SbbLocal[S_co]:
        """Make a child, run its `sbb_create` and `sbb_post_create`, and return its local object (CHD-1)."""
        raise NotImplementedError

    def remove(self, local: SbbLocal[Sbb]) -> None:
        """Remove one child; `ValueError` if it is not in this relation (CHD-8)."""
        raise NotImplementedError

    def clear(self) -> None:
        """Remove every child, in the order of creation (CHD-9)."""
        raise NotImplementedError

    def remove_all(self, children: Iterable[SbbLocal[Sbb]]) -> None:
        """Remove each of `children` that is in this relation, in the order of creation (CHD-9)."""
        raise NotImplementedError

    def retain_all(self, children: Iterable[SbbLocal[Sbb]]) -> None:
        """Remove each child that is not one of `children`, in the order of creation (CHD-9)."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def __contains__(self, item: object) -> bool:
        raise NotImplementedError

    def __iter__(self) -> Iterator[SbbLocal[S_co]]:
        raise NotImplementedError


_F = TypeVar("_F", bound=Callable[..., object])


@overload
def local(method: _F) -> _F: ...
@overload
def local(*, raises: tuple[type[Exception], ...] = ()) -> Callable[[_F], _F]: ...
def local(method: _F | None = None, *, raises: tuple[type[Exception], ...] = ()) -> _F | Callable[[_F], _F]:
    """Offer a method through local objects; exceptions in `raises` reach the caller as they are (LOC-3, SBB-20)."""

    def mark(function: _F) -> _F:
        setattr(function, LOCAL_MARK, raises)
        return function

    return mark if method is None else mark(method)

"""Profiles: declare what is provisioned for subscribers and services on a subclass of `Profile` (group PRF).

A specification is a plain class; a table holds profiles of one specification, each under its name. Operators
provision tables; SBBs read and write profiles through `profiles(Specification)`, within their delivery.
"""

from __future__ import annotations

import enum
import inspect
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol, TypeVar, cast, overload

from slee.api.declaration import UNSET, Usage
from slee.api.errors import ComponentDefinitionError, InvalidStateError, Issue
from slee.api.ids import ProfileSpecificationID
from slee.api.local import ProfileLocal
from slee.api.migration import Ways, declared_ways
from slee.api.query import Query, StandIn
from slee.api.query_check import SEARCHABLE, query_issues, scalar_type
from slee.api.usage import UsageParameters
from slee.api.values import ValueType, default_issue, resolved, value_type

if TYPE_CHECKING:
    from typing import Self

    from slee.api.alarm import AlarmFacility
    from slee.api.facilities import Tracer

T = TypeVar("T")

PROFILE_CALLBACKS: Final = (
    "profile_initialize",
    "profile_post_create",
    "profile_activate",
    "profile_passivate",
    "profile_load",
    "profile_store",
    "profile_remove",
    "profile_verify",
)
"""The life-cycle callbacks of a profile; each defaults to nothing and then costs nothing."""


class Collation(enum.Enum):
    """How the texts of an attribute compare (PRF-35); without one they compare by code point."""

    CASELESS = "caseless"

    def key(self, text: str) -> str:
        """What stands for the text in comparisons."""
        return text.casefold()


class ProfileContext(Protocol):
    """What a profile instance reaches the SLEE through."""

    @property
    def table(self) -> str: ...
    @property
    def name(self) -> str | None: ...
    @property
    def tracer(self) -> Tracer: ...
    @property
    def alarms(self) -> AlarmFacility: ...
    @property
    def is_rollback_only(self) -> bool: ...
    def set_rollback_only(self) -> None: ...
    def bound(self, name: str) -> object: ...
    def read(self, attribute: Attribute) -> object: ...
    def write(self, attribute: Attribute, value: object) -> None: ...
    def remove(self) -> None: ...


class Attribute:
    """One attribute of a profile specification; what its class holds under the attribute's name."""

    __slots__ = (
        "annotation",
        "collation",
        "default",
        "indexed",
        "kind",
        "name",
        "position",
        "scalar",
        "secret",
        "unique",
    )

    name: str
    position: int
    """Place of its value in a row."""
    annotation: object
    """The declared type with its constraints, as pydantic reads it."""
    kind: ValueType
    scalar: type | None
    """The class that its values have, `None` apart; `None` if they have several, and cannot be compared."""

    def __init__(
        self,
        default: object = UNSET,
        *,
        indexed: bool = False,
        unique: bool = False,
        secret: bool = False,
        collation: Collation | None = None,
    ) -> None:
        self.default = default
        self.indexed = indexed or unique
        """Whether searches by equality and by prefix need not look at every profile."""
        self.unique = unique
        self.secret = secret
        """Whether it is left out of exports, listings and logs."""
        self.collation = collation

    @overload
    def __get__(self, instance: None, owner: type[Any]) -> Self: ...
    @overload
    def __get__(self, instance: Profile, owner: type[Any]) -> object: ...
    def __get__(self, instance: Profile | None, owner: type[Any]) -> Self | object:
        return self if instance is None else instance._slee.read(self)

    def __set__(self, instance: Profile, value: object) -> None:
        instance._slee.write(self, value)

    def __repr__(self) -> str:
        return self.name


def attribute(
    default: T,
    *,
    indexed: bool = False,
    unique: bool = False,
    secret: bool = False,
    collation: Collation | None = None,
) -> T:
    """Say more of an attribute than its type and default: `number: str | None = attribute(None, unique=True)`.

    Args:
        default: what it is in the default profile of a new table.
        indexed: it is searched by often; an index costs memory, and changes no result (PRF-24).
        unique: no two profiles of a table have equal values; `None` never conflicts (PRF-18, PRF-19).
        secret: it never leaves in exports, listings and logs.
        collation: how its texts compare (PRF-35).
    """
    made: Any = Attribute(default, indexed=indexed, unique=unique, secret=secret, collation=collation)
    return cast("T", made)


class _Nowhere:
    """The context of an instance before the first callback and after the last (PRF-38)."""

    def __getattr__(self, name: str) -> Any:
        raise InvalidStateError(f"{name} of a profile without its context [PRF-38]; use it from profile_load on")


class Profile(ProfileLocal):
    """A profile specification: subclass it, with one annotated line for each attribute.

        class Subscriber(Profile, vendor="example.net", version="1.0"):
            forward_to: str | None = None
            no_answer_after: Annotated[float, Field(gt=0, le=180)] = 20.0
            number: str | None = attribute(None, unique=True)

    Types are immutable values (CMP-8); constraints are pydantic's, in `Annotated`. Values are validated when a change
    is committed and where they come in, never when they are read.

    Class arguments: `vendor` and `version` complete the id; `name` replaces the class name in it; `read_only=True`
    keeps components from changing profiles (PRF-20); `events=True` has changes told on the table's activity (PRF-40);
    `reentrant=True` admits calls back into a profile whose method runs (PRF-26).
    """

    __slots__ = ("__dict__", "__weakref__", "_slee")

    if TYPE_CHECKING:
        _slee: ProfileContext

    specification_id: ClassVar[ProfileSpecificationID]
    specification_attributes: ClassVar[tuple[Attribute, ...]] = ()
    specification_queries: ClassVar[dict[str, Query]] = {}
    specification_usage: ClassVar[dict[str, type[UsageParameters]]] = {}
    """What its tables count, under the name that it is declared by; empty, or one."""
    specification_read_only: ClassVar[bool] = False
    specification_events: ClassVar[bool] = False
    specification_reentrant: ClassVar[bool] = False
    specification_ways: ClassVar[Ways] = Ways({}, {}, ())
    """What `@migrates` declares."""

    def __init_subclass__(
        cls,
        *,
        vendor: str | None = None,
        version: str | None = None,
        name: str | None = None,
        read_only: bool = False,
        events: bool = False,
        reentrant: bool = False,
        twin: bool = False,
    ) -> None:
        super().__init_subclass__()
        if twin:  # the class of a specification's references is no component
            return
        issues = list(_class_issues(cls, vendor, version))
        attributes = {a.name: a for a in cls.specification_attributes}
        attributes.update({a.name: a for a in _attributes(cls, issues)})
        for position, declared in enumerate(attributes.values()):
            declared.position = position
        cls.specification_attributes = tuple(attributes.values())
        own = {key: value for key, value in vars(cls).items() if isinstance(value, Query)}
        cls.specification_queries = cls.specification_queries | own
        stand_in = StandIn(cls.__qualname__, attributes)
        for declared_query in own.values():
            wrong = declared_query.build(cls.__qualname__, _names(cls), stand_in)
            issues.extend(wrong or query_issues(repr(declared_query), declared_query.condition, attributes))
        counts = {
            key: cast("Usage[UsageParameters]", v).parameters for key, v in vars(cls).items() if isinstance(v, Usage)
        }
        cls.specification_usage = cls.specification_usage | counts
        issues.extend(_usage_issues(cls, counts))
        cls.specification_ways = declared_ways(cls, version, inspect.getmembers(cls, inspect.isfunction))
        issues.extend(cls.specification_ways.issues)
        if issues:
            raise ComponentDefinitionError(issues)
        cls.specification_id = ProfileSpecificationID(name or cls.__name__, cast("str", vendor), cast("str", version))
        cls.specification_read_only = read_only
        cls.specification_events = events
        cls.specification_reentrant = reentrant

    def __new__(cls) -> Self:
        """Make an instance that has no context yet."""
        instance = object.__new__(cls)
        instance._slee = cast("ProfileContext", NOWHERE)
        return instance

    @property
    def profile_table(self) -> str:
        """Name of the table; readable without a transaction (PRF-25)."""
        return self._slee.table

    @property
    def profile_name(self) -> str | None:
        """Name of the profile, `None` for the default profile; readable without a transaction (PRF-25, PRF-38)."""
        return self._slee.name

    @property
    def is_valid(self) -> bool:
        """Whether the profile exists, as this transaction sees it (CMP-17)."""
        return True

    @property
    def tracer(self) -> Tracer:
        """The root tracer of the table."""
        return self._slee.tracer

    @property
    def alarms(self) -> AlarmFacility:
        """Raises and clears the alarms of the table."""
        return self._slee.alarms

    @property
    def is_rollback_only(self) -> bool:
        """Whether the transaction is marked for rollback (TX-1)."""
        return self._slee.is_rollback_only

    def set_rollback_only(self) -> None:
        """Mark the transaction for rollback, for good (TX-1)."""
        self._slee.set_rollback_only()

    def remove(self) -> None:
        """Remove the profile (PRF-25)."""
        self._slee.remove()

    def profile_initialize(self) -> None:
        """Called once for a table, on its default profile, before anything else (PRF-6)."""

    def profile_post_create(self) -> None:
        """Called on a new profile, which has the default profile's values (PRF-9, PRF-10)."""

    def profile_activate(self) -> None:
        """Called when the instance is bound to an existing profile, before its values are there (PRF-36)."""

    def profile_passivate(self) -> None:
        """Called last on the instance, when its values are no longer there (PRF-36)."""

    def profile_load(self) -> None:
        """Called with the committed values readable, before the first use in a transaction (PRF-36)."""

    def profile_store(self) -> None:
        """Called before a commit, if the profile can be written in the transaction (PRF-36)."""

    def profile_remove(self) -> None:
        """Called in the transaction that removes the profile (PRF-37)."""

    def profile_verify(self) -> None:
        """Called before a management commit; raise `ProfileVerificationError` to refuse it (PRF-16, PRF-17)."""


NOWHERE: Final = _Nowhere()
"""The context of an instance that has none."""


def _names(cls: type) -> dict[str, Any]:
    """What the annotations of a class may name."""
    module = sys.modules.get(cls.__module__)
    return dict(vars(module)) if module else {}


def _attributes(cls: type[Profile], issues: list[Issue]) -> Iterator[Attribute]:
    """The attributes that the class itself declares, put in place of their defaults."""
    for name, annotation in vars(cls).get("__annotations__", {}).items():
        given: object = vars(cls).get(name, UNSET)
        if name.startswith("_") or isinstance(given, Usage):
            continue
        made = given if isinstance(given, Attribute) else Attribute(given)
        made.name = name
        found = len(issues)
        issues.extend(_attribute_issues(cls, made, annotation))
        setattr(cls, name, made)
        if len(issues) == found:
            yield made


def _attribute_issues(cls: type[Profile], made: Attribute, annotation: object) -> Iterator[Issue]:
    where = f"{cls.__qualname__}.{made.name}"
    if hasattr(Profile, made.name):
        yield Issue(where, "PRF-17", "the name is an attribute of Profile", "give it another name")
        return
    try:
        made.annotation = (
            resolved(annotation, _names(cls), dict(vars(cls))) if isinstance(annotation, str) else annotation
        )
        made.kind = value_type(_plain(made.annotation))
        made.scalar = scalar_type(made.annotation)
    except NameError as error:
        yield Issue(where, "CMP-10", str(error), "import the type at run time, not under TYPE_CHECKING")
        return
    except TypeError as error:
        yield Issue(where, "CMP-10", str(error), "annotate it with an immutable type")
        return
    if made.kind.is_reference:
        yield Issue(where, "CMP-10", f"{made.kind} is a reference", "keep references in CMP; a profile outlives them")
    elif made.default is not UNSET:
        yield from default_issue(where, made.kind, made.default)
    elif made.kind.has_zero:
        made.default = made.kind.zero
    else:
        yield Issue(where, "CMP-11", f"{made.kind} has no zero value", "give a default")
    if made.indexed and made.scalar not in SEARCHABLE:
        yield Issue(where, "PRF-24", f"an index on {made.kind}", "index bool, int, float, str or Address")
    if made.collation is not None and made.scalar is not str:
        yield Issue(where, "PRF-35", f"a collation on {made.kind}", "give it to an attribute of type str")


def _usage_issues(cls: type[Profile], counts: dict[str, Any]) -> Iterator[Issue]:
    where = cls.__qualname__
    if len(cls.specification_usage) > 1:
        problem = f"{', '.join(cls.specification_usage)} all declare usage parameters"
        yield Issue(where, "USG-4", problem, "declare one class of them; a table has one default set")
    for name in counts:
        if hasattr(Profile, name):
            yield Issue(f"{where}.{name}", "PRF-17", "the name is an attribute of Profile", "give it another name")


def _plain(annotation: object) -> object:
    """The annotation without the constraints of `Annotated`."""
    inner: object = getattr(annotation, "__origin__", None) if hasattr(annotation, "__metadata__") else None
    return annotation if inner is None else inner


def _class_issues(cls: type[Profile], vendor: str | None, version: str | None) -> Iterator[Issue]:
    where = cls.__qualname__
    if not vendor or not version:
        yield Issue(
            where, "CID-4", "vendor or version is missing", 'write class X(Profile, vendor="...", version="...")'
        )
    for key, value in vars(cls).items():
        if inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value):
            yield Issue(f"{where}.{key}", "PRF-26", "a method of a profile is async", "write a plain def")


__all__ = [
    "NOWHERE",
    "PROFILE_CALLBACKS",
    "Attribute",
    "Collation",
    "Profile",
    "ProfileContext",
    "attribute",
]

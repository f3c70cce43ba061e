"""Profile specifications as descriptors: attributes, indexes, callbacks, pydantic model, a hash of the schema."""

from __future__ import annotations

import hashlib
import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from slee.api.errors import Issue, ProfileVerificationError
from slee.api.ids import ProfileSpecificationID
from slee.api.local import LOCAL_MARK
from slee.api.migration import MIGRATION_MARK, StateMigration
from slee.api.profile import PROFILE_CALLBACKS, Attribute, Profile
from slee.api.query import Query
from slee.api.usage import UsageParameters
from slee.model.profile_text import is_unicode

Row = tuple[object, ...]
"""A profile's values, in the order of its specification's attributes."""


@dataclass(frozen=True, slots=True)
class ProfileDescriptor:
    """What a profile specification declares."""

    id: ProfileSpecificationID
    cls: type[Profile]
    attributes: tuple[Attribute, ...]
    """In the order of a row's values."""
    by_name: Mapping[str, Attribute]
    unique: tuple[Attribute, ...]
    indexed: tuple[Attribute, ...]
    """The unique ones among them."""
    queries: Mapping[str, Query]
    usage: type[UsageParameters] | None
    """What each table of the specification counts (USG-4)."""
    counts_as: str
    """Name under which profiles have the table's default usage set; empty if it does not count."""
    model: type[BaseModel]
    """Validates values by attribute: strict as it stands; `model.model_validate(values, strict=False)` reads texts."""
    defaults: Row
    """The values of a new table's default profile, before its callbacks."""
    callbacks: frozenset[str]
    """The life-cycle callbacks that the class defines; the others are not called."""
    methods: Mapping[str, tuple[type[Exception], ...]]
    """The business methods, with the exceptions that each declares (PRF-26, PRF-27)."""
    read_only: bool
    has_events: bool
    is_reentrant: bool
    migrations: Mapping[str, StateMigration]
    """Functions of `@migrates`, by the version that profiles come from."""
    ways_back: Mapping[str, StateMigration]
    """The same by the version that they go back to."""
    schema_hash: str
    """Equal for equal attributes: names, types, indexes, unique constraints, collations, in their order."""

    def validate(self, where: str, row: Row) -> Row:
        """The row with its values judged against types and constraints.

        Raises:
            ProfileVerificationError: lists every attribute that does not fit (PRF-17).
        """
        issues = [
            Issue(f"{where}.{attribute}", "PRF-17", f"{value!r} is no {attribute.kind}", "give a value of the type")
            for attribute, value in zip(self.attributes, row, strict=True)
            if type(value) not in attribute.kind.exact and not attribute.kind.accepts(value)
        ] or [
            Issue(f"{where}.{attribute}", "PRF-17", "half of a surrogate pair is no text", "give Unicode")
            for attribute, value in zip(self.attributes, row, strict=True)
            if value is not attribute.default and not is_unicode(value)
        ]
        wrong = {issue.component for issue in issues}
        try:
            self.model.model_validate({a.name: value for a, value in zip(self.attributes, row, strict=True)})
        except ValidationError as error:
            issues.extend(issue for issue in validation_issues(where, error) if issue.component not in wrong)
        if issues:
            raise ProfileVerificationError(issues)
        return row

    def values(self, row: Row) -> dict[str, object]:
        """A row's values by attribute."""
        return {attribute.name: value for attribute, value in zip(self.attributes, row, strict=True)}

    def row(self, values: Mapping[str, object], base: Row | None = None) -> Row:
        """The row of these values; what is not among them is taken from `base`, or else the default."""
        base = self.defaults if base is None else base
        return tuple(values.get(attribute.name, base[attribute.position]) for attribute in self.attributes)


def validation_issues(where: str, error: ValidationError) -> Iterator[Issue]:
    """What pydantic found, by attribute."""
    for found in error.errors(include_url=False, include_context=False, include_input=False):
        name = str(found["loc"][0]) if found["loc"] else "the profile"
        yield Issue(f"{where}.{name}", "PRF-17", found["msg"], "give a value that fits")


def describe_profile(cls: type[Profile]) -> ProfileDescriptor:
    """Describe one profile specification; calls none of its code."""
    attributes = cls.specification_attributes
    return ProfileDescriptor(
        id=cls.specification_id,
        cls=cls,
        attributes=attributes,
        by_name=types.MappingProxyType({a.name: a for a in attributes}),
        unique=tuple(a for a in attributes if a.unique),
        indexed=tuple(a for a in attributes if a.indexed),
        queries=types.MappingProxyType(cls.specification_queries),
        usage=next(iter(cls.specification_usage.values()), None),
        counts_as=next(iter(cls.specification_usage), ""),
        model=_model(cls),
        defaults=tuple(a.default for a in attributes),
        callbacks=frozenset(n for n in PROFILE_CALLBACKS if getattr(cls, n) is not getattr(Profile, n)),
        methods=types.MappingProxyType({n: getattr(m, LOCAL_MARK, ()) for n, m in _business_methods(cls)}),
        read_only=cls.specification_read_only,
        has_events=cls.specification_events,
        is_reentrant=cls.specification_reentrant,
        migrations=cls.specification_ways.up,
        ways_back=cls.specification_ways.back,
        schema_hash=_schema_hash(attributes),
    )


_CONFIG: Final = ConfigDict(
    strict=True, frozen=True, extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False, protected_namespaces=()
)


def _model(cls: type[Profile]) -> type[BaseModel]:
    """The pydantic model of the specification's attributes; each field has an alias, so that any name will do."""
    fields: dict[str, Any] = {
        f"attribute_{a.position}": (a.annotation, Field(default=a.default, alias=a.name))
        for a in cls.specification_attributes
    }
    made: type[BaseModel] = create_model(cls.__name__, __config__=_CONFIG, __module__=cls.__module__, **fields)
    return made


def _business_methods(cls: type[Profile]) -> Iterator[tuple[str, Callable[..., object]]]:
    for name, method in inspect.getmembers(cls, inspect.isfunction):
        if not name.startswith("_") and not hasattr(Profile, name) and not hasattr(method, MIGRATION_MARK):
            yield name, method


def _schema_hash(attributes: tuple[Attribute, ...]) -> str:
    lines = (
        f"{a.name}: {a.kind} indexed={a.indexed} unique={a.unique} collation={a.collation and a.collation.value}"
        for a in attributes
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


__all__ = ["ProfileDescriptor", "Row", "describe_profile", "validation_issues"]

"""Arguments of the operations on profiles."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field, JsonValue

from slee.management.arguments import Arguments
from slee.management.identities import SpecificationChoice

Format = Literal["csv", "jsonl", "toml"]
_POSITIONAL: Final[dict[str, JsonValue]] = {"x-positional": True}
"""Marks an optional argument that stands without a flag on the command line."""


class AnySpecification(Arguments):
    """May name a profile specification."""

    specification: SpecificationChoice | None = Field(None, description="id of a profile specification, or its name")


class ProfileTableName(Arguments):
    """Names a profile table."""

    table: str = Field(description="name of the profile table")


class NewProfileTable(ProfileTableName):
    """A profile table to make."""

    specification: SpecificationChoice = Field(description="id of a profile specification, or its name")


class ProfileTableRenaming(ProfileTableName):
    """Another name for a profile table."""

    renamed: str = Field(description="the name that it gets")


class ProfileName(ProfileTableName):
    """Names a profile."""

    profile: str = Field(description="name of the profile")


class ProfileChoice(ProfileTableName):
    """Names a profile, or the default profile of a table."""

    profile: str | None = Field(
        None, description="name of the profile; the default profile without", json_schema_extra=_POSITIONAL
    )


class NewProfile(ProfileName):
    """A profile to make."""

    values: dict[str, Any] = Field({}, description="values by attribute; the others are the default profile's")
    md5: bool = Field(False, description="whether a password gives HA1 by MD5 too, besides SHA-256")


class ProfileChange(ProfileTableName):
    """Values of a profile to change."""

    values: dict[str, Any] = Field(description="values by attribute; those that are not named keep their values")
    profile: str | None = Field(
        None, description="name of the profile; the default profile without", json_schema_extra=_POSITIONAL
    )
    md5: bool = Field(False, description="whether a password gives HA1 by MD5 too, besides SHA-256")


class ProfileSearch(ProfileTableName):
    """Which profiles of a table to list."""

    where: tuple[str, ...] = Field(
        (),
        description=(
            "ATTRIBUTE OPERATOR VALUE, all of which hold; operators are = != < <= > >=, "
            "^= (begins with) and ~= (is the longest prefix of the value)"
        ),
    )
    limit: int = Field(100, description="most profiles to list", ge=1, le=10_000)


class ProfileQuery(ProfileTableName):
    """A static query to ask."""

    query: str = Field(description="name of the query")
    arguments: tuple[str, ...] = Field((), description="its arguments, in their order", json_schema_extra=_POSITIONAL)


class ProfileExport(ProfileTableName):
    """How to export a table."""

    format: Format = Field("csv", description="csv, jsonl or toml")


class ProfileImport(ProfileTableName):
    """How to import into a table."""

    format: Format = Field("csv", description="csv, jsonl or toml")
    source: str = Field("import", description="name of the file, for messages")
    dry_run: bool = Field(False, description="whether to judge everything and change nothing")
    skip_bad: bool = Field(False, description="whether to take what fits and tell of the rest; else all or nothing")
    md5: bool = Field(False, description="whether a password gives HA1 by MD5 too, besides SHA-256")


__all__ = [
    "AnySpecification",
    "Format",
    "NewProfile",
    "NewProfileTable",
    "ProfileChange",
    "ProfileChoice",
    "ProfileExport",
    "ProfileImport",
    "ProfileName",
    "ProfileQuery",
    "ProfileSearch",
    "ProfileTableName",
    "ProfileTableRenaming",
]

"""Profile tables and profiles, for operators (group PRF)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from slee.api.errors import (
    AttributeTypeMismatchError,
    InvalidStateError,
    Issue,
    ProfileVerificationError,
    UnrecognizedAttributeError,
    UnrecognizedProfileError,
    UnrecognizedProfileSpecificationError,
    UnrecognizedQueryError,
)
from slee.management.names import identified
from slee.management.profile_results import ImportInfo, ProfileInfo, ProfileTableInfo, ReloadInfo
from slee.management.provisioning.conditions import condition
from slee.management.provisioning.exporting import exported, reader_of
from slee.management.provisioning.fields import Fields, RowError
from slee.management.provisioning.importing import Import
from slee.management.provisioning.options import ImportOptions
from slee.model.profile_text import convert

if TYPE_CHECKING:
    from slee.api.ids import ProfileSpecificationID
    from slee.facilities.profiles.session import EditSession
    from slee.facilities.profiles.table import Table
    from slee.facilities.profiles.tables import ProfileTables
    from slee.model.profile import Row


class ProfileUpload:
    """An import that is under way; go through the steps of `feed` and `finish`, or let `run` do so."""

    def __init__(self, work: Import) -> None:
        self._work = work
        self.feed = work.feed
        self.finish = work.finish

    def result(self) -> ImportInfo:
        """What has been done, once `finish` has come to its end."""
        work, counts = self._work, self._work.counts
        return ImportInfo(
            table=work.name,
            dry_run=work.options.dry_run,
            read=counts.read,
            added=counts.added,
            changed=counts.changed,
            unchanged=counts.unchanged,
            rejects=tuple(sorted(work.rejects, key=lambda reject: (reject.line, reject.column))),
            header=work.reader.header,
        )

    def run(self, pieces: Iterable[bytes]) -> ImportInfo:
        """Import a whole file without a pause; `ProfileVerificationError` lists what does not fit."""
        for piece in pieces:
            for _ in self.feed(piece):
                pass
        for _ in self.finish():
            pass
        return self.result()


class Profiles:
    """The profile tables of one server."""

    def __init__(self, tables: ProfileTables) -> None:
        """Take the tables."""
        self._tables = tables

    # Tables.

    def tables(self, specification: ProfileSpecificationID | str | None = None) -> tuple[ProfileTableInfo, ...]:
        """Every profile table, or those of one specification (PRF-3).

        Raises:
            UnrecognizedProfileSpecificationError: it is not installed.
        """
        names = self._tables.tables(None if specification is None else self._specification(specification))
        return tuple(ProfileTableInfo.of(self._tables.table(name)) for name in names)

    def table(self, table: str) -> ProfileTableInfo:
        """One profile table and its attributes.

        Raises:
            UnrecognizedProfileTableError: there is no such table.
        """
        return ProfileTableInfo.of(self._tables.table(table))

    def create_table(self, table: str, specification: ProfileSpecificationID | str) -> ProfileTableInfo:
        """Make a profile table with its default profile (PRF-1, PRF-2, PRF-6).

        Raises:
            InvalidArgumentError: the name is empty, or holds a `/`.
            UnrecognizedProfileSpecificationError: the specification is not installed.
            ProfileTableAlreadyExistsError: the name is in use.
            CreateError: a callback of the default profile refused.
        """
        self._tables.create_table(table, self._specification(specification))
        return self.table(table)

    def rename_table(self, table: str, renamed: str) -> ProfileTableInfo:
        """Give a profile table another name (PRF-2).

        Raises:
            UnrecognizedProfileTableError: there is no such table.
            InvalidArgumentError: the new name is empty, or holds a `/`.
            ProfileTableAlreadyExistsError: the new name is in use.
            InvalidStateError: an import is under way.
        """
        self._tables.rename_table(table, renamed)
        return self.table(renamed)

    def remove_table(self, table: str) -> None:
        """Remove a profile table with all its profiles (PRF-44).

        Raises:
            UnrecognizedProfileTableError: there is no such table.
        """
        self._tables.remove_table(table)

    def reload_table(self, table: str) -> ReloadInfo:
        """Take over what other programs have written to the database, in a table that components only read (PRF-20).

        Raises:
            UnrecognizedProfileTableError: there is no such table.
            InvalidStateError: components may change the table, or it is kept in memory only.
        """
        found = self._tables.table(table)
        if not found.descriptor.read_only:
            raise InvalidStateError(f"{table}: components may change it [PRF-20]; change it through the SLEE")
        stored = dict(self._tables.stored_rows(table))
        stored.pop(None, None)
        resident = found.resident.rows
        rows: dict[str, Row | None] = {
            name: row for name, row in stored.items() if name is not None and resident.get(name) != row
        }
        rows.update((name, None) for name in resident if name not in stored)
        self._tables.take_over(table, rows)
        return ReloadInfo(table, len(rows))

    # Profiles.

    def add(
        self, table: str, profile: str, values: Mapping[str, Any] | None = None, *, md5: bool = False
    ) -> ProfileInfo:
        """Make a profile (PRF-5, PRF-9).

        Raises:
            UnrecognizedProfileTableError: there is no such table.
            InvalidArgumentError: the name is empty.
            ProfileAlreadyExistsError: there is a profile of that name.
            CreateError: a callback refused.
            ProfileVerificationError: values do not fit; each is named.
            UniqueAttributeViolationError: another profile has the same value of a unique attribute.
        """
        return self._write(self._tables.create(table, profile), profile, values or {}, md5)

    def show(self, table: str, profile: str | None = None) -> ProfileInfo:
        """One profile, or the default profile, without what is secret.

        Raises:
            UnrecognizedProfileTableError: there is no such table.
            UnrecognizedProfileError: there is no such profile.
        """
        found = self._tables.table(table)
        row = found.resident.get(profile)
        if row is None:
            raise UnrecognizedProfileError(f"{table}/{profile} does not exist [PRF-21]; list the profiles")
        return ProfileInfo(table, profile, Fields(found.descriptor).shown(row))

    def set(
        self, table: str, values: Mapping[str, Any], profile: str | None = None, *, md5: bool = False
    ) -> ProfileInfo:
        """Change values of a profile, or of the default profile (PRF-8, PRF-12).

        Raises:
            UnrecognizedProfileTableError: there is no such table.
            UnrecognizedProfileError: there is no such profile.
            ProfileVerificationError: values do not fit; each is named.
            UniqueAttributeViolationError: another profile has the same value of a unique attribute.
        """
        session = self._tables.edit(table, profile)
        session.edit()
        return self._write(session, profile, values, md5)

    def remove(self, table: str, profile: str) -> None:
        """Remove a profile.

        Raises:
            UnrecognizedProfileTableError: there is no such table.
            UnrecognizedProfileError: there is no such profile.
        """
        self._tables.remove(table, profile)

    def find(self, table: str, where: Iterable[str] = (), limit: int = 100) -> tuple[ProfileInfo, ...]:
        """The profiles that meet every condition, in the order of their names (PRF-32).

        Raises:
            UnrecognizedProfileTableError: there is no such table.
            InvalidArgumentError: a text is no condition.
            UnrecognizedAttributeError: there is no such attribute, or it is secret.
            AttributeTypeMismatchError: a value, or an operator, does not fit the attribute.
        """
        found = self._tables.table(table)
        wanted = condition(where, Fields(found.descriptor))
        names = found.resident.rows if wanted is None else self._tables.select(table, wanted)
        return self._shown(found, sorted(names)[:limit])

    def query(self, table: str, query: str, arguments: Iterable[str] = ()) -> tuple[ProfileInfo, ...]:
        """The profiles that a query of the specification selects (PRF-30).

        Raises:
            UnrecognizedProfileTableError: there is no such table.
            UnrecognizedQueryError: the specification has no such query.
            InvalidArgumentError: there are too few arguments, or too many.
            AttributeTypeMismatchError: an argument is of another type than its parameter.
        """
        found = self._tables.table(table)
        asked = found.descriptor.queries.get(query)
        if asked is None:
            known = ", ".join(found.descriptor.queries) or "none"
            raise UnrecognizedQueryError(f"{table} has no query {query} [PRF-30]; it has {known}")
        given = list(arguments)
        for position, parameter in enumerate(asked.parameters[: len(given)]):
            try:
                given[position] = convert(given[position], parameter.annotation, strict=False)
            except msgspec.ValidationError as error:
                what = f"{table}: argument {parameter.name} of {query}: {error}"
                raise AttributeTypeMismatchError(f"{what} [PRF-30]; give a value of its type") from error
        return self._shown(found, self._tables.query(table, asked, *given))

    # Files.

    def export(self, table: str, format: str = "csv") -> Iterator[bytes]:
        """Write a table as CSV, JSON Lines or TOML, without what is secret.

        Raises:
            UnrecognizedProfileTableError: there is no such table.
        """
        return exported(self._tables.table(table), format)

    def import_(
        self,
        table: str,
        format: str = "csv",
        *,
        source: str = "import",
        dry_run: bool = False,
        skip_bad: bool = False,
        md5: bool = False,
    ) -> ProfileUpload:
        """Read profiles from CSV, JSON Lines or TOML into a table: all or none of them, unless bad ones are skipped.

        Raises:
            UnrecognizedProfileTableError: there is no such table.
            ProfileVerificationError: records do not fit; each is named with its line, column, profile and attribute.
        """
        options = ImportOptions(source=source, dry_run=dry_run, skip_bad=skip_bad, md5=md5)
        return ProfileUpload(Import(self._tables, table, reader_of(format), options))

    def _write(self, session: EditSession, profile: str | None, values: Mapping[str, Any], md5: bool) -> ProfileInfo:
        table = self._tables.table(session.table)
        fields = Fields(table.descriptor)
        if (wrong := fields.unknown(values)) is not None:
            known = ", ".join(fields.by_name)
            raise UnrecognizedAttributeError(f"{session}: {wrong} [PRF-32]; it has {known}")
        base = tuple(session.get(attribute.name) for attribute in table.descriptor.attributes)
        try:
            row = fields.row(profile or "", values, base, is_text=False, md5=md5)
        except RowError as error:
            issues = [Issue(f"{session}.{e.attribute}", "PRF-17", e.problem, e.remedy) for e in error.errors]
            raise ProfileVerificationError(issues) from error
        for attribute, value in zip(table.descriptor.attributes, row, strict=True):
            if value is not base[attribute.position]:
                session.set(attribute.name, value)
        session.commit()
        session.close()
        return self.show(session.table, profile)

    def _shown(self, table: Table, names: Iterable[str]) -> tuple[ProfileInfo, ...]:
        fields, rows = Fields(table.descriptor), table.resident.rows
        return tuple(ProfileInfo(table.name, name, fields.shown(rows[name])) for name in names)

    def _specification(self, given: ProfileSpecificationID | str) -> ProfileSpecificationID:
        return identified(given, self._tables.specifications, UnrecognizedProfileSpecificationError)


__all__ = ["ProfileUpload", "Profiles"]

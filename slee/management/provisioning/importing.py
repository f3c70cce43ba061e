"""Import into a profile table: read, judge and only then apply, in steps short enough for calls to pass between.

An import reads all of its file before anything changes. Then the rows are put into the table a few at a time, each such
chunk in a transaction of its own; if one is refused, those before it are taken back, unless bad records are skipped.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from slee.api.errors import (
    InvalidStateError,
    Issue,
    ProfileVerificationError,
    SleeError,
    UniqueAttributeViolationError,
)
from slee.management.provisioning.fields import Fields, RowError
from slee.management.provisioning.options import ImportCounts, ImportOptions
from slee.management.provisioning.records import NAME, Reader, Record, Unreadable
from slee.management.provisioning.rejects import Reject, rejected, unread
from slee.model.profile_text import LONGEST_NAME, is_name_short

if TYPE_CHECKING:
    from slee.facilities.profiles.following import Whole
    from slee.facilities.profiles.table import Table
    from slee.facilities.profiles.tables import ProfileTables
    from slee.facilities.profiles.work import ProfileWork
    from slee.model.profile import Row

_STEP: Final = 16
"""Records between two chances for calls."""
_CHUNK: Final = 32
"""Rows in one transaction."""
_SCAN: Final = 1000
"""Rows looked at between two chances for calls."""
MOST_REJECTS: Final = 10_000
"""Records that an import keeps to tell of; with more, it ends."""


class _Trial(Exception):
    """Ends a transaction that was only tried."""


class Import:
    """One import: `feed` it the file in pieces, then `finish` it; go through the steps of both."""

    def __init__(self, tables: ProfileTables, name: str, reader: Reader, options: ImportOptions) -> None:
        """Begin; `UnrecognizedProfileTableError` if there is no such table."""
        self.name = name
        self.options = options
        self.reader = reader
        self.counts = ImportCounts()
        self.rejects: list[Reject] = []
        self._tables = tables
        self._table: Table = tables.table(name)
        self._fields = Fields(self._table.descriptor)
        self._rows: dict[str, Row] = {}
        self._records: dict[str, tuple[int, str, Row]] = {}
        """Line and text of what is taken, and the row that it changes; the text only where rejects are told with it."""
        self._seen: dict[str, int] = {}
        self._unique: list[tuple[int, str, dict[Any, str]]] = [
            (a.position, a.name, {}) for a in self._table.descriptor.unique
        ]
        self._header_is_judged = False
        self._applied: list[dict[str, Row | None]] = []
        """What was there before, of the rows that each transaction has applied."""
        self._whole: Whole | None = None
        self._left: list[str] = []
        """What could not be taken back, and why."""

    def feed(self, octets: bytes) -> Iterator[None]:
        """Read a piece of the file; each step is short.

        Raises:
            ProfileVerificationError: the file cannot be read any further: its header is wrong, or nearly nothing fits.
        """
        yield from self._take(self.reader.feed(octets))

    def finish(self) -> Iterator[None]:
        """Judge the whole, and apply it.

        Raises:
            ProfileVerificationError: records do not fit; nothing has changed.
            UnrecognizedProfileTableError: the table has been removed meanwhile.
        """
        yield from self._take(self.reader.finish())
        self._judge_header()
        yield from self._judge_uniqueness()
        chunks = yield from self._chunks()
        if self._table.verifies or self._table.stores:
            for chunk in chunks:
                self._require_table()
                self._try(chunk)
                yield
        self._refuse_unless_skipping()
        if not self.options.dry_run:
            yield from self._apply(chunks)

    def _take(self, records: Iterator[Record | Unreadable]) -> Iterator[None]:
        for count, record in enumerate(records, 1):
            self._judge_header()
            if isinstance(record, Unreadable):
                self._reject(unread(record))
            else:
                self._judge(record)
            if count % _STEP == 0:
                yield
        yield

    def _judge(self, record: Record) -> None:
        self.counts.read += 1
        name = record.name
        if not isinstance(name, str) or not name or not is_name_short(name):
            problem = f"{NAME} is no text of 1 to {LONGEST_NAME} characters and 2048 octets"
            self._reject(rejected(record, NAME, problem, "name the profile"))
            return
        if name in self._seen:
            self._reject(rejected(record, NAME, f"line {self._seen[name]} has that name too", "leave one of them out"))
            return
        self._seen[name] = record.line
        resident = self._table.resident
        stored = resident.rows.get(name)
        try:
            base = resident.default if stored is None else stored
            is_text, md5 = self.reader.is_text, self.options.md5
            row = self._fields.row(name, record.values, base, is_text=is_text, md5=md5)
            if row == stored:
                self.counts.unchanged += self._note_unique(record, name, row)
                return
            self._table.descriptor.validate(name, row)
        except RowError as error:
            for wrong in error.errors:
                self._reject(rejected(record, wrong.attribute, wrong.problem, wrong.remedy))
        except ProfileVerificationError as error:
            for issue in error.issues:
                attribute = issue.component.removeprefix(f"{name}.")
                self._reject(rejected(record, attribute, self._told(attribute, issue.problem), issue.remedy))
        else:
            if self._note_unique(record, name, row):
                self._rows[name] = row
                self._records[name] = (record.line, record.text if self.options.skip_bad else "", base)

    def _judge_header(self) -> None:
        """Unknown columns are told once, and not for each record."""
        if self._header_is_judged or not self.reader.columns:
            return
        self._header_is_judged = True
        if (problem := self._fields.unknown(self.reader.columns)) is not None:
            known = ", ".join((NAME, *self._fields.by_name))
            raise ProfileVerificationError(
                [Issue(f"{self.options.source}:1", "PRF-32", problem, f"columns are {known}")]
            )

    def _told(self, attribute: str, problem: str) -> str:
        """A problem that shows nothing of a secret."""
        field = self._fields.by_name.get(attribute)
        return "the value does not fit" if field is not None and field.is_secret else problem

    def _note_unique(self, record: Record, name: str, row: Row) -> bool:
        """Whether no other record has the row's value of a unique attribute (PRF-18)."""
        for position, attribute, holders in self._unique:
            value = row[position]
            if value is None:
                continue
            key = self._key(attribute, value)
            other = holders.setdefault(key, name)
            if other != name:
                problem = f"{other} on line {self._seen[other]} has the same value [PRF-18]"
                self._reject(rejected(record, attribute, problem, "give one of them another"))
                return False
        return True

    def _key(self, attribute: str, value: Any) -> Any:
        collation = self._table.descriptor.by_name[attribute].collation
        return value if collation is None else collation.key(value)

    def _judge_uniqueness(self) -> Iterator[None]:
        """Values that profiles have which the import does not change, be it that their own record is skipped."""
        known = -1
        while known < len(self.rejects):
            known = len(self.rejects)
            yield from self._judge_holders()
            if not self.options.skip_bad:
                return

    def _judge_holders(self) -> Iterator[None]:
        for position, attribute, _ in self._unique:
            index = self._table.resident.indexes[attribute]
            for count, name in enumerate(tuple(self._rows), 1):
                value = self._rows[name][position]
                for holder in () if value is None else index.names(value):
                    if holder != name and holder not in self._rows:
                        problem = f"{holder} has the same value [PRF-18]"
                        self._reject_taken(name, attribute, problem, "give one of them another")
                        break
                if count % _SCAN == 0:
                    yield

    def _chunks(self) -> Generator[None, None, list[list[str]]]:
        """The rows in transactions: those that take over a value from another in one, the others by a few."""
        entangled: dict[str, None] = {}
        for position, attribute, _ in self._unique:
            index = self._table.resident.indexes[attribute]
            for count, (name, row) in enumerate(self._rows.items(), 1):
                value = row[position]
                holders = () if value is None else index.names(value)
                if holders and holders != (name,):
                    entangled.update(dict.fromkeys((name, *holders)))
                if count % _SCAN == 0:
                    yield
        chunks = [first] if (first := [name for name in entangled if name in self._rows]) else []
        chunk: list[str] = []
        for count, name in enumerate(self._rows, 1):
            if name not in entangled:
                chunk.append(name)
            if len(chunk) == _CHUNK:
                chunks.append(chunk)
                chunk = []
            if count % _SCAN == 0:
                yield
        return [*chunks, chunk] if chunk else chunks

    def _try(self, chunk: list[str]) -> None:
        """Reject the rows of a chunk that the specification's own callbacks refuse."""
        try:
            self._run_trial(chunk)
        except SleeError as error:
            if len(chunk) == 1:
                self._reject_for(chunk[0], error)
                return
            for name in chunk:
                self._try([name])

    def _run_trial(self, chunk: list[str]) -> None:
        def put_and_judge(work: ProfileWork) -> None:
            self._tables.put_into(work, self._table, self._kept(chunk), judged=True)
            work.store()
            if work.error is not None:
                raise work.error
            raise _Trial

        with suppress(_Trial):
            self._tables.transact(put_and_judge)

    def _apply(self, chunks: list[list[str]]) -> Iterator[None]:
        """Put the rows in; if that ends before its time, a crash included, all or none of them stay (PRF-46).

        Whoever gives up throws an error in and goes on with the steps until it comes out; closing takes back at once.
        """
        if self.options.skip_bad:
            yield from self._put_all(chunks)
            return
        self._whole = self._tables.whole()
        try:
            yield from self._put_all(chunks)
        except BaseException as error:
            try:
                if not isinstance(error, GeneratorExit):
                    yield from self._take_back()
            finally:
                for _ in self._take_back():
                    pass
            for left in self._left:
                error.add_note(f"what was imported of {left} could not be taken back")
            raise
        finally:
            self._whole.end()

    def _put_all(self, chunks: list[list[str]]) -> Iterator[None]:
        for chunk in chunks:
            self._require_table()
            rows = self._kept(chunk)
            stored = self._table.resident.rows
            before = {name: stored.get(name) for name in rows}
            try:
                self._put(rows)
            except SleeError as error:
                yield from self._put_singly(chunk, error)
            else:
                self._count(before)
            yield

    def _put(self, rows: Mapping[str, Row]) -> None:
        self._tables.transact(
            lambda work: self._tables.put_into(work, self._table, rows, judged=True), whole=self._whole
        )

    def _put_singly(self, chunk: list[str], error: SleeError) -> Iterator[None]:
        """What changed between judging and applying makes some of a chunk unfit: skip those, or refuse all."""
        if not self.options.skip_bad:
            self._reject_for(chunk[0], error)
            self._refuse_unless_skipping()
        for name in chunk:
            before = {name: self._table.resident.rows.get(name)}
            try:
                self._put(self._kept([name]))
            except SleeError as refusal:
                self._reject_for(name, refusal)
            else:
                self._count(before)
            yield

    def _count(self, before: dict[str, Row | None]) -> None:
        stored = self._table.resident.rows
        self._applied.append(before)
        for name, row in before.items():
            self._rows[name] = stored[name]  # profile_store may have had its say
            if row is None:
                self.counts.added += 1
            elif row == stored[name]:
                self.counts.unchanged += 1
            else:
                self.counts.changed += 1

    def _take_back(self) -> Iterator[None]:
        """Bring back what was there before, latest first, except for profiles that somebody has changed since."""
        self.counts.added = self.counts.changed = 0
        while self._applied and self._tables.by_name.get(self.name) is self._table:
            before = self._applied.pop()
            stored = self._table.resident.rows
            rows = {name: row for name, row in before.items() if stored.get(name) is self._rows.get(name)}
            try:
                self._bring_back(rows)
            except SleeError:
                self._bring_back_singly(rows)
            yield

    def _bring_back_singly(self, rows: Mapping[str, Row | None]) -> None:
        for name, row in rows.items():
            try:
                self._bring_back({name: row})
            except SleeError as error:  # somebody has taken its unique value meanwhile, and keeps it
                self._left.append(f"{name}: {error}")

    def _bring_back(self, rows: Mapping[str, Row | None]) -> None:
        assert self._whole is not None
        self._whole.is_taken_back = True
        self._tables.transact(lambda work: self._tables.put_into(work, self._table, rows), whole=self._whole)

    def _kept(self, chunk: list[str]) -> dict[str, Row]:
        """The rows of a chunk; what others have changed since stays where the import changes nothing (PRF-45)."""
        resident = self._table.resident
        kept: dict[str, Row] = {}
        for name in chunk:
            row = self._rows.get(name)
            if row is not None:
                base, now = self._records[name][2], resident.rows.get(name, resident.default)
                if now is not base:
                    row = tuple(n if r == b else r for r, b, n in zip(row, base, now, strict=True))
                kept[name] = row
        return kept

    def _require_table(self) -> None:
        if self._tables.table(self.name) is not self._table:
            raise InvalidStateError(f"profile table {self.name} was made anew during the import [PRF-3]; import again")

    def _reject_for(self, name: str, error: SleeError) -> None:
        attribute, problem, remedy = "", str(error), "mend the record"
        if isinstance(error, UniqueAttributeViolationError):
            attribute = error.attribute
        elif isinstance(error, ProfileVerificationError):
            first = error.issues[0]
            attribute = first.component.rpartition(".")[2] if "." in first.component else ""
            attribute = attribute if attribute in self._fields.by_name else ""
            problem, remedy = "; ".join(issue.problem for issue in error.issues), first.remedy
        self._reject_taken(name, attribute, problem, remedy)

    def _reject_taken(self, name: str, attribute: str, problem: str, remedy: str) -> None:
        line, text, _ = self._records.pop(name)
        del self._rows[name]
        self._reject(Reject(line, 0, name, attribute, problem, remedy, text))

    def _reject(self, reject: Reject) -> None:
        self.rejects.append(reject)
        if len(self.rejects) >= MOST_REJECTS:
            self._refuse("too many records do not fit to tell of all of them")

    def _refuse_unless_skipping(self) -> None:
        if self.rejects and not self.options.skip_bad:
            self._refuse("")
        if not self.options.dry_run:
            return
        stored = self._table.resident.rows
        self.counts.changed = sum(name in stored for name in self._rows)
        self.counts.added = len(self._rows) - self.counts.changed

    def _refuse(self, reason: str) -> None:
        rejects = sorted(self.rejects, key=lambda r: (r.line, r.column))
        issues = [reject.issue(self.options.source) for reject in rejects]
        if reason:
            issues.append(Issue(self.options.source, "PRF-17", reason, "is it the right file for this table?"))
        raise ProfileVerificationError(issues)


__all__ = ["MOST_REJECTS", "Import"]

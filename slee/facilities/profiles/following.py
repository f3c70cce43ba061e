"""The way of committed profile changes to the database: by the journal, if there is one (PRF-46).

A commit notes its changes. The next flush writes those of all commits since the last one as one entry of the journal,
under a position of its own; when the record is acknowledged, the database is given the changes with that position.
Once the database holds a position, the journal lets go of the entry. So nothing is lost by a crash in between: the next
start brings the database up before any table is loaded.

Keys: `P` and a position are changes, `Pu` and a number what takes back a chunk of an import that is not at its end, and
`Pf` is the highest position that the journal has let go of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from slee.api.errors import InvalidStateError, ProfileDatabaseError
from slee.kernel.journal import Entry
from slee.kernel.keys import pack
from slee.kernel.profile_storage import JournalledProfiles, RowChange

if TYPE_CHECKING:
    from slee.facilities.profiles.table import Table
    from slee.kernel.journalling import Journalling
    from slee.kernel.kernel import Kernel
    from slee.kernel.profile_storage import ProfileChange, ProfileStorage
    from slee.model.profile import ProfileDescriptor, Row

KIND: Final = b"P"
_FLOOR: Final = b"Pf"
_UNDO: Final = b"Pu"


def journalled_profiles(entries: Mapping[bytes, bytes]) -> JournalledProfiles:
    """What a journal that has been opened holds of profiles, for the opening of the database."""
    floor = entries.get(_FLOOR)
    return JournalledProfiles(
        floor=0 if floor is None else msgspec.msgpack.decode(floor),
        changes={int(key[1:]): value for key, value in entries.items() if _is_change(key)},
        undo=[entries[key] for key in sorted(filter(_is_undo, entries), key=lambda key: -int(key[2:]))],
    )


def _is_change(key: bytes) -> bool:
    return key.startswith(KIND) and key[1:].isdigit()


def _is_undo(key: bytes) -> bool:
    return key.startswith(_UNDO)


class _Batch:
    """The changes since the last flush."""

    __slots__ = ("changes",)

    def __init__(self) -> None:
        self.changes: list[ProfileChange] = []


class _Floor:
    """The highest position that the journal has let go of."""

    __slots__ = ("position",)

    def __init__(self) -> None:
        self.position = 0


class _Undo:
    """What takes back the changes of one transaction in one table."""

    __slots__ = ("changes", "descriptor", "key", "table")

    def __init__(self, key: bytes, table: str, descriptor: ProfileDescriptor) -> None:
        self.key = key
        self.table = table
        self.descriptor = descriptor
        self.changes: dict[str, tuple[Row | None, Row | None]] = {}


class Whole:
    """Several transactions that are to take effect as a whole, over a crash too: an import.

    Until `end`, a crash has the next start take them back, except where a profile has been changed since.
    """

    def __init__(self, following: Following) -> None:
        self._following = following
        self._keys: list[bytes] = []
        self._has_ended = False
        self.is_taken_back = False
        """Whether it is being taken back, for which there is always room."""
        following.hold()

    def note(self, changes: Iterable[tuple[Table, str | None, Row | None, Row | None]]) -> None:
        """One of the transactions has committed: table, profile, values before and after."""
        undo: dict[Table, _Undo] = {}
        for table, name, before, after in changes:
            if name is None:
                continue
            if table not in undo:
                key = self._following.new_undo_key()
                undo[table] = _Undo(key, table.name, table.descriptor)
                self._keys.append(key)
            undo[table].changes[name] = before, after
        self._following.keep(undo.values())

    def end(self) -> None:
        """All of them have been made, or taken back."""
        if not self._has_ended:
            self._has_ended = True
            self._following.release(self._keys)


class Following:
    """Brings what is committed to the database; without one, does nothing."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._storage: ProfileStorage | None = None
        self._journalling: Journalling | None = None
        self._position = 0
        self._batch = _Batch()
        self._floor = _Floor()
        self._entries: deque[tuple[int, int]] = deque()
        """Position and size of what the journal holds and has not let go of."""
        self.octets = 0
        """Size of that."""
        self.is_paused = False
        """Whether what is committed is in the database already."""
        self.is_full = False
        """Whether more waits for the database than may (DUR-13)."""
        self._wholes = 0
        self._held: list[ProfileChange] = []
        """Without a journal: what the database gets when what takes effect as a whole has ended."""

    @property
    def is_behind(self) -> bool:
        """Whether something that was committed is not known to be in the journal."""
        return self._journalling is not None and (bool(self._batch.changes) or self._journalling.is_followed)

    @property
    def target(self) -> int:
        """The position at which the database has all that is committed now."""
        return self._position + bool(self._batch.changes)

    @property
    def is_whole(self) -> bool:
        """Whether transactions are under way that are to take effect as a whole."""
        return self._wholes > 0

    @property
    def storage(self) -> ProfileStorage | None:
        """The database that follows."""
        return self._storage

    def begin(self, storage: ProfileStorage, journalling: Journalling | None = None) -> None:
        """Have a database follow, which has been brought up to the journal already."""
        self._storage = storage
        self._position = storage.position
        if journalling is None:
            return
        self._journalling = journalling
        journalling.join(self)
        found = [key for key in journalling.journal.recovery.entries if _is_change(key) or _is_undo(key)]
        for key in found:
            journalling.drop_key(key)
        if found or journalled_profiles(journalling.journal.recovery.entries).floor:
            self._move_floor(self._position)

    # Commits.

    def take(self, changes: list[ProfileChange]) -> None:
        """A transaction has committed: its changes are to get to the database."""
        storage = self._storage
        if storage is None or self.is_paused:
            return
        if self._journalling is not None:
            self._batch.changes.extend(changes)
            self._kernel.dirty[self._batch] = None
        elif self._wholes:
            self._held.extend(changes)
        else:
            self._position += 1
            storage.append(self._position, changes)

    def require_room(self, table: str) -> None:
        """Keep a transaction from changing profiles while too much waits (DUR-13).

        Raises:
            ProfileDatabaseError: it is the time for that; whoever asked has to come again.
        """
        if self.is_full or (self._journalling is not None and self._kernel.parks is not None):
            raise ProfileDatabaseError(
                f"{table}: more changes wait to be written than the bounds of the store allow [DUR-13]; see the "
                f"alarms, and try again when journal and database are written"
            )

    def note_references(self) -> None:
        """A table has another name: have entities that may refer to its profiles recorded anew (CMP-9)."""
        if self._journalling is not None:
            roots = (root for service in self._kernel.services.values() for root in service.roots)
            entities = (entity for root in roots for entity in root.tree())
            self._kernel.dirty.update((e, None) for e in entities if e.env.references and e.env.rank)

    # What takes effect as a whole.

    def hold(self) -> None:
        """Transactions that are to take effect as a whole begin."""
        self._wholes += 1

    def require_no_whole(self, table: str) -> None:
        """Keep a table's name from changing meanwhile: what takes transactions back finds the table by it (PRF-46).

        Raises:
            InvalidStateError: some are under way.
        """
        if self.is_whole:
            raise InvalidStateError(f"{table}: an import is under way [PRF-46]; wait for its end, and rename it then")

    def new_undo_key(self) -> bytes:
        """A key for what takes back one of them."""
        return b"%b%d" % (_UNDO, self._kernel.next_sequence())

    def keep(self, undo: Iterable[_Undo]) -> None:
        """Have the record that has the changes tell how to take them back, too."""
        if self._journalling is not None:
            self._kernel.dirty.update((one, None) for one in undo)

    def release(self, keys: Iterable[bytes]) -> None:
        """They have been made, or taken back: from the next record on that is so after a crash too."""
        self._wholes -= 1
        if self._journalling is not None:
            gone = set(keys)
            for one in [item for item in self._kernel.dirty if isinstance(item, _Undo) and item.key in gone]:
                del self._kernel.dirty[one]
            for key in gone:
                self._journalling.drop_key(key)
        elif not self._wholes and self._held:
            held, self._held = self._held, []
            self.take(_newest(held))

    # The journal (slee.kernel.journalling.Participant).

    @property
    def kind(self) -> bytes:
        """Keys begin with P."""
        return KIND

    @property
    def encoders(self) -> Mapping[type, Callable[[Any], Entry | None]]:
        """The changes since the last flush are one entry."""
        return {_Batch: self._encode, _Floor: self._encode_floor, _Undo: self._encode_undo}

    def restore(self, entries: Mapping[bytes, bytes]) -> None:
        """Nothing is left to do: the database was brought up when it was opened."""

    def _encode(self, batch: _Batch) -> Entry:
        assert self._storage is not None
        assert self._journalling is not None
        self._position = position = self._position + 1
        self._batch = _Batch()
        octets = self._storage.encoded(batch.changes)
        self._entries.append((position, len(octets)))
        self.octets += len(octets)
        self._journalling.when_recorded(partial(self._storage.append, position, batch.changes))
        return Entry(b"P%d" % position, octets)

    def _encode_floor(self, floor: _Floor) -> Entry:
        return Entry(_FLOOR, pack(floor.position))

    def _encode_undo(self, undo: _Undo) -> Entry:
        assert self._storage is not None
        return Entry(undo.key, self._storage.encoded_undo(undo.table, undo.descriptor, undo.changes))

    def let_go(self) -> None:
        """Have the journal let go of what the database holds; to be called now and then."""
        if self._storage is None or self._journalling is None or not self._entries:
            return
        position = self._storage.position
        if self._entries[0][0] > position:
            return
        while self._entries and self._entries[0][0] <= position:
            gone, size = self._entries.popleft()
            self.octets -= size
            self._journalling.drop_key(b"P%d" % gone)
        self._move_floor(position)

    def _move_floor(self, position: int) -> None:
        self._floor.position = position
        self._kernel.dirty[self._floor] = None

    def restrain(self, *, full: bool) -> None:
        """Let nothing begin that could add to what waits for the database, or let it again (DUR-13)."""
        if full is not self.is_full:
            self.is_full = full
            if self._journalling is not None:
                self._journalling.restrain(refusing=full, blocked=full, by="profile database")


def _newest(changes: Iterable[ProfileChange]) -> list[ProfileChange]:
    """The same changes with the last row of each profile alone, in between changes of tables."""
    newest: list[ProfileChange] = []
    rows: dict[tuple[str, str | None], RowChange] = {}
    for change in changes:
        if isinstance(change, RowChange):
            rows[change.table, change.profile] = change
        else:
            newest.extend(rows.values())
            rows.clear()
            newest.append(change)
    newest.extend(rows.values())
    return newest


__all__ = ["KIND", "Following", "Whole", "journalled_profiles"]

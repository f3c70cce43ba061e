"""The embedded store: a journal in a SQLite database."""

from slee.stores.sqlite.journal import SqliteJournal

__all__ = ["SqliteJournal"]

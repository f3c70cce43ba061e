"""Transactions that an adaptor begins and completes itself (RA-46 to RA-48)."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Protocol


class Outcome(enum.Enum):
    """How a transaction ended."""

    COMMITTED = "committed"
    ROLLED_BACK = "rolled back"


TransactionListener = Callable[[Outcome], object]
"""Is told how a transaction ended; what it raises is logged and changes nothing (RA-48)."""


class Transactions(Protocol):
    """Begins and completes transactions of one adaptor, for the variants ending in `_transacted` and for commands.

    A transaction lasts no longer than the callback that began it: one that is left open is rolled back (RA-36). The
    SLEE routes no event while one is active; call `pump` after the commit. The transaction of a delivery, in which an
    SBB calls the adaptor, is the SLEE's to complete.
    """

    @property
    def current(self) -> int | None:
        """Number of the active transaction, the same as `transaction_id`; `None` if none is active."""

    @property
    def is_rollback_only(self) -> bool:
        """Whether the active transaction is marked for rollback; `TransactionRequiredError` if none is active."""
        ...

    def set_rollback_only(self) -> None:
        """Mark the active transaction, for good; `TransactionRequiredError` if none is active."""

    def begin(self) -> int:
        """Begin a transaction, and return its number; `TransactionError` within one (RA-46)."""
        ...

    def commit(self) -> None:
        """Let everything done since `begin` take effect.

        Raises:
            TransactionError: none is active, or the active one is not of this adaptor's `begin`.
            TransactionRolledBackError: it was marked for rollback, and has been rolled back.
        """

    def rollback(self) -> None:
        """Undo everything done since `begin`; `TransactionError` if none of this adaptor's is active."""

    def commit_async(self, listener: TransactionListener | None = None) -> None:
        """Commit; no transaction is active from the return on, and `listener` is called once with the outcome (RA-47).

        With a journal, `COMMITTED` comes when all that was committed is durable, and without one before this returns. A
        transaction that was marked is rolled back, which only the listener is told.

        Raises:
            TransactionError: none is active, or the active one is not of this adaptor's `begin`.
        """

    def rollback_async(self, listener: TransactionListener | None = None) -> None:
        """Roll back; no transaction is active from the return on, and `listener` is called once (RA-47).

        Raises:
            TransactionError: none is active, or the active one is not of this adaptor's `begin`.
        """

"""The transactions object lent to each resource adaptor entity (RA-46 to RA-48)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slee.api.errors import TransactionError, TransactionRequiredError, TransactionRolledBackError
from slee.spi.transactions import Outcome, TransactionListener

if TYPE_CHECKING:
    from slee.kernel.kernel import Kernel
    from slee.kernel.resource import ResourceEntity
    from slee.kernel.transaction import Transaction


class AdaptorTransactions:
    """Begins, marks and completes the transactions of one entity; completes no others."""

    __slots__ = ("_begun", "_entity", "_kernel")

    def __init__(self, kernel: Kernel, entity: ResourceEntity) -> None:
        self._kernel = kernel
        self._entity = entity
        self._begun: Transaction | None = None

    @property
    def current(self) -> int | None:
        tx = self._kernel.transaction
        return None if tx is None else tx.id

    @property
    def is_rollback_only(self) -> bool:
        return self._active("is_rollback_only").marked

    def set_rollback_only(self) -> None:
        self._active("set_rollback_only").marked = True

    def begin(self) -> int:
        self._entity.require_thread("begin")
        self._begun = tx = self._kernel.begin()
        return tx.id

    def commit(self) -> None:
        if self._complete("commit") is Outcome.ROLLED_BACK:
            raise TransactionRolledBackError(
                f"{self._entity.name}: commit of a transaction marked for rollback [RA-46]; it was rolled back"
            )

    def rollback(self) -> None:
        self._complete("rollback", mark=True)

    def commit_async(self, listener: TransactionListener | None = None) -> None:
        outcome = self._complete("commit_async")
        journalling = self._kernel.journalling
        if journalling is None or outcome is Outcome.ROLLED_BACK:
            self._tell(listener, outcome)
        elif listener is not None:
            journalling.when_durable(lambda: self._tell(listener, outcome))

    def rollback_async(self, listener: TransactionListener | None = None) -> None:
        self._tell(listener, self._complete("rollback_async", mark=True))

    def _complete(self, what: str, *, mark: bool = False) -> Outcome:
        self._entity.require_thread(what)
        tx = self._begun
        if tx is None or tx is not self._kernel.transaction:
            raise TransactionError(
                f"{self._entity.name}: {what} without a transaction of its own [RA-46]; begin one, and complete it once"
            )
        self._begun = None
        if mark:
            tx.marked = True
        return Outcome.COMMITTED if self._kernel.finish(tx) else Outcome.ROLLED_BACK

    def _tell(self, listener: TransactionListener | None, outcome: Outcome) -> None:
        if listener is not None:
            self._entity.callback("transaction listener", listener, outcome)

    def _active(self, what: str) -> Transaction:
        tx = self._kernel.transaction
        if tx is None:
            raise TransactionRequiredError(f"{self._entity.name}: {what} without a transaction [RA-46]; begin one")
        return tx


def close_transaction(entity: ResourceEntity, before: Transaction | None, callback: str) -> None:
    """Roll back what a callback has begun and not completed, and report it (RA-36)."""
    tx = entity.kernel.transaction
    if tx is None or tx is before:
        return
    entity.kernel.roll_back(tx)
    entity.failed_callbacks += 1
    error = TransactionError(f"{entity.name}: {callback} left a transaction open [RA-36]; commit or roll it back")
    entity.kernel.reports.observer.adaptor_failed(entity.name, callback, error)

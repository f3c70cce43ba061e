"""What the adaptor keeps of a request that services deal with, from its arrival to its final answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resource_adaptors.sip.api import ServerTransaction as Activity
    from resource_adaptors.sip.protocol.server import ServerTransaction


class Server:
    """One ServerTransaction activity: the protocol core's transaction, and what services have decided."""

    __slots__ = (
        "activity",
        "answered",
        "branches",
        "cancelled",
        "handle",
        "in_process",
        "is_followed",
        "live_branches",
        "transaction",
    )

    def __init__(self, handle: str, activity: Activity, transaction: ServerTransaction) -> None:
        self.handle = handle
        self.activity = activity
        self.transaction = transaction
        self.answered = False
        """A service has given the final answer."""
        self.cancelled = False
        self.is_followed = False
        """A service wants the calls that it makes followed, whichever service forwards it."""
        self.branches = 0
        """Branches asked for by services."""
        self.live_branches: set[str] = set()
        """Branches whose activities have not ended."""
        self.in_process = True
        """The request's own event has not been processed yet."""

    @property
    def is_left_alone(self) -> bool:
        """Whether no service has answered or forwarded the request."""
        return not self.answered and not self.branches

    def forget_answer(self) -> None:
        """The delivery that answered rolled back."""
        self.answered = False

    def forget_following(self) -> None:
        """The delivery that wanted the calls followed rolled back."""
        self.is_followed = False

    def forget_branches(self, count: int) -> None:
        """The delivery that forwarded rolled back."""
        self.branches -= count

    def __repr__(self) -> str:
        return repr(self.activity)

"""What is kept of followed dialogs, and of the answers that begin and end them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resource_adaptors.sip.message.message import Response
    from resource_adaptors.sip.protocol.client import ClientTransaction
    from resource_adaptors.sip.protocol.server import ServerTransaction

DialogID = tuple[str, str, str]
"""Call-ID, tag of the caller, tag of the callee."""


class ProxyDialog:
    """One followed dialog."""

    __slots__ = ("acknowledged", "is_confirmed", "is_over", "key")

    def __init__(self, key: DialogID, *, is_confirmed: bool = False) -> None:
        self.key = key
        self.is_confirmed = is_confirmed
        """Whether a 2xx has come."""
        self.is_over = False
        self.acknowledged = -1
        """CSeq number of the last ACK, of which only the first copy is told."""


class FollowedBranch:
    """A branch of an INVITE whose dialogs are followed, until its transaction ends."""

    __slots__ = ("client", "dialogs", "is_answered", "is_held", "response", "transaction")

    def __init__(self, transaction: ServerTransaction) -> None:
        self.transaction = transaction
        self.dialogs: list[ProxyDialog] = []
        """Early ones; the confirmed one alone once there is a 2xx."""
        self.is_answered = False
        """Whether a 2xx has come."""
        self.is_held = False
        """Whether it still waits for `release`."""
        self.client: ClientTransaction | None = None
        self.response: Response | None = None


class HeldAnswer:
    """The final answer to a request that ended a dialog; `Proxy.release` sends it."""

    __slots__ = ("client", "response", "transaction")

    def __init__(
        self,
        transaction: ServerTransaction,
        client: ClientTransaction | None = None,
        response: Response | None = None,
    ) -> None:
        self.transaction = transaction
        self.client = client
        """The branch that was answered 2xx; `None` where the best of all answers is sent."""
        self.response = response

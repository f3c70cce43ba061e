"""The response context of a forwarded request: its branches, and the answers collected so far (RFC 3261 16.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from resource_adaptors.sip.protocol.selection import CHALLENGES, Candidate, better

if TYPE_CHECKING:
    from resource_adaptors.sip.message.message import Response
    from resource_adaptors.sip.protocol.client import ClientTransaction
    from resource_adaptors.sip.protocol.followed import ProxyDialog


class NewBranch(msgspec.Struct, frozen=True):
    """One target to forward a request to."""

    branch: str
    """The branch parameter of the Via that is added, from `SipCore.new_branch`."""
    uri: str
    """The new Request-URI."""
    routes: tuple[str, ...] = ()
    """Route values to put before those that the request has left (RFC 3327)."""


class ResponseContext:
    """Branches without a final response, the best outcome of the others, and the steps not processed yet."""

    __slots__ = ("best", "challenges", "dialog", "held", "is_exhausted", "is_reached", "is_silent", "open")

    def __init__(self, *, is_silent: bool) -> None:
        self.open: list[ClientTransaction] = []
        self.best: Candidate | None = None
        self.challenges: list[Response] = []
        """401 and 407 responses, whose challenges go into the answer together."""
        self.held = 0
        """Events on which no word has come that they are processed; until then no final answer goes out."""
        self.is_exhausted = False
        """Whether it was announced that no branch is left, and none was added since."""
        self.is_reached = False
        """Whether any branch ended otherwise than by an unreachable target."""
        self.is_silent = is_silent
        """Whether no service takes part: the core routes the request by its Route values."""
        self.dialog: ProxyDialog | None = None
        """The followed dialog that the request is inside of."""

    def take(self, candidate: Candidate) -> None:
        """Add the outcome of a branch."""
        self.best = better(self.best, candidate)
        if not candidate.is_unreachable:
            self.is_reached = True
        if candidate.response is not None and candidate.status in CHALLENGES:
            self.challenges.append(candidate.response)

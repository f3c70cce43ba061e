"""What an operator sets in `[config.CreditControl]`, and what the service counts."""

from __future__ import annotations

from enum import Enum

from pydantic import BaseModel, ConfigDict, Field

from resource_adaptors.diameter.api import FailureHandling
from slee import UsageParameters, counter


class OnFailure(Enum):
    """What becomes of a new call when no charging server can be asked (RFC 8506 8.14)."""

    TERMINATE = "terminate"
    """It is refused."""
    CONTINUE = "continue"
    """It goes on uncharged."""
    RETRY = "retry"
    """Another server is asked, then it is refused."""

    @property
    def handling(self) -> FailureHandling:
        """The same in the words of the RFC."""
        return _HANDLING[self]


_HANDLING = {
    OnFailure.TERMINATE: FailureHandling.TERMINATE,
    OnFailure.CONTINUE: FailureHandling.CONTINUE,
    OnFailure.RETRY: FailureHandling.RETRY_AND_TERMINATE,
}


class CreditControlConfiguration(BaseModel):
    """Times are seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    realm: str = Field(min_length=1)
    """Realm of the charging server."""
    rating_group: int = Field(100, ge=0, le=2**32 - 1)
    """What is charged, as the charging server knows it (RFC 8506 8.29)."""
    context: str | None = None
    """Service-Context-Id; that of the Diameter adaptor unless given."""
    request_seconds: int = Field(60, ge=1)
    """Credit asked for at a time; the server grants what it likes."""
    on_failure: OnFailure = OnFailure.TERMINATE
    """What becomes of a new call when no charging server can be asked; what the server's answer says of it wins."""
    answer_within: float = Field(12.0, gt=0, le=60)
    """How long the caller waits for the charging server at most; longer than the Diameter adaptor's `tx`."""
    setup_within: float = Field(600.0, ge=1)
    """How long a call may take to be answered; then its credit is given back if a restart has ended the attempt."""
    no_credit_status: int = Field(402, ge=400, le=699)
    """Answer to the caller when there is no credit (4012)."""
    denied_status: int = Field(403, ge=400, le=699)
    """Answer to the caller when the server denies the service, or does not know the caller (4010, 5003, 5030, 5031)."""
    failure_status: int = Field(503, ge=400, le=699)
    """Answer to the caller when no server can be asked, and when its answer is none of these."""

    def status(self, result: int) -> int:
        """The answer to the caller for the Result-Code of a denial."""
        if result == _CREDIT_LIMIT_REACHED:
            return self.no_credit_status
        return self.denied_status if result in _DENIALS else self.failure_status


_CREDIT_LIMIT_REACHED = 4012
_DENIALS = frozenset({4010, 5003, 5030, 5031})


class CreditControlUsage(UsageParameters):
    """What the service counts."""

    authorised = counter("Calls for which credit was granted")
    free = counter("Calls for which the server said that nothing is charged")
    denied = counter("Calls refused because credit was denied")
    refused = counter("Calls refused because no charging server could be asked")
    uncharged = counter("Calls that went on uncharged because no charging server could be asked")
    answered = counter("Charged calls that were answered")
    ended = counter("Charged calls that have ended")
    seconds = counter("Seconds reported to the charging server")
    overrun = counter("Calls that go on although their credit is out or their session was ended")
    failures = counter("Reports during calls that reached no charging server when they were first sent")

"""The durations of the transaction timers, derived from T1, T2 and T4 (RFC 3261 17, table of B6)."""

from __future__ import annotations

from typing import Final

SLOWEST_COMPLETED: Final = 32.0
"""Timer D over an unreliable transport: at least 32 seconds, whatever T1 is (RFC 3261 17.1.1.2)."""


class Timing:
    """Base values, guards and what follows from them, all in seconds. Treat it as immutable."""

    __slots__ = (
        "non_invite_deadline",
        "non_invite_trying",
        "server_deadline",
        "t1",
        "t2",
        "t4",
        "timeout",
        "timer_c",
        "timer_d",
        "trying_after",
    )

    def __init__(
        self,
        *,
        t1: float = 0.5,
        t2: float = 4.0,
        t4: float = 5.0,
        timer_c: float = 185.0,
        trying_after: float = 0.0,
        server_deadline: float = 185.0,
    ) -> None:
        self.t1 = t1
        """Estimate of the round trip."""
        self.t2 = t2
        """Longest interval between two retransmissions of a non-INVITE request or an INVITE's final response."""
        self.t4 = t4
        """Longest time a message stays in the network: timers I and K."""
        self.timer_c = timer_c
        """How long a ringing branch may go without another provisional response (RFC 3261 16.6 step 11)."""
        self.trying_after = trying_after
        """How long after an INVITE 100 is sent, unless another response has gone out (SIP-61)."""
        self.server_deadline = server_deadline
        """How long an INVITE may wait for its answer with no branch pending (SIP-63)."""
        self.timeout = 64 * t1
        """Timers B, F, H, J, L and M."""
        self.timer_d = max(SLOWEST_COMPLETED, 64 * t1)
        self.non_invite_trying = 7 * t1
        """When 100 may be sent to a non-INVITE request (RFC 4320 4.1, SIP-62)."""
        self.non_invite_deadline = 48 * t1
        """How long a non-INVITE request may wait for its answer with no branch pending (SIP-63)."""

"""Forwarding: where calls to a subscriber go who is busy, away, silent, or wants none."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from slee import Profile, ProfileVerificationError

Target = Annotated[str | None, Field(max_length=255)]
"""An address-of-record, a SIP URI or a number."""


class Forwarding(Profile, vendor="slee", version="1.0", events=True):
    """What a subscriber has forwarded; the profile's name is the address-of-record."""

    unconditional: Target = None
    busy: Target = None
    no_answer: Target = None
    unreachable: Target = None
    unconditional_active: bool = True
    busy_active: bool = True
    no_answer_active: bool = True
    unreachable_active: bool = True
    """Each target counts while it is there and active."""
    no_answer_after: Annotated[float, Field(ge=1, le=180)] = 20.0
    """Seconds of ringing."""
    block_3xx: bool = False
    """Whether a redirection by the callee is answered 404."""
    maximum_diversions: Annotated[int, Field(ge=0, le=20)] = 5

    def profile_verify(self) -> None:
        """Nobody forwards to themselves (APP-6)."""
        targets = {
            "unconditional": self.unconditional,
            "busy": self.busy,
            "no_answer": self.no_answer,
            "unreachable": self.unreachable,
        }
        for attribute, target in targets.items():
            if target is not None and target in ("", self.profile_name):
                raise ProfileVerificationError(f"{attribute} {target!r} is empty, or the subscriber")

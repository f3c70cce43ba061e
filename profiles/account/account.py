"""Accounts: what subscribers may spend, and what for."""

from __future__ import annotations

import decimal
import enum
from typing import Annotated

from pydantic import Field

from slee import Profile, ProfileVerificationError

Amount = Annotated[decimal.Decimal, Field(max_digits=18, decimal_places=6)]


class Mode(enum.Enum):
    """Who keeps the balance."""

    LOCAL = "local"
    DIAMETER = "diameter"


class Payer(enum.Enum):
    """Who pays for a call."""

    CALLER = "caller"
    CALLEE = "callee"
    FORWARDER = "forwarder"


class State(enum.Enum):
    """Whether an account can be charged."""

    ACTIVE = "active"
    BLOCKED = "blocked"
    CLOSED = "closed"


class Account(Profile, vendor="slee", version="1.0", events=True):
    """The account of a subscriber; the profile's name is the address-of-record."""

    balance: Amount = decimal.Decimal(0)
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "EUR"
    credit_limit: Amount = decimal.Decimal(0)
    """How far below zero the balance may go; 0 or more."""
    tariff: Annotated[str, Field(max_length=64)] = ""
    mode: Mode = Mode.LOCAL
    payer: Payer = Payer.CALLER
    state: State = State.ACTIVE

    def profile_verify(self) -> None:
        """A credit limit is no debt (APP-9)."""
        if self.credit_limit < 0:
            raise ProfileVerificationError(f"credit_limit {self.credit_limit} is below 0")

"""Addresses: a plan and a text (group ADR)."""

from __future__ import annotations

import enum
from typing import Any, Final

import msgspec

from slee.api.ids import escape, split_parts


class AddressPlan(enum.Enum):
    """The closed list of address plans (ADR-3)."""

    NOT_PRESENT = "not present"
    UNDEFINED = "undefined"
    IP = "IP"
    MULTICAST = "multicast"
    UNICAST = "unicast"
    E164 = "E.164"
    E164_MOBILE = "E.164 mobile"
    AESA = "AESA"
    URI = "URI"
    NSAP = "NSAP"
    SMTP = "SMTP"
    X400 = "X.400"
    SIP = "SIP"
    H323 = "H.323"
    GT = "GT"
    SSN = "SSN"
    SLEE_PROFILE_TABLE = "SLEE profile table"
    SLEE_PROFILE = "SLEE profile"

    @classmethod
    def parse(cls, text: str) -> AddressPlan:
        """Read a plan without regard to case; any other text raises `ValueError`."""
        plan = _PLANS.get(text.casefold())
        if plan is None:
            raise ValueError(f"{text!r} is no address plan [ADR-3]; plans are {', '.join(p.value for p in cls)}")
        return plan


_PLANS: Final = {plan.value.casefold(): plan for plan in AddressPlan}


class Address(msgspec.Struct, frozen=True):
    """Where an event was addressed to: equality and hash use plan and text only (ADR-1)."""

    plan: AddressPlan
    text: str
    presentation: str | None = None
    screening: str | None = None
    sub_address: str | None = None
    display_name: str | None = None

    def __post_init__(self) -> None:
        plan: object = self.plan
        text: object = self.text
        if not isinstance(plan, AddressPlan) or not isinstance(text, str):
            raise TypeError("an Address needs an AddressPlan and a str [ADR-2]; give both")
        if not text:
            raise ValueError("an Address needs a text that is not empty [ADR-2]; give the address")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Address) and self.plan is other.plan and self.text == other.text

    def __hash__(self) -> int:
        return hash((self.plan, self.text))

    def __str__(self) -> str:
        """The text form, optional fields included; `parse` reads it back (ADR-2)."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__[1:]}
        given = [f"{name}={escape(value)}" for name, value in fields.items() if value is not None]
        return f"Address[{','.join((f'plan={self.plan.value}', *given))}]"

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read the text form back.

        Raises:
            ValueError: the text is malformed, or the plan or the text of the address is missing.
        """
        head = "Address["
        if not text.startswith(head):
            raise ValueError(f"{text!r} at 0: expected 'Address[' [ADR-2]; give the text form of an address")
        parts: dict[str, Any] = split_parts(text, len(head), cls.__struct_fields__, "ADR-2")
        if "plan" not in parts or "text" not in parts:
            raise ValueError(f"{text!r}: plan or text is missing [ADR-2]; give both")
        return cls(AddressPlan.parse(parts.pop("plan")), **parts)

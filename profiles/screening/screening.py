"""Screening lists: who may call whom, decided before it rings; the first rule that matches decides."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from pydantic import Field

from slee import Profile, ProfileVerificationError


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule."""

    direction: Literal["incoming", "outgoing", "both"] = "both"
    match: Literal["any", "aor", "user", "prefix", "domain", "anonymous", "group"] = "any"
    """What of the other party is compared: the whole address, its user, the beginning of its number, its domain."""
    value: str = ""
    """What it is compared with; empty for `any` and `anonymous`."""
    weekdays: frozenset[int] = frozenset()
    """Days that the rule holds on, Monday is 1; every day if empty."""
    begins: str = "00:00"
    ends: str = "24:00"
    """Hours of the day that the rule holds in; it holds over midnight if the end is the earlier."""
    action: Literal["allow", "reject", "divert", "voicemail"] = "reject"
    status: int = 403
    """What a rejection is answered."""
    target: str = ""
    """Where a diversion goes."""


class Screening(Profile, vendor="slee", version="1.0", events=True):
    """The rules of a subscriber; the profile's name is the address-of-record."""

    rules: Annotated[tuple[Rule, ...], Field(max_length=1_000)] = ()
    """In the order in which they are tried."""
    default_action: Literal["allow", "reject"] = "allow"
    default_status: Annotated[int, Field(ge=300, le=699)] = 403

    def profile_verify(self) -> None:
        """Every rule can be followed (APP-5)."""
        for number, rule in enumerate(self.rules, 1):
            if problem := _problem(rule):
                raise ProfileVerificationError(f"rule {number} of rules: {problem}")


def _problem(rule: Rule) -> str:
    if (rule.match in ("any", "anonymous")) is bool(rule.value):
        return f"match {rule.match} with value {rule.value!r}"
    if rule.action == "reject" and not 300 <= rule.status <= 699:
        return f"status {rule.status} is no final answer that refuses"
    if (rule.action == "divert") is not bool(rule.target):
        return f"action {rule.action} with target {rule.target!r}"
    if not rule.weekdays <= frozenset(range(1, 8)):
        return "a weekday is none of 1 to 7"
    if not _is_time(rule.begins) or not _is_time(rule.ends):
        return f"{rule.begins} to {rule.ends} are no times of a day"
    return ""


def _is_time(text: str) -> bool:
    hours, colon, minutes = text.partition(":")
    if not (colon and len(hours) == len(minutes) == 2 and (hours + minutes).isascii() and (hours + minutes).isdigit()):
        return False
    return int(hours) * 60 + int(minutes) <= 24 * 60 and int(minutes) < 60

"""The torture messages of RFC 4475 and RFC 5118, and what each role has to make of them (protocols B3).

The parser's verdict holds for every element. What is left to a role is judged where that role is played: the proxy and
the registrar by the shipped services, the user agent server by the SBB in `roles`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from tests.conformance.rfc4475.invalid import INVALID
from tests.conformance.rfc4475.rfc5118 import IPV6
from tests.conformance.rfc4475.semantic import SEMANTIC
from tests.conformance.rfc4475.valid import VALID

MESSAGES: Final[Mapping[str, bytes]] = {**VALID, **INVALID, **SEMANTIC, **IPV6}
"""Octets by section and short name, as in `"3.1.1.1 wsinv"`."""

Outcome: TypeAlias = "int | Literal['forwarded'] | None"
"""Status of the final answer, 0 for silence; `None` where the message is not for that role."""


class Verdict(NamedTuple):
    """What is to happen to a message."""

    parser: int | None
    """Status of the stateless answer, 0 if it is dropped without one, `None` if it is accepted."""
    proxy: Outcome = None
    """The callee of its Request-URI is registered, so that nothing but the message can keep it from being forwarded."""
    registrar: Outcome = None
    uas: Outcome = None


def _accepted(*, proxy: Outcome = None, registrar: Outcome = None, uas: Outcome = None) -> Verdict:
    return Verdict(None, proxy, registrar, uas)


def _refused(status: int) -> Verdict:
    return Verdict(status, status, status, status)


_FORWARDED: Final = _accepted(proxy="forwarded", uas=200)
_REGISTERED: Final = _accepted(registrar=200)
_STRAY: Final = _accepted(proxy=0, registrar=0, uas=0)
"""A response that answers nothing we have sent."""
_DROPPED: Final = _refused(0)

VERDICTS: Final[Mapping[str, Verdict]] = {
    "3.1.1.1 wsinv": _accepted(proxy="forwarded", uas=481),  # it bears a To tag, but of no dialog of ours
    "3.1.1.2 intmeth": _accepted(proxy="forwarded", uas=501),
    "3.1.1.3 esc01": _FORWARDED,
    "3.1.1.4 escnull": _REGISTERED,
    "3.1.1.5 esc02": _accepted(proxy=484, registrar=501, uas=501),  # served domain, no user; and it is no REGISTER
    "3.1.1.6 lwsdisp": _FORWARDED,
    "3.1.1.7 longreq": _FORWARDED,
    "3.1.1.8 dblreq": _REGISTERED,
    "3.1.1.9 semiuri": _FORWARDED,
    "3.1.1.10 transports": _FORWARDED,
    "3.1.1.11 mpart01": _FORWARDED,
    "3.1.1.12 unreason": _STRAY,
    "3.1.1.13 noreason": _STRAY,
    "3.1.2.1 badinv01": _refused(400),
    "3.1.2.2 clerr": _refused(400),
    "3.1.2.3 ncl": _refused(400),
    "3.1.2.4 scalar02": _refused(400),
    "3.1.2.5 scalarlg": _DROPPED,
    "3.1.2.6 quotbal": _refused(400),
    "3.1.2.7 ltgtruri": _refused(400),
    "3.1.2.8 lwsruri": _refused(400),
    "3.1.2.9 lwsstart": _refused(400),
    "3.1.2.10 trws": _refused(400),
    "3.1.2.11 escruri": _refused(400),
    "3.1.2.12 baddate": _FORWARDED,
    "3.1.2.13 regbadct": _refused(400),
    "3.1.2.14 badaspec": _refused(400),
    "3.1.2.15 baddn": _refused(400),
    "3.1.2.16 badvers": _refused(505),
    "3.1.2.17 mismatch01": _refused(400),
    "3.1.2.18 mismatch02": _refused(501),
    "3.1.2.19 bigcode": _DROPPED,
    "3.2.1 badbranch": _refused(400),
    "3.3.1 insuf": _refused(400),
    "3.3.2 unkscm": _accepted(proxy=416, uas=416),
    "3.3.3 novelsc": _accepted(proxy=416, uas=416),
    "3.3.4 unksm2": _accepted(registrar=400),
    "3.3.5 bext01": _accepted(proxy=420, uas=420),
    "3.3.6 invut": _accepted(proxy="forwarded", uas=415),
    "3.3.7 regaut01": _accepted(registrar=200, uas=401),  # the shipped registrar has no realm, the test's UAS has one
    "3.3.8 multi01": _refused(400),
    "3.3.9 mcl01": _refused(400),
    "3.3.10 bcast": _STRAY,
    "3.3.11 zeromf": _accepted(proxy=483, uas=200),
    "3.3.12 cparam01": _REGISTERED,
    "3.3.13 cparam02": _REGISTERED,
    "3.3.14 regescrt": _REGISTERED,
    "3.3.15 sdp01": _accepted(proxy="forwarded", uas=406),
    "3.4.1 inv2543": _FORWARDED,
    "5118-4.1 reference": _REGISTERED,
    "5118-4.2 no-brackets": _refused(400),
    "5118-4.3 port-inside": _REGISTERED,
    "5118-4.4 port-outside": _REGISTERED,
    "5118-4.5 received-brackets": _accepted(proxy="forwarded"),
    "5118-4.5 received-plain": _accepted(proxy="forwarded"),
    "5118-4.6 sdp": _FORWARDED,
    "5118-4.7 headers": _accepted(proxy=500),  # its Request-URI is a name, and there is no DNS: 503 of a branch (16.7)
    "5118-4.8 mixed-sdp": _FORWARDED,
    "5118-4.9 mapped": _FORWARDED,
    "5118-4.10 three-colons": _FORWARDED,
    "5118-4.10 two-colons": _FORWARDED,
}

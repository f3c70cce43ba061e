"""Write the seeds of the Diameter decoder's corpus: a message of each kind, and what breaks each rule of the header."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, group, u32
from resource_adaptors.diameter.message.message import Message
from resource_adaptors.diameter.protocol import capabilities
from resource_adaptors.diameter.protocol.charging import CreditAnswer
from resource_adaptors.diameter.protocol.units import FinalUnit, Grant, Units
from tests.resource_adaptors.diameter.test_codec import REQUEST
from tests.resource_adaptors.diameter.wire import theirs

CORPUS = Path(__file__).parent / "corpus" / "diameter"


def seeds() -> dict[str, bytes]:
    """Octets by name."""
    ours = theirs("a.example")
    cer = capabilities.capabilities_request(ours, 1, 2)
    dwr = capabilities.watchdog_request(ours, 1, 2)
    dpr = capabilities.disconnect_request(ours, 1, 2, 0)
    ccr = REQUEST.message()
    grant = Grant(rating_group=1, granted=Units(time=3, total_octets=9), validity=5, final=FinalUnit(action=0))
    given = CreditAnswer(result=2001, grants=(grant,)).avps()
    head = (*ccr.avps[:1], u32(codes.RESULT_CODE, 2001))
    cca = ccr.answer((*head, *ccr.avps[1:3], *ccr.avps[4:5], *ccr.avps[6:8], *given))
    deep = u32(codes.RATING_GROUP, 1)
    for _ in range(17):
        deep = group(codes.SUBSCRIPTION_ID, (deep,))
    found = {
        "cer": cer,
        "cea": capabilities.capabilities_answer(ours, cer, 2001),
        "dwr": dwr,
        "dwa": capabilities.watchdog_answer(ours, dwr),
        "dpr": dpr,
        "dpa": capabilities.disconnect_answer(ours, dpr),
        "ccr": ccr,
        "cca": cca,
        "error": capabilities.error_answer(ours, ccr, 5001, "no", failed=Avp(9, b"x").encode()),
        "deep": Message(272, 4, 0xC0, 1, 2, (*ccr.avps, deep)),
        "unknown-mandatory": Message(272, 4, 0xC0, 1, 2, (*ccr.avps, Avp(60_000, b"x"))),
    }
    octets = {name: message.encode() for name, message in found.items()}
    whole = octets["ccr"]
    octets["version"] = b"\2" + whole[1:]
    octets["reserved-bits"] = whole[:4] + b"\xc1" + whole[5:]
    octets["short-length"] = whole[:1] + (16).to_bytes(3, "big") + whole[4:]
    octets["avp-overrun"] = whole[:25] + b"\xff\xff\xff" + whole[28:]
    octets["avp-of-no-length"] = whole[:25] + bytes(3) + whole[28:]
    octets["two"] = octets["cer"] + whole
    return octets


def main() -> None:
    """Write one file for each seed."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    for name, data in seeds().items():
        (CORPUS / name).write_bytes(data)


if __name__ == "__main__":
    main()

"""CPU of the SIP message model: what parsing, forwarding, relaying and answering one message costs.

`python -m benchmarks.sip_message [--profile]` prints microseconds per operation, for the messages that a proxied call
consists of. Figures are the best of several rounds, because other processes on the machine only ever add.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import time
from collections.abc import Callable

from benchmarks.sip_core import SDP, request
from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.message.parser import parse_message
from resource_adaptors.sip.message.writer import (
    ack_for,
    build_response,
    cancel_for,
    forward_request,
    relay_response,
    stamp_received,
)

TARGET = "sip:callee@127.0.0.1:5062"
VIA = "SIP/2.0/UDP 127.0.0.1:5060;rport;branch=z9hG4bK1f6c3a5e9b7d2048aabbccdd"
RECORD_ROUTE = ("<sip:127.0.0.1:5060;lr>",)
CONTACT = (("Contact", "<sip:callee@127.0.0.1:5062>"), ("Content-Type", "application/sdp"))
ODD = (b"\r\nFrom: caller ", b"\r\nf :  caller\r\n "), (b"\r\nCSeq: 1 ", b"\r\ncseq:0001\t")


def forward(received: Request) -> Request:
    """The request as our proxy sends it on."""
    return forward_request(received, uri=TARGET, via=VIA, max_forwards=69, record_routes=RECORD_ROUTE)


def operations() -> dict[str, Callable[[], object]]:
    """What is measured, by name."""
    invite_data = request(
        b"INVITE",
        b"sip:callee@127.0.0.1:5060",
        1,
        1,
        b"Contact: <sip:caller@127.0.0.1:5061>\r\nMax-Forwards: 70\r\n",
        SDP,
    )
    odd_data = invite_data
    for usual, unusual in ODD:
        odd_data = odd_data.replace(usual, unusual)
    invite = parse_message(invite_data)
    assert isinstance(invite, Request)
    forwarded = forward(invite)
    answer = build_response(forwarded, 200, to_tag="callee1", headers=CONTACT, body=SDP)
    answer_data = answer.raw
    relayed = parse_message(answer_data)
    assert isinstance(relayed, Response)
    return {
        f"parse an INVITE of {len(invite_data)} octets": lambda: parse_message(invite_data),
        f"parse a 200 of {len(answer_data)} octets": lambda: parse_message(answer_data),
        "parse an INVITE that is folded and oddly spelt": lambda: parse_message(odd_data),
        "note the source of an INVITE": lambda: stamp_received(invite, "127.0.0.2", 5061),
        "forward an INVITE": lambda: forward(invite),
        "encode an INVITE": lambda: forwarded.raw,
        "relay a 200": lambda: relay_response(relayed),
        "answer 100": lambda: build_response(invite, 100),
        "answer 200 with a body": lambda: build_response(invite, 200, to_tag="callee1", headers=CONTACT, body=SDP),
        "make an ACK": lambda: ack_for(forwarded, answer),
        "make a CANCEL": lambda: cancel_for(forwarded),
    }


def measure(operation: Callable[[], object], number: int, rounds: int) -> float:
    """Microseconds of one call of the operation in its best round."""
    best = float("inf")
    for _ in range(rounds):
        started = time.process_time_ns()
        for _ in range(number):
            operation()
        best = min(best, time.process_time_ns() - started)
    return best / 1000 / number


def main() -> None:
    """Measure, or profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=2000, help="operations in a round")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--profile", action="store_true", help="show where the time goes instead")
    arguments = parser.parse_args()
    if arguments.profile:
        profile = cProfile.Profile()
        for operation in operations().values():
            profile.runcall(measure, operation, arguments.number, 1)
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
        return
    gc.collect()
    gc.freeze()
    for name, operation in operations().items():
        print(f"{measure(operation, arguments.number, arguments.rounds):8.2f} microseconds to {name}")


if __name__ == "__main__":
    main()

"""CPU of the SIP core for a proxied call, without sockets and without services.

Feeds INVITE, 180, 200, ACK, BYE and 200 of many calls through one core, with a driver that forwards each INVITE to a
fixed target. `python -m benchmarks.sip_core [calls] [--profile]` prints microseconds per call; the best of several
rounds, because other processes on the machine only ever add.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import random
import time

from resource_adaptors.sip.protocol.context import NewBranch
from resource_adaptors.sip.protocol.core import SipCore
from resource_adaptors.sip.protocol.events import FinalReceived, RequestReceived
from resource_adaptors.sip.protocol.settings import Settings

CALLER = ("127.0.0.1", 5061)
CALLEE = ("127.0.0.1", 5062)
SDP = (
    b"v=0\r\no=user1 53655765 2353687637 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
)
TARGET = "sip:callee@127.0.0.1:5062"
START = 1_790_000_000.0
PER_CALL = 6
CONTACT = b"Contact: <sip:caller@127.0.0.1:5061>\r\nMax-Forwards: 70\r\n"


def request(method: bytes, uri: bytes, number: int, cseq: int, extra: bytes, body: bytes = b"") -> bytes:
    """A request of the caller."""
    to_tag = b"" if method == b"INVITE" else b";tag=callee%d" % number
    return (
        b"%b %b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5061;branch=z9hG4bK-%d-%b\r\n"
        b"From: caller <sip:caller@127.0.0.1:5061>;tag=caller%d\r\nTo: callee <sip:callee@127.0.0.1:5060>%b\r\n"
        b"Call-ID: %d-4711@127.0.0.1\r\nCSeq: %d %b\r\n%bSubject: Performance Test\r\n"
        b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%b"
    ) % (method, uri, number, method, number, to_tag, number, cseq, method, extra, len(body), body)


def response(received: bytes, status: bytes, number: int, body: bytes = b"") -> bytes:
    """The callee's answer to a request that it received."""
    kept: list[bytes] = []
    for line in received.split(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        if line.startswith((b"Via", b"From", b"Call-ID", b"CSeq", b"Record-Route")):
            kept.append(line)
        elif line.startswith(b"To"):
            kept.append(line if b"tag=" in line else line + b";tag=callee%d" % number)
    head = b"\r\n".join((b"SIP/2.0 " + status, *kept, b"Contact: <sip:callee@127.0.0.1:5062>"))
    return head + b"\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Calls:
    """Calls through a core. The first run notes the messages; a core with the same randomness takes them again."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, tuple[str, int]]] = []
        self._core = new_core()

    def make(self, count: int) -> None:
        """Make the messages of calls."""
        for number in range(count):
            invite = self._feed(request(b"INVITE", b"sip:callee@127.0.0.1:5060", number, 1, CONTACT, SDP), CALLER)
            self._feed(response(invite, b"180 Ringing", number), CALLEE)
            self._feed(response(invite, b"200 OK", number, SDP), CALLEE)
            route = b"Route: <sip:127.0.0.1:5060;lr>\r\nMax-Forwards: 70\r\n"
            self._feed(request(b"ACK", b"sip:callee@127.0.0.1:5062", number, 1, route), CALLER)
            bye = self._feed(request(b"BYE", b"sip:callee@127.0.0.1:5062", number, 2, route), CALLER)
            self._feed(response(bye, b"200 OK", number), CALLEE)

    def _feed(self, data: bytes, source: tuple[str, int]) -> bytes:
        self.messages.append((data, source))
        return take(self._core, data, source, START)


def new_core() -> SipCore:
    """A core whose identifiers are the same in every run."""
    core = SipCore(Settings(host="127.0.0.1", port=5060, bound=("127.0.0.1", 5060)), random.Random(1).randbytes)
    core.wanted = frozenset({FinalReceived})
    return core


def take(core: SipCore, data: bytes, source: tuple[str, int], now: float) -> bytes:
    """Let a core receive a datagram, forward it if that is asked of a service; the datagram sent last."""
    core.receive(data, source, now)
    if core.events:
        for event in core.events:
            if isinstance(event, RequestReceived):
                branch = core.new_branch(event.transaction, TARGET)
                core.forward(event.transaction, (NewBranch(branch, TARGET),), now, record_route=True)
        core.events.clear()
    sent = core.sends[-1][0] if core.sends else b""
    core.sends.clear()
    return sent


def run(messages: list[tuple[bytes, tuple[str, int]]]) -> float:
    """Take all messages at a call in a millisecond of the core's clock, with all timers; microseconds for each call."""
    core = new_core()
    now = START
    step = 0.001 / PER_CALL
    started = time.process_time_ns()
    for data, source in messages:
        take(core, data, source, now)
        now += step
        due = core.next_deadline()
        if due is not None and due <= now:
            core.tick(now)
    while (due := core.next_deadline()) is not None:
        core.tick(due)
    spent = time.process_time_ns() - started
    statistics = core.statistics()
    if statistics.transactions or statistics.delivered != len(messages):
        raise RuntimeError(f"the calls did not go through: {statistics}")
    return spent / 1000 / (len(messages) / PER_CALL)


def main() -> None:
    """Measure, or profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calls", nargs="?", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--profile", action="store_true", help="show where the time goes instead")
    arguments = parser.parse_args()
    calls = Calls()
    calls.make(arguments.calls)
    if arguments.profile:
        profile = cProfile.Profile()
        profile.runcall(run, calls.messages)
        pstats.Stats(profile).sort_stats("tottime").print_stats(45)
        return
    gc.collect()
    gc.freeze()
    best = min(run(calls.messages) for _ in range(arguments.rounds))
    print(f"{best:.1f} microseconds per proxied call in the core")


if __name__ == "__main__":
    main()

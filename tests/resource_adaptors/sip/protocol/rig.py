"""A core on a manual clock, and the messages that its neighbours send it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, TypeVar

import msgspec

from resource_adaptors.sip.message.message import Request, Response
from resource_adaptors.sip.message.parser import parse_message
from resource_adaptors.sip.message.writer import ack_for, build_request, build_response, cancel_for
from resource_adaptors.sip.protocol import events
from resource_adaptors.sip.protocol.context import NewBranch
from resource_adaptors.sip.protocol.core import SipCore
from resource_adaptors.sip.protocol.server import ServerTransaction
from resource_adaptors.sip.protocol.settings import Settings
from resource_adaptors.sip.protocol.timing import Timing

Address = tuple[str, int]
Headers = Sequence[tuple[str, str]]
E = TypeVar("E")

PROXY: Final[Address] = ("192.0.2.1", 5060)
ALICE: Final[Address] = ("192.0.2.10", 5060)
BOB: Final[Address] = ("192.0.2.20", 5060)
CAROL: Final[Address] = ("192.0.2.30", 5060)
DAVE: Final[Address] = ("192.0.2.40", 5060)
ALL_KINDS: Final = frozenset(
    {
        events.CancelReceived,
        events.ProvisionalReceived,
        events.FinalReceived,
        events.BranchTimeout,
        events.TransportFailure,
        events.BranchesExhausted,
        events.AckReceived,
        events.AckTimeout,
    }
)
START: Final = 1_790_000_000.0


def uri_of(address: Address) -> str:
    return f"sip:ua@{address[0]}:{address[1]}"


class Rig:
    """The core of a proxy at `PROXY`."""

    def __init__(
        self, *, wanted: frozenset[type] = frozenset(), timing: Timing | None = None, **settings: object
    ) -> None:
        self.now = START
        plain = Settings(host=PROXY[0], port=PROXY[1], bound=PROXY, timing=timing or Timing())
        self.core = SipCore(msgspec.structs.replace(plain, **settings), random.Random(1).randbytes)
        self.core.wanted = wanted
        self.sent: list[tuple[Request | Response, Address]] = []
        """Every message sent, in order, with its destination."""
        self.events: list[events.Event] = []
        """Every event, in order."""
        self._numbers = 0

    def drain(self) -> list[tuple[Request | Response, Address]]:
        """Take what the core has put out; the messages just sent."""
        new = [(parse_message(data), destination) for data, destination in self.core.sends]
        self.core.sends.clear()
        self.events += self.core.events
        self.core.events.clear()
        self.sent += new
        return new

    def feed(self, message: Request | Response | bytes, source: Address) -> list[Request | Response]:
        """Let the core receive a message; what it sends at once."""
        data = message if isinstance(message, bytes) else message.raw
        self.core.receive(data, source, self.now)
        return [one for one, _ in self.drain()]

    def advance(self, seconds: float) -> list[tuple[float, Request | Response]]:
        """Go on in time, each timer at its own instant; what was sent, by the seconds it took."""
        start, end = self.now, self.now + seconds
        sent: list[tuple[float, Request | Response]] = []
        while (due := self.core.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.core.tick(self.now)
            sent += [(self.now - start, message) for message, _ in self.drain()]
        self.now = end
        return sent

    def take(self, kind: type[E]) -> list[E]:
        """Take the events of a kind out of `events`."""
        found: list[E] = [event for event in self.events if isinstance(event, kind)]
        self.events = [event for event in self.events if not isinstance(event, kind)]
        return found

    def to(self, destination: Address) -> list[Request | Response]:
        """Every message sent to a destination."""
        return [message for message, address in self.sent if address == destination]

    def requests_to(self, destination: Address, method: str | None = None) -> list[Request]:
        """The requests sent to a destination, of a method if given."""
        return [
            message
            for message in self.to(destination)
            if isinstance(message, Request) and (method is None or message.method == method)
        ]

    def statuses(self, destination: Address = ALICE) -> list[int]:
        """The statuses of the responses sent to a destination."""
        return [message.status for message in self.to(destination) if isinstance(message, Response)]

    def transaction(self) -> ServerTransaction:
        """The server transaction of the request received last."""
        return self.take(events.RequestReceived)[-1].transaction

    def forward(
        self,
        transaction: ServerTransaction,
        *targets: Address | str,
        record_route: bool = False,
        routes: tuple[str, ...] = (),
    ) -> list[str]:
        """Forward a request to targets; the names of the branches."""
        uris = [target if isinstance(target, str) else uri_of(target) for target in targets]
        branches = [NewBranch(self.core.new_branch(transaction, uri), uri, routes) for uri in uris]
        self.core.forward(transaction, branches, self.now, record_route=record_route)
        self.drain()
        return [new.branch for new in branches]

    def proceed(self, transaction: ServerTransaction) -> list[Request | Response]:
        """Say that a step has been processed."""
        self.core.proceed(transaction, self.now)
        return [message for message, _ in self.drain()]

    def call(self, *targets: Address, record_route: bool = False) -> tuple[Request, ServerTransaction]:
        """An INVITE of Alice's, forwarded to targets."""
        invite = self.request("INVITE")
        self.feed(invite, ALICE)
        transaction = self.transaction()
        self.forward(transaction, *targets, record_route=record_route)
        return invite, transaction

    def request(
        self,
        method: str,
        uri: str = "sip:bob@example.net",
        *,
        source: Address = ALICE,
        branch: str | None = None,
        to_tag: str | None = None,
        call_id: str | None = None,
        cseq: int = 1,
        max_forwards: int = 70,
        headers: Headers = (),
        via_params: str = "",
        body: bytes = b"",
    ) -> Request:
        """A request as a user agent writes it."""
        self._numbers += 1
        return build_request(
            method,
            uri,
            via=f"SIP/2.0/UDP {source[0]}:{source[1]};branch={branch or f'z9hG4bKua{self._numbers}'}{via_params}",
            from_="<sip:alice@example.net>;tag=alice",
            to="<sip:bob@example.net>" + (f";tag={to_tag}" if to_tag else ""),
            call_id=call_id or f"call-{self._numbers}@192.0.2.10",
            cseq=cseq,
            max_forwards=max_forwards,
            headers=headers,
            body=body,
        )

    def answer(
        self,
        source: Address,
        status: int,
        method: str = "INVITE",
        *,
        tag: str | None = None,
        headers: Headers = (),
        body: bytes = b"",
    ) -> list[Request | Response]:
        """Let a target answer the last request of a method that it was sent; what the core sends at once."""
        request = self.requests_to(source, method)[-1]
        response = build_response(request, status, to_tag=tag or f"tag-{source[0]}", headers=headers, body=body)
        return self.feed(response, source)

    def ack(self, invite: Request) -> Request:
        """Alice's ACK for a failure of her INVITE."""
        final = [one for one in self.to(ALICE) if isinstance(one, Response) and one.status >= 300][-1]
        return ack_for(invite, final)

    def cancel(self, invite: Request) -> list[Request | Response]:
        """Alice cancels her INVITE."""
        return self.feed(cancel_for(invite), ALICE)

    def dropped(self) -> dict[str, int]:
        """What has been dropped, by reason."""
        return {reason: count for reason, count in self.core.statistics().dropped.items() if count}

    def transactions(self) -> dict[tuple[str, str], int]:
        """Live transactions by kind and state."""
        return dict(self.core.statistics().transactions)

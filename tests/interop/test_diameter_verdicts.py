"""Broken requests on a real socket get the RFC's answer, and the next one is heard (DIA-1, DIA-2, DIA-5, DIA-51)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.avp import Avp, find, group, text
from resource_adaptors.diameter.message.message import Message, P, R, decode
from resource_adaptors.diameter.protocol.capabilities import capabilities_request
from slee.testing import SleeHarness
from tests.interop import charging
from tests.interop.charging import FAR_REALM, HOST, OCS, REALM, Live
from tests.resource_adaptors.diameter.test_codec import REQUEST
from tests.resource_adaptors.diameter.wire import theirs


class Prober:
    """A peer that writes what it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.heard: list[bytes] = []

    async def ask(self, data: bytes) -> Message | None:
        """Write octets; the next message, or `None` if the connection ends instead."""
        self._writer.write(data)
        async with asyncio.timeout(5):
            try:
                head = await self._reader.readexactly(20)
                rest = await self._reader.readexactly(int.from_bytes(head[1:4], "big") - 20)
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
        self.heard.append(head + rest)
        return decode(head + rest)

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


@asynccontextmanager
async def probing() -> AsyncIterator[tuple[Live, Prober]]:
    """An adaptor on a socket, and a peer whose capabilities it has accepted."""
    with SleeHarness(leftovers_allowed=True) as slee:
        live = Live(slee, listeners=[{"host": HOST, "port": 0}], peers=[{"host": OCS, "mode": "responder"}])
        await asyncio.sleep(0)
        prober = Prober(*await asyncio.open_connection(HOST, live.adaptor.addresses[0][1]))
        cea = await prober.ask(capabilities_request(theirs(OCS, realm=FAR_REALM), 1, 1).encode())
        assert cea is not None
        assert cea.result == codes.SUCCESS
        try:
            yield live, prober
        finally:
            await prober.close()
            await live.stop()


def request(*more: Avp, without: int = 0, command: int = 272, application: int = 4, flags: int = R | P) -> bytes:
    """A CCR to the adaptor, with something added or missing."""
    replaced = (codes.DESTINATION_REALM, codes.ORIGIN_HOST, codes.ORIGIN_REALM, without)
    kept = [avp for avp in REQUEST.message().avps if avp.code not in replaced]
    ends = (text(codes.ORIGIN_HOST, OCS), text(codes.ORIGIN_REALM, FAR_REALM), text(codes.DESTINATION_REALM, REALM))
    return Message(command, application, flags, 5, 6, (*kept, *ends, *more)).encode()


def with_raw_avp(code: int, length: int, value: bytes, *, flags: int = 0x40) -> bytes:
    """A CCR at whose end stands an AVP with a length of its own."""
    whole = request() + code.to_bytes(4) + flags.to_bytes() + length.to_bytes(3) + value
    return whole[:1] + len(whole).to_bytes(3) + whole[4:]


def with_octet(place: int, value: int) -> bytes:
    """A CCR with another octet in its header."""
    whole = bytearray(request())
    whole[place] = value
    return bytes(whole)


ANSWERED = {
    "unknown mandatory AVP": (request(Avp(60_000, b"x")), 5001, 60_000),
    "unknown mandatory AVP of a vendor": (request(Avp(60_000, b"x", 4711)), 5001, 60_000),
    "unknown application": (request(application=77), 3007, None),
    "unknown command": (request(command=999), 3001, None),
    "missing AVP": (request(without=codes.SERVICE_CONTEXT_ID), 5005, codes.SERVICE_CONTEXT_ID),
    "AVP twice": (request(text(codes.USER_NAME, "a"), text(codes.USER_NAME, "b")), 5009, codes.USER_NAME),
    "value of another size": (request(Avp(codes.ORIGIN_STATE_ID, b"12")), 5014, codes.ORIGIN_STATE_ID),
    "value that is no text": (request(Avp(codes.USER_NAME, b"\xff")), 5004, codes.USER_NAME),
    "value in a group": (
        request(group(codes.SUBSCRIPTION_ID, (Avp(codes.SUBSCRIPTION_ID_TYPE, b"\0\0\0\x09"),))),
        5004,
        codes.SUBSCRIPTION_ID,
    ),
    "AVP that overruns": (with_raw_avp(codes.USER_NAME, 4000, b"abcd"), 5014, codes.USER_NAME),
    "AVP without length": (with_raw_avp(codes.USER_NAME, 0, bytes(8)), 5014, codes.USER_NAME),
    "AVP shorter than its header": (with_raw_avp(codes.USER_NAME, 7, bytes(8)), 5014, codes.USER_NAME),
    "reserved bits of an AVP": (with_raw_avp(codes.USER_NAME, 12, b"abcd", flags=0x41), 3009, codes.USER_NAME),
    "reserved bits of the header": (with_octet(4, 0xC1), 5013, None),
    "request with E": (with_octet(4, 0xE0), 3008, None),
}
UNREADABLE = ("value of another size", "reserved bits of an AVP")
"""Whose AVP at fault no decoder can read."""
CLOSED = {
    "version 2": (with_octet(0, 2), 5011),
    "length below 20": (with_octet(3, 16)[:1] + (16).to_bytes(3) + request()[4:], 5015),
    "length that is no multiple of 4": (request()[:1] + (len(request()) + 1).to_bytes(3) + request()[4:], 5015),
    "length above the bound": (request()[:1] + (65_540).to_bytes(3) + request()[4:], 5015),
}


@pytest.mark.programs("tshark")
@pytest.mark.parametrize("case", ANSWERED)
def test_the_answer_has_the_result_and_the_avp_at_fault(case: str, tmp_path: Path) -> None:
    data, result, failed = ANSWERED[case]

    async def scenario() -> None:
        async with probing() as (_, prober):
            answer = await prober.ask(data)
            assert answer is not None
            assert (answer.result, answer.is_error) == (result, 3000 <= result < 4000)
            assert (answer.hop_by_hop, answer.end_to_end, answer.is_request) == (5, 6, False)
            shown = find(answer.avps, codes.FAILED_AVP)
            assert (None if shown is None else int.from_bytes(shown.data[:4])) == failed
            # The connection goes on: what is sound gets the verdict of the services, of which there is none for CCRs.
            sound = await prober.ask(request())
            assert sound is not None
            assert sound.result == codes.APPLICATION_UNSUPPORTED
            charging.write_capture(tmp_path / "answers.pcap", prober.heard)

    asyncio.run(scenario())
    # It warns of what stands in Failed-AVP, rightly; the messages around that it has to read.
    assert case in UNREADABLE or charging.flaws(tmp_path / "answers.pcap", broken_only=True) == ""


@pytest.mark.parametrize("case", CLOSED)
def test_a_stream_that_cannot_be_followed_is_answered_and_closed(case: str) -> None:
    data, result = CLOSED[case]

    async def scenario() -> None:
        async with probing() as (live, prober):
            answer = await prober.ask(data)
            assert answer is not None
            assert answer.result == result
            assert await prober.ask(b"") is None
            await live.until(lambda: not live.adaptor.node.peers[OCS].is_open)

    asyncio.run(scenario())

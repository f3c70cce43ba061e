"""Diameter over TLS on real sockets: with freeDiameterd, with openssl, and with ourselves (DIA-9, DIA-17, DIA-53)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.message import decode
from resource_adaptors.diameter.protocol.capabilities import capabilities_request
from slee.testing import SleeHarness
from tests.interop import charging
from tests.interop.certificates import Authority, Certificate
from tests.interop.charging import FAR_REALM, HOST, OCS, OURS, RELAY, Live
from tests.interop.peers import Child, free_port, program
from tests.interop.test_diameter import charge_a_call
from tests.resource_adaptors.diameter.wire import theirs

FAR = "far.fd.test"


class Credentials:
    """An authority with certificates for both sides."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.ours = self.section(self.authority.issue(OURS))

    def section(self, own: Certificate) -> dict[str, object]:
        """The section `tls` of a configuration."""
        return {"certificate": own.certificate, "key": own.key, "authorities": self.authority.certificate}

    def faulty(self, host: str, fault: str) -> dict[str, object]:
        """The section of somebody who has no good certificate for his name."""
        match fault:
            case "wrong identity":
                return self.section(self.authority.issue("somebody.else.test", name="wrong"))
            case "unknown authority":
                return self.section(Authority(self.folder, "stranger").issue(host, name="unknown"))
            case "expired":
                return self.section(self.authority.issue(host, name="old", days=-1))
            case _:
                raise AssertionError(fault)


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    return Credentials(tmp_path)


# With freeDiameterd.


def secure_free_diameter(credentials: Credentials, relay: Certificate, secure_port: int, ours: str, far: int) -> Child:
    """freeDiameterd with a secure port, before a charging server without TLS."""
    return charging.free_diameter(
        credentials.folder,
        free_port(),
        ours=ours,
        ocs_port=far,
        secure_port=secure_port,
        tls=(relay.certificate, relay.key, credentials.authority.certificate),
    )


@pytest.mark.programs("freeDiameterd")
@pytest.mark.parametrize("who", ["we open", "the peer opens"])
def test_credit_control_over_tls_with_freediameter(tmp_path: Path, credentials: Credentials, who: str) -> None:
    port, ours, far = free_port(), free_port(), free_port()
    opens = who == "we open"
    row = f'ConnectPeer = "{OURS}" {{ ConnectTo = "{HOST}"; Port = {1 if opens else ours}; TcTimer = 2; }};\n'
    configuration = {
        "listeners": [{"host": HOST, "port": ours, "tls": True}],
        "peers": [
            {
                "host": RELAY,
                "address": HOST,
                "port": port,
                "transport": "tls",
                "mode": "initiator" if opens else "responder",
            }
        ],
        "realms": [{"realm": FAR_REALM, "peers": [RELAY]}],
        "tls": credentials.ours,
        "tc": 1,
    }

    async def scenario() -> None:
        with SleeHarness(leftovers_allowed=True) as slee:
            live = Live(slee, **configuration)
            relay = credentials.authority.issue(RELAY)
            with secure_free_diameter(credentials, relay, port, row, far) as child:
                child.wait_line(rf"'STATE_OPEN'.*{OCS}", timeout=20)
                await live.until(lambda: live.adaptor.node.peers[RELAY].is_up)
                await charge_a_call(live)
                await live.stop()
                assert live.seen("DPR", "out") == 1

    with charging.charging_server(tmp_path, far, RELAY) as ocs:
        ocs.wait_line("OCS ready")
        asyncio.run(scenario())
    assert charging.booked(tmp_path) == 42


# With ourselves.


class Couple:
    """Two adaptors, of which the first opens a connection over TLS to the second."""

    def __init__(self, near: dict[str, object], far: dict[str, object]) -> None:
        port = free_port()
        self._harnesses = contextlib.ExitStack()
        self.far = Live(
            self._harnesses.enter_context(SleeHarness(leftovers_allowed=True)),
            identity=FAR,
            realm=FAR_REALM,
            listeners=[{"host": HOST, "port": port, "tls": True}],
            peers=[{"host": OURS, "mode": "responder", "transport": "tls"}],
            tls=far,
        )
        self.near = Live(
            self._harnesses.enter_context(SleeHarness(leftovers_allowed=True)),
            peers=[{"host": FAR, "address": HOST, "port": port, "transport": "tls", "mode": "initiator"}],
            tls=near,
            tc=0.5,
        )

    @property
    def are_up(self) -> tuple[bool, bool]:
        """Whether each takes the other for up."""
        return self.near.adaptor.node.peers[FAR].is_up, self.far.adaptor.node.peers[OURS].is_up

    async def pass_time(self, holds: Callable[[], bool]) -> None:
        """Let time pass for both until something holds."""

        def both() -> bool:
            self.far.slee.advance(0)
            return holds()

        await self.near.until(both)

    async def stop(self) -> None:
        await self.near.stop()
        await self.far.stop()
        self._harnesses.close()


@contextlib.asynccontextmanager
async def couple(near: dict[str, object], far: dict[str, object]) -> AsyncIterator[Couple]:
    made = Couple(near, far)
    try:
        yield made
    finally:
        await made.stop()


def alarm_of_the_peer(live: Live) -> str:
    found = [alarm.message for alarm in live.slee.alarms if alarm.alarm_type == "dia.peer_down"]
    return found[0] if found else ""


def test_both_sides_with_good_certificates_are_peers(credentials: Credentials) -> None:
    async def scenario() -> None:
        async with couple(credentials.ours, credentials.section(credentials.authority.issue(FAR))) as made:
            await made.pass_time(lambda: made.are_up == (True, True))
            assert alarm_of_the_peer(made.near) == ""

    asyncio.run(scenario())


@pytest.mark.parametrize("whose", ["client", "server"])
@pytest.mark.parametrize("fault", ["wrong identity", "unknown authority", "expired"])
def test_a_certificate_that_does_not_hold_makes_no_peer(credentials: Credentials, whose: str, fault: str) -> None:
    """Neither side takes the other for a peer, and the one that opens tells its operator why."""
    if whose == "client":
        near, far = credentials.faulty(OURS, fault), credentials.section(credentials.authority.issue(FAR))
    else:
        near, far = credentials.ours, credentials.faulty(FAR, fault)

    async def scenario() -> None:
        async with couple(near, far) as made:
            peer = made.near.adaptor.node.peers[FAR]
            await made.pass_time(lambda: peer.tc >= 2)  # two attempts have failed
            assert made.are_up == (False, False)
            assert f"peer {FAR} takes no requests: " in alarm_of_the_peer(made.near)
            assert "certificate" in alarm_of_the_peer(made.near) or whose == "client"

    asyncio.run(scenario())


# With openssl, and without TLS.


def cer() -> bytes:
    """Capabilities of the peer FAR."""
    return capabilities_request(theirs(FAR), 7, 8).encode()


async def answer_to_cer(port: int, tls: ssl.SSLContext | None) -> int | None:
    """Result-Code of the answer to capabilities on a new connection; `None` if there is none, but the end."""
    try:
        reader, writer = await asyncio.open_connection(HOST, port, ssl=tls, server_hostname=OURS if tls else None)
        writer.write(cer())
        data = await reader.read(65_536)
        writer.close()
    except OSError:
        return None
    return decode(data).result if data else None


@contextlib.asynccontextmanager
async def listening(
    credentials: Credentials, *, is_secure: bool, demands: bool = True, **configuration: object
) -> AsyncIterator[Live]:
    """An adaptor with one listener; FAR may connect to it, over TLS only if that is demanded."""
    with SleeHarness(leftovers_allowed=True) as slee:
        live = Live(
            slee,
            listeners=[{"host": HOST, "port": 0, "tls": is_secure}],
            peers=[{"host": FAR, "mode": "responder", "transport": "tls" if demands else "tcp"}],
            tls=credentials.ours,
            **configuration,
        )
        await asyncio.sleep(0)
        yield live
        await live.stop()


def refusals(live: Live) -> list[str]:
    """What operators have been told of handshakes."""
    return [message.text for message in live.slee.messages if "handshake" in message.text]


def client_context(credentials: Credentials, own: Certificate | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(credentials.authority.certificate))
    if own is not None:
        context.load_cert_chain(own.certificate, own.key)
    return context


def test_who_shows_no_certificate_is_not_heard(credentials: Credentials) -> None:
    async def scenario() -> None:
        async with listening(credentials, is_secure=True) as live:
            port = live.adaptor.addresses[0][1]
            good = client_context(credentials, credentials.authority.issue(FAR))
            assert await answer_to_cer(port, client_context(credentials, None)) is None
            assert live.seen("CER", "in") == 0
            await live.until(lambda: len(refusals(live)) == 1)
            assert "peer did not return a certificate" in refusals(live)[0]
            assert await answer_to_cer(port, good) == codes.SUCCESS

    asyncio.run(scenario())


def test_a_peer_of_tls_is_not_let_in_without(credentials: Credentials) -> None:
    """On a plain listener it could say any name."""

    async def scenario() -> None:
        async with listening(credentials, is_secure=False) as live:
            assert await answer_to_cer(live.adaptor.addresses[0][1], None) is None
            assert live.adaptor.node.statistics.dropped["wrong_certificate"] == 1
            assert not live.adaptor.node.peers[FAR].is_open
        async with listening(credentials, is_secure=False, demands=False) as live:
            assert await answer_to_cer(live.adaptor.addresses[0][1], None) == codes.SUCCESS

    asyncio.run(scenario())


def test_plain_octets_on_a_port_of_tls_are_not_heard(credentials: Credentials) -> None:
    async def scenario() -> None:
        async with listening(credentials, is_secure=True, demands=False) as live:
            assert await answer_to_cer(live.adaptor.addresses[0][1], None) is None
            assert live.seen("CER", "in") == 0
            await live.until(lambda: len(refusals(live)) == 1)
            assert HOST in refusals(live)[0]
            assert "DIA-17" in refusals(live)[0]

    asyncio.run(scenario())


def test_many_without_a_handshake_are_told_of_once_a_minute(credentials: Credentials) -> None:
    async def scenario() -> None:
        async with listening(credentials, is_secure=True) as live:
            port = live.adaptor.addresses[0][1]
            for _ in range(5):
                _, writer = await asyncio.open_connection(HOST, port)
                writer.close()  # without a word
            dropped = live.adaptor.node.statistics.dropped
            await live.until(lambda: dropped["handshake"] == 5)
            assert len(refusals(live)) == 1
            live.slee.advance(60)
            await answer_to_cer(port, None)
            await live.until(lambda: dropped["handshake"] == 6)
            assert [told.split()[0] for told in refusals(live)] == ["1", "5"]
            good = client_context(credentials, credentials.authority.issue(FAR))
            assert await answer_to_cer(port, good) == codes.SUCCESS

    asyncio.run(scenario())


def test_who_is_silent_at_a_port_of_tls_is_cut_off(credentials: Credentials) -> None:
    async def scenario() -> None:
        async with listening(credentials, is_secure=True, cer_timeout=0.2) as live:
            reader, writer = await asyncio.open_connection(HOST, live.adaptor.addresses[0][1])
            assert await asyncio.wait_for(reader.read(), 5) == b""
            writer.close()
            await live.until(lambda: live.adaptor.node.statistics.dropped["handshake"] == 1)

    asyncio.run(scenario())


def test_a_peer_of_tls_that_speaks_plainly_is_told_to_operators(credentials: Credentials) -> None:
    async def scenario() -> None:
        async def chatter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(cer())
            writer.close()

        server = await asyncio.start_server(chatter, HOST, 0)
        port = server.sockets[0].getsockname()[1]
        with SleeHarness(leftovers_allowed=True) as slee:
            peer = {"host": FAR, "address": HOST, "port": port, "transport": "tls", "mode": "initiator"}
            live = Live(slee, peers=[peer], tls=credentials.ours, tc=0.5)
            await live.until(lambda: "takes no requests" in alarm_of_the_peer(live))
            assert "SSL" in alarm_of_the_peer(live)
            await live.stop()
        server.close()

    asyncio.run(scenario())


def test_openssl_takes_our_certificate_for_ours(credentials: Credentials) -> None:
    far = credentials.authority.issue(FAR)
    checks = ["-verify_return_error", "-verify_hostname", OURS, "-CAfile", str(credentials.authority.certificate)]
    own = ["-cert", str(far.certificate), "-key", str(far.key), "-brief"]

    async def scenario() -> None:
        async with listening(credentials, is_secure=True) as live:
            command = [program("openssl"), "s_client", "-connect", f"{HOST}:{live.adaptor.addresses[0][1]}"]
            child = await asyncio.create_subprocess_exec(
                *command, *checks, *own, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            said, _ = await child.communicate(b"")
            assert b"Verification: OK" in said, said

    asyncio.run(scenario())


@pytest.mark.parametrize("is_secure", [False, True])
def test_answers_leave_at_once(credentials: Credentials, is_secure: bool) -> None:
    """Connections have TCP_NODELAY: else an answer waits up to 40 ms for the acknowledgement of another."""

    async def scenario() -> None:
        async with listening(credentials, is_secure=is_secure, demands=False) as live:
            tls = client_context(credentials, credentials.authority.issue(FAR)) if is_secure else None
            assert await answer_to_cer(live.adaptor.addresses[0][1], tls) == codes.SUCCESS
            links = live.adaptor._carrier.links.values()
            wires = [link.get_extra_info("socket") for link in links]
            assert [wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for wire in wires] == [1]

    asyncio.run(scenario())

"""Diameter on real sockets: the adaptor in a harness that follows the real clock, a relay, and a charging server."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from resource_adaptors.diameter.adaptor import DiameterAdaptor
from resource_adaptors.diameter.config import DiameterConfiguration
from slee.testing import RecordingResource, SleeHarness
from tests.interop.certificates import Authority
from tests.interop.peers import HOST, Child, PeerError, program
from tests.resource_adaptors.diameter.meter import ASKED, CALLER, DESK, Do, Meter

OURS, REALM = "slee.our.test", "our.test"
OCS, FAR_REALM = "ocs.fd.test", "fd.test"
RELAY = "relay.fd.test"
_EXTENSIONS = "dict_nasreq dict_dcca dict_dcca_3gpp".split()


class Live:
    """An adaptor on real sockets with a meter behind it; use it inside a running loop."""

    def __init__(self, slee: SleeHarness, adaptor: DiameterAdaptor | None = None, **configuration: object) -> None:
        self.slee = slee
        given = {"identity": OURS, "realm": REALM, "sh": False, **configuration}
        self.adaptor = slee.add_resource(
            "diameter", adaptor or DiameterAdaptor(), DiameterConfiguration.model_validate(given)
        )
        self.desk = slee.add_resource("desk", RecordingResource(DESK))
        slee.install(Meter)
        Meter.told.clear()
        self.desk.endpoint.start_activity("desk", "desk")

    async def until(self, holds: Callable[[], bool], *, within: float = 20.0) -> None:
        """Let real time pass until something holds; `AssertionError` if it does not in time."""
        began = last = time.monotonic()
        while not holds():
            await asyncio.sleep(0.01)
            now = time.monotonic()
            self.slee.advance(now - last)
            last = now
            assert now - began < within, (Meter.told, dict(self.adaptor.node.statistics.messages))

    async def told(self, count: int) -> object:
        """Wait until the meter has been told so many things; the last of them."""
        await self.until(lambda: len(Meter.told) >= count)
        return Meter.told[count - 1]

    def do(self, errand: Callable[[Meter], None]) -> None:
        """Have the meter do something."""
        self.desk.endpoint.fire("desk", Do(errand))
        self.slee.run()

    def open(self) -> None:
        """Open a session of 30 seconds."""

        def errand(meter: Meter) -> None:
            meter.session = meter.diameter.open_session(CALLER, ASKED, realm=FAR_REALM)
            meter.session.attach(meter)

        self.do(errand)

    def seen(self, name: str, direction: str) -> int:
        """Messages of a kind that went `in` or `out`."""
        counts = self.adaptor.node.statistics.messages
        return sum(count for (_, known, way), count in counts.items() if known == name and way == direction)

    async def stop(self) -> None:
        """Let the adaptor say goodbye."""
        self.adaptor.ra_inactive()
        await asyncio.sleep(0.3)


def charging_server(folder: Path, port: int, *towards: str, balance: int = 45) -> Child:
    """Start the charging server, which grants so many seconds to each session; it is ready when it says so."""
    script = str(Path(__file__).with_name("ocs.py"))
    command = [sys.executable, script, str(folder / "ledger.db"), str(port), *towards]
    return Child(command, env={"OCS_BALANCE": str(balance)})


def by_session(folder: Path) -> dict[str, int]:
    """Seconds in the ledger by session."""
    with contextlib.closing(sqlite3.connect(folder / "ledger.db")) as book:
        return dict(book.execute("SELECT session, sum(seconds) FROM used GROUP BY session"))


def booked(folder: Path) -> int:
    """Seconds in the charging server's ledger."""
    with contextlib.closing(sqlite3.connect(folder / "ledger.db")) as book:
        (total,) = book.execute("SELECT coalesce(sum(seconds), 0) FROM used").fetchone()
    return int(total)


def free_diameter(
    folder: Path,
    port: int,
    *,
    ours: str,
    ocs_port: int,
    secure_port: int = 0,
    tls: tuple[Path, Path, Path] | None = None,
) -> Child:
    """Start freeDiameterd as a relay before the charging server; `ours` is its configuration for us.

    With certificate, key and authorities in `tls` it has these; it wants some in any case.
    """
    listing = subprocess.run(
        ["dpkg", "-L", "freediameter-extensions"], capture_output=True, text=True, check=True
    ).stdout.split()
    extensions = next(Path(line).parent for line in listing if line.endswith("/dict_dcca.fdx"))
    if tls is None:
        own = Authority(folder, RELAY)
        tls = own.certificate, own.key, own.certificate
    (folder / "acl.conf").write_text("ALLOW_IPSEC *.our.test\n", encoding="utf-8")
    loads = "".join(f'LoadExtension = "{extensions}/{name}.fdx";\n' for name in _EXTENSIONS)
    (folder / "relay.conf").write_text(
        f'Identity = "{RELAY}"; Realm = "{FAR_REALM}"; Port = {port}; SecPort = {secure_port};\n'
        f'No_SCTP; No_IPv6; ListenOn = "{HOST}";\n'
        f'TLS_Cred = "{tls[0]}", "{tls[1]}"; TLS_CA = "{tls[2]}"; TwTimer = 6;\n'
        f'{loads}LoadExtension = "{extensions}/acl_wl.fdx" : "{folder}/acl.conf";\n{ours}'
        f'ConnectPeer = "{OCS}" {{ ConnectTo = "{HOST}"; Port = {ocs_port}; No_TLS; TcTimer = 2; }};\n',
        encoding="utf-8",
    )
    return Child([program("freeDiameterd"), "-c", str(folder / "relay.conf"), "-d"])


def write_capture(path: Path, messages: list[bytes]) -> None:
    """Write messages as a capture of one TCP connection to port 3868, for tshark to read."""
    with path.open("wb") as file:
        file.write(struct.pack("!IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 101))
        sequence = 1
        for number, data in enumerate(messages):
            tcp = struct.pack("!HHIIBBHHH", 40_000, 3868, sequence, 1, 0x50, 0x18, 65_535, 0, 0)
            head = struct.pack(
                "!BBHHHBBH4s4s", 0x45, 0, 40 + len(data), number, 0, 64, 6, 0, b"\x7f\0\0\1", b"\x7f\0\0\1"
            )
            packet = head + tcp + data
            file.write(struct.pack("!IIII", number, 0, len(packet), len(packet)) + packet)
            sequence += len(data)


def flaws(path: Path, *, broken_only: bool = False) -> str:
    """What tshark minds in a capture, or only what it cannot read; empty if nothing."""
    command = [program("tshark"), "-r", str(path), "-d", "tcp.port==3868,diameter"]
    warned = "" if broken_only else " || _ws.expert.severity >= 6291456"
    verdict = ["-Y", f"_ws.malformed || !diameter{warned}", "-V"]
    return subprocess.run([*command, *verdict], capture_output=True, text=True, check=True).stdout


@contextlib.contextmanager
def judged_by_tshark(folder: Path, port: int) -> Iterator[None]:
    """Record what is written to a Diameter server on a port; afterwards tshark must have nothing against any of it.

    Where the kernel lets nobody record, nothing is judged.
    """
    file = Path(tempfile.mkdtemp(prefix="diameter-", dir=folder)) / "lane.pcapng"
    options = ["-q", "-i", "lo", "-B", "16", "-f", f"tcp port {port}", "-w", str(file)]
    with Child([program("dumpcap"), *options]) as recorder:
        try:
            recorder.wait_line("^File: ")
        except PeerError:
            yield
            return
        yield
        recorder.pause(0.5)  # packets reach the file some 100 ms late
        recorder.stop(signal.SIGINT)
    command = [program("tshark"), "-r", str(file), "-d", f"tcp.port=={port},diameter"]
    ours = f"tcp.dstport == {port} && diameter"
    flawed = f"{ours} && (_ws.malformed || _ws.expert.severity == 8388608)"
    seen, minded = (
        subprocess.run([*command, "-Y", wanted], capture_output=True, text=True, check=True).stdout
        for wanted in (ours, flawed)
    )
    assert seen, "tshark has seen no Diameter"
    assert minded == "", minded

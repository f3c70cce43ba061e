"""What a server wrote on the wire, judged by tshark: the lanes' proof that no malformed message ever leaves."""

from __future__ import annotations

import re
import signal
import socket
import tempfile
import time
from pathlib import Path
from typing import Final, Self

from tests.interop.peers import HOST, Child, PeerError, program, run

_READY: Final = r"^File: "
_END: Final = b"the recording ends here"
_PACKETS: Final = 5_000
# What tshark does not mind: a message without its mandatory headers (RFC 3261 8.1.1, 8.2.6), and a CSeq without number.
# The refusal of a malformed request repeats only what there was to repeat (SIP-22).
_LACKING: Final = " || ".join(f"!sip.{header}" for header in ("Via", "From", "To", "Call-ID", "CSeq"))
_FLAWS: Final = (
    "_ws.malformed || !sip || _ws.expert.severity == 8388608"
    f" || (({_LACKING}) && !(sip.Status-Code >= 400))"
    ' || (sip.CSeq && !(sip.CSeq matches "^[0-9]+ +[^ ]+$"))'
)


class Capture:
    """A recording of the loopback traffic of one UDP port, as a context manager.

    Entering raises CaptureRefused where the kernel lets nobody record, as in a container without CAP_NET_RAW.
    """

    def __init__(self, folder: Path, port: int) -> None:
        """Record into `folder` what goes to or from UDP `port`."""
        self.port: Final = port
        self._folder: Final = Path(tempfile.mkdtemp(prefix="capture-", dir=folder))
        self._child: Child

    def __enter__(self) -> Self:
        # The buffer (MiB) holds a burst while both processors belong to the server and its peers.
        options = ["-q", "-i", "lo", "-B", "64", "-f", f"udp port {self.port}", "-w", str(self._folder / "lane.pcapng")]
        # In several files, as tshark takes ever longer for a message the more calls it has seen in one.
        self._child = Child([program("dumpcap"), *options, "-b", f"packets:{_PACKETS}"])
        try:
            self._child.wait_line(_READY)
        except PeerError:
            self._child.__exit__()
            raise CaptureRefused(self._child.output.strip().splitlines()[-1]) from None
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._child.__exit__()

    def stop(self) -> None:
        """End the recording once all that was written so far is in it; PeerError if that takes 10 s."""
        # Packets reach dumpcap's file some 100 ms late: the last one has to be one that is known.
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(_END, (HOST, self.port))
        deadline = time.monotonic() + 10.0
        while not self._has_end():
            if time.monotonic() > deadline:
                raise PeerError(f"the recording of port {self.port} does not come to its end")
            self._child.pause(0.02)
        self._child.stop(signal.SIGINT)

    def _has_end(self) -> bool:
        newest = self._files[-1]
        with newest.open("rb") as recording:
            recording.seek(max(0, newest.stat().st_size - 4096))
            return _END in recording.read()

    @property
    def _files(self) -> list[Path]:
        # The names carry a number and the time.
        return sorted(self._folder.iterdir())

    def malformed(self) -> list[str]:
        """Return one line for each datagram of the server that tshark does not take for flawless SIP."""
        return [flaw for file in self._files for flaw in self._flaws(file)]

    def _flaws(self, file: Path) -> list[str]:
        columns = ["frame.number", "udp.dstport", "_ws.malformed", "_ws.expert.message", "_ws.col.Info"]
        arguments = [program("tshark"), "-n", "-r", str(file), "-d", f"udp.port=={self.port},sip"]
        arguments += ["-Y", f"udp.srcport == {self.port} && ({_FLAWS})", "-T", "fields"]
        for column in columns:
            arguments += ["-e", column]
        status, output = run(arguments, timeout=120.0)
        if status != 0:
            raise PeerError(f"tshark could not read the recording (exit {status}): {output}")
        return [line for line in output.splitlines() if re.match(r"\d+\t", line)]


class CaptureRefused(PeerError):
    """The kernel lets this process record nothing."""

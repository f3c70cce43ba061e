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
_MOST: Final = 60_000
"""Datagrams judged of one recording, from its start: tshark follows every call, and takes minutes for many of them."""
_END: Final = b"the recording ends here"
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
        # dumpcap may give up its rights over files; a file name in a folder of this user is all it needs.
        self._file: Final = Path(tempfile.mkstemp(suffix=".pcapng", dir=folder)[1])
        self._child: Child

    def __enter__(self) -> Self:
        # The buffer (MiB) holds a burst while both processors belong to the server and its peers.
        options = ["-q", "-i", "lo", "-B", "64", "-f", f"udp port {self.port}", "-w", str(self._file)]
        self._child = Child([program("dumpcap"), *options])
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
        with self._file.open("rb") as recording:
            recording.seek(max(0, self._file.stat().st_size - 4096))
            return _END in recording.read()

    def malformed(self) -> list[str]:
        """Return one line for each datagram of the server that tshark does not take for flawless SIP."""
        columns = ["frame.number", "udp.dstport", "_ws.malformed", "_ws.expert.message", "_ws.col.Info"]
        arguments = [
            program("tshark"),
            "-n",
            "-c",
            str(_MOST),
            "-r",
            str(self._file),
            "-d",
            f"udp.port=={self.port},sip",
        ]
        arguments += ["-Y", f"udp.srcport == {self.port} && ({_FLAWS})", "-T", "fields"]
        for column in columns:
            arguments += ["-e", column]
        status, output = run(arguments, timeout=300.0)
        if status != 0:
            raise PeerError(f"tshark could not read the recording (exit {status}): {output}")
        return [line for line in output.splitlines() if re.match(r"\d+\t", line)]


class CaptureRefused(PeerError):
    """The kernel lets this process record nothing."""

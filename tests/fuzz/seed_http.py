"""Write the seeds of the HTTP corpus: for each parser what is well formed, and what breaks each of its rules."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from resource_adaptors.http.message.event_stream import format_event
from resource_adaptors.http.protocol.tokens import Token, write_token
from tests.resource_adaptors.http.websocket_kit import HANDSHAKE, closed, frame

CORPUS = Path(__file__).parent / "corpus" / "http"
_GET = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"
_PART = b'--b\r\nContent-Disposition: form-data; name="f"; filename="g"\r\nContent-Type: text/csv\r\n\r\n'


def connection_seeds() -> dict[str, bytes]:
    """Octets of a connection by name."""
    post = b"POST /b HTTP/1.1\r\nHost: a\r\n"
    return {
        "get": _GET,
        "pipelined": _GET * 3,
        "http-1-0": b"GET / HTTP/1.0\r\n\r\n",
        "length": post + b"Content-Length: 3\r\n\r\nabc" + _GET,
        "chunked": post + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX: trailer\r\n\r\n" + _GET,
        "both": post + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + _GET,
        "lengths": post + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "coding": post + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "chunk-size": post + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
        "bare-lf": b"GET / HTTP/1.1\nHost: a\n\n",
        "folded": b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
        "space-colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "nul": b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
        "no-host": b"GET / HTTP/1.1\r\n\r\n",
        "absolute": b"GET http://a/x?y=%20 HTTP/1.1\r\nHost: a\r\n\r\n",
        "connect": b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "options": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        "expect": post + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
        "upgrade": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nx",
        "http-2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "tls": b"\x16\x03\x01\x02\x00\x01\x00",
        "escapes": b"GET /%41/../%2e%2e/%00/%ff HTTP/1.1\r\nHost: a\r\n\r\n",
    }


def seeds() -> dict[str, bytes]:
    """Octets by name; the first chooses the parser."""
    found = {f"connection-{name}": b"\0" + data for name, data in connection_seeds().items()}
    for name, data in {
        "parts": _PART + b"x\r\n" + _PART + b"\r\n--b--\r\n",
        "empty": b"--b--",
        "cut": _PART,
        "no-name": b"--b\r\nContent-Disposition: form-data\r\n\r\n\r\n--b--",
        "near": _PART + b"\r\n--\r\n--a\r\n--b--",
    }.items():
        found[f"multipart-{name}"] = b"\1" + data
    stream = format_event("a\nb", "tick", "1") + b": comment\r\ndata\r\rretry: 5\n\n"
    found["events"] = b"\2" + b"\xef\xbb\xbf" + stream
    found["gzip"] = b"\3" + gzip.compress(b"hello " * 50, mtime=0)
    found["bomb"] = b"\3" + gzip.compress(b"\0" * 100_000, mtime=0)
    found["forwarded"] = b"\4" + b'for="[2001:db8::1]:9";proto=https, for=10.0.0.2:192.0.2.1, 10.0.0.3'
    found["json"] = b"\4" + b'{"a": [1, 2.5, null, {"b": "\\u00e4"}]}'
    found["token"] = b"\4" + write_token(b"k" * 16, Token("session-1", 2_000_000_000, True)).encode()[:-1]
    for name, data in {
        "messages": frame(1, "grüße".encode()) + frame(2, b"\0\xff" * 100) + frame(9, b"?") + closed(1000),
        "fragments": frame(1, b"\xe2", fin=False) + frame(10) + frame(0, b"\x82", fin=False) + frame(0, b"\xac"),
        "unmasked": frame(1, b"x", masked=False),
        "reserved": frame(1, b"x", rsv=4),
        "opcode": frame(3, b"x"),
        "continuation": frame(0, b"x"),
        "nested": frame(1, b"x", fin=False) + frame(2, b"y"),
        "text": frame(1, b"\xff") + frame(1, b"after") + closed(1000),
        "long": frame(2, b"x" * 1000) + frame(2, b"x" * 500, fin=False) + frame(0, b"x" * 501),
        "announced": b"\x82\xff" + b"\x7f" * 8,
        "control": frame(9, b"x" * 126),
        "code": closed(1005),
        "empty-close": frame(8) + frame(1, b"after"),
    }.items():
        found[f"frames-{name}"] = b"\5" + data
    shake = "\n".join([*HANDSHAKE, "Sec-WebSocket-Protocol: chat.v1, chat.v2"])
    found["handshake"] = b"\6" + shake.encode()
    found["handshake-version"] = b"\6" + shake.replace("13", "8").encode()
    found["handshake-key"] = b"\6" + shake.replace("==", "").encode()
    return found


def main() -> None:
    """Write one file for each seed."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    for name, data in seeds().items():
        (CORPUS / name).write_bytes(data)


if __name__ == "__main__":
    main()

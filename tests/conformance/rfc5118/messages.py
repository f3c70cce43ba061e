"""The torture messages of RFC 5118, which are about IPv6, and what each role makes of them."""

from __future__ import annotations

from typing import Final

from tests.conformance.torture import ACCEPT, FORWARD, TortureMessage, refused, wire


def _register(uri: str, via: str = "[2001:db8::9:1]") -> bytes:
    return wire(
        f"""
REGISTER {uri} SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP {via};branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Max-Forwards: 70
Contact: "Caller" <sip:caller@[2001:db8::1]>
CSeq: 98176 REGISTER
Content-Length: 0
"""
    )


def _session(*addresses: str) -> bytes:
    media = "".join(
        f"m=audio {6000 + 2 * number} RTP/AVP 0\r\nc=IN IP{6 if ':' in address else 4} {address}\r\n"
        for number, address in enumerate(addresses)
    )
    return f"v=0\r\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\r\ns=Live\r\nt=0 0\r\n{media}".encode()


def _invite(body: bytes, via: str = "[2001:db8::9:1]", contact: str = "[2001:db8::9:1]") -> bytes:
    return wire(
        f"""
INVITE sip:user@[2001:db8::10] SIP/2.0
To: sip:user@[2001:db8::10]
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP {via};branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "Caller" <sip:caller@{contact}>
CSeq: 8612 INVITE
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: {len(body)}
""",
        body,
    )


IPV6_GOOD: Final = _register("sip:[2001:db8::10]")
IPV6_BAD: Final = _register("sip:2001:db8::10")
PORT_AMBIGUOUS: Final = _register("sip:[2001:db8::10:5070]")
PORT_UNAMBIGUOUS: Final = _register("sip:[2001:db8::10]:5070")

_BYE: Final = """
BYE sip:[2001:db8::10] SIP/2.0
To: sip:user@example.com;tag=bd76ya
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];received={received};branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Max-Forwards: 70
CSeq: 98176 BYE
Content-Length: 0
"""
VIA_RECEIVED_WITH_DELIMITERS: Final = wire(_BYE.format(received="[2001:db8::9:255]"))
VIA_RECEIVED_NO_DELIMITERS: Final = wire(_BYE.format(received="2001:db8::9:255"))

IPV6_IN_SDP: Final = _invite(_session("2001:db8::20"))
MULTIPLE_IP_IN_HEADER: Final = wire(
    """
BYE sip:user@host.example.net SIP/2.0
Via: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144
Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200
Call-ID: 997077@lau_4100
Max-Forwards: 70
CSeq: 89187 BYE
To: sip:user@example.net;tag=9817--94
From: sip:user@example.com;tag=81x2
Content-Length: 0
"""
)
MULTIPLE_IP_IN_SDP: Final = _invite(_session("2001:db8::1", "192.0.2.1"))
IPV4_MAPPED_IPV6: Final = _invite(_session("::ffff:192.0.2.10"), "[::ffff:192.0.2.10]:19823", "[::ffff:192.0.2.10]")

_REFERENCE: Final = """
OPTIONS sip:user@[{address}] SIP/2.0
To: sip:user@[{address}]
From: sip:user@example.com;tag=810x2
Via: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111
Call-ID: G9559905523997077@hlau_4100
CSeq: 98176 OPTIONS
Max-Forwards: 70
Content-Length: 0
"""
CORRECT_ABNF_2_COLONS: Final = wire(_REFERENCE.format(address="2001:db8::192.0.2.1"))
BUG_ABNF_3_COLONS: Final = wire(_REFERENCE.format(address="2001:db8:::192.0.2.1"))

MESSAGES: Final = (
    TortureMessage("4.1", "ipv6-good", IPV6_GOOD, ACCEPT, registrar=ACCEPT),
    refused("4.2", "ipv6-bad", IPV6_BAD, 400, "request_uri"),
    TortureMessage("4.3", "port-ambiguous", PORT_AMBIGUOUS, ACCEPT, registrar=ACCEPT, note="5070 is in the address"),
    TortureMessage("4.4", "port-unambiguous", PORT_UNAMBIGUOUS, ACCEPT, registrar=ACCEPT),
    TortureMessage("4.5a", "via-received-param-with-delim", VIA_RECEIVED_WITH_DELIMITERS, ACCEPT, proxy=FORWARD),
    TortureMessage("4.5b", "via-received-param-no-delim", VIA_RECEIVED_NO_DELIMITERS, ACCEPT, proxy=FORWARD),
    TortureMessage("4.6", "ipv6-in-sdp", IPV6_IN_SDP, ACCEPT, proxy=FORWARD, uas=ACCEPT),
    TortureMessage("4.7", "mult-ip-in-header", MULTIPLE_IP_IN_HEADER, ACCEPT, proxy=FORWARD),
    TortureMessage("4.8", "mult-ip-in-sdp", MULTIPLE_IP_IN_SDP, ACCEPT, proxy=FORWARD, uas=ACCEPT),
    TortureMessage("4.9", "ipv4-mapped-ipv6", IPV4_MAPPED_IPV6, ACCEPT, proxy=FORWARD, uas=ACCEPT),
    TortureMessage("4.10a", "ipv6-correct-abnf-2-colons", CORRECT_ABNF_2_COLONS, ACCEPT, proxy=FORWARD, uas=ACCEPT),
    TortureMessage("4.10b", "ipv6-bug-abnf-3-colons", BUG_ABNF_3_COLONS, ACCEPT, proxy=FORWARD, uas=ACCEPT),
)

"""RFC 5118 4: IPv6 in messages, right and wrong.

The Content-Length values of 4.6, 4.8 and 4.9 are counted, because those printed do not fit the printed bodies.
"""

from __future__ import annotations

from typing import Final

from tests.conformance.rfc4475.wire import wire


def _register(uri: str) -> bytes:
    """The REGISTER that 4.1 to 4.4 vary."""
    return wire(f"""
REGISTER {uri} SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Max-Forwards: 70
Contact: "Caller" <sip:caller@[2001:db8::1]>
CSeq: 98176 REGISTER
Content-Length: 0
""")


def _received(value: str) -> bytes:
    """The BYE of 4.5, with a spelling of `received`."""
    return wire(f"""
BYE sip:[2001:db8::10] SIP/2.0
To: sip:user@example.com;tag=bd76ya
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];received={value};branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Max-Forwards: 70
CSeq: 321 BYE
Content-Length: 0
""")


def _options(host: str) -> bytes:
    """The OPTIONS of 4.10."""
    return wire(f"""
OPTIONS sip:user@{host} SIP/2.0
To: sip:user@{host}
From: sip:user@example.com;tag=810x2
Via: SIP/2.0/UDP lab1.east.example.com;branch=z9hG4bKas3-111
Call-ID: G9559905523997077@hlau_4100
CSeq: 689 OPTIONS
Max-Forwards: 70
Content-Length: 0
""")


def _described(head: str, *description: str) -> bytes:
    body = "\r\n".join((*description, "")).encode()
    return wire(f"{head}Content-Type: application/sdp\nContent-Length: {len(body)}\n", body)


_IN_SDP: Final = _described(
    """
INVITE sip:user@[2001:db8::10] SIP/2.0
To: sip:user@[2001:db8::10]
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "Caller" <sip:caller@[2001:db8::20]>
CSeq: 8612 INVITE
Max-Forwards: 70
""",
    "v=0",
    "o=assistant 971731711378798081 0 IN IP6 2001:db8::20",
    "s=Live video feed for today's meeting",
    "c=IN IP6 2001:db8::20",
    "t=3338481189 3370017201",
    "m=audio 6000 RTP/AVP 2",
    "a=rtpmap:2 G726-32/8000",
    "m=video 6024 RTP/AVP 107",
    "a=rtpmap:107 H263-1998/90000",
)

_IN_HEADERS: Final = wire("""
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
""")

_MIXED_SDP: Final = _described(
    """
INVITE sip:user@[2001:db8::10] SIP/2.0
To: sip:user@[2001:db8::10]
From: sip:user@example.com;tag=81x2
Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "Caller" <sip:caller@[2001:db8::9:1]>
Max-Forwards: 70
CSeq: 8912 INVITE
""",
    "v=0",
    "o=bob 280744730 28977631 IN IP4 host.example.com",
    "s=",
    "t=0 0",
    "m=audio 22334 RTP/AVP 0",
    "c=IN IP4 192.0.2.1",
    "m=video 6024 RTP/AVP 107",
    "c=IN IP6 2001:db8::1",
    "a=rtpmap:107 H263-1998/90000",
)

_MAPPED: Final = _described(
    """
INVITE sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:user@east.example.com;tag=81x2
Via: SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19
Via: SIP/2.0/UDP [::ffff:192.0.2.2];branch=z9hG4bKas3-111
Call-ID: SSG9559905523997077@hlau_4100
Contact: "T. desk phone" <sip:ted@[::ffff:192.0.2.2]>
CSeq: 612 INVITE
Max-Forwards: 70
""",
    "v=0",
    "o=assistant 971731711378798081 0 IN IP6 ::ffff:192.0.2.2",
    "s=Call me soon, please!",
    "c=IN IP6 ::ffff:192.0.2.2",
    "t=3338481189 3370017201",
    "m=audio 6000 RTP/AVP 2",
    "a=rtpmap:2 G726-32/8000",
    "m=video 6024 RTP/AVP 107",
    "a=rtpmap:107 H263-1998/90000",
)

IPV6: Final[dict[str, bytes]] = {
    "5118-4.1 reference": _register("sip:[2001:db8::10]"),
    "5118-4.2 no-brackets": _register("sip:2001:db8::10"),
    "5118-4.3 port-inside": _register("sip:[2001:db8::10:5070]"),
    "5118-4.4 port-outside": _register("sip:[2001:db8::10]:5070"),
    "5118-4.5 received-brackets": _received("[2001:db8::9:255]"),
    "5118-4.5 received-plain": _received("2001:db8::9:255"),
    "5118-4.6 sdp": _IN_SDP,
    "5118-4.7 headers": _IN_HEADERS,
    "5118-4.8 mixed-sdp": _MIXED_SDP,
    "5118-4.9 mapped": _MAPPED,
    "5118-4.10 three-colons": _options("[2001:db8:::192.0.2.1]"),
    "5118-4.10 two-colons": _options("[2001:db8::192.0.2.1]"),
}
"""By section and short name."""

"""RFC 4475 3.2 to 3.4: messages that trouble the transaction layer, the application, or an element of RFC 2543."""

from __future__ import annotations

from typing import Final

from tests.conformance.torture import ACCEPT, DROP, FORWARD, TortureMessage, refused, sdp, wire

BADBRANCH: Final = wire(
    """
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:caller@example.org;tag=33242
Max-Forwards: 3
Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK
Accept: application/sdp
Call-ID: badbranch.sadonfo23i420jv0as0derf3j3n
CSeq: 8 OPTIONS
l: 0
"""
)

INSUF: Final = wire(
    """
INVITE sip:user@example.com SIP/2.0
CSeq: 193942 INVITE
Via: SIP/2.0/UDP 192.0.2.95;branch=z9hG4bKkdj.insuf
Content-Type: application/sdp
l: 152
""",
    sdp("192.0.2.95"),
)

UNKSCM: Final = wire(
    """
OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=384
Max-Forwards: 3
Call-ID: unkscm.nasdfasser0q239nwsdfasdkl34
CSeq: 3923423 OPTIONS
Via: SIP/2.0/TCP host9.example.com;branch=z9hG4bKkdjuw39234
Content-Length: 0
"""
)

NOVELSC: Final = wire(
    """
OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=384
Max-Forwards: 3
Call-ID: novelsc.asdfasser0q239nwsdfasdkl34
CSeq: 3923423 OPTIONS
Via: SIP/2.0/TCP host9.example.com;branch=z9hG4bKkdjuw39234
Content-Length: 0
"""
)

UNKSM2: Final = wire(
    """
REGISTER sip:example.com SIP/2.0
To: isbn:2983792873
From: <http://www.example.com>;tag=3234233
Call-ID: unksm2.daksdj@hyphenated-host.example.com
CSeq: 234902 REGISTER
Max-Forwards: 70
Via: SIP/2.0/UDP 192.0.2.21:5060;branch=z9hG4bKkdjuw
Contact: <name:John_Smith>
l: 0
"""
)

BEXT01: Final = wire(
    """
OPTIONS sip:user@example.com SIP/2.0
To: sip:j_user@example.com
From: sip:caller@example.net;tag=242etr
Max-Forwards: 6
Call-ID: bext01.0ha0isndaksdj
Require: nothingSupportsThis, nothingSupportsThisEither
Proxy-Require: noProxiesSupportThis, norDoAnyProxiesSupportThis
CSeq: 8 OPTIONS
Via: SIP/2.0/TLS fold-and-staple.example.com;branch=z9hG4bKkdjuw
Content-Length: 0
"""
)

INVUT_BODY: Final = b'<audio>\r\n <pcmu port="443"/>\r\n</audio>\r\n'
INVUT: Final = wire(
    f"""
INVITE sip:user@example.com SIP/2.0
Contact: <sip:caller@host5.example.net>
To: sip:j.user@example.com
From: sip:caller@example.net;tag=8392034
Max-Forwards: 70
Call-ID: invut.0ha0isndaksdjadsfij34n23d
CSeq: 235448 INVITE
Via: SIP/2.0/UDP somehost.example.com;branch=z9hG4bKkdjuw
Content-Type: application/unknownformat
Content-Length: {len(INVUT_BODY)}
""",
    INVUT_BODY,
)

REGAUT01: Final = wire(
    """
REGISTER sip:example.com SIP/2.0
To: sip:j.user@example.com
From: sip:j.user@example.com;tag=87321hj23128
Max-Forwards: 8
Call-ID: regaut01.0ha0isndaksdj
CSeq: 9338 REGISTER
Via: SIP/2.0/TCP 192.0.2.253;branch=z9hG4bKkdjuw
Authorization: NoOneKnowsThisScheme opaque-data=here
Content-Length:0
"""
)

MULTI01: Final = wire(
    """
INVITE sip:user@company.com SIP/2.0
Contact: <sip:caller@host25.example.net>
Via: SIP/2.0/UDP 192.0.2.25;branch=z9hG4bKkdjuw
Max-Forwards: 70
CSeq: 5 INVITE
Call-ID: multi01.98asdh@192.0.2.1
CSeq: 59 INVITE
Call-ID: multi01.98asdh@192.0.2.2
From: sip:caller@example.com;tag=3413415
To: sip:user@example.com
To: sip:other@example.net
From: sip:caller@example.net;tag=2923420123
Content-Type: application/sdp
l: 154
Contact: <sip:caller@host36.example.net>
Max-Forwards: 5
""",
    sdp("192.0.2.25") + b"\r\n",
)

MCL01: Final = wire(
    """
OPTIONS sip:user@example.com SIP/2.0
Via: SIP/2.0/UDP host5.example.net;branch=z9hG4bK293423
To: sip:user@example.com
From: sip:other@example.net;tag=3923942
Call-ID: mcl01.fhn2323orihawfdoa3o4r52o3irsdf
CSeq: 15932 OPTIONS
Content-Length: 13
Max-Forwards: 60
Content-Length: 5
Content-Type: text/plain
""",
    b"There's no way to know how many octets are supposed to be here.\r\n",
)

BCAST: Final = wire(
    """
SIP/2.0 200 OK
Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923
Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23
Call-ID: bcast.0384840201234ksdfak3j2erwedfsASdf
CSeq: 35 INVITE
From: sip:user@example.com;tag=11141343
To: sip:user@example.edu;tag=2229
Content-Length: 154
Content-Type: application/sdp
Contact: <sip:user@host28.example.com>
""",
    sdp("192.0.2.198"),
)

ZEROMF: Final = wire(
    """
OPTIONS sip:user@example.com SIP/2.0
To: sip:user@example.com
From: sip:caller@example.net;tag=3ghsd41
Call-ID: zeromf.jfasdlfnm2o2l43r5u0asdfas
CSeq: 39234321 OPTIONS
Via: SIP/2.0/UDP host1.example.com;branch=z9hG4bKkdjuw2349i
Max-Forwards: 0
Content-Length: 0
"""
)

CPARAM01: Final = wire(
    """
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP saturn.example.com:5060;branch=z9hG4bKkdjuw
Max-Forwards: 70
From: sip:watson@example.com;tag=DkfVgjkrtMwaerKKpe
To: sip:watson@example.com
Call-ID: cparam01.70710@saturn.example.com
CSeq: 2 REGISTER
Contact: sip:+19725552222@gw1.example.net;unknownparam
l: 0
"""
)

CPARAM02: Final = wire(
    """
REGISTER sip:example.com SIP/2.0
Via: SIP/2.0/UDP saturn.example.com:5060;branch=z9hG4bKkdjuw
Max-Forwards: 70
From: sip:watson@example.com;tag=838293
To: sip:watson@example.com
Call-ID: cparam02.70710@saturn.example.com
CSeq: 3 REGISTER
Contact: <sip:+19725552222@gw1.example.net;unknownparam>
l: 0
"""
)

REGESCRT: Final = wire(
    """
REGISTER sip:example.com SIP/2.0
To: sip:user@example.com
From: sip:user@example.com;tag=8
Max-Forwards: 70
Call-ID: regescrt.k345asrl3fdbv@192.0.2.1
CSeq: 14398234 REGISTER
Via: SIP/2.0/UDP host5.example.com;branch=z9hG4bKkdjuw
M: <sip:user@example.com?Route=%3Csip:sip.example.com%3E>
L:0
"""
)

SDP01: Final = wire(
    """
INVITE sip:user@example.com SIP/2.0
To: sip:j_user@example.com
Contact: <sip:caller@host15.example.net>
From: sip:caller@example.net;tag=234
Max-Forwards: 5
Call-ID: sdp01.ndaksdj9342dasdd
Accept: text/nobodyKnowsThis
CSeq: 8 INVITE
Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw
Content-Length: 150
Content-Type: application/sdp
""",
    sdp("192.0.2.5"),
)

INV2543: Final = wire(
    """
INVITE sip:UserB@example.com SIP/2.0
Via: SIP/2.0/UDP iftgw.example.com
From: <sip:+13035551111@ift.client.example.net;user=phone>
Record-Route: <sip:UserB@example.com;maddr=ss1.example.com>
To: sip:+16505552222@ss1.example.net;user=phone
Call-ID: inv2543.1717@ift.client.example.com
CSeq: 56 INVITE
Content-Type: application/sdp
""",
    sdp("192.0.2.5").partition(b" 12\r\n")[0] + b"\r\n",
)

LAYERS: Final = (
    refused("3.2.1", "badbranch", BADBRANCH, 400, "branch"),
    refused("3.3.1", "insuf", INSUF, 400, "missing_header"),
    TortureMessage("3.3.2", "unkscm", UNKSCM, ACCEPT, proxy=416, uas=416),
    TortureMessage("3.3.3", "novelsc", NOVELSC, ACCEPT, proxy=416, uas=416),
    TortureMessage("3.3.4", "unksm2", UNKSM2, ACCEPT, registrar=400),
    TortureMessage(
        "3.3.5",
        "bext01",
        BEXT01,
        ACCEPT,
        proxy=420,
        uas=420,
        note="Unsupported lists the tags of Proxy-Require from a proxy, those of Require from a UAS, and no others",
    ),
    TortureMessage("3.3.6", "invut", INVUT, ACCEPT, proxy=FORWARD, uas=415, note="415 with Accept"),
    TortureMessage("3.3.7", "regaut01", REGAUT01, ACCEPT, registrar=ACCEPT, note="401 where the realm demands it"),
    refused("3.3.8", "multi01", MULTI01, 400, "repeated_header"),
    refused("3.3.9", "mcl01", MCL01, 400, "repeated_header"),
    TortureMessage("3.3.10", "bcast", BCAST, ACCEPT, proxy=DROP, note="never sent to the broadcast address"),
    TortureMessage("3.3.11", "zeromf", ZEROMF, ACCEPT, proxy=483, uas=ACCEPT),
    TortureMessage("3.3.12", "cparam01", CPARAM01, ACCEPT, registrar=ACCEPT, note="parameter of the header"),
    TortureMessage("3.3.13", "cparam02", CPARAM02, ACCEPT, registrar=ACCEPT, note="parameter of the URI"),
    TortureMessage("3.3.14", "regescrt", REGESCRT, ACCEPT, registrar=ACCEPT, note="the header part stays in the URI"),
    TortureMessage("3.3.15", "sdp01", SDP01, ACCEPT, proxy=FORWARD, uas=406),
    TortureMessage("3.4.1", "inv2543", INV2543, ACCEPT, proxy=FORWARD, uas=ACCEPT),
)

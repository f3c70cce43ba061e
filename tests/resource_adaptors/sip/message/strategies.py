"""Hypothesis strategies for SIP messages: well-formed ones of every shape, and octets that are nearly well-formed."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.conformance.rfc4475.messages import MESSAGES
from tests.resource_adaptors.sip.message.samples import INVITE, RINGING

TOKEN_CHARACTERS = "abcxyzABCXYZ0123456789-.!%*_+`'~"
tokens = st.text(TOKEN_CHARACTERS, min_size=1, max_size=12)
methods = st.one_of(st.sampled_from(["INVITE", "REGISTER", "OPTIONS", "BYE"]), tokens.filter(lambda t: t != "ACK"))
hosts = st.one_of(
    st.from_regex(r"[a-z][a-z0-9]{0,8}(\.[a-z]{2,6}){1,2}", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
ports = st.one_of(st.just(""), st.integers(1, 65_535).map(lambda port: f":{port}"))
users = st.text("abcXYZ019-_.!~*'()&=+$,;?/", min_size=1, max_size=12)
escapes = st.integers(0, 255).map(lambda octet: f"%{octet:02X}")
user_parts = st.one_of(users, st.builds("{}{}{}".format, users, escapes, users))
uri_params = st.lists(
    st.one_of(
        st.sampled_from([";lr", ";transport=tcp", ";user=phone"]),
        tokens.map(lambda t: ";p" + t.replace("`", "").replace("%", "")),
    ),
    max_size=3,
).map("".join)


def _sip_uri(scheme: str, user: str, host: str, port: str, params: str) -> str:
    return f"{scheme}:{user}@{host}{port}{params}" if user else f"{scheme}:{host}{port}"


sip_uris = st.builds(
    _sip_uri, st.sampled_from(["sip", "sips"]), st.one_of(st.just(""), user_parts), hosts, ports, uri_params
)
uris = st.one_of(
    sip_uris, st.sampled_from(["tel:+1-201-555-0123", "tel:7042;phone-context=example.com", "urn:service:sos"])
)
quoted = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=10).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
display_names = st.one_of(st.just(""), tokens.map(lambda t: t + " "), quoted, quoted.map(lambda q: q + "  "))
header_params = st.lists(
    st.one_of(
        tokens.map(lambda t: f";x-{t}"),
        st.builds(";y-{}={}".format, tokens, tokens),
        st.builds(" ; z = {}".format, quoted),
    ),
    max_size=3,
).map("".join)
addresses = st.builds("{}<{}>{}".format, display_names, uris, header_params)
tagged = st.builds("{}<{}>;tag={}{}".format, display_names, uris, tokens, header_params)
vias = st.builds(
    "SIP/2.0/{} {}{};branch=z9hG4bK{}{}".format,
    st.sampled_from(["UDP", "TCP", "TLS", "WSS", "SCTP"]),
    hosts,
    ports,
    tokens,
    st.sampled_from(
        ["", ";rport", ";rport=5060;received=192.0.2.9", ";ttl=3;maddr=224.0.1.75", ';x="a;,b"', " ; keep"]
    ),
)
free_text = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=30)
bodies = st.binary(max_size=60)


def _spell(name: str, compact: str) -> st.SearchStrategy[str]:
    return st.sampled_from([name, name, name, name.lower(), name.upper(), compact, f"{name} "])


def _line(name: str, compact: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("{}:{}{}".format, _spell(name, compact), st.sampled_from([" ", "", "\t ", "\r\n "]), values)


others = st.one_of(
    _line("Contact", "m", st.lists(addresses, min_size=1, max_size=3).map(", ".join)),
    _line("Route", "Route", st.lists(addresses, min_size=1, max_size=3).map(",".join)),
    _line("Record-Route", "record-route", addresses),
    _line("Via", "v", st.lists(vias, min_size=1, max_size=3).map(" , ".join)),
    _line("Subject", "s", free_text),
    _line("X-Unknown", "x-unknown", free_text),
    _line("Accept", "accept", st.just("a/b, c/d;q=0.5")),
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A well-formed request or response, its headers in any order and spelling."""
    method = draw(methods)
    body = draw(bodies)
    if draw(st.booleans()):
        start = f"{method} {draw(uris)} SIP/2.0"
    else:
        start = f"SIP/2.0 {draw(st.integers(100, 699))} {draw(free_text)}"
    lines = [
        draw(_line("From", "f", tagged)),
        draw(_line("To", "t", st.one_of(tagged, addresses))),
        draw(_line("Call-ID", "i", st.text('abc@.<>:"/[]?{}\\019', min_size=1, max_size=20))),
        draw(_line("CSeq", "cseq", st.integers(0, 2**32 - 1).map(lambda number: f"{number} {method}"))),
        draw(_line("Via", "v", vias)),
        *draw(st.lists(others, max_size=5)),
    ]
    if draw(st.booleans()):
        lines.append(draw(_line("Max-Forwards", "max-forwards", st.integers(0, 255).map(str))))
    if draw(st.booleans()):
        lines.append(draw(_line("Content-Length", "l", st.just(f"{len(body):03}"))))
    return "\r\n".join((start, *draw(st.permutations(lines)))).encode() + b"\r\n\r\n" + body


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A torture message, or a usual one, with some octets changed, lost, repeated or inserted."""
    data = bytearray(draw(st.sampled_from([INVITE, RINGING, *(message.data for message in MESSAGES)])))
    for _ in range(draw(st.integers(1, 6))):
        position = draw(st.integers(0, len(data)))
        what = draw(st.integers(0, 3))
        if what == 0:
            data[position : position + 1] = draw(st.binary(min_size=1, max_size=1))
        elif what == 1:
            del data[position : position + draw(st.integers(1, 20))]
        elif what == 2:
            data[position:position] = data[position : position + draw(st.integers(1, 40))]
        else:
            data[position:position] = draw(
                st.sampled_from(
                    [b"\r\n", b"\n", b"\r", b"\0", b'"', b"<", b">", b",", b";", b":", b" ", b"\\", b"\xff", b"%00"]
                )
            )
    return bytes(data)

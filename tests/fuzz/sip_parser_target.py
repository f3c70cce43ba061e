"""What must hold for any octets given to the SIP parser; the fuzzer and the replay of its corpus both call it."""

from __future__ import annotations

from resource_adaptors.sip.message import writer
from resource_adaptors.sip.message.errors import KINDS, LENIENCIES, LocalProtocolError, RemoteProtocolError
from resource_adaptors.sip.message.message import Message, Request, Response
from resource_adaptors.sip.message.multipart import Part, split_multipart
from resource_adaptors.sip.message.parser import parse_message

_SOURCE = ("192.0.2.9", 5070)
_VIA = "SIP/2.0/UDP proxy.example.com;branch=z9hG4bKour"


def check(data: bytes) -> None:
    """Parse, read and write a message in both modes; the first octet does not choose, so that inputs stay messages."""
    for tolerant in (False, True):
        try:
            message = parse_message(data, tolerant=tolerant)
        except RemoteProtocolError as error:
            _check_refusal(error)
            continue
        _check_message(message, data)
        if isinstance(message, Request):
            _check_request(message)
        else:
            _check_response(message)


def _check_refusal(error: RemoteProtocolError) -> None:
    assert error.kind in KINDS
    assert (error.status == 0) is (error.partial is None)
    if error.partial is not None:
        answer = writer.build_error_response(error.partial, error.status, error.reason, received=_SOURCE)
        assert answer.count(b"\r") == answer.count(b"\n") == answer.count(b"\r\n")
        assert b"\0" not in answer


def _check_message(message: Message, data: bytes) -> None:
    assert set(message.leniencies) <= set(LENIENCIES)
    raw = message.raw
    assert "line_end" in message.leniencies or data.startswith(raw)
    again = parse_message(raw, tolerant="uri_headers" in message.leniencies)
    assert again == message
    assert message.via[0] == message.top_via
    assert (message.from_.tag, message.to.tag) == (message.from_tag, message.to_tag)
    for via in message.via:
        assert (via.params, via.received, via.rport, via.maddr, via.ttl) is not None
    for address in (message.from_, message.to, *message.contacts, *message.routes, *message.record_routes):
        assert address.uri.equivalent(address.uri)
        assert (address.uri.aor, address.q, address.expires) is not None
    for key in message.index:
        assert message.header(key) is not None
        assert message.values(key)
    content_type = message.content_type
    if content_type is not None and content_type.lower().startswith("multipart/"):
        try:
            parts: tuple[Part, ...] = split_multipart(content_type, message.body)
        except RemoteProtocolError as error:
            assert error.kind == "multipart"
        else:
            assert len(parts) <= 16


def _check_request(request: Request) -> None:
    stamped = writer.stamp_received(request, *_SOURCE)
    lenient = "uri_headers" in request.leniencies
    assert parse_message(stamped.raw, tolerant=lenient) == stamped
    assert stamped.via[0] == stamped.top_via
    answer = writer.build_response(stamped, 180, to_tag="ours")
    again = parse_message(answer.raw)
    assert again == answer
    assert (again.via, again.from_, again.to_tag) == (stamped.via, stamped.from_, answer.to_tag)
    try:
        forwarded = writer.forward_request(
            stamped, uri=request.uri_text, via=_VIA, max_forwards=69, drop_routes=1, record_routes=["<sip:us;lr>"]
        )
    except LocalProtocolError as error:
        raise AssertionError("a request that was accepted must be fit to be forwarded") from error
    if len(request.via) < 70 and len(request.record_routes) < 128:
        received = parse_message(forwarded.raw)
        assert received == forwarded
        assert received.via[1:] == stamped.via
        assert received.routes == request.routes[1:]
    writer.cancel_for(forwarded)


def _check_response(response: Response) -> None:
    if response.next_via is None:
        return
    relayed = parse_message(writer.relay_response(response))
    assert relayed.via == response.via[1:]
    assert relayed.body == response.body

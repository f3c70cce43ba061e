"""What every input to the Diameter decoder must satisfy, for the fuzzer and for the corpus (COM-22)."""

from __future__ import annotations

from resource_adaptors.diameter.message.avp import Avp
from resource_adaptors.diameter.message.dictionary import base_dictionary
from resource_adaptors.diameter.message.errors import RemoteProtocolError
from resource_adaptors.diameter.message.message import Message, Stream, decode
from resource_adaptors.diameter.protocol.charging import read_answer, read_request
from resource_adaptors.diameter.protocol.validation import check_answer, check_request


def check(data: bytes) -> None:
    """Read octets as a stream; nothing but `RemoteProtocolError` may come of any."""
    stream = Stream()
    for found in stream.receive(data):
        if isinstance(found, Message):
            judge(found)


def judge(message: Message) -> None:
    """A message that was read is written alike, and judged without another error."""
    assert decode(message.encode()) == message
    try:
        if message.is_request:
            check_request(message, base_dictionary())
            if message.command == 272:
                read_request(message)
        else:
            check_answer(message, base_dictionary())
            if message.command == 272:
                read_answer(message)
    except RemoteProtocolError as error:
        assert 3000 <= error.result < 6000
        if error.failed:
            Avp(279, error.failed).group()

"""Resource adaptors: marshallers (group RA)."""

from __future__ import annotations

from collections.abc import Hashable

import msgspec
import pytest

from slee.api.errors import FireEventError, StartActivityError
from slee.spi import ActivityFlags, EventFlags, FailureReason
from slee.testing import RecordingResource, SleeHarness
from tests.conformance.kit import RA, Note, World


class Codec:
    """Encodes notes; loses what it is told to lose."""

    def __init__(self, *, loses: bool = False) -> None:
        self.loses = loses
        self.encoded: list[object] = []

    def encode_event(self, event: object) -> bytes:
        self.encoded.append(event)
        assert isinstance(event, Note)
        return b"lost" if self.loses else event.text.encode()

    def decode_event(self, event_class: type, data: bytes) -> object:
        return event_class(data.decode())

    def encode_handle(self, handle: Hashable) -> bytes:
        self.encoded.append(handle)
        return msgspec.msgpack.encode("lost" if self.loses else handle)

    def decode_handle(self, data: bytes) -> Hashable:
        handle = msgspec.msgpack.decode(data)
        assert isinstance(handle, str)
        return handle


def resource(slee: SleeHarness, codec: Codec) -> RecordingResource:
    adaptor = RecordingResource(RA)
    adaptor.marshaller = codec
    return slee.add_resource("coded", adaptor)


def test_ra_44_without_a_marshaller_nothing_may_be_marshalled() -> None:
    with World() as world:
        with pytest.raises(ValueError, match="RA-44"):
            world.ra.endpoint.start_activity("a", "activity", ActivityFlags.MAY_MARSHAL)
        assert world.context("a") is None
        context = world.start("a")
        with pytest.raises(ValueError, match="RA-44"):
            world.ra.endpoint.fire("a", Note(), flags=EventFlags.MAY_MARSHAL)
        assert context.queued == 0


def test_ra_44_with_one_events_and_handles_come_back_equal() -> None:
    codec = Codec()
    with SleeHarness(leftovers_allowed=True) as slee:
        adaptor = resource(slee, codec)
        adaptor.endpoint.start_activity("a", "activity", ActivityFlags.MAY_MARSHAL)
        adaptor.endpoint.fire("a", Note("text"), flags=EventFlags.MAY_MARSHAL | EventFlags.PROCESSING_SUCCESSFUL)
        slee.run()
        (told,) = [callback for callback in adaptor.callbacks if callback[0] == "event_processing_successful"]
        assert told[1:3] == ("a", Note("text"))
        assert codec.encoded == ["a", Note("text")]


def test_ra_44_what_does_not_come_back_equal_is_refused_and_leaves_no_trace() -> None:
    codec = Codec(loses=True)
    with SleeHarness(leftovers_allowed=True) as slee:
        adaptor = resource(slee, codec)
        with pytest.raises(StartActivityError, match="RA-44") as start:
            adaptor.endpoint.start_activity("a", "activity", ActivityFlags.MAY_MARSHAL)
        assert start.value.reason is FailureReason.MARSHALLING
        assert adaptor.context.activity_context("a") is None
        adaptor.endpoint.start_activity("a", "activity")
        with pytest.raises(FireEventError, match="RA-44") as fire:
            adaptor.endpoint.fire("a", Note("text"), flags=EventFlags.MAY_MARSHAL)
        assert fire.value.reason is FailureReason.MARSHALLING
        assert slee.kernel.statistics().queued == 0


def test_ra_44_what_may_not_be_marshalled_is_not() -> None:
    codec = Codec(loses=True)
    with SleeHarness(leftovers_allowed=True) as slee:
        adaptor = resource(slee, codec)
        adaptor.endpoint.start_activity("a", "activity")
        adaptor.endpoint.fire("a", Note("text"))
        slee.run()
        assert codec.encoded == []


def test_ra_44_the_check_is_made_in_the_serialise_everything_mode_only() -> None:
    codec = Codec(loses=True)
    with SleeHarness(leftovers_allowed=True, serialise=False) as slee:
        adaptor = resource(slee, codec)
        adaptor.endpoint.start_activity("a", "activity", ActivityFlags.MAY_MARSHAL)
        adaptor.endpoint.fire("a", Note("text"), flags=EventFlags.MAY_MARSHAL)
        slee.run()
        assert codec.encoded == []

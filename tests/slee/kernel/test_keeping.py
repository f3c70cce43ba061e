"""What adaptors keep of their own over stops and crashes (DUR-2)."""

from __future__ import annotations

import pytest

from slee.stores.simulated import SimulatedDisk
from slee.testing import SleeHarness
from slee.testing.resources import RecordingResource
from tests.conformance.kit import RA


def begun(slee: SleeHarness) -> RecordingResource:
    return slee.add_resource("ra", RecordingResource(RA))


def test_dur_2_what_an_adaptor_keeps_is_there_after_a_crash() -> None:
    slee = SleeHarness(journal=SimulatedDisk())
    kept = begun(slee).context.kept
    kept.put("a", b"1")
    kept.put("b", b"2")
    kept.put("a", b"3")
    kept.put("gone", b"")
    slee.advance(1)
    kept.remove("gone")
    kept.remove("never")
    slee.advance(1)
    slee = slee.crash(survivors=0)
    kept = begun(slee).context.kept
    slee.restart()
    assert sorted(kept.items()) == [("a", b"3"), ("b", b"2")]
    assert (kept.get("a"), kept.get("gone")) == (b"3", None)
    kept.remove("a")
    slee.advance(1)
    slee = slee.crash(survivors=0)
    kept = begun(slee).context.kept
    slee.restart()
    assert list(kept.items()) == [("b", b"2")]


def test_dur_2_a_rollback_takes_back_what_was_kept() -> None:
    with SleeHarness() as slee:
        context = begun(slee).context
        context.kept.put("a", b"1")
        context.transactions.begin()
        context.kept.put("a", b"2")
        context.kept.put("b", b"3")
        context.kept.remove("a")
        context.transactions.rollback()
        assert list(context.kept.items()) == [("a", b"1")]


def test_dur_2_an_entity_that_is_removed_takes_what_it_kept_along() -> None:
    slee = SleeHarness(journal=SimulatedDisk(), leftovers_allowed=True)
    begun(slee).context.kept.put("a", b"1")
    slee.advance(1)
    slee = slee.crash(survivors=0)
    slee.restart()  # the entity is not there any more
    slee.advance(1)
    slee = slee.crash(survivors=0)
    kept = begun(slee).context.kept
    slee.restart()
    assert list(kept.items()) == []


def test_dur_2_only_octets_are_kept() -> None:
    with SleeHarness() as slee:
        kept = begun(slee).context.kept
        with pytest.raises(TypeError, match="DUR-2"):
            kept.put("a", "text")

"""Records that an adaptor keeps beside its activities (RA-9, DUR-2)."""

from __future__ import annotations

import pytest

from slee import event_type
from slee.stores.simulated import SimulatedDisk
from slee.testing import RecordingResource, SleeHarness, recording_type


@event_type("kept.Something", vendor="test", version="1.0")
class Something:
    """An event, which nobody fires."""


RA = recording_type(Something)


def test_records_outlast_the_process_and_belong_to_one_entity() -> None:
    slee = SleeHarness(journal=SimulatedDisk())
    one, other = (slee.add_resource(name, RecordingResource(RA)) for name in ("one", "other"))
    for key in ("a", "b", "c"):
        one.context.kept.put(key, key.encode())
    other.context.kept.put("a", b"other")
    slee.run()
    one.context.kept.remove("b")
    one.context.kept.remove("never there")
    one.context.kept.put("c", b"again")
    slee.run()
    slee = slee.crash(survivors=1_000)
    one, other = (slee.add_resource(name, RecordingResource(RA)) for name in ("one", "other"))
    slee.restart()
    assert one.context.kept.items() == (("a", b"a"), ("c", b"again"))
    assert one.context.kept.get("b") is None
    assert other.context.kept.get("a") == b"other"


def test_a_record_put_again_after_its_removal_is_kept() -> None:
    slee = SleeHarness(journal=SimulatedDisk())
    ra = slee.add_resource("one", RecordingResource(RA))
    ra.context.kept.put("a", b"1")
    slee.run()
    ra.context.kept.remove("a")
    ra.context.kept.put("a", b"2")
    slee.run()
    slee = slee.crash(survivors=1_000)
    ra = slee.add_resource("one", RecordingResource(RA))
    slee.restart()
    assert ra.context.kept.items() == (("a", b"2"),)


def test_a_rollback_undoes_changes() -> None:
    with SleeHarness() as slee:
        ra = slee.add_resource("one", RecordingResource(RA))
        ra.context.kept.put("a", b"1")
        ra.context.transactions.begin()
        ra.context.kept.put("a", b"2")
        ra.context.kept.put("b", b"3")
        ra.context.kept.remove("a")
        assert ra.context.kept.items() == (("b", b"3"),)
        ra.context.transactions.rollback()
        assert ra.context.kept.items() == (("a", b"1"),)


def test_records_go_with_their_entity() -> None:
    slee = SleeHarness(journal=SimulatedDisk())
    ra = slee.add_resource("one", RecordingResource(RA))
    ra.context.kept.put("a", b"1")
    slee.run()
    slee.kernel.resources["one"].deactivate()
    slee.kernel.remove_resource("one")
    slee.run()
    slee = slee.crash(survivors=1_000)
    ra = slee.add_resource("one", RecordingResource(RA))
    slee.restart()
    assert ra.context.kept.items() == ()


def test_a_record_is_octets() -> None:
    with SleeHarness() as slee:
        ra = slee.add_resource("one", RecordingResource(RA))
        with pytest.raises(TypeError, match="DUR-2"):
            ra.context.kept.put("a", "text")


def test_an_adaptor_sees_whether_its_entity_or_the_slee_stops() -> None:
    class Asking(RecordingResource):
        def ra_stopping(self) -> None:
            seen.append(self.context.is_entity_active)

    seen: list[bool] = []
    with SleeHarness() as slee:
        slee.add_resource("one", Asking(RA))
        slee.kernel.stop()
        slee.run()
        slee.kernel.start()
        slee.run()
        slee.kernel.resources["one"].deactivate()
    assert seen == [True, False]

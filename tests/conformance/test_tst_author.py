"""What the test kit tells the author of a service whose test fails, and what it does not hold against him."""

from __future__ import annotations

from collections.abc import Hashable

import pytest
from pydantic import BaseModel

from resource_adaptors.diameter.testing import DiameterSimulator
from slee import ActivityContext, Cmp, Sbb, Select, cmp, configuration, event_type, handles, initial_event, resource
from slee.api.errors import VerificationError
from slee.testing import RecordingResource, SleeHarness, recording_type


@event_type("test.Asked", vendor="test", version="1.0")
class Asked:
    """Somebody asks."""


@event_type("test.Told", vendor="test", version="1.0")
class Told:
    """The answer."""


RA = recording_type(Asked, Told)


class Config(BaseModel, frozen=True):
    """One key that has to be given, and one that need not."""

    router: str
    patience: float = 5.0


class Asker(Sbb, vendor="test", version="1.0"):
    """Is attached to the question, and waits for the answer."""

    ra = resource(RA)
    asked: Cmp[int] = cmp(0)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_asked(self, event: Asked, aci: ActivityContext) -> None:
        self.asked += 1

    @handles
    def on_told(self, event: Told, aci: ActivityContext) -> None:
        self.timers.set(aci, after=-1.0, period=-1.0)


class Configured(Sbb, vendor="test", version="1.0"):
    """Has a configuration."""

    ra = resource(RA)
    config = configuration(Config)

    @initial_event(Select.ACTIVITY_CONTEXT)
    def on_asked(self, event: Asked, aci: ActivityContext) -> None:
        self.ra.send(f"{self.config.router} {self.config.patience}")


class Watching(RecordingResource):
    """Has a connection that it asks for a sign of life every second."""

    upkeep = True

    def next_deadline(self) -> float | None:
        return self.context.now + 1

    def is_idle(self) -> bool:
        return self.upkeep

    def lasts(self, handle: Hashable) -> bool:
        return handle == "peer"


def test_tst_1_upkeep_that_never_ends_is_not_waited_for_and_anything_else_is_named() -> None:
    with SleeHarness() as slee:
        link = slee.add_resource("link", Watching(RA))
        assert slee.run_until_idle(100) < 100
        link.upkeep = False
        with pytest.raises(RuntimeError, match=r"no end of link \[TST-2\]"):
            slee.run_until_idle(100)


def test_tst_1_watchdogs_of_peers_are_not_waited_for_and_answers_are() -> None:
    with SleeHarness() as slee:
        diameter = DiameterSimulator()
        diameter.peer("ocs1.example.net")
        slee.add_resource("diameter-main", diameter, diameter.configuration_for())
        slee.run_until_idle()
        assert diameter.messages_sent("CER")
        assert not diameter.messages_sent("DWR")
        assert next(iter(diameter.node.peers.values())).is_open


def test_tst_10_an_activity_that_lasts_as_long_as_its_adaptor_works_is_not_left() -> None:
    with SleeHarness() as slee:
        slee.add_resource("link", Watching(RA)).endpoint.start_activity("peer", "a peer")
    with pytest.raises(AssertionError, match="activity link:call is left"), SleeHarness() as slee:
        slee.add_resource("link", Watching(RA)).endpoint.start_activity("call", "a call")


def test_tst_10_a_failure_tells_of_events_that_reached_nobody_though_a_handler_waits_for_them() -> None:
    with pytest.raises(AssertionError) as caught, SleeHarness() as slee:
        link = slee.add_resource("link", RecordingResource(RA))
        slee.install(Asker)
        for handle, event in (("asked", Asked()), ("told", Told()), ("told", Told())):
            if handle not in {c.handle for c in slee.kernel.contexts()}:
                link.endpoint.start_activity(handle, handle)
            link.endpoint.fire(handle, event)
        slee.run()
        raise AssertionError
    told = [note for note in caught.value.__notes__ if "reached nobody" in note]
    assert told == ["Told on link:told reached nobody, and Asker.on_told waits for it [ATT-1]; attach the entity"]


def test_tst_12_a_failure_names_the_line_of_the_service_and_not_that_of_what_it_called() -> None:
    with SleeHarness(failures_allowed=True, leftovers_allowed=True) as slee:
        link = slee.add_resource("link", RecordingResource(RA))
        slee.install(Asker)
        link.endpoint.start_activity("asked", "asked")
        link.endpoint.fire("asked", Asked())
        link.endpoint.fire("asked", Told())
        slee.run()
        (failure,) = slee.failures
        assert "TMR-5" in str(failure)
        assert "test_tst_author.py:" in str(failure)
        assert str(failure).endswith("in on_told")


def test_du_23_a_test_gives_configuration_as_a_manifest_does() -> None:
    with SleeHarness(leftovers_allowed=True) as slee:
        link = slee.add_resource("link", RecordingResource(RA))
        with pytest.raises(VerificationError) as caught:
            slee.install(Configured, configuration={"ruoter": "x"})
        assert str(caught.value).splitlines() == [
            "config.Configured.router: the key is missing [DU-23]; give it a value",
            "config.Configured.ruoter: unknown key [DU-23]; did you mean router?",
        ]
        slee.install(Configured, configuration={"router": "x"})
        link.endpoint.start_activity("asked", "asked")
        link.endpoint.fire("asked", Asked())
        slee.run()
        assert link.commands == ["x 5.0"]

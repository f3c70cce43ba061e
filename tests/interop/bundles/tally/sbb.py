"""An SBB that keeps each call on a null activity of its own for some seconds, and counts what it opened and closed.

The lane of upgrades makes a second version of this file: another version number, and the lines that say so taken in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resource_adaptors.sip.api import SIP, Invite
from slee import (
    ActivityContext,
    Cmp,
    Sbb,
    TimerEvent,
    UsageParameters,
    cmp,
    counter,
    handles,
    initial_event,
    resource,
    usage_parameters,
)

# version 2: from slee import migrates

SECONDS = 4.0


class Count(UsageParameters):
    """Calls of one version."""

    opened = counter("Calls seen")
    closed = counter("Calls whose time was up")
    migrated = counter("Of those closed, the ones that came from another version")


def call_id(event: Invite) -> str:
    """Initial event selector: one entity for each call."""
    return event.request.call_id


class Tally(Sbb, vendor="test", version="1.0"):
    """One call's."""

    sip = resource(SIP)
    count = usage_parameters(Count)
    home: Cmp[ActivityContext | None] = cmp(None)
    # version 2: origin: Cmp[str] = cmp("two")

    @initial_event(selector=call_id)
    def on_invite(self, event: Invite, aci: ActivityContext) -> None:
        if self.home is None:
            self.home = self.null_activities.create()
            self.home.attach(self)
            self.timers.set(self.home, after=SECONDS)
            self.count.opened.increment()
        aci.detach(self)

    @handles
    def on_timer(self, event: TimerEvent, aci: ActivityContext) -> None:
        assert aci == self.home
        self.count.closed.increment()
        # version 2: self.count.migrated.increment(int(self.origin == "one"))
        aci.detach(self)

    @staticmethod
    # version 2: @migrates(from_version="1.0")
    def up(old: Mapping[str, Any]) -> dict[str, object]:
        return {**old, "origin": "one"}

    @staticmethod
    # version 2: @migrates(to_version="1.0")
    def down(new: Mapping[str, Any]) -> dict[str, object]:
        return {"home": new["home"]}

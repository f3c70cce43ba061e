"""Shared attributes of a view have the declared type, and a view serves as a context."""

from __future__ import annotations

from typing import assert_type

from slee import ActivityContext, ActivityContextView, Sbb, Shared, TimerEvent, handles, shared


class CallView(ActivityContextView):
    hops: Shared[int] = shared(0)
    leg: Shared[ActivityContext | None] = shared(None, alias="leg")
    label = shared("plain")


class Counting(Sbb, vendor="example.net", version="1.0"):
    @handles
    def on_timer(self, event: TimerEvent, aci: CallView) -> None:
        assert_type(aci.hops, int)
        assert_type(aci.leg, ActivityContext | None)
        assert_type(aci.label, str)
        aci.hops += 1
        self.timers.set(aci, after=1.0)
        assert_type(CallView(aci).hops, int)
        aci.leg = aci

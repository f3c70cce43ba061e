"""Views refuse values of another type and attributes that they do not declare."""

from __future__ import annotations

from slee import ActivityContext, ActivityContextView, Shared, shared


class CallView(ActivityContextView):
    hops: Shared[int] = shared(0)


def look(aci: ActivityContext) -> None:
    view = CallView(aci)
    view.hops = "one"  # expect: assignment | reportAttributeAccessIssue
    view.jumps = 1  # expect: attr-defined | reportAttributeAccessIssue
    CallView(None)  # expect: arg-type | reportArgumentType

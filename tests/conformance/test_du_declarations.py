"""What a class declares and how it is verified (DU-1 to DU-5)."""

from __future__ import annotations

from typing import Any

import pytest

from slee import ActivityContext, ActivityEnd, Sbb, Select, event_type, fires, handles, initial_event
from slee.api.errors import ComponentDefinitionError, Issue, VerificationError
from slee.model.descriptor import describe_sbb
from slee.testing import RecordingResource, SleeHarness, recording_type


@event_type("test.One", vendor="test", version="1.0")
class One:
    number: int = 0


@event_type("test.Two", vendor="test", version="1.0")
class Two:
    number: int = 0


def issues(sbb: type[Sbb]) -> tuple[Issue, ...]:
    with pytest.raises(VerificationError) as caught:
        describe_sbb(sbb)
    return caught.value.issues


def test_du_1_marks_and_fires_declare_what_is_received_and_fired() -> None:
    class Both(Sbb, vendor="test", version="1.0"):
        one = fires(One)

        @initial_event(Select.ACTIVITY_CONTEXT)
        def on_one(self, event: One, aci: ActivityContext) -> None: ...

        def on_two(self, event: Two, aci: ActivityContext) -> None:
            """Looks like a handler, and is none."""

    described = describe_sbb(Both)
    assert set(described.handlers) == {One}
    assert dict(described.fires) == {"one": One}


def test_du_2_what_is_not_said_is_the_default() -> None:
    class Plain(Sbb, vendor="test", version="1.0"):
        @handles
        def on_one(self, event: One, aci: ActivityContext) -> None: ...

        @initial_event(Select.EVENT, mask_on_attach=True)
        def on_two(self, event: Two, aci: ActivityContext) -> None: ...

    marks = {event: handler.mark for event, handler in describe_sbb(Plain).handlers.items()}
    assert (marks[One].initial, marks[One].mask_on_attach) == (False, False)
    assert (marks[Two].initial, marks[Two].mask_on_attach) == (True, True)


def test_du_2_an_event_not_marked_initial_makes_no_entity() -> None:
    class Plain(Sbb, vendor="test", version="1.0"):
        @handles
        def on_one(self, event: One, aci: ActivityContext) -> None: ...

    with SleeHarness(leftovers_allowed=True) as slee:
        ra = slee.add_resource("test", RecordingResource(recording_type(One)))
        slee.install(Plain)
        ra.endpoint.start_activity("a", "activity")
        ra.endpoint.fire("a", One())
        slee.run()
        assert slee.entities(Plain) == []
        ra.endpoint.end_activity("a")


@pytest.mark.parametrize("argument", [{"selector": lambda event: 1}, {"variables": Select.EVENT}])
def test_du_3_selection_goes_with_initial_event_only(argument: dict[str, Any]) -> None:
    with pytest.raises((ComponentDefinitionError, TypeError)):
        handles(**argument)


def test_du_4_every_wrong_handler_is_found_at_verification() -> None:
    class Wrong(Sbb, vendor="test", version="1.0"):
        @handles
        def unannotated(self, event, aci: ActivityContext) -> None: ...

        @handles
        def unresolved(self, event: Nowhere, aci: ActivityContext) -> None:  # noqa: F821
            ...

        @handles
        def no_event(self, event: int, aci: ActivityContext) -> None: ...

        @handles
        async def waits(self, event: One, aci: ActivityContext) -> None: ...

        @handles
        def yields(self, event: One, aci: ActivityContext) -> Any:
            yield

        @handles
        def short(self, event: One) -> None: ...

        @handles
        def keyword(self, event: One, *, aci: ActivityContext) -> None: ...

        @handles
        def first(self, event: Two, aci: ActivityContext) -> None: ...

        @handles
        def second(self, event: Two, aci: ActivityContext) -> None: ...

    found = {issue.component.rpartition(".")[2] for issue in issues(Wrong) if issue.rule == "DU-4"}
    assert found == {"unannotated", "unresolved", "no_event", "waits", "yields", "short", "keyword", "second"}


@pytest.mark.parametrize("wrong", [int, "One", None, Sbb])
def test_du_5_fires_needs_an_event_type(wrong: Any) -> None:
    with pytest.raises(ComponentDefinitionError, match="DU-5"):
        fires(wrong)


def test_du_5_an_sbb_fires_only_through_its_declarations() -> None:
    class Silent(Sbb, vendor="test", version="1.0"):
        @initial_event(Select.ACTIVITY_CONTEXT)
        def on_one(self, event: One, aci: ActivityContext) -> None: ...

    assert not any("fire" in name for name in dir(Silent))
    assert not any("fire" in name for name in dir(ActivityContext))
    assert ActivityEnd not in describe_sbb(Silent).handlers

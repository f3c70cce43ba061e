"""Descriptors of SBBs and services: what a class declares, and everything that is wrong with it at once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from slee import (
    ActivityContext,
    Cmp,
    EventContext,
    Sbb,
    Select,
    ServiceID,
    child,
    cmp,
    event_type,
    fires,
    handles,
    initial_event,
    local,
    resource,
)
from slee.api.errors import ComponentDefinitionError, InvalidStateError, VerificationError
from slee.model.descriptor import Durability, describe_sbb, describe_service
from slee.testing import recording_type


@event_type("test.One", vendor="test", version="1.0")
class One:
    number: int = 0


@event_type("test.Two", vendor="test", version="1.0")
class Two:
    number: int = 0


RA = recording_type(One, Two)


def number(event: One) -> int:
    return event.number


class Twig(Sbb, vendor="test", version="1.0"):
    @local(raises=(LookupError,))
    def look(self) -> None: ...


class Branch(Sbb, vendor="test", version="1.0"):
    twigs = child(Twig)


class Tree(Sbb, vendor="test", version="2.0", name="oak", reentrant=True):
    ra = resource(RA)
    two = fires(Two)
    branches = child(Branch, default_priority=3)
    count: Cmp[int] = cmp()
    text: Cmp[str] = cmp("x")

    @initial_event(Select.ADDRESS, selector=number, option="any")
    def on_one(self, event: One, aci: ActivityContext) -> None: ...

    @handles(mask_on_attach=True)
    def on_two(self, event: Two, aci: ActivityContext, context: EventContext) -> None: ...

    @local
    def grow(self) -> None: ...

    def sbb_load(self) -> None: ...


def test_a_descriptor_says_what_the_class_declares() -> None:
    tree = describe_sbb(Tree)
    assert str(tree.id) == "SbbID[name=oak,vendor=test,version=2.0]"
    assert {name: str(kind) for name, kind in tree.fields.items()} == {"count": "int", "text": "str"}
    assert tree.initial == {"count": 0, "text": "x"}
    assert tree.resources == {"ra": RA}
    assert tree.fires == {"two": Two}
    assert tree.local_methods == {"grow": ()}
    assert tree.callbacks == {"sbb_load"}
    assert tree.masked_on_attach == {Two}
    assert (tree.children["branches"].sbb, tree.children["branches"].default_priority) == (Branch, 3)
    one, two = tree.handlers[One], tree.handlers[Two]
    assert (one.method, one.takes_event_context, one.mark.initial, one.mark.option) == ("on_one", False, True, "any")
    assert (one.mark.variables, one.mark.selector) == (Select.ADDRESS, number)
    assert (two.method, two.takes_event_context, two.mark.initial) == ("on_two", True, False)


def test_a_service_has_every_sbb_reachable_by_child_relations() -> None:
    identity = ServiceID("a", "b", "c")
    service = describe_service(identity, Tree, default_priority=7, durability=Durability.SYNC)
    assert [sbb.name for sbb in service.sbbs] == ["oak", "Branch", "Twig"]
    assert (service.id, service.default_priority, service.durability) == (identity, 7, Durability.SYNC)
    assert service.root.cls is Tree


def test_verification_calls_nothing_and_gives_the_same_twice() -> None:
    assert describe_sbb(Tree).fields == describe_sbb(Tree).fields


def test_a_subclass_inherits_declarations_and_handlers() -> None:
    class Elm(Tree, vendor="test", version="1.0"):
        extra: Cmp[int] = cmp(1)

    elm = describe_sbb(Elm)
    assert list(elm.fields) == ["count", "text", "extra"]
    assert set(elm.handlers) == {One, Two}
    assert elm.callbacks == {"sbb_load"}
    assert elm.id.name == "Elm"


class Crooked(Sbb, vendor="test", version="1.0"):
    @handles
    async def on_later(self, event: One, aci: ActivityContext) -> None: ...

    @handles
    def on_many(self, event: One, aci: ActivityContext) -> Any:
        yield

    @handles
    def on_short(self, event: One) -> None: ...

    @handles
    def on_keywords(self, event: One, *, aci: ActivityContext) -> None: ...

    @handles
    def on_bare(self, event, aci: ActivityContext) -> None: ...

    @handles
    def on_no_event(self, event: int, aci: ActivityContext) -> None: ...

    @handles
    def on_missing(self, event: Missing, aci: ActivityContext) -> None: ...  # noqa: F821

    @handles
    def on_one(self, event: One, aci: ActivityContext) -> None: ...

    @handles
    def on_one_again(self, event: One, aci: ActivityContext) -> None: ...


class Grove(Sbb, vendor="test", version="1.0"):
    crooked = child(Crooked)


@pytest.mark.parametrize("describe", [describe_sbb, lambda cls: describe_service(ServiceID("a", "b", "c"), Grove)])
def test_every_wrong_handler_is_listed_at_once(describe: Any) -> None:
    with pytest.raises(VerificationError) as info:
        describe(Crooked)
    assert {issue.rule for issue in info.value.issues} == {"DU-4"}
    places = [issue.component.rpartition(".")[2] for issue in info.value.issues]
    assert sorted(places) == [
        "on_bare",
        "on_keywords",
        "on_later",
        "on_many",
        "on_missing",
        "on_no_event",
        "on_one_again",
        "on_short",
    ]


def test_the_retired_twin_refuses_everything() -> None:
    tree = describe_sbb(Tree)
    assert issubclass(tree.retired, Tree)

    def refuse_late_use(name: str) -> None:
        raise InvalidStateError(name)

    instance = object.__new__(Tree)
    instance._slee = SimpleNamespace(refuse_late_use=refuse_late_use)
    instance.__class__ = tree.retired
    for use in (
        lambda: instance.count,
        lambda: instance.on_one,
        lambda: setattr(instance, "count", 1),
        lambda: delattr(instance, "count"),
        lambda: instance.sbb_load(),
        lambda: instance.anything,
    ):
        with pytest.raises(InvalidStateError):
            use()


def test_an_sbb_class_needs_vendor_and_version() -> None:
    with pytest.raises(ComponentDefinitionError, match="CID-4"):

        class Nameless(Sbb):
            pass


def test_fires_and_child_judge_their_argument() -> None:
    with pytest.raises(ComponentDefinitionError, match="DU-5"):
        fires(int)
    with pytest.raises(ComponentDefinitionError, match="CHD-13"):
        child(int)


def test_several_definition_errors_come_at_once() -> None:
    with pytest.raises(ComponentDefinitionError) as info:

        class Wrong(Sbb, vendor="test", version="1.0"):
            numbers: Cmp[list[int]] = cmp()
            count: Cmp[int] = cmp("x")
            timers: Cmp[int] = cmp()

            def __init__(self) -> None: ...

    assert sorted(issue.rule for issue in info.value.issues) == ["CMP-10", "CMP-11", "CMP-11", "SBB-3"]

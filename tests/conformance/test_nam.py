"""Activity context naming (group NAM)."""

from __future__ import annotations

from typing import Any

import pytest

from slee import ActivityContext
from slee.api.errors import InvalidStateError, NameAlreadyBoundError, NameNotBoundError, TransactionRequiredError
from slee.kernel.states import ContextState
from tests.conformance.kit import LOG, Do, Root, World


def test_nam_1_one_flat_space_for_all_services() -> None:
    with World() as world:
        one, two = world.slee.install(Root, name="one"), world.slee.install(Root, name="two")
        kept: list[Any] = []
        world.fire("a", Do(lambda sbb, aci: kept.append(sbb.naming) or sbb.naming.bind(aci, "name")), service=one)
        seen: list[object] = []
        world.fire("b", Do(lambda sbb, aci: seen.append(sbb.naming.find("name"))), service=two)
        assert seen == [world.context("a")]
        for use in (
            lambda: kept[0].find("name"),
            lambda: kept[0].unbind("name"),
            lambda: kept[0].bind(world.context("a"), "other"),
        ):
            with pytest.raises(TransactionRequiredError):
                use()


def test_nam_2_a_name_in_use_is_refused_also_for_the_same_context() -> None:
    with World(Root) as world:
        b = world.start("b")

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.naming.bind(aci, "name")
            for context in (aci, b):
                with pytest.raises(NameAlreadyBoundError):
                    sbb.naming.bind(context, "name")
            assert sbb.naming.find("name") is aci

        world.do("a", act)


def test_nam_3_what_cannot_be_a_name_or_context_is_refused() -> None:
    with World(Root) as world:
        gone = world.start("gone")
        world.end("gone")

        def act(sbb: Any, aci: ActivityContext) -> None:
            with pytest.raises(ValueError, match="NAM-3"):
                sbb.naming.bind(aci, "")
            for use in (
                lambda: sbb.naming.bind(aci, None),
                lambda: sbb.naming.bind(None, "name"),
                lambda: sbb.naming.find(None),
                lambda: sbb.naming.unbind(None),
            ):
                with pytest.raises(TypeError):
                    use()
            with pytest.raises(InvalidStateError):
                sbb.naming.bind(gone, "name")
            null = sbb.null_activities.create()
            null.activity.end()
            with pytest.raises(InvalidStateError):
                sbb.naming.bind(null, "name")
            sbb.naming.bind(aci, " Name ")
            assert sbb.naming.find("name") is None
            assert not sbb.is_rollback_only

        world.do("a", act)


def test_nam_4_a_context_may_have_several_names() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.naming.bind(aci, "one")
            sbb.naming.bind(aci, "two")
            sbb.naming.unbind("one")
            assert sbb.naming.find("one") is None
            assert sbb.naming.find("two") is aci

        world.do("a", act)


def test_nam_5_unbind_of_an_unknown_name_is_an_error_and_anybody_may_unbind() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: sbb.naming.bind(aci, "name"), key="1")

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.naming.unbind("name")
            with pytest.raises(NameNotBoundError):
                sbb.naming.unbind("name")

        world.do("b", act, key="2")


def test_nam_6_find_does_not_attach() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: sbb.naming.bind(aci, "name"), key="1")
        context = world.start("a")

        def act(sbb: Any, aci: ActivityContext) -> None:
            found = sbb.naming.find("name")
            assert found == context
            assert not found.is_attached(sbb)
            assert sbb.naming.find("unknown") is None

        world.do("b", act, key="2")


def test_nam_7_a_name_unbound_may_be_bound_anew_in_the_same_transaction() -> None:
    with World(Root) as world:
        b = world.start("b")
        world.do("a", lambda sbb, aci: sbb.naming.bind(aci, "name"))

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.naming.unbind("name")
            sbb.naming.bind(b, "name")
            assert sbb.naming.find("name") is b

        world.do("a", act)


def test_nam_8_rollback_undoes_both() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: sbb.naming.bind(aci, "kept"))
        b = world.start("b")

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.naming.unbind("kept")
            sbb.naming.bind(b, "kept")
            sbb.naming.bind(aci, "never")
            sbb.set_rollback_only()

        def look(sbb: Any, aci: ActivityContext) -> None:
            assert sbb.naming.find("kept") is aci
            assert sbb.naming.find("never") is None

        world.do("a", act)
        world.do("a", look)


def test_nam_9_of_two_binders_one_wins() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: sbb.naming.bind(aci, "name"), key="1")

        def act(sbb: Any, aci: ActivityContext) -> None:
            with pytest.raises(NameAlreadyBoundError):
                sbb.naming.bind(aci, "name")

        world.do("b", act, key="2")


def test_nam_10_names_last_until_the_end_is_complete() -> None:
    with World(Root) as world:
        world.do("a", lambda sbb, aci: sbb.naming.bind(aci, "name"))
        seen: list[object] = []
        world.on(Root, "on_end", lambda sbb, aci: seen.append(sbb.naming.find("name") is aci))
        world.end("a")
        world.do("b", lambda sbb, aci: seen.append(sbb.naming.find("name")) or sbb.naming.bind(aci, "name"))
        assert seen == [True, None]


def test_nam_11_a_name_is_a_reference() -> None:
    with World(Root) as world:

        def act(sbb: Any, aci: ActivityContext) -> None:
            sbb.naming.bind(aci, "name")
            null = sbb.null_activities.create()
            sbb.naming.bind(null, "null")
            kept.append(null)
            aci.detach(sbb)

        kept: list[Any] = []
        world.do("a", act)
        assert world.told("activity_unreferenced") == []
        assert kept[0].state is ContextState.ACTIVE
        world.do("b", lambda sbb, aci: (sbb.naming.unbind("name"), sbb.naming.unbind("null")))
        assert world.told("activity_unreferenced") == [("a",)]
        assert kept[0].state is ContextState.INVALID


def test_nam_12_names_do_not_follow_their_binder() -> None:
    with World(Root) as world:
        world.slee.install(Root, name="other")
        world.fire("a", Do(lambda sbb, aci: sbb.naming.bind(aci, "name") or aci.detach(sbb)), service=world.service)
        world.kernel.deactivate_service(world.service)
        world.do("b", lambda sbb, aci: LOG.append(str(sbb.naming.find("name"))))
        assert LOG[-1] == "test:a"

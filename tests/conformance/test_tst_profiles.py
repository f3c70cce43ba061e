"""The test kit and profiles: faults in callbacks of profiles and in their store, and their calls (TST-6, TST-7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from slee.api.errors import CreateError, TransactionRolledBackError
from slee.api.profile import PROFILE_CALLBACKS
from slee.testing import Crash, Delay
from slee.testing.faults import POINTS
from tests.conformance.profile_kit import CALLS, Boom, Tables

pytestmark = pytest.mark.usefixtures("followed")

BY_COMPONENTS: dict[str, Callable[[Any], object]] = {
    "callback.profile_activate": lambda sbb: sbb.traced.get("one").number,
    "callback.profile_load": lambda sbb: sbb.traced.get("one").number,
    "callback.profile_method": lambda sbb: sbb.traced.get("one").use(),
    "callback.profile_store": lambda sbb: sbb.traced.get("one").number,
    "callback.profile_passivate": lambda sbb: sbb.traced.get("one").number,
    "callback.profile_remove": lambda sbb: sbb.traced.remove("one"),
    "callback.profile_post_create": lambda sbb: sbb.traced.create("two"),
}
"""The points that a delivery comes by, each with something that does."""


def test_tst_6_every_callback_of_a_profile_is_a_point() -> None:
    assert {f"callback.{name}" for name in PROFILE_CALLBACKS} <= POINTS
    with Tables() as world:
        for point in (*BY_COMPONENTS, "callback.profile_initialize", "callback.profile_verify"):
            world.slee.faults.inject(point, Delay(0))
        world.profiles.create_table("more", world.profiles.table("Traced").descriptor.id)
        world.add("Traced", "one")
        for act in BY_COMPONENTS.values():
            world.use(act)
            world.profiles.put_rows("Traced", {"one": (0,)})
        assert world.slee.faults.pending == []


@pytest.mark.parametrize("point", BY_COMPONENTS)
def test_tst_6_an_error_in_a_callback_of_a_profile_rolls_the_delivery_back_and_drops_the_instance(point: str) -> None:
    with Tables(failures_allowed=True) as world:
        world.add("Traced", "one")
        before = world.slee.log.last(1)[0].number
        world.slee.faults.inject(point, Boom())

        def act(sbb: Any) -> None:
            sbb.plain.create("other")
            BY_COMPONENTS[point](sbb)

        world.use(act)
        assert (world.profiles.profiles("Traced"), world.profiles.profiles("Plain")) == (("one",), ())
        assert any(isinstance(error, Boom) for failure in world.slee.failures for error in causes(failure.cause))
        calls = [entry for entry in world.slee.log if entry.number > before and entry.where.startswith("Traced/")]
        dropped = point != "callback.profile_method"
        assert calls[-1].callback == (point.removeprefix("callback.") if dropped else "profile_passivate")
        CALLS.clear()
        world.use(BY_COMPONENTS[point])
        assert CALLS, "the next delivery has an instance of its own"


@pytest.mark.parametrize(
    ("point", "refusal"),
    [
        ("callback.profile_initialize", CreateError),
        ("callback.profile_post_create", CreateError),
        ("callback.profile_store", TransactionRolledBackError),
        ("callback.profile_verify", TransactionRolledBackError),
        ("callback.profile_passivate", TransactionRolledBackError),
    ],
)
def test_tst_6_an_error_in_a_callback_refuses_what_management_does(point: str, refusal: type[Exception]) -> None:
    with Tables() as world:
        specification = world.profiles.table("Traced").descriptor.id
        world.slee.faults.inject(point, Boom())
        with pytest.raises(refusal):
            world.profiles.create_table("more", specification)
        assert "more" not in world.profiles.tables()
        world.profiles.create_table("more", specification)


@pytest.mark.parametrize("point", BY_COMPONENTS)
def test_tst_6_a_crash_in_a_callback_of_a_profile_comes_out_of_the_harness(point: str) -> None:
    with Tables() as world:
        world.add("Traced", "one")
        world.slee.faults.inject(point, Crash())
        with pytest.raises(Crash):
            world.use(BY_COMPONENTS[point])


@pytest.mark.parametrize("point", BY_COMPONENTS)
def test_tst_6_a_delay_in_a_callback_of_a_profile_lets_time_pass(point: str) -> None:
    with Tables() as world:
        world.add("Traced", "one")
        begin = world.slee.now()
        world.slee.faults.inject(point, Delay(2.5))
        world.use(BY_COMPONENTS[point])
        assert world.slee.now() - begin == 2.5
        assert world.causes() == []


def test_tst_7_calls_of_a_profiles_code_are_in_the_log_with_their_transaction() -> None:
    with Tables(failures_allowed=True) as world:
        world.add("Traced", "one")
        before = world.slee.log.last(1)[0].number

        def act(sbb: Any) -> None:
            sbb.traced.get("one").use()
            raise Boom

        world.use(lambda sbb: sbb.traced.get("one").use())
        world.use(act)
        calls = [entry for entry in world.slee.log if entry.number > before and entry.where == "Traced/one"]
        handlers = [entry for entry in world.slee.log if entry.number > before and entry.callback == "on_do"]
        assert [(entry.callback, entry.outcome) for entry in calls] == [
            ("profile_activate", "committed"),
            ("profile_load", "committed"),
            ("use", "committed"),
            ("profile_store", "committed"),
            ("profile_passivate", "committed"),
            ("profile_activate", "rolled back"),
            ("profile_load", "rolled back"),
            ("use", "rolled back"),
            ("profile_passivate", "rolled back"),
        ]
        assert {(c.transaction, c.event, c.activity) for c in calls} == {
            (h.transaction, h.event, h.activity) for h in handlers
        }


def test_tst_7_calls_by_management_are_in_the_log() -> None:
    with Tables() as world:
        before = world.slee.log.last(1)[0].number
        world.change("Traced", None, number=1)
        calls = [entry for entry in world.slee.log if entry.number > before]
        assert [str(entry).split(" ", 1)[1] for entry in calls] == [
            f"tx{calls[0].transaction} - Traced/(default) {name} [-] committed"
            for name in ("profile_activate", "profile_load", "profile_store", "profile_verify", "profile_passivate")
        ]


def causes(error: Any) -> list[BaseException]:
    """An error and what it came of."""
    found: list[BaseException] = []
    while isinstance(error, BaseException):
        found.append(error)
        error = error.__cause__
    return found

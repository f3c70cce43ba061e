"""What an author is told of a migration that is not there, or not right (UPG-10, UPG-11)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from slee import ActivityContext, Cmp, Sbb, cmp, initial_event, migrates
from slee.api.errors import ComponentDefinitionError, UpgradeError, VerificationError
from slee.model.descriptor import describe_sbb
from slee.testing import RecordingResource, SleeHarness, upgrade
from tests.conformance.kit import RA, Do, key


class Old(Sbb, name="Keeper", vendor="test", version="1.0"):
    """Before."""

    count: Cmp[int] = cmp(0)

    @initial_event(selector=key)
    def on_do(self, event: Do, aci: ActivityContext) -> None:
        self.count += 1


class New(Old, name="Keeper", vendor="test", version="2.0"):
    """After, without a migration."""

    word: Cmp[str] = cmp()


def upgraded(new: type[Sbb]) -> dict[str, object]:
    """The state of the one tree after its migration."""
    with SleeHarness(leftovers_allowed=True) as slee:
        ra = slee.add_resource("test", RecordingResource(RA))
        one = slee.install(Old)
        two = slee.install(new, name="Old", activate=False)
        ra.endpoint.start_activity("a", "a")
        ra.endpoint.fire("a", Do(key="1"))
        slee.run()
        upgrade(slee, one, two, migrate=True)
        (root,) = slee.kernel.service(two).roots
        return dict(root.state)


def test_upg_10_a_migration_of_another_version_is_named_where_one_is_missing() -> None:
    class Wrong(New, name="Keeper", vendor="test", version="2.0"):
        @staticmethod
        @migrates(from_version="0.9")
        def up(old: Mapping[str, Any]) -> dict[str, object]:
            return {**old, "word": "new"}

    with pytest.raises(VerificationError, match=r"no migration from .*version=1\.0\], only for 0\.9 \[UPG-10\]"):
        upgraded(Wrong)
    with pytest.raises(VerificationError, match=r"no migration from SbbID\[name=Keeper,vendor=test,version=1\.0\] \["):
        upgraded(New)


def test_upg_10_the_two_decorators_may_stand_in_either_order() -> None:
    class Swapped(New, name="Keeper", vendor="test", version="2.0"):
        @migrates(from_version="1.0")
        @staticmethod
        def up(old: Mapping[str, Any]) -> dict[str, object]:
            return {**old, "word": "new"}

    assert upgraded(Swapped) == {"count": 1, "word": "new"}


def test_upg_10_a_migration_from_its_own_version_is_refused() -> None:
    class Own(New, name="Keeper", vendor="test", version="2.0"):
        @staticmethod
        @migrates(from_version="2.0")
        def up(old: Mapping[str, Any]) -> dict[str, object]:
            return {**old, "word": "new"}

    with pytest.raises(VerificationError, match=r"Own\.up: 2\.0 is its own version \[UPG-10\]; name the version"):
        describe_sbb(Own)


def test_upg_11_a_migration_that_returns_nothing_is_named() -> None:
    class Nothing(New, name="Keeper", vendor="test", version="2.0"):
        @staticmethod
        @migrates(from_version="1.0")
        def up(old: Mapping[str, Any]) -> dict[str, object]:
            {**old, "word": "new"}  # noqa: B018

    with pytest.raises(UpgradeError, match=r"version=2\.0\] returned None, which is no mapping .* \[UPG-11\]"):
        upgraded(Nothing)


def test_ies_17_a_selector_that_a_field_hides_is_told_as_what_it_is() -> None:
    with pytest.raises(ComponentDefinitionError, match="selector a Cmp of the class itself: that is no plain function"):

        class Hidden(Sbb, vendor="test", version="1.0"):
            key: Cmp[str] = cmp()

            @initial_event(selector=key)
            def on_do(self, event: Do, aci: ActivityContext) -> None: ...

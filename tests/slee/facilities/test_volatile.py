"""Volatile tables: rows that commit with the delivery and go when their time has come (correction of SIP-177)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from slee import (
    ActivityContext,
    RowExpired,
    Sbb,
    VolatileTable,
    event_type,
    handles,
    initial_event,
    volatile,
)
from slee.api.errors import TransactionRequiredError
from slee.testing import RecordingResource, SleeHarness, recording_type


class Row(msgspec.Struct, frozen=True):
    text: str
    until: float


class Loose(msgspec.Struct):
    text: str = ""


TABLE = VolatileTable("test", Row, vendor="test", version="1.0", expires="until")
EXPIRED: list[tuple[str, str, object]] = []


@event_type("test.Use", vendor="test", version="1.0")
class Use:
    act: Any


class User(Sbb, vendor="test", version="1.0"):
    rows = volatile(TABLE)

    @initial_event()
    def on_use(self, event: Use, aci: ActivityContext) -> None:
        event.act(self)


class Watcher(Sbb, vendor="test", version="1.0"):
    @initial_event()
    def on_expired(self, event: RowExpired, aci: ActivityContext) -> None:
        EXPIRED.append((event.table, event.key, event.row))

    @handles
    def on_use(self, event: Use, aci: ActivityContext) -> None: ...


class Tables:
    """A SLEE with a service that uses the table."""

    def __init__(self, *services: type[Sbb]) -> None:
        EXPIRED.clear()
        self.slee = SleeHarness(leftovers_allowed=True)
        self.ra = self.slee.add_resource("test", RecordingResource(recording_type(Use)))
        for service in (User, *services):
            self.slee.install(service)
        self.ra.endpoint.start_activity("a", "activity")
        self.begin = self.slee.now()

    def use(self, act: Any) -> None:
        self.ra.endpoint.fire("a", Use(act))
        self.slee.run()
        self.slee.check()

    def put(self, key: str, **until: float) -> None:
        rows = tuple(Row(text, self.begin + time) for text, time in until.items())
        self.use(lambda sbb: sbb.rows.put(key, rows))

    def find(self, key: str) -> list[str]:
        found: list[str] = []
        self.use(lambda sbb: found.extend(row.text for row in sbb.rows.find(key)))
        return found

    @property
    def count(self) -> int:
        return self.slee.tables.tables[TABLE.id].count


def test_rows_are_found_under_their_key() -> None:
    tables = Tables()
    tables.put("k", a=10, b=20)
    assert tables.find("k") == ["a", "b"]
    assert tables.find("other") == []
    assert tables.count == 2
    tables.put("k", c=10)
    assert tables.find("k") == ["c"]
    tables.put("k")
    assert tables.find("k") == []
    assert tables.count == 0


def test_changes_roll_back_with_the_delivery() -> None:
    tables = Tables()
    tables.put("k", a=10)

    def act(sbb: Any) -> None:
        sbb.rows.put("k", ())
        sbb.rows.put("new", (Row("x", tables.begin + 5),))
        sbb.set_rollback_only()

    tables.use(act)
    assert tables.find("k") == ["a"]
    assert tables.find("new") == []
    assert tables.count == 1
    tables.slee.clock.advance(11)
    assert tables.count == 0


def test_rows_go_when_their_time_has_come_and_are_told() -> None:
    tables = Tables(Watcher)
    tables.put("k", a=10, b=20, c=20)
    tables.slee.clock.advance(10)
    assert tables.find("k") == ["b", "c"]
    assert EXPIRED == [("test", "k", Row("a", tables.begin + 10))]
    tables.slee.clock.advance(10)
    assert tables.count == 0
    assert [row.text for _, _, row in EXPIRED] == ["a", "b", "c"]


def test_a_row_that_is_due_is_not_found_even_before_its_removal() -> None:
    tables = Tables()
    tables.put("k", a=10, b=20)
    tables.slee.clock.move_to(tables.begin + 15)
    seen: list[str] = []
    tables.slee.kernel.now = tables.begin + 15
    tx = tables.slee.kernel.begin()
    seen.extend(row.text for row in tables.slee.tables.rows(TABLE).find("k"))
    tables.slee.kernel.finish(tx)
    assert seen == ["b"]


def test_a_new_row_under_a_key_moves_its_expiry() -> None:
    tables = Tables()
    tables.put("k", a=10)
    tables.put("k", a=100)
    tables.slee.clock.advance(50)
    assert tables.find("k") == ["a"]
    tables.put("never", a=float("inf"))
    tables.slee.clock.advance(1000)
    assert tables.find("never") == ["a"]
    assert tables.find("k") == []


def test_no_activity_of_the_table_keeps_a_slee_from_stopping() -> None:
    tables = Tables(Watcher)
    tables.put("k", a=10, b=20)
    tables.slee.clock.advance(10)
    tables.slee.kernel.stop()
    tables.slee.clock.advance(20)
    tables.ra.endpoint.end_activity("a")
    tables.slee.run()
    assert tables.slee.kernel.state.value == "Stopped"


def test_misuse_is_refused() -> None:
    tables = Tables()
    rows = tables.slee.tables.rows(TABLE)
    for use in (lambda: rows.find("k"), lambda: rows.put("k", ())):
        with pytest.raises(TransactionRequiredError):
            use()

    def act(sbb: Any) -> None:
        for wrong in ([], (Loose(),), ("x",), None):
            with pytest.raises(TypeError):
                sbb.rows.put("k", wrong)

    tables.use(act)
    assert tables.count == 0


def test_a_declaration_needs_frozen_rows_and_a_time() -> None:
    with pytest.raises(TypeError, match="CMP-8"):
        VolatileTable("x", Loose, vendor="test", version="1.0")
    with pytest.raises(TypeError, match="SIP-177"):
        VolatileTable("x", Row, vendor="test", version="1.0", expires="text")

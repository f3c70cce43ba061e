"""Every store of the product passes the compliance kit."""

from __future__ import annotations

from pathlib import Path

import pytest

from slee.testing.store_compliance import StoreCompliance
from tests.slee.stores.storages import MemoryStorage, SimulatedStorage, SqliteStorage


class TestMemory(StoreCompliance):
    @pytest.fixture
    def storage(self) -> MemoryStorage:
        return MemoryStorage()


class TestSimulated(StoreCompliance):
    @pytest.fixture(params=range(10))
    def storage(self, request: pytest.FixtureRequest) -> SimulatedStorage:
        return SimulatedStorage(request.param)


class TestSqlite(StoreCompliance):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> SqliteStorage:
        return SqliteStorage(tmp_path)


class TestSqliteSynchronised(StoreCompliance):
    @pytest.fixture
    def storage(self, tmp_path: Path) -> SqliteStorage:
        return SqliteStorage(tmp_path, full=True)

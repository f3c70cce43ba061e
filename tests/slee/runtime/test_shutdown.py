"""The end of a SLEE in an embedding program (group SLE)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from slee.api.errors import InvalidStateError
from slee.kernel.states import StateChange
from slee.management.arguments import NoArguments
from slee.management.management import Equipment
from slee.management.operations import OPERATIONS
from slee.management.store import StateDirectory
from slee.runtime.slee import Slee


def embedded(path: Path, program: Callable[[Slee], None]) -> None:
    """Run a program on a SLEE that is Stopped."""

    async def main() -> None:
        slee = Slee(store=StateDirectory(path), adaptors=(), sections={})
        try:
            slee.start(Equipment())
            program(slee)
            with pytest.raises(InvalidStateError, match="SLE-12"):
                await slee.stop(1.0)
        finally:
            slee.close()

    anyio.run(main)


def test_sle_12_after_shutdown_every_operation_is_refused(tmp_path: Path) -> None:
    def program(slee: Slee) -> None:
        management = slee.management
        if management.slee.show().state == "Running":
            management.slee.stop()
        told: list[StateChange] = []
        slee.observer.listeners.append(told.append)
        management.slee.shutdown()
        assert slee.shutdown_asked.is_set()
        assert told == []
        with pytest.raises(InvalidStateError, match="SLE-12"):
            slee.start(Equipment())
        with pytest.raises(InvalidStateError, match="SLE-12"):
            _ = slee.management
        for operation in OPERATIONS:
            with pytest.raises(InvalidStateError, match="SLE-12"):
                operation.run(management, NoArguments())

    embedded(tmp_path, program)

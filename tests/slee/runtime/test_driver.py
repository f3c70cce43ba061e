"""What the driver lends to adaptors besides readers: tasks of the loop."""

from __future__ import annotations

import os

import anyio
import pytest

from slee.facilities.facilities import Facilities
from slee.kernel.kernel import Kernel
from slee.runtime.clock import SystemClock
from slee.runtime.driver import Driver
from slee.runtime.observer import LoggingObserver


def driver() -> Driver:
    clock = SystemClock()
    observer = LoggingObserver(Facilities(now=clock.now, random=os.urandom))
    return Driver(Kernel(observer=observer, random=os.urandom, ticks=clock.now), clock)


def test_a_spawned_coroutine_runs_and_what_it_raises_is_told() -> None:
    async def main() -> None:
        ran, failed = anyio.Event(), anyio.Event()
        errors: list[BaseException] = []

        async def work() -> None:
            ran.set()
            raise LookupError("x")

        def tell(error: BaseException) -> None:
            errors.append(error)
            failed.set()

        driver().spawn(work, tell)
        with anyio.fail_after(5):
            await ran.wait()
            await failed.wait()
        assert [type(error) for error in errors] == [LookupError]

    anyio.run(main)


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_a_spawned_coroutine_can_be_cancelled_and_ends_with_the_driver(how: str) -> None:
    async def main() -> None:
        begun, ended = anyio.Event(), anyio.Event()
        errors: list[BaseException] = []

        async def work() -> None:
            begun.set()
            try:
                await anyio.Event().wait()
            finally:
                ended.set()

        shell = driver()
        cancel = shell.spawn(work, errors.append)
        with anyio.fail_after(5):
            await begun.wait()
            cancel() if how == "cancel" else shell.close()
            await ended.wait()
        assert errors == []

    anyio.run(main)

"""The end of `slee run`: what it waits for, and what it says of an end that does not come."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import anyio
import pytest

from deploy import run
from deploy.run import drain, in_progress
from slee.runtime.slee import Slee
from tests.deploy.echo import Heard
from tests.deploy.workshop import Server, plain


class Stuck:
    """A server that does not stop."""

    def __init__(self, server: Server) -> None:
        self.kernel = server.kernel

    async def stop(self, within: float) -> None:
        await anyio.Event().wait()


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Server]:
    """A server with one activity, which one entity tree is attached to."""
    server = Server(tmp_path / "state")
    server.kernel.start()
    server.connect()
    server.install(plain(tmp_path))
    server.services.activate(["Plain"])
    server.fire("call", Heard("bob", "hi"))
    yield server
    server.close()


def test_what_is_in_progress_is_counted_by_service_and_resource(busy: Server) -> None:
    assert in_progress(busy.kernel) == "1 entity tree of Plain 1.0, 1 activity of echo"
    busy.fire("another", Heard("eve", "hi"))
    assert in_progress(busy.kernel) == "2 entity trees of Plain 1.0, 2 activities of echo"


def test_a_stop_that_is_given_up_says_what_it_waits_for_and_is_no_success(
    busy: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(run, "GRACE", 0.0)
    caplog.set_level(logging.INFO)
    assert anyio.run(drain, cast("Slee", Stuck(busy)), 0.0) == 1
    left = "1 entity tree of Plain 1.0, 1 activity of echo"
    told = [record.getMessage() for record in caplog.records if record.name == "deploy.run"]
    assert told == [
        f"waiting for {left}, at most 0 s",
        f"the SLEE has not stopped within 0 s, left are {left}; ending all the same",
    ]

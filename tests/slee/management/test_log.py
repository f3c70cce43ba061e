"""What management logs: one line for each change, with the id of what is changed."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from slee.api.ids import BundleID
from slee.management.archive import digest
from tests.deploy.echo import EchoAdaptor
from tests.deploy.workshop import Server, plain


def test_bundle_resource_and_link_operations_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="slee.management")
    server = Server(tmp_path / "state")
    bundle = plain(tmp_path)
    identity = BundleID("plain", "test", "1.0")
    sha256 = digest(bundle.archive)
    server.install(bundle)
    server.bundles.uninstall(identity)
    server.connect()
    server.resources.deactivate("echo")
    server.resources.unbind_link("echo-main")
    server.resources.remove("echo")
    server.close()
    assert [record.getMessage() for record in caplog.records] == [
        f"{identity} installed from {bundle.file_name}, sha256 {sha256}",
        f"{identity} uninstalled, sha256 {sha256}",
        f"echo: entity of {EchoAdaptor.id} created",
        "echo: link echo-main bound",
        "echo: activated",
        "echo: deactivated",
        "echo: link echo-main unbound",
        "echo: removed",
    ]
    assert [vars(record)["component"] for record in caplog.records] == [str(identity)] * 2 + ["echo"] * 6

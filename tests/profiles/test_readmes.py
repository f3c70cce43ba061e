"""The example in each README of a shipped specification can be imported."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.shipment import SHIPPED
from tests.deploy.workshop import Server, build

ROOT = Path(__file__).parents[2]
FOLDERS = [folder for folder in SHIPPED.bundles if folder.startswith("profiles/") and folder != "profiles/location"]
EXAMPLE = re.compile(r"^```toml\n(.*?)^```$.*?slee profile import (\w+) ", re.MULTILINE | re.DOTALL)


def test_what_is_shipped_is_there() -> None:
    bundles = {f"profiles/{path.parent.name}" for path in (ROOT / "profiles").glob("*/bundle.toml")}
    assert bundles >= {*FOLDERS, "profiles/location"}


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_example_is_taken(folder: str, tmp_path: Path) -> None:
    found = EXAMPLE.search((ROOT / folder / "README.md").read_text())
    assert found is not None
    server = Server(tmp_path / "state")
    server.install(build(ROOT / folder))
    result = server.management.profiles.import_(found[2], "toml").run([found[1].encode()])
    assert result.added == found[1].count("[profile.")
    server.close()

"""Each import contract of pyproject.toml breaks when code breaks it.

import-linter runs, with the project's own configuration, on a tree of empty packages and one offending import.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from .source import ROOT

PACKAGES = (
    "slee", "slee.api", "slee.spi", "slee.model", "slee.kernel", "slee.stores", "slee.facilities", "slee.management",
    "slee.runtime", "slee.server", "slee.testing",
    "resource_adaptors",
    "resource_adaptors.sip", "resource_adaptors.sip.message", "resource_adaptors.sip.protocol",
    "resource_adaptors.sip.testing", "resource_adaptors.sip.api",
    "resource_adaptors.http", "resource_adaptors.http.message", "resource_adaptors.http.protocol",
    "resource_adaptors.http.testing",
    "sbbs", "sbbs.proxy", "profiles", "profiles.location", "deploy",
)  # fmt: skip

# Contract, importing package, what it imports.
OFFENCES = [
    ("packages", "slee.runtime", "resource_adaptors.sip"),
    ("packages", "resource_adaptors.sip", "sbbs.proxy"),
    ("packages", "profiles.location", "sbbs.proxy"),
    ("packages", "sbbs.proxy", "deploy"),
    ("layers", "slee.api", "slee.spi"),
    ("layers", "slee.model", "slee.kernel"),
    ("layers", "slee.kernel", "slee.stores"),
    ("layers", "slee.stores", "slee.facilities"),
    ("layers", "slee.facilities", "slee.stores"),
    ("layers", "slee.management", "slee.runtime"),
    ("layers", "slee.runtime", "slee.server"),
    ("layers", "slee.server", "slee.testing"),
    ("layers", "slee.unplaced", "slee.api"),
    ("authoring", "slee", "slee.spi"),
    ("adaptors", "resource_adaptors.sip", "slee.kernel"),
    ("adaptors", "resource_adaptors.sip", "slee.testing"),
    ("independence", "resource_adaptors.http", "resource_adaptors.sip"),
    ("services", "sbbs.proxy", "slee.kernel"),
    ("services", "profiles.location", "slee.spi"),
    ("by-manifest", "deploy", "sbbs.proxy"),
    ("testing", "deploy", "slee.testing"),
    ("testing", "sbbs.proxy", "resource_adaptors.sip.testing"),
    ("sans-io", "slee.kernel", "time"),
    ("sans-io", "slee.model", "os"),
    ("sans-io", "slee.spi", "asyncio"),
    ("sans-io", "slee.api", "random"),
    ("sans-io", "resource_adaptors.sip.protocol", "socket"),
    ("sans-io", "resource_adaptors.http.message", "anyio"),
]

CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def lint(tree: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    """Run import-linter on these contracts in a tree that has the project's configuration."""
    chosen = [argument for contract in contracts for argument in ("--contract", contract)]
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    return subprocess.run([*command, *chosen], cwd=tree, capture_output=True, text=True, check=False, timeout=15)


@pytest.fixture(scope="module")
def skeleton(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree of empty packages in which every contract is kept."""
    root = tmp_path_factory.mktemp("skeleton")
    for package in PACKAGES:
        folder = root.joinpath(*package.split("."))
        folder.mkdir()
        (folder / "__init__.py").touch()
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


def test_every_contract_is_kept_by_empty_packages(skeleton: Path) -> None:
    result = lint(skeleton)
    assert result.returncode == 0, result.stdout
    assert f"{len(CONTRACTS)} kept, 0 broken" in result.stdout


def test_every_contract_is_shown_to_fail() -> None:
    assert {contract["id"] for contract in CONTRACTS} == {contract for contract, _, _ in OFFENCES}


@pytest.mark.parametrize(
    ("contract", "importer", "imported"), OFFENCES, ids=lambda value: value.replace("resource_adaptors", "ra")
)
def test_offending_import_breaks_the_contract(skeleton: Path, contract: str, importer: str, imported: str) -> None:
    folder = skeleton.joinpath(*importer.split("."))
    made = not folder.exists()
    folder.mkdir(exist_ok=True)
    module = folder / "__init__.py"
    module.write_text(f"import {imported}\n")
    try:
        result = lint(skeleton, contract)
    finally:
        if made:
            shutil.rmtree(folder)
        else:
            module.write_text("")
    assert result.returncode == 1, result.stdout + result.stderr
    assert "1 broken" in result.stdout, result.stdout


def test_testing_side_of_an_adaptor_may_use_the_harness(skeleton: Path) -> None:
    module = skeleton / "resource_adaptors" / "sip" / "testing" / "__init__.py"
    module.write_text("import slee.testing\n")
    try:
        result = lint(skeleton)
    finally:
        module.write_text("")
    assert result.returncode == 0, result.stdout

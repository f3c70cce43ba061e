"""The wheel carries the five packages, what belongs to them, and nothing else."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.version import Version

from .source import PACKAGES, ROOT

BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
CARRIED = {"*.py", "py.typed", "*.toml", "README.md"}


def setuptools_is_too_old() -> bool:
    try:
        return Version(importlib.metadata.version("setuptools")) < Version("77")
    except importlib.metadata.PackageNotFoundError:
        return True


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in a wheel that is built from a copy, so that the build leaves nothing in the repository."""
    if setuptools_is_too_old():
        pytest.skip("setuptools >= 77 is not in this environment; scripts/test has it")
    source = tmp_path_factory.mktemp("source")
    for name in (*PACKAGES, "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    target = tmp_path_factory.mktemp("target")
    command = [sys.executable, "-W", "ignore", "-c", BUILD, str(target)]
    result = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    (built,) = target.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return set(archive.namelist())


def carried(package: str) -> set[str]:
    files = [path for pattern in CARRIED for path in (ROOT / package).rglob(pattern)]
    return {path.relative_to(ROOT).as_posix() for path in files}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("package", PACKAGES)
def test_wheel_carries_the_whole_package(wheel: set[str], package: str) -> None:
    assert carried(package) - wheel == set()


@pytest.mark.timeout(60)
def test_wheel_carries_nothing_else(wheel: set[str]) -> None:
    tops = {Path(name).parts[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(PACKAGES)

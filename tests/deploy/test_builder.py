"""Building bundles: which files go in, and the same bytes each time."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from deploy.builder import Builder, collect_modules
from slee.api.errors import DeploymentError
from slee.management.archive import read_archive
from tests.deploy.echo import EchoAdaptor
from tests.deploy.workshop import GREETER, PLACES, build, manifest, sbb, service, write


def test_a_folder_below_sbbs_holds_the_modules_of_its_own_path(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"sbbs/a/__init__.py": "", "sbbs/a/b.py": "b", "sbbs/a/deep/c.py": "c", "sbbs/a/x.txt": "", "sbbs/z.py": ""},
    )
    files, modules = collect_modules(tmp_path / "sbbs" / "a", ["sbbs.a"])
    assert modules == ("sbbs.a", "sbbs.a.b", "sbbs.a.deep.c")
    assert sorted(files) == ["sbbs/a/__init__.py", "sbbs/a/b.py", "sbbs/a/deep/c.py"]
    assert collect_modules(tmp_path / "sbbs" / "a", ["sbbs.a.b"])[1] == ("sbbs.a.b",)


def test_a_module_outside_of_the_folder_is_not_taken(tmp_path: Path) -> None:
    write(tmp_path, {"sbbs/a/b.py": "", "sbbs/z.py": "", "sbbs/other/__init__.py": ""})
    for module in ("sbbs.z", "sbbs.other", "sbbs.a.nothing"):
        with pytest.raises(DeploymentError, match="DU-10"):
            collect_modules(tmp_path / "sbbs" / "a", [module])


def test_equal_sources_make_equal_bytes_wherever_and_whenever(tmp_path: Path) -> None:
    places = build(PLACES)
    copies = []
    for name, when in (("one", 1_000_000_000), ("two", 1_600_000_000)):
        folder = tmp_path / name / "sbbs" / "greeter"
        write(
            folder,
            {
                path.name: path.read_text()
                for path in sorted(GREETER.iterdir(), reverse=name == "two")
                if path.is_file()
            },
        )
        for path in folder.iterdir():
            os.utime(path, (when, when))
            path.chmod(0o600 if name == "one" else 0o755)
        copies.append(build(folder, places).archive)
    assert copies[0] == copies[1]


def test_the_archive_is_a_standard_wheel(tmp_path: Path) -> None:
    folder = write(
        tmp_path, {"bundle.toml": manifest(more=service()), "sbbs/plain.py": sbb(), "README.md": "Says words.\n"}
    )
    built = build(folder)
    assert built.file_name == "plain-1.0-py3-none-any.whl"
    with zipfile.ZipFile(io.BytesIO(built.archive)) as archive:
        metadata = archive.read("plain-1.0.dist-info/METADATA").decode()
        assert "Name: plain\nVersion: 1.0\n" in metadata
        assert metadata.endswith("\n\nSays words.\n")
        assert "Wheel-Version: 1.0" in archive.read("plain-1.0.dist-info/WHEEL").decode()
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_lock_tells_components_with_the_hash_of_their_state(tmp_path: Path) -> None:
    def locked(field: str) -> str | None:
        source = "from slee import Cmp, cmp\n" + sbb() + f"    {field}\n"
        folder = write(tmp_path / str(len(field)), {"bundle.toml": manifest(), "sbbs/plain.py": source})
        (entry,) = read_archive(build(folder).archive, "").lock.component
        assert entry.id == "SbbID[name=Plain,vendor=test,version=1.0]"
        return entry.schema_hash

    hashes = [
        locked(field)
        for field in (
            "a: Cmp[int] = cmp()",
            "a: Cmp[int] = cmp(7)",
            "ab: Cmp[int] = cmp()",
            "ab: Cmp[int | None] = cmp()",
        )
    ]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_dependencies_that_are_there_as_source_are_built_on_the_way() -> None:
    builder = Builder([EchoAdaptor])
    builder.offer_folder(PLACES)
    builder.build(GREETER)
    assert [built.manifest.bundle.name for built in builder.built()] == ["places", "greeter"]
    builder.close()

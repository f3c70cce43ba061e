"""Group DU, first half: what the class declares, and what an archive must be."""

from __future__ import annotations

import io
import stat
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.builder import Built
from slee.api.errors import (
    DeploymentError,
    VerificationError,
)
from slee.api.ids import SbbID
from slee.management.archive import read_archive, record
from tests.deploy.workshop import (
    PLACES,
    Server,
    build,
    manifest,
    private_modules,
    repacked,
    sbb,
    service,
    trace,
    write,
)

# What the class declares.


def test_du_6_a_build_and_an_install_list_every_issue_of_every_class(tmp_path: Path) -> None:
    source = """
from slee import ActivityContext, Sbb, handles
from tests.deploy.echo import Heard

class One(Sbb, vendor="test", version="1.0"):
    @handles
    async def on_what(self, event: Heard, aci: ActivityContext): ...

class Two(Sbb, vendor="test", version="1.0"):
    @handles
    def on_what(self, event, aci): ...
"""
    folder = write(tmp_path, {"bundle.toml": manifest(), "sbbs/plain.py": source})
    with pytest.raises(VerificationError) as error:
        build(folder)
    assert [(issue.component, issue.rule) for issue in error.value.issues] == [
        ("One.on_what", "DU-4"),
        ("Two.on_what", "DU-4"),
    ]
    assert all(issue.component and issue.remedy for issue in error.value.issues)


def test_du_6_what_a_class_alone_shows_to_be_wrong_refuses_the_bundle(tmp_path: Path) -> None:
    source = "from slee import Sbb\nclass One(Sbb, vendor='test', version='1'):\n    def __init__(self): ...\n"
    folder = write(tmp_path, {"bundle.toml": manifest(), "sbbs/plain.py": source})
    with pytest.raises(VerificationError, match="SBB-3"):
        build(folder)


def test_du_7_verifying_twice_gives_the_same_report_and_leaves_no_module(tmp_path: Path) -> None:
    folder = write(tmp_path, {"bundle.toml": manifest(more=service("sbbs.plain:Nobody")), "sbbs/plain.py": sbb()})
    before = private_modules()
    reports: list[str] = []
    for _ in range(2):
        with pytest.raises(VerificationError) as error:
            build(folder)
        reports.append(str(error.value))
    assert reports[0] == reports[1]
    assert private_modules() == before


# What an archive must be.


@pytest.mark.parametrize("name", ["bundle.toml", "bundle.lock"])
def test_du_8_a_missing_manifest_or_lock_refuses_the_bundle(server: Server, places: Built, name: str) -> None:
    def drop(files: dict[str, bytes]) -> None:
        for path in [path for path in files if path.endswith(name)]:
            del files[path]

    with pytest.raises(DeploymentError, match=rf"{name}:1: the file is missing \[DU-8\]"):
        server.bundles.install("a", repacked(places, drop, lock=False))


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("[bundle]\nname = 'x'\n", 1, "bundle.vendor"),
        ("[bundle]\nname = 'x'\nvendor = 'v'\nversion = 1\nmodules = ['a']", 4, "bundle.version"),
        (
            "[bundle]\nname = 'x'\nvendor = 'v'\nversion = '1'\nmodules = ['a']\n\n[[service]]\nname = 's'\n",
            7,
            "service.0.root-sbb",
        ),
        ("[bundle]\nname = ''\nvendor = 'v'\nversion = '1'\nmodules = ['slee.kernel']", 5, "bundle.modules.0"),
        ("[bundle]\nname = 'x'\nvendor = 'v'\nversion = '1'\n", 1, "document"),
        ("[bundle\n", 1, ""),
        ("[bundle]\nname = 'x'\nname = 'y'\n", 3, ""),
    ],
)
def test_du_8_an_invalid_manifest_is_told_by_file_line_and_key(tmp_path: Path, text: str, line: int, key: str) -> None:
    folder = write(tmp_path, {"bundle.toml": text})
    with pytest.raises(DeploymentError) as error:
        build(folder)
    assert f"{folder / 'bundle.toml'}:{line}: {key}" in str(error.value)
    assert "[DU-8]" in str(error.value)


def test_du_8_an_invalid_lock_is_told_by_file_line_and_key(server: Server, places: Built) -> None:
    def spoil(files: dict[str, bytes]) -> None:
        path = next(path for path in files if path.endswith("bundle.lock"))
        files[path] = files[path].replace(b"format = 1", b"format = 2")

    with pytest.raises(DeploymentError, match=r"bundle\.lock:2: format: .* \[DU-8\]"):
        server.bundles.install("a", repacked(places, spoil, lock=False))


@pytest.mark.parametrize(
    ("more", "line", "hint"),
    [
        ("[servce]\n", 6, "did you mean service"),
        ("[[service]]\nname = 's'\nroot-sbb = 'a:B'\ndurabilty = 'sync'\n", 9, "did you mean durability"),
    ],
)
def test_du_9_an_unknown_section_or_key_is_an_error(tmp_path: Path, more: str, line: int, hint: str) -> None:
    folder = write(tmp_path, {"bundle.toml": manifest(more=more), "sbbs/plain.py": sbb()})
    with pytest.raises(DeploymentError, match=rf"bundle\.toml:{line}: .*unknown key.*{hint}"):
        build(folder)


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ("[links]\nSPI = 'x'\n", "links.SPI"),
        ("[config.Nobody]\na = 1\n", "config.Nobody"),
    ],
)
def test_du_9_a_link_or_configuration_that_nothing_uses_is_an_error(tmp_path: Path, more: str, key: str) -> None:
    folder = write(tmp_path, {"bundle.toml": manifest(more=more), "sbbs/plain.py": "x = 1\n"})
    with pytest.raises(VerificationError, match=rf"bundle\.toml:\d: {key}: .*DU-9"):
        build(folder)


def test_du_9_a_link_is_not_said_to_be_unused_where_an_sbb_cannot_be_described(tmp_path: Path) -> None:
    source = sbb().replace("event: Heard", "event: int")
    more = service() + "[config.Plain]\na = 1\n"
    with pytest.raises(VerificationError) as error:
        build(write(tmp_path, {"bundle.toml": manifest(more=more), "sbbs/plain.py": source}))
    assert [issue.rule for issue in error.value.issues] == ["DU-4"]


def test_du_10_a_component_in_a_module_that_is_not_listed_is_not_installed(server: Server, tmp_path: Path) -> None:
    sources = {
        "bundle.toml": manifest(modules='"sbbs.plain"', more=service("sbbs.plain.listed:Plain")),
        "sbbs/plain/__init__.py": "",
        "sbbs/plain/listed.py": sbb(),
        "sbbs/other.py": sbb("Other"),
    }
    server.install(build(write(tmp_path, sources)))
    assert server.bundles.is_installed(SbbID("Plain", "test", "1.0"))
    assert not server.bundles.is_installed(SbbID("Other", "test", "1.0"))


def test_du_10_a_listed_module_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match=r"module sbbs\.plain has no file there \[DU-10\]"):
        build(write(tmp_path, {"bundle.toml": manifest()}))


def test_du_10_a_listed_module_that_fails_to_import_is_an_error_with_the_cause(tmp_path: Path) -> None:
    folder = write(tmp_path, {"bundle.toml": manifest(), "sbbs/plain.py": "raise ZeroDivisionError('why')\n"})
    with pytest.raises(DeploymentError, match=r"ZeroDivisionError: why \[DU-10\]") as error:
        build(folder)
    assert isinstance(error.value.__cause__, ZeroDivisionError)


@dataclass(frozen=True)
class Hostile:
    """An archive that means no good, and why it is refused."""

    name: str
    make: Callable[[Built], bytes]
    reason: str


def with_member(
    name: str, data: bytes = b"boom = 1\n", mode: int = stat.S_IFREG | 0o644, **more: int
) -> Callable[[Built], bytes]:
    """The archive with one more member, that neither the lock nor its own writer would allow."""

    def make(bundle: Built) -> bytes:
        target = io.BytesIO(bundle.archive)
        with zipfile.ZipFile(target, "a") as archive:
            info = zipfile.ZipInfo(name)
            info.filename = name
            info.external_attr = mode << 16
            info.compress_type = more.get("compress", zipfile.ZIP_STORED)
            archive.writestr(info, data)
        return target.getvalue()

    return make


def with_duplicate(bundle: Built) -> bytes:
    target = io.BytesIO(bundle.archive)
    with zipfile.ZipFile(target, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("profiles/places/places.py", b"evil = 1\n")
    return target.getvalue()


def with_changed_file(bundle: Built) -> bytes:
    return repacked(bundle, lambda files: files.update({"profiles/places/places.py": b"evil = 1\n"}), lock=False)


def without_file(bundle: Built) -> bytes:
    def drop(files: dict[str, bytes]) -> None:
        del files["profiles/places/places.py"]

    return repacked(bundle, drop, lock=False)


def with_changed_record(bundle: Built) -> bytes:
    def spoil(files: dict[str, bytes]) -> None:
        path = next(path for path in files if path.endswith("RECORD"))
        files[path] += b"evil.py,,\n"

    return repacked(bundle, spoil, lock=False)


def with_overlap(bundle: Built) -> bytes:
    """Many directory entries that share the data of one member: small file, huge contents."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"\0" * 300_000)
        (first,) = archive.filelist
        for number in range(50):
            copy = zipfile.ZipInfo(f"a{number}")
            for attribute in ("CRC", "compress_size", "file_size", "header_offset", "compress_type", "external_attr"):
                setattr(copy, attribute, getattr(first, attribute))
            archive.filelist.append(copy)
    return target.getvalue()


HOSTILE = [
    Hostile("traversal", with_member("../../evil.py"), r"climbs out.*DU-12"),
    Hostile("hidden traversal", with_member("sbbs/../../evil.py"), r"climbs out.*DU-12"),
    Hostile("backslash", with_member("..\\evil.py"), r"climbs out.*DU-12"),
    Hostile("absolute path", with_member("/etc/evil.py"), r"absolute.*DU-12"),
    Hostile("drive", with_member("C:/evil.py"), r"absolute.*DU-12"),
    Hostile("link", with_member("sbbs/evil.py", b"/etc/passwd", stat.S_IFLNK | 0o777), r"a link.*DU-12"),
    Hostile("pipe", with_member("sbbs/evil.py", b"", stat.S_IFIFO | 0o644), r"special file.*DU-12"),
    Hostile("device", with_member("sbbs/evil.py", b"", stat.S_IFCHR | 0o644), r"special file.*DU-12"),
    Hostile("directory", with_member("sbbs/evil/", b"", stat.S_IFDIR | 0o755), r"directory.*DU-12"),
    Hostile("duplicate", with_duplicate, r"stands twice.*DU-12"),
    Hostile("same name in another case", with_member("Profiles/places/places.py"), r"stands twice.*DU-12"),
    Hostile(
        "bomb",
        with_member("sbbs/bomb.py", b"#" * 20_000_000, compress=zipfile.ZIP_DEFLATED),
        r"compressed more than 100 times.*DU-12",
    ),
    Hostile("overlap", with_overlap, r"overlap.*DU-12"),
    Hostile("unusual compression", with_member("sbbs/e.py", compress=zipfile.ZIP_LZMA), r"unusual way.*DU-12"),
    Hostile("unlocked file", with_member("sbbs/evil.py"), r"lock does not name it \[DU-11\]"),
    Hostile("changed file", with_changed_file, r"differs from the lock \[DU-11\]"),
    Hostile("missing file", without_file, r"the archive lacks it \[DU-11\]"),
    Hostile("changed record", with_changed_record, r"RECORD.*differs from the files \[DU-11\]"),
    Hostile("no archive", lambda bundle: b"PK nothing", r"no readable archive.*DU-8"),
    Hostile("cut off", lambda bundle: bundle.archive[:-40], r"no readable archive.*DU-8"),
    Hostile("damaged", lambda bundle: bundle.archive.replace(b"Place", b"Plaze", 1), r"no readable archive.*DU-8"),
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda hostile: hostile.name)
def test_du_12_a_hostile_archive_is_refused_whole_and_leaves_nothing(
    server: Server, places: Built, hostile: Hostile
) -> None:
    before = trace(server)
    with pytest.raises(DeploymentError, match=hostile.reason):
        server.bundles.install("hostile.whl", hostile.make(places))
    assert trace(server) == before
    server.install(places)


def deflated(archive: bytes) -> bytes:
    """The same files, deflated."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        for member in source.infolist():
            copy.writestr(member.filename, source.read(member))
    return target.getvalue()


@given(data=st.data())
def test_du_12_a_damaged_archive_is_read_as_it_was_or_refused(data: st.DataObject) -> None:
    original = build(PLACES).archive
    damaged = bytearray(data.draw(st.sampled_from([original, deflated(original)])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(damaged)))
        damaged[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=8))
    try:
        archive = read_archive(bytes(damaged), "damaged")
    except DeploymentError:
        return
    assert archive.files == read_archive(original, "original").files


def test_du_12_sizes_beyond_the_limits_are_refused(places: Built) -> None:
    from slee.management.archive import ArchiveLimits

    for limits, reason in (
        (ArchiveLimits(archive=100), "more than 100"),
        (ArchiveLimits(files=2), "more than 2"),
        (ArchiveLimits(total=500), "more than 500"),
    ):
        with pytest.raises(DeploymentError, match=reason):
            read_archive(places.archive, "a", limits)


def test_du_13_a_slee_or_distribution_that_does_not_fit_refuses_the_bundle(tmp_path: Path) -> None:
    text = manifest().replace("modules", 'requires-slee = ">=77"\nrequires = ["nosuchthing>=2"]\nmodules')
    folder = write(tmp_path, {"bundle.toml": text, "sbbs/plain.py": sbb()})
    with pytest.raises(DeploymentError) as error:
        build(folder)
    assert "needs slee >=77, found 0.1.0 [DU-13]" in str(error.value)
    assert "needs nosuchthing>=2, found none [DU-13]" in str(error.value)


def test_du_13_an_import_that_the_environment_lacks_refuses_the_bundle(tmp_path: Path) -> None:
    folder = write(tmp_path, {"bundle.toml": manifest(), "sbbs/plain.py": "import nosuchthing.inside\n"})
    with pytest.raises(VerificationError, match=r"plain\.py:1: imports nosuchthing\.inside.*DU-13"):
        build(folder)


def test_du_11_components_other_than_the_lock_says_refuse_the_bundle(server: Server, places: Built) -> None:
    lie = 'id = "ProfileSpecificationID[name=spaces,vendor=test,version=1.0]"'

    def spoil(files: dict[str, bytes]) -> None:
        path = next(path for path in files if path.endswith("bundle.lock"))
        folder = path.rpartition("/")[0]
        text = files[path].decode().replace('id = "ProfileSpecificationID[name=places,vendor=test,version=1.0]"', lie)
        files[path] = text.encode()
        files[f"{folder}/RECORD"] = record({p: d for p, d in files.items() if not p.endswith("RECORD")}, folder)

    before = trace(server)
    with pytest.raises(DeploymentError, match=r"is not what the lock says \[DU-11\]"):
        server.bundles.install("a", repacked(places, spoil, lock=False))
    assert trace(server) == before

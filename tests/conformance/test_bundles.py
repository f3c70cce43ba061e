"""Group DU: bundles, what an archive must be, install, uninstall and queries."""

from __future__ import annotations

import io
import itertools
import stat
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from deploy.builder import Built
from slee.api.errors import (
    AlreadyInstalledError,
    DependencyError,
    DeploymentError,
    InvalidStateError,
    UnrecognizedBundleError,
    UnrecognizedComponentError,
    UnrecognizedSbbError,
    UnrecognizedServiceError,
    VerificationError,
)
from slee.api.ids import BundleID, EventTypeID, ProfileSpecificationID, ResourceAdaptorID, SbbID, ServiceID
from slee.management.archive import digest, read_archive, record, write_archive
from slee.management.manifest import write_lock
from tests.deploy.echo import ECHO, EchoAdaptor, Heard
from tests.deploy.workshop import GREETER, PLACES, Server, build, manifest, plain, sbb, service, write


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "state")
    server.kernel.start()
    server.pump()
    yield server
    server.close()


@pytest.fixture
def places() -> Built:
    return build(PLACES)


@pytest.fixture
def greeter(places: Built) -> Built:
    return build(GREETER, places)


def private_modules() -> set[str]:
    """Modules of bundles that are imported now; the package that leads to all of them does not count."""
    return {name for name in sys.modules if name.startswith("slee_bundles.")}


def trace(server: Server) -> tuple[object, ...]:
    """Everything that an install could leave behind."""
    archives = sorted(path.name for path in (server.path / "bundles").iterdir())
    desired = server.management.store.desired
    services = server.services.list(), set(server.kernel.services)
    return server.bundles.list(), server.bundles.components(), services, archives, desired, private_modules()


def repacked(bundle: Built, change: Callable[[dict[str, bytes]], None], *, lock: bool = True) -> bytes:
    """The archive with its files changed; with `lock`, lock and RECORD are made to fit again."""
    archive = read_archive(bundle.archive, "")
    files = dict(archive.files)
    folder = next(path for path in files if path.endswith("bundle.toml")).rpartition("/")[0]
    change(files)
    if lock:
        entries = tuple(
            archive.lock.file[0].model_copy(update={"path": path, "sha256": digest(data)})
            for path, data in sorted(files.items())
            if path not in (f"{folder}/bundle.lock", f"{folder}/RECORD")
        )
        files[f"{folder}/bundle.lock"] = write_lock(archive.lock.model_copy(update={"file": entries})).encode()
        files[f"{folder}/RECORD"] = record({p: d for p, d in files.items() if not p.endswith("RECORD")}, folder)
    return write_archive(files)


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


# Install.


def test_du_14_a_bundle_is_found_by_its_source(server: Server, places: Built) -> None:
    installed = server.bundles.install("/srv/places.whl", places.archive)
    assert installed.id == BundleID("places", "test", "1.0")
    assert server.bundles.find_source("/srv/places.whl").id == installed.id
    with pytest.raises(UnrecognizedBundleError):
        server.bundles.find_source("/srv/other.whl")
    with pytest.raises(UnrecognizedBundleError):
        server.bundles.show(BundleID("other", "test", "1.0"))


def test_du_15_a_source_or_bundle_is_installed_once(server: Server, places: Built, tmp_path: Path) -> None:
    server.bundles.install("a", places.archive)
    before = trace(server)
    with pytest.raises(AlreadyInstalledError, match="DU-15"):
        server.bundles.install("a", plain(tmp_path).archive)
    with pytest.raises(AlreadyInstalledError, match="DU-15"):
        server.bundles.install("b", places.archive)
    assert trace(server) == before


def test_du_16_a_component_is_installed_by_one_bundle(server: Server, tmp_path: Path) -> None:
    server.install(plain(tmp_path / "a"))
    before = trace(server)
    with pytest.raises(AlreadyInstalledError) as error:
        server.install(replace(plain(tmp_path / "b", name="rival"), file_name="rival"))
    assert "SbbID[name=Plain,vendor=test,version=1.0]: BundleID[name=plain" in str(error.value)
    assert trace(server) == before


def test_du_17_after_a_failure_anywhere_nothing_is_left_and_the_mended_bundle_installs(
    server: Server, places: Built, greeter: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.install(places)
    before = trace(server)
    store, services = server.management.store, server.services
    for target, name in (
        (store, "write_bundle"),
        (store, "_write"),
        (server.kernel, "add_service"),
        (services, "_bound"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, _fail)
            with pytest.raises(RuntimeError, match="on the way"):
                server.install(greeter)
        store.sweep()
        assert trace(server) == before, name
    server.install(greeter)


def test_du_18_a_crash_at_any_write_leaves_the_state_before_or_after(
    tmp_path: Path, places: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes: set[bool] = set()
    for verb, crash_at in itertools.product(("install", "uninstall"), range(12)):
        server = Server(tmp_path / f"{verb}-{crash_at}")
        if verb == "uninstall":
            server.install(places)
        with monkeypatch.context() as patch:
            for call in ("fsync", "replace", "unlink"):
                _crash_on(patch, call, crash_at)
            try:
                if verb == "install":
                    server.install(places)
                else:
                    server.bundles.uninstall(places.manifest.id)
                finished = True
            except _Crash:
                finished = False
        again = server.restart()
        installed = again.bundles.is_installed(places.manifest.id)
        outcomes.add(installed)
        kept = [path.name for path in (again.path / "bundles").iterdir()]
        assert kept == ([f"{digest(places.archive)}.whl"] if installed else [])
        if finished:
            assert installed is (verb == "install")
        if not installed:
            again.install(places)
        server.close()
    assert outcomes == {True, False}


def test_du_19_every_reference_that_does_not_resolve_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = """
from slee import Sbb, event_type

@event_type('hidden', vendor='test', version='1')
class Hidden: ...

class Stray(Sbb, vendor='test', version='1'): ...
"""
    inside = "from outside_of_bundles import Hidden, Stray\nfrom slee import child, fires\n" + sbb()
    inside += "    hidden = fires(Hidden)\n    stray = child(Stray)\n"
    text = manifest(more='[[service]]\nname = "Lost"\nroot-sbb = "sbbs.plain:Nobody"\n' + service())
    write(tmp_path / "environment", {"outside_of_bundles.py": outside})
    folder = write(tmp_path / "bundle", {"bundle.toml": text, "sbbs/plain.py": inside})
    monkeypatch.syspath_prepend(tmp_path / "environment")
    with pytest.raises(VerificationError) as error:
        build(folder)
    sys.modules.pop("outside_of_bundles")
    assert {issue.rule for issue in error.value.issues} == {"DU-19"}
    report = str(error.value)
    assert "bundle.toml:8: service.0.root-sbb: sbbs.plain:Nobody is no SBB" in report
    assert "sbbs.plain:Plain: it refers to EventTypeID[name=hidden,vendor=test,version=1]" in report
    assert "sbbs.plain:Plain: it refers to SbbID[name=Stray,vendor=test,version=1]" in report


def test_du_20_the_highest_version_in_range_is_locked_and_exactly_that_is_demanded(
    server: Server, tmp_path: Path
) -> None:
    tables = {version: places_of(tmp_path, version) for version in ("1.0", "1.5", "1.10", "2.0")}
    user = using_places(tmp_path, ">=1.0,<2")
    built = build(user, *tables.values())
    assert read_archive(built.archive, "").lock.depends[0].bundle == "BundleID[name=places,vendor=test,version=1.10]"
    server.install(tables["1.5"])
    with pytest.raises(DeploymentError, match=r"needs BundleID\[name=places,vendor=test,version=1\.10\] \[DU-20\]"):
        server.install(built)
    server.bundles.uninstall(tables["1.5"].manifest.id)
    server.install(tables["1.10"], built)


def test_du_20_versions_that_are_equal_as_numbers_are_ambiguous(tmp_path: Path) -> None:
    tables = [places_of(tmp_path, version) for version in ("1.0", "1.0.0")]
    with pytest.raises(VerificationError, match=r"1\.0 and 1\.0\.0 are equal as numbers \[DU-20\]"):
        build(using_places(tmp_path / "a", ">=1.0"), *tables)
    built = build(using_places(tmp_path / "b", "===1.0.0"), *tables)
    assert "version=1.0.0]" in read_archive(built.archive, "").lock.depends[0].bundle


def test_du_20_a_version_that_is_no_number_matches_only_exactly(tmp_path: Path) -> None:
    table = places_of(tmp_path, "summer release")
    with pytest.raises(VerificationError, match="no version fits, found summer release"):
        build(using_places(tmp_path / "a", ">=0"), table)
    build(using_places(tmp_path / "b", "==summer release"), table)


def test_du_21_a_cycle_of_bundles_is_spelt_out(tmp_path: Path) -> None:
    one = write(
        tmp_path / "one", {"bundle.toml": manifest("one", more='[depends]\n"two#test" = ">=1"\n'), "sbbs/plain.py": ""}
    )
    two = write(
        tmp_path / "two", {"bundle.toml": manifest("two", more='[depends]\n"one#test" = ">=1"\n'), "sbbs/plain.py": ""}
    )
    with pytest.raises(VerificationError, match=r"one 1\.0 -> two 1\.0 -> one 1\.0 \[DU-21\]"):
        build(one, two)


def test_du_22_two_versions_run_side_by_side_and_share_nothing(server: Server, tmp_path: Path) -> None:
    server.connect()
    server.install(plain(tmp_path, "1.0", "old"), plain(tmp_path, "1.1", "new"))
    old, new = (ServiceID("Plain", "test", version) for version in ("1.0", "1.1"))
    server.services.activate([old])
    assert server.fire("a", Heard("bob", "hi")) == ["old"]
    server.services.activate([new])
    assert sorted(map(str, server.fire("b", Heard("bob", "hi")))) == ["new", "old", "old"]
    classes = {server.kernel.services[version].root.cls for version in (old, new)}
    assert len(classes) == 2
    assert len({cls.__module__ for cls in classes}) == 2


def test_du_22_an_import_of_another_bundle_gives_the_version_that_the_lock_names(
    server: Server, tmp_path: Path
) -> None:
    old, new = places_of(tmp_path, "1.0"), places_of(tmp_path, "2.0")
    user = build(using_places(tmp_path / "user", "==1.0"), old, new)
    server.install(old, new, user)
    module = server.bundles.namespace_of(user.manifest.id).load("sbbs.plain")
    assert module.PLACES.id.version == "1.0"
    assert module.PLACES is server.bundles.namespace_of(old.manifest.id).load("profiles.places.places").PLACES


@pytest.mark.parametrize(
    "statement", ["import sbbs.proxy.sbb", "from profiles import location", "from sbbs.proxy import sbb"]
)
def test_du_22_an_import_that_the_lock_does_not_name_is_refused(tmp_path: Path, statement: str) -> None:
    folder = write(tmp_path, {"bundle.toml": manifest(), "sbbs/plain.py": f"x = 1\n{statement}\n"})
    with pytest.raises(VerificationError, match=r"plain\.py:2: imports .*no bundle it depends on provides \[DU-22\]"):
        build(folder)


@pytest.mark.parametrize(
    "statement",
    [
        "import sbbs.plain.words\nsaid = sbbs.plain.words.WORDS",
        "import sbbs.plain.words as w\nsaid = w.WORDS",
        "from sbbs.plain.words import WORDS as said",
        "from sbbs.plain import words\nsaid = words.WORDS",
        "from sbbs import plain\nfrom . import words\nsaid = plain.words.WORDS",
        "from .words import WORDS as said",
        "def late():\n    from sbbs.plain.words import WORDS\n    return WORDS\nsaid = late()",
    ],
)
def test_du_22_every_form_of_import_reaches_the_own_namespace(server: Server, tmp_path: Path, statement: str) -> None:
    sources = {
        "bundle.toml": manifest(),
        "sbbs/plain/__init__.py": "",
        "sbbs/plain/words.py": "WORDS = object()\n",
        "sbbs/plain/sbb.py": statement,
    }
    server.install(build(write(tmp_path, sources)))
    namespace = server.bundles.namespace_of(BundleID("plain", "test", "1.0"))
    module = namespace.load("sbbs.plain.sbb")
    assert module.said is namespace.load("sbbs.plain.words").WORDS
    assert module.__name__.startswith("slee_bundles.plain_1_0_")


def test_du_23_configuration_is_judged_by_the_model_of_the_sbb(tmp_path: Path, places: Built) -> None:
    for old, new, key in (
        ('ending = "!"', "", None),
        ('ending = "!"', 'ending = "!"\nrepeat = "often"', r"bundle\.toml:22: config\.Greeter\.repeat"),
        ('ending = "!"', 'ending = "!"\nendnig = "?"', r"bundle\.toml:22: config\.Greeter\.endnig"),
    ):
        folder = copied_greeter(tmp_path / str(len(new)), old, new)
        if key is None:
            build(folder, places)
            continue
        with pytest.raises(DeploymentError, match=rf"{key}: .*DU-23"):
            build(folder, places)


def test_du_23_a_key_without_value_gets_it_at_install(server: Server, tmp_path: Path, places: Built) -> None:
    server.connect()
    bundle = build(copied_greeter(tmp_path, 'ending = "!"', ""), places)
    server.install(places)
    before = trace(server)
    with pytest.raises(DeploymentError, match=r"config\.Greeter\.ending: Field required \[DU-23\]"):
        server.install(bundle)
    assert trace(server) == before
    server.bundles.install("greeter", bundle.archive, {"Greeter": {"ending": "?"}})
    server.services.activate(["Greeter"])
    assert server.fire("a", Heard("bob", "hi")) == ["hello bob?"]
    assert server.restart().bundles.is_installed(bundle.manifest.id)


def test_du_24_what_is_installed_is_usable_at_once_and_its_services_are_inactive(
    server: Server, places: Built, greeter: Built
) -> None:
    server.install(places, greeter)
    assert [info.state for info in server.services.list()] == ["Inactive"]
    server.connect()
    server.services.activate(["Greeter"])
    assert server.fire("a", Heard("bob", "hi")) == ["hello bob!"]


def test_du_25_bundles_come_and_go_in_every_state(server: Server, places: Built) -> None:
    for prepare in (lambda: None, server.kernel.stop):
        prepare()
        server.install(places)
        server.bundles.uninstall(places.manifest.id)
    assert server.kernel.state.value == "Stopped"


# Uninstall.


def test_du_26_uninstall_leaves_no_component_file_or_module_and_the_bundle_can_come_back(
    server: Server, places: Built, greeter: Built
) -> None:
    before = trace(server)
    for _ in range(2):
        server.install(places, greeter)
        server.bundles.uninstall(greeter.manifest.id)
        server.bundles.uninstall(places.manifest.id)
        assert trace(server) == before
    with pytest.raises(UnrecognizedServiceError):
        server.services.show(ServiceID("Greeter", "test", "1.0.0"))


def test_du_27_a_bundle_that_another_one_references_stays(server: Server, places: Built, greeter: Built) -> None:
    server.install(places, greeter)
    before = trace(server)
    with pytest.raises(DependencyError) as error:
        server.bundles.uninstall(places.manifest.id)
    assert "SbbID[name=Greeter,vendor=test,version=1.0]: of BundleID[name=greeter" in str(error.value)
    assert trace(server) == before


def test_du_26_the_rows_of_a_table_go_with_its_bundle(server: Server, places: Built, greeter: Built) -> None:
    server.connect()
    for _ in range(2):
        server.install(places, greeter)
        server.services.activate(["Greeter"])
        server.fire("a", Heard("bob", "hi"))
        assert [table.count for table in server.tables.tables.values()] == [1]
        server.services.deactivate(["Greeter"])
        server.kernel.resources["echo"].end_activity("a")
        server.pump()
        server.bundles.uninstall(greeter.manifest.id)
        server.bundles.uninstall(places.manifest.id)
        assert server.tables.tables == {}


def test_du_27_a_bundle_whose_modules_another_one_may_import_stays(
    server: Server, places: Built, tmp_path: Path
) -> None:
    text = manifest("user", more='[depends]\n"places#test" = ">=1.0"\n')
    server.install(places, build(write(tmp_path, {"bundle.toml": text, "sbbs/plain.py": "x = 1\n"}), places))
    with pytest.raises(DependencyError, match=r"BundleID\[name=user.*: depends on BundleID\[name=places"):
        server.bundles.uninstall(places.manifest.id)


def test_du_29_a_bundle_whose_adaptor_has_entities_stays(server: Server, tmp_path: Path) -> None:
    source = """
from slee.api.ids import ResourceAdaptorID
from tests.deploy.echo import ECHO, EchoAdaptor

class Louder(EchoAdaptor):
    id = ResourceAdaptorID("louder", "test", "1.0")
"""
    bundle = build(write(tmp_path, {"bundle.toml": manifest(), "sbbs/plain.py": source}))
    server.install(bundle)
    server.resources.create("loud", ResourceAdaptorID("louder", "test", "1.0"), {"listen-port": 5})
    with pytest.raises(DependencyError, match=r"loud: is an entity of ResourceAdaptorID\[name=louder"):
        server.bundles.uninstall(bundle.manifest.id)
    server.resources.remove("loud")
    server.bundles.uninstall(bundle.manifest.id)


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


def test_du_28_a_bundle_with_a_service_that_is_not_inactive_stays(
    server: Server, places: Built, greeter: Built
) -> None:
    server.install(places, greeter)
    server.connect()
    server.services.activate(["Greeter"])
    server.fire("a", Heard("bob", "hi"))
    for state in ("Active", "Stopping"):
        assert server.services.show("Greeter").state == state
        with pytest.raises(InvalidStateError, match=f"{state} \\[DU-28\\]"):
            server.bundles.uninstall(greeter.manifest.id)
        if state == "Active":
            server.services.deactivate(["Greeter"])
    server.kernel.resources["echo"].end_activity("a")
    server.pump()
    server.bundles.uninstall(greeter.manifest.id)


def test_du_30_an_unknown_or_built_in_bundle_cannot_be_uninstalled(server: Server) -> None:
    with pytest.raises(UnrecognizedBundleError):
        server.bundles.uninstall(BundleID("no", "such", "thing"))
    with pytest.raises(InvalidStateError):
        server.bundles.uninstall(BundleID("slee", "slee", "0.1.0"))


# Queries.


def test_du_31_lists_give_each_installed_thing_once(server: Server, places: Built, greeter: Built) -> None:
    server.install(places, greeter)
    assert [bundle.id.name for bundle in server.bundles.list()] == ["slee", "places", "greeter"]
    names = {kind: [c.id.name for c in server.bundles.components(kind)] for kind in ("sbb", "service", "adaptor")}
    assert names == {"sbb": ["Greeter"], "service": ["Greeter"], "adaptor": ["echo"]}
    assert [c.id.name for c in server.bundles.components("profile-specification")] == ["places"]
    assert len(server.bundles.components("event")) == 5
    assert server.services.sbbs("Greeter") == (SbbID("Greeter", "test", "1.0"),)
    with pytest.raises(UnrecognizedServiceError):
        server.services.sbbs(ServiceID("No", "such", "service"))


def test_du_32_an_unknown_id_raises_alone_and_is_none_in_bulk(server: Server, places: Built) -> None:
    server.install(places)
    table, unknown = ProfileSpecificationID("places", "test", "1.0"), SbbID("No", "such", "sbb")
    assert server.bundles.component(table).id == table
    with pytest.raises(UnrecognizedSbbError):
        server.bundles.component(unknown)
    found = server.bundles.descriptors([unknown, table, unknown])
    assert [info and info.id for info in found] == [None, table, None]


def test_du_33_descriptors_name_bundle_source_and_references_and_cannot_change(
    server: Server, places: Built, greeter: Built
) -> None:
    server.install(places, greeter)
    info = server.bundles.component(SbbID("Greeter", "test", "1.0"))
    assert info.bundle == greeter.manifest.id
    assert info.source == "sbbs.greeter.sbb:Greeter"
    assert set(info.references) == {
        ECHO.id,
        ProfileSpecificationID("places", "test", "1.0"),
        EventTypeID("echo.Heard", "test", "1.0"),
    }
    with pytest.raises(AttributeError):
        info.source = "elsewhere"  # type: ignore[misc]
    bundle = server.bundles.show(greeter.manifest.id)
    assert (bundle.source, bundle.installed_at) == (greeter.file_name, 1_000.0)
    assert bundle.depends == (places.manifest.id,)


def test_du_34_is_installed_never_raises(server: Server, places: Built) -> None:
    assert not server.bundles.is_installed(places.manifest.id)
    server.install(places)
    assert server.bundles.is_installed(places.manifest.id)
    assert not server.bundles.is_installed(BundleID("places", "test", "1.0.0"))
    assert server.bundles.is_installed(ECHO.id)


def test_du_35_referring_components_are_the_direct_ones(server: Server, places: Built, greeter: Built) -> None:
    server.install(places, greeter)
    table = ProfileSpecificationID("places", "test", "1.0")
    assert [info.id for info in server.bundles.referring_components(table)] == [SbbID("Greeter", "test", "1.0")]
    assert [info.id.name for info in server.bundles.referring_components(EchoAdaptor.id)] == []
    assert {info.id.name for info in server.bundles.referring_components(ECHO.id)} == {"Greeter", "echo"}
    with pytest.raises(UnrecognizedComponentError):
        server.bundles.referring_components(SbbID("No", "such", "sbb"))


def places_of(folder: Path, version: str) -> Built:
    """The bundle `places` in another version."""
    text = (PLACES / "bundle.toml").read_text().replace('version = "1.0"', f'version = "{version}"')
    source = (PLACES / "places.py").read_text().replace('version="1.0"', f'version="{version}"')
    name = f"tables-{version}"
    return build(write(folder / name, {"bundle.toml": text, "profiles/places/places.py": source}))


def using_places(folder: Path, wanted: str) -> Path:
    """Sources of a bundle that uses some version of `places`."""
    text = manifest("user", more=f'[depends]\n"places#test" = "{wanted}"\n')
    return write(folder / "user", {"bundle.toml": text, "sbbs/plain.py": "from profiles.places.places import PLACES\n"})


def copied_greeter(folder: Path, old: str, new: str) -> Path:
    """Sources of the greeter with its manifest changed."""
    sources = {f"sbbs/greeter/{path.name}": path.read_text() for path in GREETER.glob("*.py")}
    return write(folder, {"bundle.toml": (GREETER / "bundle.toml").read_text().replace(old, new), **sources})


class _Crash(BaseException):
    """The process is gone; nothing after it runs."""


def _fail(*arguments: object, **more: object) -> None:
    raise RuntimeError("a failure on the way")


def _crash_on(patch: pytest.MonkeyPatch, call: str, crash_at: int) -> None:
    """Let the n-th of all calls that reach the disk crash, and every later one too."""
    import os

    real = getattr(os, call)

    def counted(*arguments: object, **more: object) -> object:
        _crash_on.count = getattr(_crash_on, "count", 0) + 1  # type: ignore[attr-defined]
        if _crash_on.count > crash_at:  # type: ignore[attr-defined]
            raise _Crash
        return real(*arguments, **more)

    _crash_on.count = 0  # type: ignore[attr-defined]
    patch.setattr(os, call, counted)

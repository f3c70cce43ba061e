"""Group DU, second half: install, uninstall and queries."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

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
from slee.management.archive import digest, read_archive
from tests.deploy.echo import ECHO, EchoAdaptor, Heard
from tests.deploy.workshop import (
    GREETER,
    PLACES,
    Server,
    build,
    manifest,
    plain,
    sbb,
    service,
    trace,
    write,
)

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
            _Disk(patch, crash_at)
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
        ('ending = "!"', 'ending = "!"\nrepeat = "often"', r"bundle\.toml:22: config\.Greeter\.repeat: .*DU-23"),
        (
            'ending = "!"',
            'ending = "!"\nendnig = "?"',
            r"config\.Greeter\.endnig: unknown key \[DU-23\]; did you mean ending\?",
        ),
    ):
        folder = copied_greeter(tmp_path / str(len(new)), old, new)
        if key is None:
            build(folder, places)
            continue
        with pytest.raises(DeploymentError, match=key):
            build(folder, places)


def test_du_23_a_key_without_value_gets_it_at_install(server: Server, tmp_path: Path, places: Built) -> None:
    server.connect()
    bundle = build(copied_greeter(tmp_path, 'ending = "!"', ""), places)
    server.install(places)
    before = trace(server)
    with pytest.raises(DeploymentError, match=r"config\.Greeter\.ending: the key is missing \[DU-23\]"):
        server.install(bundle)
    assert trace(server) == before
    server.bundles.install("greeter", bundle.archive, {"Greeter": {"ending": "?"}})
    server.services.activate(["Greeter"])
    assert server.fire("a", Heard("bob", "hi")) == ["hello bob?"]
    assert server.restart().bundles.is_installed(bundle.manifest.id)


def test_prf_3_a_service_whose_profile_table_is_not_there_is_active_and_the_log_tells(
    server: Server, places: Built, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.connect()
    changed = 'root-sbb = "sbbs.greeter.sbb:Greeter"'
    folder = copied_greeter(tmp_path, changed, f'{changed}\naddress-profile-table = "nowhere"')
    server.install(places, build(folder, places))
    server.services.activate(["Greeter"])
    (record,) = (record for record in caplog.records if "profile table" in record.message)
    assert "ServiceID[name=Greeter" in record.message
    assert "there is no profile table nowhere [PRF-3]; " in record.message


def test_du_24_what_is_installed_is_usable_at_once_and_its_services_are_inactive(
    server: Server, places: Built, greeter: Built
) -> None:
    server.install(places, greeter)
    assert [info.state for info in server.services.list()] == ["Inactive"]
    server.connect()
    server.services.activate(["Greeter"])
    assert server.fire("a", Heard("bob", "hi")) == ["hello bob!"]


def test_du_25_bundles_come_and_go_in_every_state(server: Server, places: Built) -> None:
    for is_stopped in (False, True):
        if is_stopped:
            server.kernel.stop()
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
    assert len(server.bundles.components("event")) == 8  # seven of the SLEE, and one of the adaptor
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
    anything: Any = info
    with pytest.raises(AttributeError):
        anything.source = "elsewhere"
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


class _Disk:
    """Lets so many calls reach the disk; the process crashes at the next one."""

    def __init__(self, patch: pytest.MonkeyPatch, calls: int) -> None:
        self.left = calls
        for name in ("fsync", "replace", "unlink"):
            patch.setattr(os, name, self.counted(getattr(os, name)))

    def counted(self, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **more: object) -> object:
            self.left -= 1
            if self.left < 0:
                raise _Crash
            return real(*arguments, **more)

        return call


def test_du_18_what_cannot_be_restored_is_shown_and_comes_back_with_the_same_archive(
    server: Server, tmp_path: Path
) -> None:
    bundle = plain(tmp_path)
    server.install(bundle)
    server.connect()
    server.services.activate(["Plain"])
    (server.path / "bundles" / f"{digest(bundle.archive)}.whl").unlink()
    again = server.restart()
    assert again.bundles.unrestored == 1
    (info,) = again.services.list()
    assert (str(info.id), info.state, info.desired) == (
        "ServiceID[name=Plain,vendor=test,version=1.0]",
        "-",
        "Active",
    )
    assert "its bundle could not be restored" in info.reason
    again.install(bundle)
    assert again.bundles.unrestored == 0
    last = again.restart()
    assert last.bundles.unrestored == 0
    (info,) = last.services.list()
    assert (info.state, info.reason) == ("Active", "")

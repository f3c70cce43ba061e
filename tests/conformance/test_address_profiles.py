"""Initial events by address profile (IES-10, IES-11), and profile tables that bundles bring (DU-19, DU-29, DU-31)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from slee import ActivityContext, Address, AddressPlan, Profile, ProfileID, Sbb, Select, attribute, initial_event
from slee.api.errors import DependencyError, VerificationError
from slee.api.ids import BundleID, ProfileSpecificationID, SbbID
from tests.conformance.kit import Do, World
from tests.deploy.workshop import Server, build, manifest, sbb, service, trace, write

ALICE = Address(AddressPlan.SIP, "sip:alice@example.net")
BOB = Address(AddressPlan.SIP, "sip:bob@example.net")


class Contact(Profile, vendor="test", version="1.0"):
    address: Address | None = attribute(None, indexed=True)


class ByProfile(Sbb, vendor="test", version="1.0"):
    @initial_event(Select.ADDRESS_PROFILE)
    def on_do(self, event: Do, aci: ActivityContext) -> None: ...


def world() -> World:
    made = World()
    profiles: Any = made.slee.profiles
    profiles.provide(Contact, "contacts")
    for name, address in (("alice", ALICE), ("nobody", None)):
        session = profiles.create("contacts", name)
        session.set("address", address)
        session.commit()
    made.slee.install(ByProfile, address_profile_table="contacts")
    return made


def fire(world: World, handle: str, address: Address | None) -> None:
    world.start(handle)
    world.ra.endpoint.fire(handle, Do(), address)
    world.slee.run()


def test_ies_10_without_address_the_address_profile_counts_as_not_selected() -> None:
    with world() as made:
        fire(made, "a", None)
        fire(made, "b", None)
        (root,) = made.roots(ByProfile)
        assert root.convergence_name == (None,) * 6


def test_ies_11_the_profile_of_the_address_selects_the_root_or_nothing_does() -> None:
    with world() as made:
        fire(made, "a", ALICE)
        fire(made, "b", Address(AddressPlan.SIP, ALICE.text, display_name="Alice"))
        (root,) = made.roots(ByProfile)
        assert root.convergence_name[1] == ProfileID("contacts", "alice")
        fire(made, "c", BOB)
        fire(made, "d", Address(AddressPlan.URI, ALICE.text))
        assert made.roots(ByProfile) == [root]
        profiles: Any = made.slee.profiles
        profiles.remove("contacts", "alice")
        fire(made, "e", ALICE)
        assert made.roots(ByProfile) == [root]


def test_ies_8_the_id_of_the_profile_is_what_names_are_equal_by() -> None:
    with world() as made:
        profiles: Any = made.slee.profiles
        session = profiles.create("contacts", "bob")
        session.set("address", BOB)
        session.commit()
        for handle, address in (("a", ALICE), ("b", BOB), ("c", ALICE)):
            fire(made, handle, address)
        names = [root.convergence_name[1] for root in made.roots(ByProfile)]
        assert names == [ProfileID("contacts", "alice"), ProfileID("contacts", "bob")]


def test_ies_1_the_address_profile_combines_with_the_other_variables() -> None:
    class Both(Sbb, vendor="test", version="1.0"):
        @initial_event(Select.ADDRESS_PROFILE | Select.ACTIVITY_CONTEXT)
        def on_do(self, event: Do, aci: ActivityContext) -> None: ...

    with world() as made:
        made.slee.install(Both, address_profile_table="contacts")
        for handle in ("a", "b", "a"):
            fire(made, handle, ALICE)
        assert len(made.roots(Both)) == 2
        assert len(made.roots(ByProfile)) == 1


def test_ies_11_a_service_without_table_is_refused() -> None:
    with World() as made, pytest.raises(VerificationError, match="IES-11"):
        made.slee.install(ByProfile)


SPECIFICATION = """
from slee import Profile, attribute

class Person(Profile, vendor="test", version="1.0"):
    number: str = attribute("", unique=True)
"""
TABLE = '[[profile-table]]\nname = "people"\nspecification = "profiles.people:Person"\n'
PERSON = ProfileSpecificationID("Person", "test", "1.0")
USER = (
    sbb()
    .replace("import ActivityContext,", "import profiles, ActivityContext,")
    .replace("    echo = resource(ECHO)", '    echo = resource(ECHO)\n    people = profiles(Person, table="people")')
)


def people(folder: Path, table: str = TABLE) -> Any:
    text = manifest("people", modules='"profiles.people", "sbbs.plain"', more=table + service())
    user = f"from profiles.people import Person\n{USER}"
    return build(write(folder, {"bundle.toml": text, "profiles/people.py": SPECIFICATION, "sbbs/plain.py": user}))


def test_du_31_a_profile_specification_is_listed_and_its_table_made(server: Server, tmp_path: Path) -> None:
    server.install(people(tmp_path))
    assert [c.id for c in server.bundles.components("profile-specification")] == [PERSON]
    assert server.profiles.tables(PERSON) == ("people",)
    references = server.bundles.component(SbbID("Plain", "test", "1.0")).references
    assert PERSON in references


def test_du_29_a_bundle_stays_while_its_specification_has_tables(server: Server, tmp_path: Path) -> None:
    server.install(people(tmp_path))
    before = trace(server)
    with pytest.raises(DependencyError, match=r"people.*DU-29"):
        server.bundles.uninstall(BundleID("people", "test", "1.0"))
    assert trace(server) == before
    server.profiles.remove_table("people")
    server.bundles.uninstall(BundleID("people", "test", "1.0"))
    assert server.profiles.specifications == ()
    server.install(people(tmp_path / "again"))
    assert server.profiles.tables(PERSON) == ("people",)


def test_du_19_a_table_of_what_is_no_specification_is_refused(tmp_path: Path) -> None:
    for path in ("profiles.people:Nobody", "profiles.nowhere:Person", "sbbs.plain:Plain"):
        with pytest.raises(VerificationError, match="DU-19"):
            people(tmp_path / path.replace(":", "-"), TABLE.replace("profiles.people:Person", path))

"""Provisioning, on each database: what comes in is judged by line, column and attribute; bad data changes nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from profiles.domain.domain import Domain
from profiles.gateway.gateway import Route
from profiles.screening.screening import Screening
from profiles.subscriber.subscriber import Subscriber
from slee import Profile, attribute
from slee.api.errors import (
    AttributeTypeMismatchError,
    InvalidArgumentError,
    InvalidStateError,
    ProfileVerificationError,
    UniqueAttributeViolationError,
    UnrecognizedAttributeError,
    UnrecognizedProfileTableError,
)
from slee.facilities.profiles.watch import CHANGED_OUTSIDE
from slee.management.provisioning.records import LONGEST_RECORD
from tests.profile_databases import DatabaseUnderTest
from tests.slee.management.provisioning.site import Site

SPECIFICATIONS = (Subscriber, Screening, Domain, Route)
ALICE = "alice@example.test"


@pytest.fixture
def site(database: DatabaseUnderTest) -> Iterator[Site]:
    site = Site(database.url, *SPECIFICATIONS)
    for specification in SPECIFICATIONS:
        site.profiles.create_table(specification.__name__, specification.specification_id)
    yield site
    site.database.close()


def test_what_is_imported_is_there_after_a_restart(site: Site) -> None:
    result = site.load('profile_name,display_name,groups\r\nalice@example.test,"A ""x"", é","[""b"",""a""]"\r\n')
    assert (result.read, result.added, result.changed, result.rejects) == (1, 1, 0, ())
    site.restart()
    values = site.profiles.show("Subscriber", ALICE).values
    assert (values["display_name"], values["groups"]) == ('A "x", é', ["a", "b"])


@pytest.mark.parametrize("form", ["csv", "jsonl", "toml"])
def test_export_import_export_is_equal_byte_for_byte(site: Site, form: str) -> None:
    site.load(
        "profile_name,display_name,identity,groups,acts_for,default_identity\n"
        'a@x,"",,"[""g\\""2""]","[""c@x""]",\n'
        '"b ""q""@x","two\nlines, \u2028 \x7f",+49,[],[],+49\n'
    )
    site.load(
        '{"profile_name": "r@x", "rules": [{"match": "user", "value": "alice", "status": 406}]}',
        "Screening",
        format="jsonl",
    )
    for table in ("Subscriber", "Screening"):
        first = site.file(table, form)
        site.profiles.remove_table(table)
        site.profiles.create_table(table, table)
        site.load(first, table, format=form)
        assert site.file(table, form) == first


def test_a_password_enters_as_ha1_and_never_comes_out(site: Site, database: DatabaseUnderTest) -> None:
    site.load("profile_name,password\nalice@example.test,s3cret\n")
    site.profiles.add("Subscriber", "bob@h", {"realm": "r", "password": "pw"}, md5=True)
    rows = site.tables.table("Subscriber").resident.rows
    sha256 = hashlib.sha256(b"alice:example.test:s3cret").hexdigest()
    assert (rows[ALICE][3], rows[ALICE][4]) == (sha256, None)
    assert rows["bob@h"][3:5] == (hashlib.sha256(b"bob:r:pw").hexdigest(), hashlib.md5(b"bob:r:pw").hexdigest())
    shown = "".join(site.file(form=form) for form in ("csv", "jsonl", "toml")) + str(site.profiles.find("Subscriber"))
    assert not any(secret in shown for secret in ("s3cret", sha256, "ha1", "password"))
    assert site.database.flush(5.0)
    assert "s3cret" not in str(database.outside("SELECT * FROM profile_1_subscriber"))


def test_an_import_without_secrets_keeps_those_stored(site: Site) -> None:
    site.load("profile_name,password\nalice@example.test,s3cret\n")
    before = site.tables.table("Subscriber").resident.rows[ALICE]
    exported = site.file().replace("active", "suspended")
    assert site.load(exported).changed == 1
    after = site.tables.table("Subscriber").resident.rows[ALICE]
    assert after[3] == before[3] is not None
    assert after != before


class GivenUpError(Exception):
    """Somebody does not go on with an import."""


@pytest.mark.parametrize("is_closed", [False, True], ids=["thrown in", "closed"])
def test_prf_46_an_import_given_up_while_it_applies_takes_back_all(site: Site, is_closed: bool) -> None:
    """Thrown in, it takes back in as many steps as it applied in, so that calls pass; closed, it does so at once."""
    site.load("profile_name,identity,display_name\nu0@x,+1,before\nu1@x,+2,before\n")
    # The first two take over each other's number: their transaction has to be taken back as one.
    rows = "".join(f"u{n}@x,+{(2, 1)[n] if n < 2 else n + 1},after\n" for n in range(1000))
    upload = site.profiles.import_("Subscriber")
    for _ in upload.feed(f"profile_name,identity,display_name\n{rows}".encode()):
        pass
    steps = upload.finish()
    table = site.tables.table("Subscriber")
    while len(table.resident.rows) < 500:
        next(steps)
    if is_closed:
        steps.close()
    else:
        seen = [len(table.resident.rows)]
        with pytest.raises(GivenUpError):
            steps.throw(GivenUpError())
            while True:
                seen.append(len(table.resident.rows))
                next(steps)
        assert seen == sorted(seen, reverse=True)
        assert len(set(seen)) > 5
    assert [(info.profile, info.values["display_name"]) for info in site.profiles.find("Subscriber")] == [
        ("u0@x", "before"),
        ("u1@x", "before"),
    ]
    assert not site.tables.following.is_whole


def test_prf_2_a_table_keeps_its_name_while_an_import_applies_to_it(site: Site) -> None:
    """The import could not find the table again, nor could a start after a crash, and a part of the rows would stay."""
    upload = site.profiles.import_("Subscriber")
    for _ in upload.feed(b"profile_name\n" + b"".join(b"u%d@x\n" % n for n in range(1000))):
        pass
    steps = upload.finish()
    while not site.profiles.table("Subscriber").profiles:
        next(steps)
    with pytest.raises(InvalidStateError, match="Subscriber: an import is under way.*wait for its end"):
        site.profiles.rename_table("Subscriber", "renamed")
    for _ in steps:
        pass
    assert site.profiles.table("Subscriber").profiles == 1000
    assert site.profiles.rename_table("Subscriber", "renamed").profiles == 1000


@pytest.mark.parametrize("was_there", [True, False], ids=["changed", "added"])
def test_prf_45_what_others_change_while_an_import_is_judged_is_not_lost(site: Site, was_there: bool) -> None:
    """The import has its say on the attributes that it changes; the others stay as they have become."""
    if was_there:
        site.load("profile_name,display_name,language\nalice@example.test,Alice,de\n")
    upload = site.profiles.import_("Subscriber")
    for _ in upload.feed(b"profile_name,display_name\nalice@example.test,Alice B\n"):
        pass
    if was_there:
        site.profiles.set("Subscriber", {"language": "fr", "max_contacts": 3}, ALICE)
    else:
        site.profiles.add("Subscriber", ALICE, {"language": "fr", "max_contacts": 3})
    for _ in upload.finish():
        pass
    values = site.profiles.show("Subscriber", ALICE).values
    assert (values["display_name"], values["language"], values["max_contacts"]) == ("Alice B", "fr", 3)


def test_prf_45_a_profile_removed_while_an_import_is_judged_begins_with_the_defaults(site: Site) -> None:
    site.load("profile_name,display_name,language\nalice@example.test,Alice,de\n")
    upload = site.profiles.import_("Subscriber")
    for _ in upload.feed(b"profile_name,display_name\nalice@example.test,Alice B\n"):
        pass
    site.profiles.remove("Subscriber", ALICE)
    for _ in upload.finish():
        pass
    values = site.profiles.show("Subscriber", ALICE).values
    assert (values["display_name"], values["language"]) == ("Alice B", "")


def test_an_import_that_another_one_has_made_already_changes_nothing(site: Site) -> None:
    text = b"profile_name,display_name\nalice@example.test,Alice\n"
    first, second = (site.profiles.import_("Subscriber") for _ in range(2))
    for upload in (first, second):
        for _ in upload.feed(text):
            pass
    for upload in (first, second):
        for _ in upload.finish():
            pass
    result = second.result()
    assert (result.added, result.changed, result.unchanged) == (0, 0, 1)


def test_values_of_unique_attributes_swap_in_one_import(site: Site) -> None:
    many = "".join(f"u{n}@x,{n}\n" for n in range(200))
    site.load("profile_name,identity\n" + many)
    swapped = "".join(f"u{n}@x,{199 - n}\n" for n in range(200))
    assert site.load("profile_name,identity\n" + swapped).changed == 200
    site.restart()
    assert site.profiles.show("Subscriber", "u0@x").values["identity"] == "199"


BAD = {
    "wrong type": ("a@x,,ten,\n", "x.csv:3:6: a@x/max_contacts", "'ten' is no int"),
    "out of range": ("a@x,,500,\n", "x.csv:3:6: a@x/max_contacts", "less than or equal to 100"),
    "too long": (f"a@x,{'n' * 129},1,\n", "x.csv:3:5: a@x/display_name", "at most 128 characters"),
    "duplicate": ("ok@x,,1,\n", "x.csv:3:1: ok@x/profile_name", "line 2 has that name too"),
    "same identity": ("a@x,,1,+1\n", "x.csv:3:8: a@x/identity", "ok@x on line 2 has the same value"),
    "taken identity": ("a@x,,1,+0\n", "x.csv:3: a@x/identity", "there@x has the same value"),
    "refused by the specification": ("nobody,,1,\n", "x.csv:3: nobody", "no address-of-record"),
    "too few cells": ("a@x,,1\n", "x.csv:3", "3 cells where the header has 4"),
    "quote within": ('a@x,b"c",1,\n', "x.csv:3:5", "a quote within a cell"),
    "open quote": ('a@x,"b,1,\n', "x.csv:3", "a quote is not closed"),
    "no name": (",,1,\n", "x.csv:3:1: profile_name", "no text of 1 to"),
    "SQL in a name": ("x'; DROP TABLE profile_1_subscriber; --,,1,\n", "x.csv:3:", "no address-of-record"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_record_is_told_with_its_place_and_changes_nothing(site: Site, case: str) -> None:
    record, where, problem = BAD[case]
    site.load("profile_name,identity\nthere@x,+0\n")
    before = site.file()
    text = f"profile_name,display_name,max_contacts,identity\nok@x,,1,+1\n{record}"
    for options in ({}, {"dry_run": True}):
        with pytest.raises(ProfileVerificationError) as caught:
            site.load(text, source="x.csv", **options)
        assert len(caught.value.issues) == 1
        assert caught.value.issues[0].component.startswith(where)
        assert problem in caught.value.issues[0].problem
        assert site.file() == before
    result = site.load(text, skip_bad=True)
    assert [reject.line for reject in result.rejects] == [3]
    assert (result.added, result.header) == (1, "profile_name,display_name,max_contacts,identity")
    assert record.strip("\n") in result.rejects[0].text


def test_a_record_that_changes_nothing_and_is_skipped_counts_once(site: Site) -> None:
    site.load("profile_name,identity\na@x,1\n")
    told = site.load("profile_name,identity\nb@x,1\na@x,1\n", skip_bad=True)
    assert (told.added, told.unchanged, [reject.line for reject in told.rejects]) == (0, 0, [2, 3])


class Numbered(Profile, vendor="test", version="1.0"):
    """Without callbacks, so that no trial finds what the import's own judgement misses."""

    number: str | None = attribute(None, unique=True)


def test_prf_18_a_dry_run_skips_what_wants_a_value_that_a_skipped_record_keeps(database: DatabaseUnderTest) -> None:
    """c wants what b has, and b what a has, which the file does not change."""
    site = Site(database.url, Numbered)
    site.profiles.create_table("numbered", "Numbered")
    site.load("profile_name,number\na,1\nb,2\n", "numbered")
    for dry_run in (True, False):
        told = site.load("profile_name,number\nc,2\nb,1\nd,4\n", "numbered", skip_bad=True, dry_run=dry_run)
        assert (told.added, told.changed, [reject.line for reject in told.rejects]) == (1, 0, [2, 3])
    site.database.close()


HEADERS = {
    "": "there is no header",
    "a,b\n1,2\n": "the header has no column profile_name",
    "profile_name,x,x\n": "column 'x' is there twice",
    "profile_name,,x\n": "a column has no name",
    "profile_name,colour\na@x,red\n": "Subscriber has no attribute colour",
    f"profile_name,{','.join(f'c{n}' for n in range(300))}\n": "c0, c1, c2, c3, c4 and 295 more",
    '"profile_name\n': "a quote is not closed",
}


@pytest.mark.parametrize("text", HEADERS)
def test_a_wrong_header_is_told_once(site: Site, text: str) -> None:
    with pytest.raises(ProfileVerificationError) as caught:
        site.load(text)
    assert str(caught.value).count("Subscriber has no") <= 1
    assert HEADERS[text] in str(caught.value)
    assert site.profiles.table("Subscriber").profiles == 0


@pytest.mark.parametrize(
    ("form", "octets", "where", "problem"),
    [
        ("csv", b"profile_name,display_name\na@x,\xff\n", "import:2:5: a@x/display_name", "octet 0xff is no UTF-8"),
        ("csv", b"profile_name,display_name\n\xc3\xa9\xff@x,\xff\n", "import:2:2: profile_name", "octet 0xff is no"),
        ("csv", b'profile_name,display_name\na@x,"\n\xff"\n', "import:3:1: a@x/display_name", "octet 0xff is no"),
        ("csv", b"profile_name,display_name\na@x,\xff,\n", "import:2:5", "octet 0xff is no UTF-8"),
        ("csv", b"profile_\xff\n", "import:1:9", "octet 0xff is no UTF-8"),
        (
            "jsonl",
            b'\n{"profile_name": "a@x", "display_name": "\xff"}\n',
            "import:2:42: a@x/display_name",
            "octet 0xff",
        ),
        ("jsonl", b'{"profile_name": "a\xff"}\n', "import:1:20: profile_name", "octet 0xff is no UTF-8"),
        ("jsonl", b'{"profile_name": \xff}\n', "import:1:18", "octet 0xff is no UTF-8"),
        ("jsonl", b"[1]\n", "import:1", "no JSON object"),
        ("jsonl", b'{"profile_name": "a@x" "b": 1}', "import:1:24", "no JSON: Expecting ',' delimiter"),
        ("jsonl", b'{"profile_name": "a@x"', "import:1:23", "no JSON: Expecting ',' delimiter"),
        ("jsonl", b'{"profile_name": "a@x", "max_contacts": NaN}', "import:1", "no JSON: NaN is no number of JSON"),
        ("jsonl", b'{"a": ' * 100_000, "import:1", "no JSON: values nest too deep"),
        ("jsonl", b'{"a": %s}' % (b"9" * 5000), "import:1", "no JSON: a number has too many digits"),
        (
            "jsonl",
            b'{"profile_name": "a@x", "language": "", "language": "de"}',
            "import:1: a@x/language",
            "is there twice",
        ),
        ("jsonl", b'{"profile_name": "a@x", "profile_name": "b@x"}', "import:1: profile_name", "is there twice"),
        ("jsonl", b'{"profile_name": "a@x", "acts_for": [{"a": 1, "a": 2}]}', "import:1: a", "is there twice"),
        ("jsonl", b'{"profile_name": "a@x", "display_name": "\\ud800"}', "import:1: a@x/display_name", "surrogate"),
        ("jsonl", b'{"profile_name": "a\\ud800@x"}', "import:1: profile_name", "surrogate"),
        ("jsonl", b'{"profile_name": "a@x", "x\\ny": 1}', "import:1:25: a@x/'x\\ny'", "no attribute 'x\\ny'"),
        ("jsonl", b'{"profile_name": "a@x", "max_contacts": "1"}', "import:1:25: a@x/max_contacts", "'1' is no int"),
        ("jsonl", b'{"profile_name": "a@x", "max_contacts": null}', "import:1:25: a@x/max_contacts", "null is no int"),
        ("jsonl", b'{"profile_name": "a@x", "max_contacts": 1e400}', "import:1:25: a@x/max_contacts", "no int"),
        ("jsonl", b'{"profile_name": 3}', "import:1:2: profile_name", "no text"),
        ("jsonl", b"{}", "import:1: profile_name", "no text"),
        ("jsonl", b'{"profile_name": "a@x", "acts_for": ["nobody"]}', "import:1:25: a@x/acts_for", "pattern"),
        ("toml", b'[profile."a@x"]\ndisplay_name = "\xff"\n', "import:2:17", "octet 0xff is no UTF-8"),
        ("toml", b"\n[profile\n", "import:2", "no TOML"),
        ("toml", b"\na = 1\na = 2", "import:3", "no TOML: Cannot overwrite a value"),
        ("toml", b"a = " + b"[" * 5000, "import:1", "no TOML: values nest too deep"),
        ("toml", b'[profile."a@x"]\n\n[profile."b@x"]\nmax_contacts = 0\n', "import:4: b@x/max_contacts", "greater"),
        (
            "toml",
            b'[profile."a@x"]\ndisplay_name = "\xe2\x80\xa8"\nmax_contacts = 0\n',
            "import:3: a@x/max_contacts",
            "greater",
        ),
        ("toml", b'[profile."a@x"]\n\nprofile_unset = ["status"]\n', "import:3: a@x/status", "null is no Status"),
        ("toml", b'[profile]\n"a@x" = {max_contacts = 0}\n', "import:2: a@x/max_contacts", "greater"),
        ("toml", b'[profile."a@x"]\n[profile."a@x"]\n', "import:2", "no TOML: Cannot declare profile.a@x twice"),
        (
            "csv",
            b'profile_name,display_name,max_contacts\na@x,"1\n2",x\n',
            "import:3:4: a@x/max_contacts",
            "'x' is no int",
        ),
        ("csv", b"profile_name;display_name\na@x;A\n", "import:1", "the header has no column profile_name"),
        ("csv", b"profile_name,a\rb@x,1\r", "import:1", "Subscriber has no attributes 'a\\rb@x', '1'"),
        ("toml", b"colour = 3\n", "import:1", "no table of profiles"),
        ("toml", b"profile = 3\n", "import:1", "profile is no table"),
    ],
)
def test_bad_files_of_every_format(site: Site, form: str, octets: bytes, where: str, problem: str) -> None:
    with pytest.raises(ProfileVerificationError) as caught:
        site.load(octets, format=form)
    assert caught.value.issues[0].component.startswith(where)
    assert problem in caught.value.issues[0].problem


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("csv", "profile_name,display_name\na@x,A\n"),
        ("jsonl", '{"profile_name": "a@x", "display_name": "A"}\n'),
        ("toml", '[profile."a@x"]\ndisplay_name = "A"\n'),
    ],
)
def test_a_byte_order_mark_and_line_ends_of_windows_are_no_part_of_a_file(site: Site, form: str, text: str) -> None:
    assert site.load("\ufeff" + text.replace("\n", "\r\n"), format=form).added == 1
    assert site.profiles.show("Subscriber", "a@x").values["display_name"] == "A"


def test_prf_17_every_attribute_of_a_wrong_type_is_told_at_once(site: Site) -> None:
    with pytest.raises(ProfileVerificationError) as caught:
        site.load("profile_name,max_contacts,status,groups\na@x,many,lost,sales\nb@x,1,active,[]\n")
    assert [(i.component, i.remedy) for i in caught.value.issues] == [
        ("import:2:5: a@x/max_contacts", "give a whole number"),
        ("import:2:10: a@x/status", "give one of active, suspended"),
        ("import:2:15: a@x/groups", 'give a list of JSON, as ["a", "b"]'),
    ]
    assert site.load("profile_name,max_contacts,status\na@x,many,lost\nb@x,1,active\n", skip_bad=True).added == 1
    with pytest.raises(ProfileVerificationError) as caught:
        site.profiles.set("Subscriber", {"max_contacts": "many", "status": 5}, "b@x")
    assert [issue.component for issue in caught.value.issues] == [
        "Subscriber/b@x.max_contacts",
        "Subscriber/b@x.status",
    ]


@pytest.mark.parametrize(
    ("form", "text", "where"),
    [
        ("csv", "profile_name\na@x\nb@x\n", "import:3: b@x/identity"),
        ("jsonl", '{"profile_name": "a@x"}\n{"profile_name": "b@x"}\n', "import:2: b@x/identity"),
        ("toml", '[profile."a@x"]\n[profile."b@x"]\n', "import:2: b@x/identity"),
    ],
)
def test_what_a_record_has_from_the_default_profile_is_told_at_its_line(
    site: Site, form: str, text: str, where: str
) -> None:
    site.profiles.set("Subscriber", {"identity": "+1"})
    with pytest.raises(ProfileVerificationError) as caught:
        site.load(text, format=form)
    assert [issue.component for issue in caught.value.issues] == [where]


def test_a_file_with_other_separators_is_told_how_to_separate(site: Site) -> None:
    for separator in (";", "\t"):
        with pytest.raises(ProfileVerificationError, match="separate cells with commas"):
            site.load(f"profile_name{separator}display_name\na@x{separator}A\n")


def test_a_line_without_end_is_told_and_never_held(site: Site) -> None:
    upload = site.profiles.import_("Subscriber", skip_bad=True)
    piece = b"x" * (1 << 16)
    for octets in (b"profile_name\n", *[piece] * 40, b"\nok@x\n"):
        for _ in upload.feed(octets):
            pass
        assert len(upload._work.reader._lines._held) <= LONGEST_RECORD
    for _ in upload.finish():
        pass
    result = upload.result()
    assert (result.added, result.rejects[0].line, result.rejects[0].text) == (1, 2, "")
    assert "longer than" in result.rejects[0].problem


def test_a_dry_run_counts_and_changes_nothing(site: Site) -> None:
    site.load("profile_name,max_contacts\na@x,1\nb@x,2\n")
    before = site.file()
    result = site.load("profile_name,max_contacts\na@x,1\nb@x,3\nc@x,4\n", dry_run=True)
    assert (result.unchanged, result.changed, result.added) == (1, 1, 1)
    assert site.file() == before


def test_a_secret_is_in_no_message(site: Site) -> None:
    with pytest.raises(ProfileVerificationError) as caught:
        site.load("profile_name,ha1_sha256,password\na@x,deadbeef,\nnobody,,hunter2\n")
    assert "deadbeef" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_conditions_find_profiles(site: Site) -> None:
    site.load("profile_name,identity,max_contacts,status\na@x,+491,1,active\nb@x,+492,5,suspended\nc@x,,5,active\n")
    found = {
        ("max_contacts>=5",): ["b@x", "c@x"],
        ("max_contacts=5", "status=active"): ["c@x"],
        ("identity^=+49",): ["a@x", "b@x"],
        ("identity~=+49123",): ["a@x"],
        ("identity=",): ["c@x"],
        (): ["a@x", "b@x", "c@x"],
    }
    for where, names in found.items():
        assert [info.profile for info in site.profiles.find("Subscriber", where)] == names
    assert [info.profile for info in site.profiles.query("Subscriber", "of_identity", ["+491"])] == ["a@x"]
    for text, error in (
        ("nonsense", InvalidArgumentError),
        ("colour=1", UnrecognizedAttributeError),
        ("ha1_md5=1", UnrecognizedAttributeError),
        ("max_contacts=x", AttributeTypeMismatchError),
        ("groups<[]", AttributeTypeMismatchError),
    ):
        with pytest.raises(error):
            site.profiles.find("Subscriber", [text])


def test_longest_prefix_of_routes(site: Site) -> None:
    site.load('profile_name,prefix,gateways\n49,49,"[""a""]"\n4930,4930,"[""b""]"\n', "Route")
    assert [info.profile for info in site.profiles.query("Route", "best", ["493012"])] == ["4930"]


def test_profiles_are_added_changed_and_removed(site: Site) -> None:
    site.profiles.set("Subscriber", {"language": "de"})
    assert site.profiles.add("Subscriber", "a@x", {"identity": "+1"}).values["language"] == "de"
    assert site.profiles.set("Subscriber", {"identity": "+2"}, "a@x").values["identity"] == "+2"
    with pytest.raises(ProfileVerificationError, match=r"Subscriber/a@x\.max_contacts"):
        site.profiles.set("Subscriber", {"max_contacts": "many"}, "a@x")
    with pytest.raises(UnrecognizedAttributeError, match="no attribute colour"):
        site.profiles.set("Subscriber", {"colour": "red"}, "a@x")
    with pytest.raises(UniqueAttributeViolationError, match="identity"):
        site.profiles.add("Subscriber", "b@x", {"identity": "+2"})
    site.profiles.remove("Subscriber", "a@x")
    site.restart()
    assert site.profiles.find("Subscriber") == ()
    assert site.profiles.show("Subscriber").values["language"] == "de"
    with pytest.raises(UnrecognizedProfileTableError):
        site.profiles.add("Nothing", "a", {})


def test_what_another_program_writes_shows_within_a_second_where_components_only_read(
    site: Site, database: DatabaseUnderTest
) -> None:
    site.profiles.add("Domain", "example.test", {"realm": "old"})
    site.until(lambda: site.database.flush(0.0))
    database.outside("UPDATE profile_3_domain SET realm = 'new' WHERE profile_name = 'example.test'")
    site.until(lambda: site.profiles.show("Domain", "example.test").values["realm"] == "new")
    database.outside("UPDATE profile_3_domain SET relay = '\"sometimes\"' WHERE profile_name = 'example.test'")
    site.until(lambda: bool(alarms(site, "Domain")))
    assert "Domain/example.test.relay" in alarms(site, "Domain")[0] or "relay" in alarms(site, "Domain")[0]
    assert site.profiles.show("Domain", "example.test").values["relay"] == "authenticated"


def test_elsewhere_it_raises_an_alarm_and_is_not_taken_over(site: Site, database: DatabaseUnderTest) -> None:
    site.profiles.add("Subscriber", ALICE, {"display_name": "mine"})
    site.until(lambda: site.database.flush(0.0))
    database.outside(f"UPDATE profile_1_subscriber SET display_name = 'theirs' WHERE profile_name = '{ALICE}'")
    site.until(lambda: bool(alarms(site, "Subscriber")))
    assert ALICE in alarms(site, "Subscriber")[0]
    assert site.profiles.show("Subscriber", ALICE).values["display_name"] == "mine"
    with pytest.raises(InvalidStateError):
        site.profiles.reload_table("Subscriber")


def alarms(site: Site, table: str) -> list[str]:
    active = site.harness.facilities.alarms.active()
    return [a.message for a in active if a.alarm_type == CHANGED_OUTSIDE and a.instance_id == table]

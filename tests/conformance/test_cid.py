"""Component identity (group CID)."""

from __future__ import annotations

import itertools
import json
import shlex

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slee.api.ids import (
    BundleID,
    ComponentID,
    EventTypeID,
    LibraryID,
    ProfileSpecificationID,
    ResourceAdaptorID,
    ResourceAdaptorTypeID,
    SbbID,
    ServiceID,
    parse_id,
)

KINDS = (
    EventTypeID,
    SbbID,
    ServiceID,
    ResourceAdaptorID,
    ResourceAdaptorTypeID,
    ProfileSpecificationID,
    LibraryID,
)
"""In the order of CID-1."""

parts = st.text(st.characters(blacklist_categories=["Cc", "Cs"]), min_size=1, max_size=12) | st.sampled_from(
    [",", "=", "[", "]", "\\", "a,b=c", "Å", '"', "'", " ", "name=x,vendor=y"]
)
ids = st.builds(lambda kind, *three: kind(*three), st.sampled_from((*KINDS, BundleID)), parts, parts, parts)


def test_cid_1_kind_and_all_three_parts_make_equality() -> None:
    assert SbbID("a", "b", "c") == SbbID("a", "b", "c")
    for other in (SbbID("A", "b", "c"), SbbID("a ", "b", "c"), SbbID("a", "b", "c."), ServiceID("a", "b", "c")):
        assert SbbID("a", "b", "c") != other
    assert len({kind("a", "b", "c") for kind in KINDS}) == len(KINDS)


@given(ids)
def test_cid_2_equal_ids_serve_as_one_key_after_any_round_trip(identity: SbbID) -> None:
    through_text = parse_id(str(identity), type(identity))
    through_codec = msgspec.msgpack.decode(msgspec.msgpack.encode(identity), type=type(identity))
    assert {identity: 1}[through_text] == {identity: 1}[through_codec] == 1


@pytest.mark.parametrize("part", ["name", "vendor", "version"])
def test_cid_3_parts_cannot_be_changed(part: str) -> None:
    identity = ServiceID("a", "b", "c")
    with pytest.raises(AttributeError):
        setattr(identity, part, "x")
    with pytest.raises(AttributeError):
        delattr(identity, part)
    assert identity == ServiceID("a", "b", "c")


@pytest.mark.parametrize("kind", [*KINDS, BundleID])
@pytest.mark.parametrize("part", ["name", "vendor", "version"])
@pytest.mark.parametrize(
    ("value", "error"), [(None, TypeError), (1, TypeError), (b"x", TypeError), ("", ValueError), ("a\nb", ValueError)]
)
def test_cid_4_parts_are_judged_by_name(kind: type, part: str, value: object, error: type[Exception]) -> None:
    given_parts = {"name": "a", "vendor": "b", "version": "c", part: value}
    with pytest.raises(error, match=rf"{kind.__name__}\.{part}.*CID-4"):
        kind(**given_parts)


def test_cid_5_all_ids_are_ordered_by_kind_then_parts() -> None:
    in_order = [kind(*three) for kind in KINDS for three in itertools.product("ab", "ab", "ab")]
    shuffled = in_order[1::2] + in_order[::2]
    assert sorted(shuffled) == in_order
    for first, second in itertools.pairwise(in_order):
        assert first < second <= second
        assert second > first
    with pytest.raises(TypeError, match="CID-5"):
        assert SbbID("a", "b", "c") < "a"
    assert (SbbID("a", "b", "c") == "a") is False


def test_cid_6_the_text_names_kind_and_parts_on_one_line() -> None:
    assert (
        str(ServiceID("call-forwarding", "example.net", "1.2.0"))
        == "ServiceID[name=call-forwarding,vendor=example.net,version=1.2.0]"
    )
    assert str(SbbID("a,b", "c=d", "[e\\]")) == "SbbID[name=a\\,b,vendor=c\\=d,version=\\[e\\\\\\]]"


@given(ids)
def test_cid_7_parsing_gives_the_id_back(identity: SbbID) -> None:
    assert parse_id(str(identity), type(identity)) == identity


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SbbID",
        "Sbb[name=a,vendor=b,version=c]",
        "SbbID[name=a,vendor=b]",
        "SbbID[name=a,vendor=b,version=c",
        "SbbID[name=a,vendor=b,version=c]x",
        "SbbID[name=a,name=b,version=c]",
        "SbbID[name=a,vendor=b,version=c,colour=d]",
        "SbbID[name=a=b,vendor=c,version=d]",
    ],
)
def test_cid_7_malformed_text_is_refused_with_the_place(text: str) -> None:
    with pytest.raises(ValueError, match=r"at \d+"):
        parse_id(text, ComponentID)


def test_cid_8_the_text_quoted_once_passes_the_shell() -> None:
    identity = ServiceID('it\'s "a" $HOME', "x y", "1;2")
    (argument,) = shlex.split(shlex.quote(str(identity)))
    assert parse_id(argument, ServiceID) == identity
    assert json.loads(json.dumps({"id": str(identity)}))["id"] == argument


def test_cid_9_a_version_is_opaque() -> None:
    assert SbbID("a", "b", "1.0") != SbbID("a", "b", "1.0.0")
    assert SbbID("a", "b", "10") < SbbID("a", "b", "9")


def test_cid_10_a_bundle_is_no_component() -> None:
    bundle = BundleID("a", "b", "c")
    assert all(bundle != kind("a", "b", "c") for kind in KINDS)
    assert not isinstance(bundle, ComponentID)
    assert sorted([BundleID("b", "a", "a"), bundle]) == [bundle, BundleID("b", "a", "a")]
    with pytest.raises(TypeError, match="CID-10"):
        assert bundle < SbbID("a", "b", "c")
    with pytest.raises(ValueError, match="CID-7"):
        parse_id(str(bundle), ComponentID)

"""Addresses (group ADR)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slee.api.address import Address, AddressPlan

texts = st.text(min_size=1, max_size=20) | st.sampled_from(["a,b=c]", "\\", "x;y", "Å"])
addresses = st.builds(
    Address,
    st.sampled_from(AddressPlan),
    texts,
    presentation=st.none() | texts,
    screening=st.none() | texts,
    sub_address=st.none() | texts,
    display_name=st.none() | texts,
)


def test_adr_1_plan_and_text_make_equality_and_nothing_else() -> None:
    plain = Address(AddressPlan.SIP, "sip:a@b")
    dressed = Address(AddressPlan.SIP, "sip:a@b", "p", "s", "sub", "Alice")
    assert plain == dressed
    assert hash(plain) == hash(dressed)
    assert plain != Address(AddressPlan.URI, "sip:a@b")
    assert plain != Address(AddressPlan.SIP, "sip:A@b")


def test_adr_2_an_address_is_immutable_and_judged() -> None:
    address = Address(AddressPlan.SIP, "sip:a@b")
    with pytest.raises(AttributeError):
        setattr(address, "text", "x")  # noqa: B010
    with pytest.raises(ValueError, match="ADR-2"):
        Address(AddressPlan.SIP, "")
    for plan, text in ((None, "a"), (AddressPlan.SIP, None)):
        with pytest.raises(TypeError, match="ADR-2"):
            Address(*(plan, text))


@given(addresses)
def test_adr_2_the_text_form_round_trips_with_every_field(address: Address) -> None:
    back = Address.parse(str(address))
    assert back == address
    fields = ("presentation", "screening", "sub_address", "display_name")
    assert [getattr(back, name) for name in fields] == [getattr(address, name) for name in fields]


@pytest.mark.parametrize(
    "text", ["", "SIP", "Address[plan=SIP]", "Address[plan=none,text=a]", "Address[plan=SIP,text=a"]
)
def test_adr_2_malformed_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ADR-"):
        Address.parse(text)


def test_adr_3_the_plans_are_a_closed_list_read_without_case() -> None:
    assert len(AddressPlan) == 18
    for plan in AddressPlan:
        assert AddressPlan.parse(plan.value.upper()) is plan
        assert AddressPlan.parse(plan.value.lower()) is plan
    with pytest.raises(ValueError, match="ADR-3"):
        AddressPlan.parse("pigeon")

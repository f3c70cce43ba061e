"""Resource adaptors: configuration properties (group RA)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr

from slee.api.address import Address, AddressPlan
from slee.spi import ConfigurationProperties, ConfigurationProperty
from slee.spi.properties import PropertyValue

ADDRESS = Address(AddressPlan.SIP, "sip:a@example.org")
VALUES: dict[str, PropertyValue] = {
    "bool": True,
    "int": 1,
    "float": 1.5,
    "str": "text",
    "bytes": b"octets",
    "timedelta": timedelta(seconds=3),
    "Address": ADDRESS,
}


class Inner(BaseModel):
    user: str = "me"
    password: SecretStr = SecretStr("hunter2")


class Configuration(BaseModel):
    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    listen_port: int = 7
    wait: timedelta = timedelta(seconds=5)
    home: Address = ADDRESS
    nothing: str | None = None
    names: tuple[str, ...] = ("a", "b")
    inner: Inner = Inner()


@pytest.mark.parametrize("kind", VALUES)
def test_ra_49_a_property_is_a_name_a_type_and_a_value(kind: str) -> None:
    given = ConfigurationProperty("name", kind, VALUES[kind])
    assert (given.name, given.type, given.value) == ("name", kind, VALUES[kind])


@pytest.mark.parametrize("kind", VALUES)
def test_ra_49_a_value_of_another_type_is_refused(kind: str) -> None:
    for other, value in VALUES.items():
        if other != kind:
            with pytest.raises(ValueError, match="RA-49"):
                ConfigurationProperty("name", kind, value)


def test_ra_49_other_types_and_no_name_are_refused() -> None:
    with pytest.raises(ValueError, match="RA-49"):
        ConfigurationProperty("name", "list", "text")
    with pytest.raises(ValueError, match="RA-49"):
        ConfigurationProperty("", "str", "text")


def test_ra_49_a_name_is_added_once() -> None:
    properties = ConfigurationProperties([ConfigurationProperty("a", "int", 1)])
    with pytest.raises(ValueError, match="RA-49"):
        properties.add(ConfigurationProperty("a", "str", "text"))
    assert [*properties] == [ConfigurationProperty("a", "int", 1)]
    assert "a" in properties
    assert "b" not in properties


def test_ra_49_a_changed_value_is_of_the_same_type() -> None:
    properties = ConfigurationProperties([ConfigurationProperty("a", "int", 1)])
    properties.change("a", 2)
    assert properties["a"].value == 2
    with pytest.raises(ValueError, match="RA-49"):
        properties.change("a", "text")
    assert properties["a"].value == 2
    with pytest.raises(KeyError):
        properties.change("b", 1)


def test_ra_49_names_of_the_product_are_refused_from_others() -> None:
    properties = ConfigurationProperties.of(None, entity="sip")
    assert properties["slee:entity"].value == "sip"
    for name in ("slee:entity", "slee:other"):
        with pytest.raises(ValueError, match="the product's"):
            properties.add(ConfigurationProperty(name, "str", "text"))
    with pytest.raises(ValueError, match="the product's"):
        properties.change("slee:entity", "other")
    assert len(properties) == 1


def test_ra_49_a_configuration_is_read_as_properties() -> None:
    found = {each.name: (each.type, each.value, each.secret) for each in ConfigurationProperties.of(Configuration())}
    assert found == {
        "listen-port": ("int", 7, False),
        "wait": ("timedelta", timedelta(seconds=5), False),
        "home": ("Address", ADDRESS, False),
        "names": ("str", "('a', 'b')", False),
        "inner.user": ("str", "me", False),
        "inner.password": ("str", "hunter2", True),
    }


def test_ra_50_a_copy_and_its_original_do_not_show_each_others_changes() -> None:
    first = ConfigurationProperties([ConfigurationProperty("a", "int", 1)])
    second = first.copy()
    second.change("a", 2)
    second.add(ConfigurationProperty("b", "int", 1))
    assert [*first] == [ConfigurationProperty("a", "int", 1)]
    first.change("a", 3)
    first.add(ConfigurationProperty("c", "int", 1))
    assert [each.name for each in second] == ["a", "b"]
    assert second["a"].value == 2


def test_ra_50_a_secret_is_masked_in_every_text_form() -> None:
    properties = ConfigurationProperties.of(Configuration())
    secret = properties["inner.password"]
    assert secret.value == "hunter2"
    copied = properties.copy()
    copied.change("inner.password", "hunter3")
    texts = [secret.text, str(secret), repr(secret), f"{secret}", str(properties), repr(properties), f"{copied}"]
    assert all("hunter" not in text for text in texts)
    assert all("*" in text for text in texts)
    assert "7" in properties["listen-port"].text

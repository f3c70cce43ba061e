"""The server's configuration: file, overrides, addresses."""

from __future__ import annotations

import socket
import tomllib
from pathlib import Path

import pytest

from deploy.configuration import load_configuration, parse_address, parse_setting
from deploy.run import require_free
from deploy.shipment import Place, listening, shipped_addresses
from resource_adaptors.http.adaptor import HttpAdaptor
from resource_adaptors.sip.adaptor import SipAdaptor
from slee.api.errors import InvalidConfigurationError
from slee.management.resources import checked_properties
from slee.spi.listening import bind_tcp
from slee.version import VERSION

EVERYWHERE = "0.0.0.0"  # noqa: S104  only named, never bound


def test_defaults_are_those_of_the_command_line_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    configuration = load_configuration(None, {})
    assert configuration.state_dir == Path(".slee")
    assert configuration.drain_timeout == 10.0
    assert configuration.metrics.listen == "127.0.0.1:9464"
    assert shipped_addresses("http", listening("http", configuration.http, None)) == [
        Place(socket.SOCK_STREAM, "127.0.0.1", 8080)
    ]
    assert shipped_addresses("sip", listening("sip", configuration.sip, None)) == [
        Place(socket.SOCK_DGRAM, "127.0.0.1", 5060)
    ]


def test_a_file_is_overridden_by_options(tmp_path: Path) -> None:
    file = tmp_path / "slee.toml"
    file.write_text('drain-timeout = 3\n[sip]\nt1 = 0.5\n[sip.dialog]\nlifetime = 1\n[log]\nlevel = "debug"\n')
    configuration = load_configuration(file, {"sip.t1": 0.1, "sip.dialog.send-bye": True, "log.format": "json"})
    assert configuration.drain_timeout == 3.0
    assert configuration.sip == {"t1": 0.1, "dialog": {"lifetime": 1, "send-bye": True}}
    assert (configuration.log.level, configuration.log.format) == ("debug", "json")


def test_con_15_the_interval_of_the_self_check_is_configured(tmp_path: Path) -> None:
    assert load_configuration(None, {}).self_check_interval == 60.0
    file = tmp_path / "slee.toml"
    file.write_text("self-check-interval = 5\n")
    assert load_configuration(file, {}).self_check_interval == 5.0
    with pytest.raises(InvalidConfigurationError):
        load_configuration(None, {"self-check-interval": 0.0})


def test_slee_toml_of_this_folder_is_read_without_being_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slee.toml").write_text("drain-timeout = 4\n")
    assert load_configuration(None, {}).drain_timeout == 4.0


def test_an_unreadable_file_or_wrong_value_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigurationError, match="No such file"):
        load_configuration(tmp_path / "none.toml", {})
    file = tmp_path / "slee.toml"
    file.write_text("[metrics]\nlisten = 'here'\n[sips]\n")
    with pytest.raises(InvalidConfigurationError) as error:
        load_configuration(file, {})
    assert f"{file}:2: metrics.listen: " in str(error.value)
    assert f"{file}:3: sips: unknown key [RA-3]; did you mean sip?" in str(error.value)
    with pytest.raises(InvalidConfigurationError, match="drain-timeout is no section"):
        load_configuration(None, {"drain-timeout": 1, "drain-timeout.x": 2})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[sip]\ntt1 = 1\n", "{}:2: sip.tt1: unknown key [RA-3]; did you mean t1?"),
        ("[sip]\nt1 = 1\ntimer_cc = 1\n", "{}:3: sip.timer_cc: unknown key [RA-3]; did you mean timer-c?"),
        (
            "[sip]\n\nudp-drain = 0\n",
            "{}:3: sip.udp-drain: input should be greater than or equal to 1 [RA-3]; give a value that fits",
        ),
        (
            "[[sip.listeners]]\nport = 1\nadvertised-hots = 1\n",
            "{}:3: sip.listeners.0.advertised-hots: unknown key [RA-3]; did you mean advertised-host?",
        ),
        (
            "[[sip.listeners]]\nhost = '0.0.0.0'\n",
            "{}:1: sip.listeners.0: SIP listener on {}: nobody can answer to that address [RA-3]; set advertised_host",
        ),
    ],
)
def test_ra_3_a_wrong_key_of_the_sip_section_is_told_once_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "slee.toml"
    file.write_text(text)
    configuration = load_configuration(file, {})
    with pytest.raises(InvalidConfigurationError) as error:
        checked_properties(SipAdaptor, listening("sip", configuration.sip, None), configuration.places("sip"))
    assert str(error.value) == told.format(file, EVERYWHERE)


@pytest.mark.parametrize(
    ("text", "value"),
    [("127.0.0.1:5060", ("127.0.0.1", 5060)), ("[::1]:0", ("::1", 0)), ("example.net:65535", ("example.net", 65535))],
)
def test_an_address_is_host_and_port(text: str, value: tuple[str, int]) -> None:
    assert parse_address(text) == value


@pytest.mark.parametrize("text", ["5060", ":5060", "host:", "host:-1", "host:65536", "host:+1", "::1:5060", "host:٣"])
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("sip.t1=0.1", ("sip.t1", 0.1)),
        ("a=true", ("a", True)),
        ('a=["x"]', ("a", ["x"])),
        ("a=plain text", ("a", "plain text")),
        ("a=b=c", ("a", "b=c")),
        ("a=", ("a", "")),
    ],
)
def test_a_setting_is_toml_or_plain_text(text: str, parsed: tuple[str, object]) -> None:
    assert parse_setting(text) == parsed


@pytest.mark.parametrize("text", ["nothing", "=1", "a..b=1"])
def test_anything_else_is_no_setting(text: str) -> None:
    with pytest.raises(ValueError, match="is not key=value"):
        parse_setting(text)


def test_a_configured_listener_gives_way_to_the_option_only() -> None:
    configured = {"t1": 1, "listeners": [{"host": "::1", "port": 7}]}
    assert shipped_addresses("sip", listening("sip", configured, None)) == [Place(socket.SOCK_DGRAM, "::1", 7)]
    assert shipped_addresses("sip", listening("sip", configured, ("10.0.0.1", 5070))) == [
        Place(socket.SOCK_DGRAM, "10.0.0.1", 5070)
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[http.listeners]\nport = 1\n", "{}:1: http.listeners: input should be a list [RA-3]; write [ ... ]"),
        ("[http]\nlisteners = 8080\n", "{}:2: http.listeners: input should be a list [RA-3]; write [ ... ]"),
        (
            "[http]\nlisteners = [8080]\n",
            "{}:2: http.listeners.0: input should be a table [RA-3]; write { key = value }",
        ),
        (
            "[http]\nlimits = 5\n",
            "{}:2: http.limits: input should be a table [RA-3]; write { key = value }",
        ),
        (
            "[http.rates]\nsource = 5\n",
            "{}:2: http.rates.source: input should be a table [RA-3]; write { key = value }",
        ),
    ],
)
@pytest.mark.parametrize("listen", [None, ("127.0.0.1", 1)])
def test_ra_3_what_has_another_form_is_refused_in_words_of_toml(
    tmp_path: Path, text: str, told: str, listen: tuple[str, int] | None
) -> None:
    """Listeners that were no list of tables gave way to the default in silence."""
    file = tmp_path / "slee.toml"
    file.write_text(text)
    configuration = load_configuration(file, {})
    with pytest.raises(InvalidConfigurationError) as error:
        checked_properties(HttpAdaptor, listening("http", configuration.http, listen), configuration.places("http"))
    assert str(error.value) == told.replace("{}", str(file), 1)


@pytest.mark.parametrize(
    ("name", "host", "told"),
    [
        ("http", "127.0.0.1", "Address already in use [RA-3]; free it, or give another with --http"),
        ("diameter", "127.0.0.1", "Address already in use [RA-3]; free it, or give another in diameter.listeners"),
        (
            "http",
            "203.0.113.7",
            "Cannot assign requested address [RA-3]; give an address of this machine with --http",
        ),
    ],
)
def test_ra_3_a_place_that_cannot_be_bound_is_told_with_what_changes_it(name: str, host: str, told: str) -> None:
    with bind_tcp("127.0.0.1", 0) as taken, pytest.raises(InvalidConfigurationError) as error:
        require_free(name, Place(socket.SOCK_STREAM, host, taken.getsockname()[1]))
    assert str(error.value).endswith(f": it cannot be bound: {told}")


def test_the_program_and_its_package_have_one_version() -> None:
    with (Path(__file__).parents[2] / "pyproject.toml").open("rb") as file:
        assert tomllib.load(file)["project"]["version"] == VERSION

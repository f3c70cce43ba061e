"""The adaptor's configuration (COM-17, B26)."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from resource_adaptors.sip.config import SipConfiguration, UdpListener


def test_com_17_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError):
        SipConfiguration.model_validate({"t9": 1})
    with pytest.raises(ValidationError):
        SipConfiguration.model_validate({"listeners": [{"transport": "tcp"}]})


def test_com_17_it_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError):
        SipConfiguration().t1 = 1.0


@pytest.mark.parametrize(
    "bad",
    [
        {"t1": 0},
        {"t1": float("inf")},
        {"trying_after": 0.3},
        {"max_forwards_limit": 0},
        {"max_forwards_limit": 256},
        {"malformed_answers_per_second": -1},
        {"udp_drain": 0},
        {"listeners": []},
        {"listeners": [{"host": "localhost"}]},
        {"listeners": [{"host": "0.0.0.0"}]},  # noqa: S104
        {"listeners": [{"port": 65_536}]},
        {"server_name": "a\r\nb"},
    ],
)
def test_values_out_of_range_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SipConfiguration.model_validate(bad)


def test_sip_198_every_key_reaches_the_core() -> None:
    given = {
        "domains": ["Example.NET"],
        "t1": 0.1,
        "t2": 1.0,
        "t4": 2.0,
        "timer_c": 30.0,
        "trying_after": 0.1,
        "server_deadline": 20.0,
        "max_forwards_limit": 10,
        "rfc2543_compat": False,
        "malformed_answers_per_second": 3,
        "server_name": "me",
    }
    listener = UdpListener(host="0.0.0.0", advertised_host="192.0.2.7", force_rport=True, tolerant=True)  # noqa: S104
    settings = SipConfiguration.model_validate(given).settings(listener, 5070)
    timing = settings.timing
    assert (timing.t1, timing.t2, timing.t4, timing.timer_c) == (0.1, 1.0, 2.0, 30.0)
    assert (timing.trying_after, timing.server_deadline, timing.timeout) == (0.1, 20.0, pytest.approx(6.4))
    assert timing.timer_d == 32.0
    assert settings.domains == frozenset({"example.net"})
    assert (settings.host, settings.port, settings.bound) == ("192.0.2.7", 5070, ("0.0.0.0", 5070))  # noqa: S104
    assert (settings.max_forwards_limit, settings.rfc2543_compat, settings.malformed_answers_per_second) == (
        10,
        False,
        3,
    )
    assert (settings.force_rport, settings.tolerant, settings.server_name) == (True, True, "me")


def test_sip_31_the_advertised_port_wins_over_the_one_bound() -> None:
    listener = UdpListener(host="192.0.2.1", port=0, advertised_port=5060)
    settings = SipConfiguration().settings(listener, 40_000)
    assert (settings.host, settings.port, settings.bound) == ("192.0.2.1", 5060, ("192.0.2.1", 40_000))

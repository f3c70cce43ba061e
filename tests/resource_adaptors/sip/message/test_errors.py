"""Errors of the SIP protocol."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from resource_adaptors.sip import message as package
from resource_adaptors.sip.message.errors import (
    KINDS,
    LENIENCIES,
    LocalProtocolError,
    ProtocolError,
    RemoteProtocolError,
)


def test_protocol_error_is_abstract() -> None:
    with pytest.raises(TypeError, match="abstract"):
        ProtocolError("x")
    assert issubclass(LocalProtocolError, ValueError)
    assert str(RemoteProtocolError(400, "Bad Via", "via")) == "400 Bad Via"


def test_com_15_kinds_are_a_closed_list_and_each_is_used() -> None:
    source = "".join(path.read_text() for path in Path(package.__path__[0]).glob("*.py") if path.name != "errors.py")
    quoted = set(re.findall(r'"([a-z_]+)"', source))
    assert set(KINDS) <= quoted
    assert set(LENIENCIES) <= quoted
    assert len(set(KINDS)) == len(KINDS)
    assert list(KINDS) == sorted(KINDS)

"""The corpora of the fuzzers, replayed without a fuzzer: what was found once stays mended (COM-22)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.diameter_target import check as check_diameter
from tests.fuzz.http_target import check as check_http
from tests.fuzz.sip_parser_target import check

DIAMETER = sorted((Path(__file__).parent / "corpus" / "diameter").iterdir())
HTTP = sorted((Path(__file__).parent / "corpus" / "http").iterdir())
SIP_PARSER = sorted((Path(__file__).parent / "corpus" / "sip_parser").iterdir())


def test_the_corpus_is_there_and_small() -> None:
    assert 50 < len(SIP_PARSER) < 300
    assert sum(path.stat().st_size for path in SIP_PARSER) < 1_000_000


@pytest.mark.parametrize("path", SIP_PARSER, ids=lambda path: path.name)
def test_sip_parser(path: Path) -> None:
    check(path.read_bytes())


@pytest.mark.parametrize("path", DIAMETER, ids=lambda path: path.name)
def test_diameter(path: Path) -> None:
    check_diameter(path.read_bytes())


@pytest.mark.parametrize("path", HTTP, ids=lambda path: path.name)
def test_http_45_http(path: Path) -> None:
    check_http(path.read_bytes())

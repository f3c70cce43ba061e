"""Structured logs: one line per record, with the fields that were given."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from slee.runtime.logs import configure_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_lines_carry_time_level_logger_message_fields_and_traceback(stream: io.StringIO) -> None:
    configure_logging("json", "info", stream)
    try:
        raise ValueError("wrong")
    except ValueError:
        logging.getLogger("a.b").exception("it %s", "broke", extra={"component": "x", "activity": 7})
    line = json.loads(stream.getvalue())
    assert {name: line[name] for name in ("level", "logger", "message", "component", "activity")} == {
        "level": "ERROR",
        "logger": "a.b",
        "message": "it broke",
        "component": "x",
        "activity": 7,
    }
    assert line["time"].endswith("Z")
    assert "ValueError: wrong" in line["traceback"]


def test_text_lines_quote_values_that_would_not_be_one_word(stream: io.StringIO) -> None:
    configure_logging("text", "info", stream)
    logging.getLogger("a").info("said\nthat", extra={"plain": 1, "words": "a b", "empty": ""})
    assert stream.getvalue().partition("Z ")[2] == 'INFO    a said\n  that plain=1 words="a b" empty=""\n'


def test_levels_are_kept(stream: io.StringIO) -> None:
    configure_logging("text", "warning", stream)
    logging.getLogger("a").info("no")
    logging.getLogger("uvicorn.error").info("no")
    logging.getLogger("a").warning("yes")
    assert stream.getvalue().count("\n") == 1

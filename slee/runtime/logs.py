"""Structured logs on standard error: one line per record, as text with fields or as JSON."""

from __future__ import annotations

import datetime
import json
import logging
import sys
from typing import Any, Final, TextIO

TRACES: Final = "slee.trace"
"""Name of the logger of trace messages."""
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""Attributes that every record has; what stands beside them was given as `extra`."""


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, message, the fields given, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str, ensure_ascii=False)


class TextFormatter(logging.Formatter):
    """`time level logger message key=value ...`, and the traceback below it if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and perhaps a traceback."""
        fields = "".join(f" {key}={_quoted(str(value))}" for key, value in _fields(record).items())
        message = record.getMessage().replace("\n", "\n  ")
        line = f"{_time(record)} {record.levelname:<7} {record.name} {message}{fields}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure_logging(form: str, level: str, stream: TextIO | None = None) -> None:
    """Send everything that is logged to one stream.

    Args:
        form: `text` or `json`.
        level: least level shown: `debug`, `info`, `warning` or `error`.
        stream: where to; standard error if not given.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger(TRACES).setLevel(1)  # what is traced has been judged by its tracer's level
    for noisy in ("uvicorn", "asyncio", "httpx"):
        logging.getLogger(noisy).setLevel(max(root.level, logging.WARNING))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key not in _STANDARD}


def _time(record: logging.LogRecord) -> str:
    moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _quoted(text: str) -> str:
    return text if text and not any(c in text for c in ' "=\n') else json.dumps(text, ensure_ascii=False)

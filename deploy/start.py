"""From the options of `slee run` to a running server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.configuration import load_configuration, parse_address, parse_setting
from deploy.run import refused, run
from slee.api.errors import InvalidConfigurationError, SleeError


def start(config: str | None, sip: str | None, given: Mapping[str, Any], settings: Sequence[str]) -> int:
    """Run a server; returns the exit status.

    Args:
        config: path of the configuration file.
        sip: `HOST:PORT` of `--sip`.
        given: values of other options by dotted key.
        settings: the `--set` options.
    """
    try:
        overrides = dict(_parsed(text) for text in settings) | dict(given)
        configuration = load_configuration(Path(config) if config else None, overrides)
        listen = _listen(sip) if sip else None
    except SleeError as error:
        return refused(error)
    return run(configuration, listen)


def _parsed(text: str) -> tuple[str, Any]:
    try:
        return parse_setting(text)
    except ValueError as error:
        raise InvalidConfigurationError(f"--set: {error} [RA-3]; write --set sip.t1=0.1") from error


def _listen(text: str) -> tuple[str, int]:
    try:
        return parse_address(text)
    except ValueError as error:
        raise InvalidConfigurationError(f"--sip: {error} [RA-3]; write --sip 127.0.0.1:5060") from error

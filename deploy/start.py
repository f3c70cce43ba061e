"""From the options of `slee run` to a running server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy.configuration import load_configuration, parse_address, parse_setting
from deploy.run import refused, run
from slee.api.errors import InvalidConfigurationError, SleeError


def start(config: str | None, listen: Mapping[str, str], given: Mapping[str, Any], settings: Sequence[str]) -> int:
    """Run a server; returns the exit status.

    Args:
        config: path of the configuration file.
        listen: `HOST:PORT` by the option's name: of `--sip` and `--http`.
        given: values of other options by dotted key.
        settings: the `--set` options.
    """
    try:
        overrides = dict(_parsed(text) for text in settings) | dict(given)
        configuration = load_configuration(Path(config) if config else None, overrides)
        places = {name: _listen(name, text) for name, text in listen.items()}
    except SleeError as error:
        return refused(error)
    return run(configuration, places)


def _parsed(text: str) -> tuple[str, Any]:
    try:
        return parse_setting(text)
    except ValueError as error:
        raise InvalidConfigurationError(f"--set: {error} [RA-3]; write --set sip.t1=0.1") from error


def _listen(option: str, text: str) -> tuple[str, int]:
    try:
        return parse_address(text)
    except ValueError as error:
        raise InvalidConfigurationError(f"--{option}: {error} [RA-3]; write --{option} 127.0.0.1:5060") from error

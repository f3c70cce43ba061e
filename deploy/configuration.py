"""The server's configuration: `slee.toml`, overridden by options of `slee run`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal, cast

from pydantic import AfterValidator, Field, PrivateAttr

from slee.api.errors import InvalidConfigurationError
from slee.management.document import DocumentKind, Places, Section, check, key_lines, parse

FILE: Final = "slee.toml"
_KIND: Final = DocumentKind("RA-3", InvalidConfigurationError)


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT` or `[IPV6]:PORT`; port 0 lets the system choose.

    Raises:
        ValueError: it is neither, or the port is out of range.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"{text!r} is not HOST:PORT")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r} is not HOST:PORT; put an IPv6 address in brackets")
    if not host:
        raise ValueError(f"{text!r} is not HOST:PORT; give 0.0.0.0 for every address")
    return host, int(port)


def _address(text: str) -> str:
    parse_address(text)
    return text


Address = Annotated[str, AfterValidator(_address)]


class LogSection(Section):
    """`[log]`."""

    format: Literal["text", "json"] = "text"
    level: Literal["debug", "info", "warning", "error"] = "info"


class MetricsSection(Section):
    """`[metrics]`."""

    listen: Address = "127.0.0.1:9464"


class StoreSection(Section):
    """`[store]`: where what is to survive a crash is kept."""

    kind: Literal["sqlite", "memory"] = "sqlite"
    """`memory` keeps nothing: calls and registrations end with the process."""
    synchronous: Literal["normal", "full"] = "normal"
    """`normal` survives the end of the process at any instant, `full` that of the machine too."""
    overdue_timers_within: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    """Seconds over which timers that came due while the server was down are spread (DUR-8)."""
    unwritten_records: Annotated[int, Field(gt=0)] = 100_000
    """Records that may wait while the journal cannot be written; at more, durable services begin nothing (DUR-13)."""
    unwritten_bytes: Annotated[int, Field(gt=0)] = 64 * 2**20
    """The same as a size."""
    unwritten_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 30.0
    """The same as an age of the oldest."""
    give_up_after: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 300.0
    """Seconds without writing after which the server ends with exit status 10 (DUR-14)."""


class ProfilesSection(Section):
    """`[profiles]`: where profile tables are kept."""

    database: str | None = None
    """URL of the database, `sqlite:///PATH` or `postgresql://USER@HOST/NAME`; a file in the state directory without."""


class ServerConfiguration(Section):
    """`slee.toml`, whole."""

    state_dir: Path = Path(".slee")
    """Where desired state and installed bundles are kept."""
    drain_timeout: Annotated[float, Field(ge=0)] = 10.0
    """Seconds that SIGTERM leaves to what is in progress."""
    self_check_interval: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 60.0
    """Seconds between two checks that no event is unaccounted for (CON-15)."""
    log: LogSection = LogSection()
    metrics: MetricsSection = MetricsSection()
    store: StoreSection = StoreSection()
    profiles: ProfilesSection = ProfilesSection()
    sip: dict[str, Any] = Field(default_factory=dict)
    """Configuration of the SIP resource adaptor, checked by its own model."""
    http: dict[str, Any] = Field(default_factory=dict)
    """Configuration of the HTTP resource adaptor, checked by its own model."""
    diameter: dict[str, Any] = Field(default_factory=dict)
    """Configuration of the Diameter resource adaptor, checked by its own model."""
    timer: dict[str, Any] = Field(default_factory=dict)
    """Configuration of the timer resource adaptor, checked by its own model."""
    _places: Places = PrivateAttr(Places("options"))

    def read_from(self, places: Places) -> ServerConfiguration:
        """The same, knowing where its keys stand."""
        self._places = places
        return self

    def places(self, section: str) -> Places:
        """Where the keys of a section stand, for messages of the model that checks it."""
        return replace(self._places, table=(section,))


def load_configuration(path: Path | None, overrides: Mapping[str, Any]) -> ServerConfiguration:
    """Read the configuration.

    Args:
        path: the file; `None` for `slee.toml` if it is there, else the defaults.
        overrides: values by dotted key, `{"sip.t1": 0.1}`, that go before those of the file.

    Raises:
        InvalidConfigurationError: it is unreadable or wrong; lists every problem with file, line and key.
    """
    file = path or Path(FILE)
    text = ""
    if path is not None or file.exists():
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidConfigurationError(f"{file}: it cannot be read: {error} [RA-3]; give another file") from error
    source = str(file) if text else "options"
    data = parse(text, source, _KIND)
    for key, value in overrides.items():
        _put(data, key, value)
    configuration = check(ServerConfiguration, data, text, source, _KIND)
    return configuration.read_from(Places(source, dict(key_lines(text))))


def parse_setting(text: str) -> tuple[str, Any]:
    """Key and value of `key=value`; the value is TOML, or plain text where it is none.

    Raises:
        ValueError: there is no `=`, or the key is empty.
    """
    key, equals, value = text.partition("=")
    if not equals or not all(key.strip().split(".")):
        raise ValueError(f"{text!r} is not key=value")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value


def _put(data: dict[str, Any], dotted: str, value: Any) -> None:
    *tables, last = dotted.split(".")
    for name in tables:
        table = data.setdefault(name, {})
        if not isinstance(table, dict):
            raise InvalidConfigurationError(f"--set {dotted}: {name} is no section [RA-3]; name a key of a section")
        data = cast("dict[str, Any]", table)
    data[last] = value

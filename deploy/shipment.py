"""What the product ships, as data: adaptors, bundles, and what a first start makes of them."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from deploy.builder import Builder
from slee.management.management import EntityEquipment, Equipment
from slee.management.store import SHIPPED as SOURCE
from slee.spi.adaptor import ResourceAdaptor

Section = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """A place to listen at."""

    kind: socket.SocketKind
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Shipment:
    """Adaptors and bundles of one product, and its first desired state."""

    adaptors: tuple[str, ...]
    """Built-in resource adaptors, `module:Class`."""
    root: Path
    """Folder that the bundle folders stand in."""
    bundles: tuple[str, ...]
    """Source folders, each after those that it depends on."""
    entities: tuple[EntityEquipment, ...]
    services: tuple[str, ...]
    """Names of services that a first start activates."""
    addresses: Callable[[str, Section], list[Place]]
    """The places that the configuration of a section asks for."""
    announce: Callable[[Any], str] = lambda _: ""
    """What the announcement says of an adaptor at work, if anything."""

    def load_adaptors(self) -> tuple[type[ResourceAdaptor], ...]:
        """Import the adaptors."""
        found: list[type[ResourceAdaptor]] = []
        for path in self.adaptors:
            module, _, name = path.partition(":")
            found.append(getattr(importlib.import_module(module), name))
        return tuple(found)

    def equipment(self, adaptors: tuple[type[ResourceAdaptor], ...]) -> Equipment:
        """Build the bundles, and say what a first start deploys."""
        builder = Builder(adaptors)
        try:
            built = [(folder, builder.build(self.root / folder)) for folder in self.bundles]
        finally:
            builder.close()
        return Equipment(
            tuple((f"{SOURCE}{folder}", bundle.archive) for folder, bundle in built), self.entities, self.services
        )


DEFAULTS: Final[Mapping[str, tuple[str, int]]] = {
    "sip": ("127.0.0.1", 5060),
    "http": ("127.0.0.1", 8080),
    "diameter": ("127.0.0.1", 3868),
}
"""Where the listeners of an adaptor listen unless they are told otherwise, by section."""
_TRANSPORTS: Final[Mapping[str, socket.SocketKind]] = {
    "sip": socket.SOCK_DGRAM,
    "http": socket.SOCK_STREAM,
    "diameter": socket.SOCK_STREAM,
}


def listening(name: str, section: Section, listen: tuple[str, int] | None) -> dict[str, Any]:
    """The section of an adaptor with its listener: at the option's place, else as configured, else at the default.

    What is configured of the first listener besides its address, such as what it advertises, stays with the option.
    Listeners of another form than a list of tables are left to the adaptor's model, which refuses them.
    """
    configured = _listeners(section)
    given = section.get("listeners", [])
    is_malformed = not isinstance(given, list) or len(configured) < len(cast("list[object]", given))
    if is_malformed or (listen is None and "listeners" in section):
        return dict(section)
    host, port = listen or DEFAULTS[name]
    return {**section, "listeners": [{**(configured[0] if configured else {}), "host": host, "port": port}]}


def shipped_addresses(name: str, section: Section) -> list[Place]:
    """Where the configured listeners of a section want to listen; malformed ones are left to the adaptor's model."""
    found: list[Place] = []
    for listener in _listeners(section) if name in _TRANSPORTS else []:
        host, port = listener.get("host", DEFAULTS[name][0]), listener.get("port", DEFAULTS[name][1])
        if isinstance(host, str) and isinstance(port, int) and 0 <= port <= 65_535:
            found.append(Place(_TRANSPORTS[name], host, port))
    return found


def _listeners(section: Section) -> list[dict[str, Any]]:
    given: object = section.get("listeners")
    members = cast("list[object]", given) if isinstance(given, list) else []
    return [cast("dict[str, Any]", member) for member in members if isinstance(member, dict)]


def announce(adaptor: Any) -> str:
    """What is said of an adaptor of the product at work."""
    if adaptor.id.name == "sip":
        return f"SIP on {adaptor.address[0]}:{adaptor.address[1]} (UDP)"
    if adaptor.id.name == "http" and adaptor.addresses:
        return f"HTTP on {', '.join(adaptor.addresses)}"
    return ""


SHIPPED: Final = Shipment(
    adaptors=(
        "resource_adaptors.sip.adaptor:SipAdaptor",
        "resource_adaptors.http.adaptor:HttpAdaptor",
        "resource_adaptors.diameter.adaptor:DiameterAdaptor",
        "resource_adaptors.timer.adaptor:TimerAdaptor",
    ),
    root=Path(__file__).resolve().parent.parent,
    bundles=(
        "profiles/location",
        "profiles/subscriber",
        "profiles/alias",
        "profiles/domain",
        "profiles/account",
        "profiles/forwarding",
        "profiles/screening",
        "profiles/speed_dial",
        "profiles/gateway",
        "profiles/trusted_address",
        "sbbs/registrar",
        "sbbs/proxy",
        "sbbs/message_api",
        "sbbs/wake_up",
        "sbbs/call_events",
    ),
    entities=(
        EntityEquipment("sip", "sip", "sip", ("sip-main",)),
        EntityEquipment("http", "http", "http", ("http-main",)),
        EntityEquipment("diameter", "diameter", "diameter", ("diameter-main",)),
        EntityEquipment("timer", "timer", "timer", ("timer-main",)),
    ),
    services=("Registrar", "Proxy"),
    addresses=shipped_addresses,
    announce=announce,
)
"""The product."""

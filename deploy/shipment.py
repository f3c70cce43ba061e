"""What the product ships, as data: adaptors, bundles, and what a first start makes of them."""

from __future__ import annotations

import importlib
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
    addresses: Callable[[Mapping[str, Section]], list[tuple[str, int]]]
    """The UDP addresses that the configuration of the entities asks for."""
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


DEFAULT_SIP: Final = ("127.0.0.1", 5060)


def sip_section(section: Section, listen: tuple[str, int] | None) -> dict[str, Any]:
    """The SIP adaptor's configuration with its listener: at `--sip`, else as configured, else at the default.

    What is configured of the first listener besides its address, such as what it advertises, stays with `--sip`.
    """
    configured = _listeners(section)
    if listen is None and configured:
        return dict(section)
    host, port = listen or DEFAULT_SIP
    return {**section, "listeners": [{**(configured[0] if configured else {}), "host": host, "port": port}]}


def sip_addresses(section: Section) -> list[tuple[str, int]]:
    """Hosts and ports of the configured UDP listeners; malformed ones are left to the adaptor's model."""
    found: list[tuple[str, int]] = []
    for listener in _listeners(section):
        host, port = listener.get("host", DEFAULT_SIP[0]), listener.get("port", DEFAULT_SIP[1])
        if isinstance(host, str) and isinstance(port, int) and 0 <= port <= 65_535:
            found.append((host, port))
    return found


def _listeners(section: Section) -> list[dict[str, Any]]:
    given: object = section.get("listeners")
    members = cast("list[object]", given) if isinstance(given, list) else []
    return [cast("dict[str, Any]", member) for member in members if isinstance(member, dict)]


def announcement(adaptor: Any) -> str:
    """What the announcement says of an adaptor at work: where SIP listens."""
    return f"SIP on {adaptor.address[0]}:{adaptor.address[1]} (UDP)" if adaptor.id.name == "sip" else ""


SHIPPED: Final = Shipment(
    adaptors=(
        "resource_adaptors.sip.adaptor:SipAdaptor",
        "resource_adaptors.diameter.adaptor:DiameterAdaptor",
        "resource_adaptors.timer.adaptor:TimerAdaptor",
    ),
    root=Path(__file__).resolve().parent.parent,
    bundles=("profiles/location", "sbbs/registrar", "sbbs/proxy"),
    entities=(
        EntityEquipment("sip", "sip", "sip", ("sip-main",)),
        EntityEquipment("diameter", "diameter", "diameter", ("diameter-main",)),
        EntityEquipment("timer", "timer", "timer", ("timer-main",)),
    ),
    services=("Registrar", "Proxy"),
    addresses=lambda sections: sip_addresses(sections["sip"]),
    announce=announcement,
)
"""The product."""

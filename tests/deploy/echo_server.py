"""Runs a server with the test adaptor and bundles in place of the product's: `python -m tests.deploy.echo_server`."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

from deploy.configuration import load_configuration, parse_setting
from deploy.run import prepare, refused, serve_prepared
from deploy.shipment import Place, Section, Shipment
from slee.api.errors import SleeError
from slee.management.management import EntityEquipment


def echo_addresses(name: str, section: Section) -> list[Place]:
    """The address that the test adaptor would bind."""
    port: Any = section.get("listen-port", 0)
    return [Place(socket.SOCK_DGRAM, "127.0.0.1", port)] if port > 1024 else []


ECHO_SHIPMENT = Shipment(
    adaptors=("tests.deploy.echo:EchoAdaptor",),
    root=Path(__file__).parent / "bundles",
    bundles=("profiles/places", "sbbs/greeter"),
    entities=(EntityEquipment("echo", "echo", "echo", ("echo-main",)),),
    services=("Greeter",),
    addresses=echo_addresses,
)


def main(settings: list[str]) -> int:
    """Run it; every argument is a setting `key=value`, those of `sip` configure the test adaptor."""
    try:
        configuration = load_configuration(None, dict(parse_setting(text) for text in settings))
        prepared = prepare(configuration, {"echo": configuration.sip}, ECHO_SHIPMENT)
    except SleeError as error:
        return refused(error)
    return serve_prepared(prepared)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

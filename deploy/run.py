"""`slee run`: everything is checked and bound first, then one event loop carries it until a signal ends it."""

from __future__ import annotations

import asyncio
import errno
import gc
import importlib
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread
import click

from deploy.collector import Collector
from deploy.configuration import ServerConfiguration, parse_address
from deploy.shipment import SHIPPED, Place, Shipment, listening
from slee.api.errors import InvalidConfigurationError, SleeError
from slee.facilities.journalwatch import JournalBounds
from slee.management.failures import EXIT_JOURNAL, EXIT_UNEXPECTED, EXIT_USAGE
from slee.management.management import Equipment
from slee.management.resources import checked_properties
from slee.management.store import SOCKET, StateDirectory
from slee.runtime.logs import configure_logging
from slee.runtime.slee import Slee
from slee.server.listening import bind_unix, require_short
from slee.spi.listening import bind_tcp
from slee.stores import open_store

if TYPE_CHECKING:
    from slee.kernel.kernel import Kernel
    from slee.spi.adaptor import ResourceAdaptor

_LOG = logging.getLogger(__name__)
GRACE: Final = 2.0
"""Seconds beyond the drain timeout after which an end that does not come is given up."""
Sections = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that a server needs from outside, had before anything has begun."""

    configuration: ServerConfiguration
    shipment: Shipment
    adaptors: tuple[type[ResourceAdaptor], ...]
    sections: Sections
    metrics: socket.socket
    store: StateDirectory
    api: socket.socket


def run(configuration: ServerConfiguration, listen: Mapping[str, tuple[str, int]], shipment: Shipment = SHIPPED) -> int:
    """Run a server until it is told to end; returns the exit status."""
    given = {"sip": configuration.sip, "http": configuration.http}
    sections = {name: listening(name, section, listen.get(name)) for name, section in given.items()}
    sections |= {"diameter": configuration.diameter, "timer": configuration.timer}
    try:
        prepared = prepare(configuration, sections, shipment)
    except SleeError as error:
        return refused(error)
    return serve_prepared(prepared)


def serve_prepared(prepared: Prepared) -> int:
    """Run the event loop; returns the exit status."""
    configure_logging(prepared.configuration.log.format, prepared.configuration.log.level)
    sys.setswitchinterval(_SWITCH_INTERVAL)
    return anyio.run(serve, prepared)


_SWITCH_INTERVAL: Final = 0.0005
"""Seconds for which a thread beside calls, such as a database's writer, keeps the interpreter to itself."""


def prepare(configuration: ServerConfiguration, sections: Sections, shipment: Shipment) -> Prepared:
    """Check the configuration, bind the sockets and take the state directory, in an order that changes nothing first.

    Raises:
        SleeError: something of it cannot be had; nothing has changed.
    """
    adaptors = shipment.load_adaptors()
    by_name = {adaptor.id.name: adaptor for adaptor in adaptors}
    for entity in shipment.entities:
        places = configuration.places(entity.section)
        checked_properties(by_name[entity.adaptor], sections.get(entity.section, {}), places)
    for name, section in sections.items():
        for place in shipment.addresses(name, section):
            require_free(name, place)
    require_short(configuration.state_dir / SOCKET)
    metrics = _listen("metrics", *parse_address(configuration.metrics.listen))
    try:
        store = StateDirectory(configuration.state_dir)
        try:
            api = bind_unix(store.socket)
        except BaseException:
            store.close()
            raise
    except BaseException:
        metrics.close()
        raise
    return Prepared(configuration, shipment, adaptors, sections, metrics, store, api)


async def serve(prepared: Prepared) -> int:
    """Carry calls until the end is asked for; returns the exit status."""
    status = EXIT_UNEXPECTED
    gc.disable()  # a start makes what lasts, by the hundred thousand after a recovery, and next to no garbage
    try:
        slee = _compose(prepared)
    except SleeError as error:
        _let_go(prepared)
        prepared.store.close()
        return refused(error)
    try:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            try:
                slee.start(_equipment(prepared))
            except SleeError as error:
                return refused(error)
            click.echo(_announcement(prepared, slee))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_watch, signals, slee.shutdown_asked)
                tasks.start_soon(_interfaces, prepared, slee)
                await slee.shutdown_asked.wait()
                status = 0
                if slee.has_lost_journal:
                    status = EXIT_JOURNAL
                elif not slee.is_shut_down:
                    status = await drain(slee, prepared.configuration.drain_timeout)
                tasks.cancel_scope.cancel()
    finally:
        _let_go(prepared)
        slee.close()
    return status


def _compose(prepared: Prepared) -> Slee:
    """Put the SLEE together, with the journal that is configured."""
    configuration = prepared.configuration
    store = configuration.store
    open_journal = partial(open_store, store.kind, configuration.state_dir, synchronous=store.synchronous)
    if store.kind == "memory":
        _LOG.warning("store.kind is memory: services of every durability class end with the process [DUR-1]")
    return Slee(
        store=prepared.store,
        adaptors=prepared.adaptors,
        sections=prepared.sections,
        self_check=configuration.self_check_interval,
        profile_database=configuration.profiles.database,
        open_journal=None if store.kind == "memory" else open_journal,
        bounds=JournalBounds(
            store.unwritten_records, store.unwritten_bytes, store.unwritten_seconds, store.give_up_after
        ),
        spread=store.overdue_timers_within,
    )


def _let_go(prepared: Prepared) -> None:
    """Close the sockets."""
    prepared.metrics.close()
    prepared.api.close()
    prepared.store.socket.unlink(missing_ok=True)


def require_free(section: str, place: Place) -> None:
    """Refuse a place that cannot be bound now."""
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    with socket.socket(family, place.kind) as probe:
        if place.kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((place.host, place.port))
        except OSError as error:
            raise _no_address(section, place.host, place.port, error) from error


def _equipment(prepared: Prepared) -> Equipment:
    if prepared.store.desired.equipped:
        return Equipment()
    return prepared.shipment.equipment(prepared.adaptors)


async def _interfaces(prepared: Prepared, slee: Slee) -> None:
    """Serve management and metrics; their libraries are imported beside the traffic, which is being carried already.

    Both sockets listen since before the announcement, so that a client that comes early waits and is served.
    """
    beside = partial(anyio.to_thread.run_sync, abandon_on_cancel=True)
    module = await beside(importlib.import_module, "slee.server.interfaces")
    api = await beside(module.api, slee.management)  # a third of a second, for so many operations
    Collector(asyncio.get_running_loop().call_later).start()
    async with anyio.create_task_group() as tasks:
        for app, listener in (
            (api, prepared.api),
            (module.metrics(slee.kernel, slee.management, slee.tables), prepared.metrics),
        ):
            tasks.start_soon(module.serve, app, listener, slee.shutdown_asked)


async def _watch(signals: AsyncIterator[int], asked: anyio.Event) -> None:
    """The first signal asks for the end, the second one is the end."""
    async for number in signals:
        if asked.is_set():
            logging.shutdown()
            os._exit(128 + number)
        _LOG.info("signal %s: stopping", signal.Signals(number).name)
        asked.set()


async def drain(slee: Slee, within: float) -> int:
    """Stop the SLEE, which is given up some time after `within` seconds; returns the exit status."""
    if left := in_progress(slee.kernel):
        _LOG.info("waiting for %s, at most %g s", left, within)
    with anyio.move_on_after(within + GRACE) as scope:
        await slee.stop(within)
    if not scope.cancelled_caught:
        return 0
    left = in_progress(slee.kernel) or "its own activities"
    _LOG.error("the SLEE has not stopped within %g s, left are %s; ending all the same", within + GRACE, left)
    return EXIT_UNEXPECTED


def in_progress(kernel: Kernel) -> str:
    """What a stop waits for: entity trees by service, activities by resource adaptor entity; empty if nothing."""
    counts = [
        (len(service.roots), "entity tree", "entity trees", f"{identity.name} {identity.version}")
        for identity, service in sorted(kernel.services.items(), key=lambda item: item[0])
    ]
    counts += [(len(r.contexts), "activity", "activities", name) for name, r in sorted(kernel.resources.items())]
    counts.append((len(kernel.null_activities.contexts), "null activity", "null activities", "SBBs"))
    return ", ".join(f"{count} {one if count == 1 else more} of {owner}" for count, one, more, owner in counts if count)


def _listen(what: str, host: str, port: int) -> socket.socket:
    try:
        return bind_tcp(host, port)
    except OSError as error:
        raise _no_address(what, host, port, error) from error


_OPTIONS: Final = ("sip", "http", "metrics")
"""What has an option of its own for its address."""


def _no_address(what: str, host: str, port: int, error: OSError) -> InvalidConfigurationError:
    way = f"with --{what}" if what in _OPTIONS else f"in {what}.listeners"
    remedy = f"free it, or give another {way}"
    if error.errno == errno.EADDRNOTAVAIL:
        remedy = f"give an address of this machine {way}"
    return InvalidConfigurationError(
        f"{what} {host}:{port}: it cannot be bound: {os.strerror(error.errno or 0)} [RA-3]; {remedy}"
    )


def _announcement(prepared: Prepared, slee: Slee) -> str:
    """The line that says where it listens, and that it is ready if it is."""
    host, port = prepared.metrics.getsockname()[:2]
    entities = slee.kernel.resources.values()
    places = [prepared.shipment.announce(entity.adaptor) for entity in entities if entity.is_object_active]
    places = [place for place in places if place]
    places += [f"metrics on http://{host}:{port}/metrics", f"management on {prepared.store.socket}"]
    state = slee.kernel.state.value.lower()
    lost = slee.management.bundles.unrestored
    note = f"; {lost} {'bundle' if lost == 1 else 'bundles'} not restored, the log says why" if lost else ""
    return f"SLEE {state}: {', '.join(places)}{note}"


def refused(error: SleeError) -> int:
    """One clear line, whatever the error has to say."""
    click.echo(f"slee run: {'; '.join(str(error).splitlines())}", err=True)
    return EXIT_USAGE

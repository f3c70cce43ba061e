"""A server of one service that counts in a profile and in itself; run as a program, it is there to be killed.

    python -m tests.slee.runtime.counting FOLDER URL [import]

It prints each count that it has handed over, which is after the record was acknowledged; with `import`, a line for each
chunk of an import that it never ends.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
from anyio.lowlevel import checkpoint

from slee import (
    ActivityContext,
    Cmp,
    Profile,
    Sbb,
    Select,
    attribute,
    cmp,
    event_type,
    initial_event,
    profiles,
    resource,
)
from slee.api.ids import ServiceID
from slee.api.source import ResourceSource
from slee.management.management import Equipment
from slee.management.store import StateDirectory
from slee.model.descriptor import Durability, describe_service
from slee.model.profile import describe_profile
from slee.runtime.slee import Slee
from slee.stores import open_store
from slee.testing import RecordingResource, recording_type

CHUNK = 16


@event_type("counting.Count", vendor="test", version="1.0")
class Count:
    """Counts one further."""


class Total(Profile, vendor="test", version="1.0"):
    """What was counted."""

    count: int = 0
    label: str | None = attribute(None, unique=True)


RA = recording_type(Count)


class Counter(Sbb, vendor="test", version="1.0"):
    """Counts."""

    count: Cmp[int] = cmp(0)
    totals = profiles(Total)
    ra = resource(RA)

    @initial_event(Select.EVENT_TYPE)
    def on_count(self, event: Count, aci: ActivityContext) -> None:
        if not self.count:
            self.null_activities.create().attach(self)
        aci.detach(self)
        total = self.totals.find("all") or self.totals.create("all")
        total.count += 1
        total.label = f"label {total.count}"
        self.count = total.count
        self.ra.send(str(total.count))


class Telling(RecordingResource):
    """Prints what it is handed."""

    def perform(self, command) -> None:
        print(command.command, flush=True)


def compose(
    folder: Path, url: str | None, adaptor: RecordingResource, durability: Durability, *, journal: bool = True
) -> Slee:
    """The server, not started."""
    store = StateDirectory(folder)
    open_journal = partial(open_store, "sqlite", folder) if journal else None
    try:
        slee = Slee(store=store, adaptors=(), sections={}, profile_database=url, open_journal=open_journal)
    except BaseException:
        store.close()
        raise
    tables = slee.profiles
    tables.add_specification(describe_profile(Total))
    tables.load_stored(Total.specification_id)
    if not tables.tables():
        tables.create_table("Total", Total.specification_id)
    entity = slee.kernel.create_resource("test", adaptor)
    slee.facilities.add(ResourceSource("test"))
    adaptor.set_context(slee.context("test", entity))
    entity.activate()
    identity = ServiceID("Counter", "test", "1.0")
    descriptor = describe_service(identity, Counter, durability=durability)
    bound = {
        sbb.id: {
            **{name: adaptor.provider(RA) for name in sbb.resources},
            **{name: tables.view(declared.table) for name, declared in sbb.profiles.items()},
        }
        for sbb in descriptor.sbbs.values()
    }
    slee.kernel.add_service(descriptor, bound)
    slee.kernel.activate_service(identity)
    return slee


def count(slee: Slee) -> None:
    """Have the service count."""
    endpoint = slee.kernel.resources["test"]
    handle = f"a{slee.kernel.next_sequence()}"
    endpoint.start_activity(handle, "activity")
    endpoint.fire(handle, Count())
    endpoint.end_activity(handle)
    slee.pump()


async def count_for_ever(slee: Slee) -> None:
    while True:
        count(slee)
        await anyio.lowlevel.checkpoint()


async def import_for_ever(slee: Slee) -> None:
    tables, number = slee.profiles, 0
    table, whole = tables.table("Total"), tables.whole()
    while True:
        rows = {f"i{number + n}": table.descriptor.row({"count": number + n}) for n in range(CHUNK)}
        rows["all"] = table.descriptor.row({"count": -number})
        tables.transact(partial(_put, slee, rows), whole=whole)
        number += CHUNK
        slee.pump()
        print(number, flush=True)
        await checkpoint()


def _put(slee: Slee, rows, work) -> None:
    slee.profiles.put_into(work, slee.profiles.table("Total"), rows)


async def serve(folder: Path, url: str, work: Callable) -> None:
    """Until it is killed."""
    slee = compose(folder, url, Telling(RA), Durability.SYNC)
    slee.start(Equipment())
    await work(slee)


if __name__ == "__main__":
    anyio.run(serve, Path(sys.argv[1]), sys.argv[2], import_for_ever if "import" in sys.argv else count_for_ever)

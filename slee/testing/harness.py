"""Run services without sockets, on the product's own kernel and a manual clock (group TST)."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar, cast

from slee.api.errors import VerificationError
from slee.api.ids import ServiceID
from slee.api.source import ResourceSource, SbbSource
from slee.api.usage import UsageParameters
from slee.facilities.facilities import Facilities
from slee.facilities.volatile import VolatileTables
from slee.kernel.adaptor_context import AdaptorContext
from slee.kernel.conservation import unaccounted
from slee.kernel.firing import Firing
from slee.kernel.kernel import Kernel
from slee.kernel.ports import Limits
from slee.kernel.states import ResourceState, SleeState
from slee.model.descriptor import Durability, SbbDescriptor, describe_service
from slee.model.sharing import sharing_issues
from slee.testing.callbacks import CallbackLog
from slee.testing.clock import ManualClock
from slee.testing.configured import configured
from slee.testing.crash import CrashableJournal
from slee.testing.faults import Faults
from slee.testing.kernel import Watch, WatchedKernel
from slee.testing.leftovers import busy, left, unserved
from slee.testing.looking import Looking
from slee.testing.observer import RecordingObserver
from slee.testing.profiles import HarnessProfiles
from slee.testing.scripted import ScriptedResource
from slee.testing.serialisation import Serialisation

if TYPE_CHECKING:
    from pydantic import BaseModel

    from slee.api.activity import ActivityContext
    from slee.api.resource import ResourceAdaptorType
    from slee.api.sbb import Sbb
    from slee.api.view import ActivityContextView
    from slee.kernel.recovery import RecoveryReport
    from slee.spi.adaptor import ResourceAdaptor
    from slee.spi.interface import ResourceInterface
    from slee.spi.scheduling import DeclaredSchedule
    from slee.stores.simulated import SimulatedDisk

A = TypeVar("A", bound="ResourceAdaptor")
U = TypeVar("U", bound=UsageParameters)


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of the kernel did (TST-2)."""

    kind: str
    """`delivery` to one entity, `end` of an event's processing, or `other`."""
    event: object
    activity_context: ActivityContext | None


class SleeHarness(Looking):
    """A SLEE in a test: the kernel, a manual clock, and the adaptors that the test brings.

        with SleeHarness() as slee:
            sip = slee.add_resource("sip-main", SipSimulator())
            slee.install(Proxy)
            sip.receive(...)
            slee.clock.advance(20)

    Leaving the block checks that every accepted event is accounted for, that nothing failed unseen, and that no entity,
    activity, timer or output is left (TST-10).
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        limits: Limits | None = None,
        failures_allowed: bool = False,
        leftovers_allowed: bool = False,
        serialise: bool = True,
        random_schedule: bool = False,
        journal: SimulatedDisk | None = None,
        start: bool = True,
    ) -> None:
        """Make a SLEE that runs.

        Args:
            seed: of the ids, and of the schedule if that is random.
            limits: bounds of the kernel.
            failures_allowed: do not fail for failures when the harness closes; read `failures`.
            leftovers_allowed: do not fail for what is left when the harness closes.
            serialise: send what is committed through the codec, and go on with the copy (TST-8).
            random_schedule: choose by lot which ready context goes next (TST-11).
            journal: the disk that what lasts is kept on, for `crash` and `restart`; without, all is `memory`.
            start: `False` leaves the SLEE Stopped, as `crash` does; `restart` starts it.
        """
        self.clock = ManualClock()
        self.clock.drives(self._advance_to)
        self.random = random.Random(seed)
        self.facilities = Facilities(now=lambda: self.clock.now, random=self.random.randbytes)
        self.observer = RecordingObserver(self.facilities)
        self.failures_allowed, self.leftovers_allowed = failures_allowed, leftovers_allowed
        self.log = CallbackLog()
        """Every call of an author's code (TST-7)."""
        self.faults = Faults(self.clock)
        """Faults to inject (TST-6)."""
        self.seed = seed
        self.watch = Watch(
            self.log,
            self.faults,
            Serialisation() if serialise else None,
            random.Random(seed).randrange if random_schedule else None,
        )
        self.kernel = self._engine(limits)
        self.kernel.serialises, self.kernel.now = serialise, self.clock.now
        self.tables = VolatileTables(self.kernel)
        self._links: dict[str, ResourceAdaptor] = {}
        self._is_pumping = False  # within `run`, which processes what adaptors fire there, as a server does
        self.recovery = None if journal is None else CrashableJournal(self.kernel, self.tables, journal, self.faults)
        self.profiles = HarnessProfiles(self.kernel, self.facilities, self.watch, self.recovery)
        if start:
            self.kernel.start()
            self.run()

    def _engine(self, limits: Limits | None) -> Kernel:
        return WatchedKernel(
            self.watch,
            observer=self.observer,
            random=self.random.randbytes,
            ticks=lambda: self.clock.now,
            limits=limits,
            thread=threading.get_ident,
        )

    # Crash and restart.

    def crash(self, *, survivors: int | None = None, downtime: float = 0.0) -> Self:
        """End the process at this instant; returns a harness on the same journal that is not started (TST-9).

        Add the resources and install the services again, then call `restart()`. This harness is of no use any more.

        Args:
            survivors: how many of the records that are not acknowledged are on the disk all the same; by lot if `None`.
            downtime: seconds until the restart.
        """
        return self._journal().crash(self, survivors, downtime)

    def restart(self) -> RecoveryReport:
        """Recover what the journal holds, and run; says what was recovered (TST-9)."""
        report = self._journal().journalling.recover()
        self.kernel.start()
        self.run()
        return report

    def _journal(self) -> CrashableJournal:
        if self.recovery is None:
            raise LookupError("there is no journal [TST-9]; make the harness with journal=SimulatedDisk()")
        return self.recovery

    # Set-up.

    def add_resource(self, link: str, adaptor: A, configuration: BaseModel | None = None) -> A:
        """Create and activate an RA entity named like its link, and return the adaptor."""
        self.facilities.add(ResourceSource(link), adaptor.usage_parameters)
        entity = self.kernel.create_resource(link, adaptor)
        adaptor.set_context(AdaptorContext(self.kernel, entity, self, self.observer.adaptor(link)))
        if configuration is None and adaptor.configuration is not None:
            configuration = adaptor.configuration()
        if configuration is not None:
            adaptor.ra_verify_configuration(configuration)
            adaptor.ra_configure(configuration)
        entity.activate()
        self._links[link] = adaptor
        return adaptor

    def install(
        self,
        root: type[Sbb],
        *,
        name: str | None = None,
        version: str | None = None,
        default_priority: int = 0,
        durability: Durability = Durability.ASYNC,
        configuration: Mapping[str, object] | None = None,
        activate: bool = True,
        address_profile_table: str | None = None,
        schedules: tuple[DeclaredSchedule, ...] = (),
    ) -> ServiceID:
        """Install a service with that root SBB, bound to the adaptors added, and activate it.

        `configuration` fills the configuration model of the root SBB; the service bears the SBB's name and version
        unless others are given.
        """
        identity = ServiceID(name or root.sbb_id.name, root.sbb_id.vendor, version or root.sbb_id.version)
        descriptor = describe_service(
            identity,
            root,
            default_priority=default_priority,
            durability=durability,
            address_profile_table=address_profile_table,
            schedules=schedules,
        )
        installed = [sbb for service in self.kernel.services.values() for sbb in service.descriptor.sbbs.values()]
        if issues := list(sharing_issues(_views(descriptor.sbbs.values()), _views(installed))):
            raise VerificationError(issues)
        bound = {
            sbb.id: self._bound(identity, sbb, configuration if sbb.cls is root else None)
            for sbb in descriptor.sbbs.values()
        }
        self.kernel.add_service(descriptor, bound)
        if activate:
            self.kernel.activate_service(identity)
            self.run()
        return identity

    def _bound(
        self, service: ServiceID, sbb: SbbDescriptor, configuration: Mapping[str, object] | None
    ) -> dict[str, object]:
        bound: dict[str, object] = {}
        for attribute, ra_type in sbb.resources.items():
            providers = [a for a in self._links.values() if ra_type in a.ra_types]
            if not providers:
                raise LookupError(f"{sbb.id}.{attribute} needs {ra_type} [SVC-3]; add_resource() one of it first")
            bound[attribute] = providers[0].provider(cast("ResourceAdaptorType[ResourceInterface]", ra_type))
        for attribute in sbb.configuration:
            bound[attribute] = configured(sbb, attribute, configuration or {})
        source = SbbSource(service, sbb.id)
        self.facilities.add(source, next(iter(sbb.usage.values()), None))
        bound |= {attribute: self.facilities.usage(source).default for attribute in sbb.usage}
        bound |= {attribute: self.tables.rows(table) for attribute, table in sbb.tables.items()}
        return bound | self.profiles.bind(sbb.profiles)

    # Running.

    def now(self) -> float:
        """The manual clock's time, in seconds since the epoch."""
        return self.clock.now

    def step(self) -> Step | None:
        """Make one step of the kernel, hand over its outputs, and say what it did; `None` when nothing was ready."""
        ready = self.kernel.ready
        entry = ready[0].first if ready else None
        before = len(entry.served or ()) if isinstance(entry, Firing) else 0
        if not self.kernel.step(self.clock.now):
            return None
        self._perform()
        if not isinstance(entry, Firing):
            return Step("other", None, None)
        kind = "delivery" if len(entry.served or ()) > before else "end"
        return Step(kind, entry.event, entry.activity_context)

    def run(self, limit: int = 1_000_000) -> int:
        """Run until nothing is ready, and hand outputs to their adaptors; the number of steps made (TST-2).

        Raises:
            RuntimeError: `limit` steps were made and something is ready still.
        """
        if self.recovery is not None:
            self.recovery.flush(self.clock.now)
        self._hand_over()
        steps, outer, self._is_pumping = 0, self._is_pumping, True
        try:
            while self.kernel.step(self.clock.now):
                self._perform()
                steps += 1
                if steps >= limit:
                    raise RuntimeError(
                        f"{limit} steps and no end [TST-2]; two handlers may fire at each other for ever"
                    )
        finally:
            self._is_pumping = outer
        return steps

    def run_until_idle(self, limit: int = 1_000_000) -> int:
        """As `run`, then on from deadline to deadline until no timer runs but watchdogs: time jumps by itself (TST-1).

        Raises:
            RuntimeError: `limit` steps were made and something is ready or due still.
        """
        steps = self.run(limit)
        while (due := self._next_deadline()) is not None and (for_ := busy(self.kernel, self._links, self.recovery)):
            self._reach(due)
            steps += 1 + self.run(limit)
            if steps >= limit:
                raise RuntimeError(f"{limit} steps and no end of {for_} [TST-2]; let it end, or use advance()")
        return steps

    def pump(self) -> None:
        """What an adaptor calls after input; the same as `run`, but not inside it."""
        if self.kernel.transaction is None and not self._is_pumping:
            self.run()

    pump_soon = pump  # there is no loop with other readers

    def spawn_reader(self, fileno: int, ready: Callable[[], None]) -> Callable[[], None]:
        """There are no sockets here (TST-3)."""
        raise RuntimeError(f"a reader for descriptor {fileno} in a harness [TST-3]; give the adaptor no socket")

    def spawn(
        self, work: Callable[[], Coroutine[object, object, object]], failed: Callable[[BaseException], None]
    ) -> Callable[[], None]:
        """There is no event loop here (TST-3)."""
        raise RuntimeError("a task in a harness [TST-3]; give the adaptor a double of what it would wait for")

    def advance(self, seconds: float) -> None:
        """Move the clock, and do everything due in between, each at its own instant (TST-1)."""
        self.clock.advance(seconds)

    def _advance_to(self, end: float) -> None:
        self.run()
        while (due := self._next_deadline()) is not None and due <= end:
            self._reach(due)
            self.run()
        self.clock.move_to(end)
        self.run()

    def _reach(self, due: float) -> None:
        """Go to the time of a deadline, and let the adaptors do what is due."""
        self.clock.move_to(max(due, self.clock.now))
        for adaptor in self._links.values():
            adaptor.tick(self.clock.now)

    def _next_deadline(self) -> float | None:
        deadlines = [self.kernel.next_deadline(), *(a.next_deadline() for a in self._links.values())]
        if self.recovery is not None:
            deadlines.append(self.recovery.journal.due)
        return min((d for d in deadlines if d is not None), default=None)

    def _perform(self) -> None:
        """After a step: hand over its outputs, and check that it lost no event (CON-15)."""
        self._hand_over()
        if self.recovery is not None:
            self.recovery.flush(self.clock.now)
            self._hand_over()
        if lost := unaccounted(self.kernel):
            raise AssertionError("\n".join([*lost, self.how_to_repeat]))

    def _hand_over(self) -> None:
        for resource, command in self.kernel.take_outputs():
            resource.perform(command)

    # The end.

    def check(self) -> None:
        """Check conservation, that nothing failed, that scripts are done and nothing is left, unless allowed (TST-10).

        Raises:
            AssertionError: lists what is wrong, and says how to repeat it.
        """
        if self.recovery is not None and self.recovery.is_crashed:
            return
        problems = [str(failure) for failure in self.failures if not self.failures_allowed]
        if self.recovery is not None and not self.failures_allowed:
            problems += self.recovery.problems()
        problems += unaccounted(self.kernel)
        for link, adaptor in self._links.items():
            if isinstance(adaptor, ScriptedResource):
                problems += [f"{link}: {problem}" for problem in adaptor.problems()]
        if not self.leftovers_allowed:
            problems += left(self.kernel)
        if problems:
            raise AssertionError("\n".join([*problems, self.how_to_repeat]))

    @property
    def how_to_repeat(self) -> str:
        """The arguments that make the same history again (TST-11)."""
        return f"repeat it with SleeHarness(seed={self.seed}, random_schedule={self.watch.lot is not None})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.check()
            return
        error.add_note(self.how_to_repeat)
        for told in (*map(str, self.failures), *unserved(self.kernel, self.watch.unserved)):
            error.add_note(told)  # what went wrong inside explains what the test did not find outside

    @property
    def is_running(self) -> bool:
        """Whether the SLEE is Running."""
        return self.kernel.state is SleeState.RUNNING

    def resource_state(self, link: str) -> ResourceState:
        """The state of an RA entity."""
        return self.kernel.resources[link].state


def _views(sbbs: Iterable[SbbDescriptor]) -> list[type[ActivityContextView]]:
    return [view for sbb in sbbs for view in sbb.views]

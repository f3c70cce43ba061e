"""The product's kernel with places to watch it from: nothing of what it decides is changed (TST-3, TST-12).

Author's code is called through watched functions, commits pass by one method, and the next context may be chosen by
lot. The kernel itself knows nothing of it.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from slee.api.sbb import Sbb
from slee.kernel.entity import SbbEntity
from slee.kernel.firing import Firing
from slee.kernel.kernel import Kernel
from slee.kernel.resource import ResourceEntity
from slee.testing.callbacks import COMMITTED, ROLLED_BACK, CallbackLog
from slee.testing.faults import BEFORE_COMMIT, OUTPUT, Faults
from slee.testing.serialisation import Serialisation

if TYPE_CHECKING:
    from slee.api.ids import SbbID
    from slee.kernel.environment import SbbEnvironment, ServiceRuntime
    from slee.kernel.ports import Limits, Observer
    from slee.kernel.transaction import Transaction
    from slee.model.descriptor import ServiceDescriptor
    from slee.spi.adaptor import ResourceAdaptor


@dataclass(frozen=True, slots=True)
class Watch:
    """What a harness watches its kernel with."""

    log: CallbackLog
    faults: Faults
    serialisation: Serialisation | None
    """Carries what is committed; `None` to leave it as it is (TST-8)."""
    lot: Callable[[int], int] | None
    """Draws a number below another one: which context goes next; `None` for production's order (TST-11)."""
    aborted: list[Exception] = field(default_factory=list[Exception])
    """The faults before a commit, each of which rolled its transaction back."""
    unserved: dict[tuple[type, str], None] = field(default_factory=dict[tuple[type, str], None])
    """Events of adaptors that nobody was there to serve: their classes and activities."""


class WatchedKernel(Kernel):
    """A kernel in a harness."""

    def __init__(
        self,
        watch: Watch,
        *,
        observer: Observer,
        random: Callable[[int], bytes],
        ticks: Callable[[], float],
        limits: Limits | None = None,
        thread: Callable[[], int],
    ) -> None:
        super().__init__(observer=observer, random=random, ticks=ticks, limits=limits, thread=thread)
        self.watch = watch
        self._around: Transaction | None = None
        """The transaction that `sbb_activate` or `sbb_passivate` stands beside."""

    def step(self, now: float) -> bool:
        lot = self.watch.lot
        if lot is not None and len(self.ready) > 1:
            self.ready.rotate(-lot(len(self.ready)))
        entry = self.ready[0].first if self.ready else None
        did = super().step(now)
        if isinstance(entry, Firing) and entry.done and not entry.processed and entry.context.resource is not None:
            self.watch.unserved[entry.cls, str(entry.context)] = None
        return did

    def finish(self, tx: Transaction) -> bool:
        if not tx.marked:
            if tx.has_store:
                tx.store()
                tx.has_store = False
            if not tx.marked:
                tx.check()
            if not tx.marked:
                self._before_commit(tx)
        committed = super().finish(tx)
        if committed:
            self.watch.log.end(tx, COMMITTED)
        return committed

    def _before_commit(self, tx: Transaction) -> None:
        if self.watch.serialisation is not None:
            self.watch.serialisation.carry(tx)
        try:
            self.watch.faults.reach(BEFORE_COMMIT)
        except Exception as error:
            tx.marked = True
            self.watch.aborted.append(error)

    def roll_back(self, tx: Transaction) -> None:
        super().roll_back(tx)
        self.watch.log.end(tx, ROLLED_BACK)

    def outside(self, callback: Callable[[], None]) -> None:
        self._around = self.transaction
        try:
            super().outside(callback)
        finally:
            self._around = None

    def create_resource(self, name: str, adaptor: ResourceAdaptor) -> ResourceEntity:
        self.resources[name] = entity = WatchedResource(self, name, adaptor)
        return entity

    def add_service(self, descriptor: ServiceDescriptor, bound: Mapping[SbbID, Mapping[str, object]]) -> None:
        super().add_service(descriptor, bound)
        service = self.services[descriptor.id]
        if self.watch.serialisation is not None:
            self.watch.serialisation.know(service)
        for env in service.environments.values():
            self._watch_sbb(env)
        self._watch_selectors(service)

    def _watch_sbb(self, env: SbbEnvironment) -> None:
        """Call the handlers, business methods and callbacks of one SBB through `enter`."""
        for handler in env.handlers.values():
            handler.function = self._watched(handler.descriptor.method, "callback.handler", handler.function)
        for name, function in env.local_functions.items():
            env.local_functions[name] = self._watched(name, "callback.local", function)
        defined = env.descriptor.callbacks
        if defined:
            cls = env.cls
            namespace: dict[str, object] = {
                name: self._watched(name, f"callback.{name}", getattr(cls, name)) for name in defined
            }
            namespace |= {"__slots__": (), "__module__": cls.__module__, "__qualname__": cls.__qualname__}
            # `retired`: the subclass is no component of its own.
            env.cls = types.new_class(cls.__name__, (cls,), {"retired": True}, lambda body: body.update(namespace))

    def _watched(self, name: str, point: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(instance: Sbb, *args: Any, **kwargs: Any) -> Any:
            entity: object = instance._slee
            assert isinstance(entity, SbbEntity)
            tx = self.transaction or self._around
            self.watch.log.add(str(entity), name, tx, None if tx is None else tx.firing)
            self.watch.faults.reach(point)
            return function(instance, *args, **kwargs)

        return call

    def _watch_selectors(self, service: ServiceRuntime) -> None:
        for initial in service.initial.values():
            selector = initial.selector
            if selector is not None:
                initial.selector = self._watched_selector(service, selector)

    def _watched_selector(self, service: ServiceRuntime, selector: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            self.watch.log.add(str(service.id), getattr(selector, "__name__", "selector"), None, None)
            self.watch.faults.reach("callback.selector")
            return selector(*args)

        return call


class WatchedResource(ResourceEntity):
    """A resource adaptor entity in a harness."""

    __slots__ = ("_watch",)

    def __init__(self, kernel: WatchedKernel, name: str, adaptor: ResourceAdaptor) -> None:
        super().__init__(kernel, name, adaptor)
        self._watch = kernel.watch

    def activate_object(self) -> None:
        self._enter("ra_active")
        super().activate_object()

    def callback(self, name: str, function: Callable[..., Any], *arguments: object) -> None:
        def call() -> None:
            self._enter(name)
            function(*arguments)

        super().callback(name, call)

    def perform(self, command: object) -> None:
        try:
            if self.is_object_active:
                self._watch.faults.reach(OUTPUT)
        except Exception as error:
            self.failed_commands += 1
            self.kernel.reports.observer.command_failed(self.name, command, error)
        else:
            super().perform(command)

    def _enter(self, name: str) -> None:
        self._watch.log.add(self.name, name, self.kernel.transaction, None)
        self._watch.faults.reach(f"adaptor.{name}")


__all__ = ["Watch", "WatchedKernel", "WatchedResource"]

"""A kernel by itself, with one adaptor and one service: what the benchmarks of the kernel drive."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable

from slee import Sbb
from slee.api.resource import ResourceAdaptorType
from slee.kernel.kernel import Kernel
from slee.kernel.ports import Limits
from slee.testing import RecordingResource, SleeHarness
from slee.testing.resources import Recorder


class Unwatched(SleeHarness):
    """A harness on the kernel that a server runs: without the watch, whose cost is not the product's."""

    def _engine(self, limits: Limits | None) -> Kernel:
        return Kernel(
            observer=self.observer,
            random=self.random.randbytes,
            ticks=time.perf_counter,  # the clock that a server measures deliveries with
            limits=limits,
            thread=threading.get_ident,
        )


class Engine:
    """The kernel of a harness, driven without it; time stands still unless `now` is moved."""

    def __init__(self, root: type[Sbb], ra_type: ResourceAdaptorType[Recorder]) -> None:
        self.slee = Unwatched(failures_allowed=True, leftovers_allowed=True, serialise=False)
        self.kernel = self.slee.kernel
        self.endpoint = self.slee.add_resource("bench", RecordingResource(ra_type)).endpoint
        self.slee.install(root)
        self.now = self.kernel.now

    def run(self) -> None:
        """Step until nothing is ready."""
        step, now = self.kernel.step, self.now
        while step(now):
            pass

    def fire(self, handle: Hashable, event: object) -> None:
        """Fire, and run."""
        self.endpoint.fire(handle, event)
        self.run()

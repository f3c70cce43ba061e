"""A kernel by itself, with one adaptor and one service: what the benchmarks of the kernel drive."""

from __future__ import annotations

import time
from collections.abc import Hashable

from slee import Sbb
from slee.api.resource import ResourceAdaptorType
from slee.testing import RecordingResource, SleeHarness
from slee.testing.resources import Recorder


class Engine:
    """The kernel of a harness, driven without it; time stands still unless `now` is moved."""

    def __init__(self, root: type[Sbb], ra_type: ResourceAdaptorType[Recorder]) -> None:
        self.slee = SleeHarness(failures_allowed=True)
        self.kernel = self.slee.kernel
        self.kernel.ticks = time.perf_counter  # the clock that a server measures deliveries with
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

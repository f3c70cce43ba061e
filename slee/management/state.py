"""The state of the SLEE, and the way into and out of it (group SLE)."""

from __future__ import annotations

import msgspec

from slee.api.errors import InvalidArgumentError, InvalidStateError
from slee.management.engine import Engine, Host
from slee.management.results import SleeInfo
from slee.management.store import StateDirectory
from slee.version import NAME, VENDOR, VERSION


class SleeStates:
    """The SLEE as a whole."""

    def __init__(self, *, engine: Engine, store: StateDirectory, host: Host) -> None:
        self._engine = engine
        self._store = store
        self._host = host
        self.is_shut_down = False
        """Whether it has been shut down: no operation is accepted any more (SLE-12)."""

    def show(self) -> SleeInfo:
        """Desired and actual state, name, vendor and version (SLE-13, SLE-15)."""
        desired = "Running" if self._store.desired.running else "Stopped"
        return SleeInfo(self._engine.state.value, desired, NAME, VENDOR, VERSION)

    def start(self) -> SleeInfo:
        """Start the SLEE; accepted when Stopped (SLE-2, SLE-3)."""
        self._require("Stopped", "start")
        with self._store.changing(msgspec.structs.replace(self._store.desired, running=True)):
            self._engine.start()
        self._host.pump()
        return self.show()

    def stop(self, within: float | None = None) -> SleeInfo:
        """Stop the SLEE; accepted when Running; Stopped follows when the last activity has ended (SLE-7 to SLE-10).

        Args:
            within: seconds after which activities that are left are ended; without it the wait has no limit.
        """
        if within is not None and not within >= 0:
            raise InvalidArgumentError(f"within: {within} seconds is negative [SLE-10]; give 0 or more")
        self._host.pump()  # brings the kernel's clock, from which the bound counts, up to now
        self._require("Running", "stop")
        with self._store.changing(msgspec.structs.replace(self._store.desired, running=False)):
            self._engine.stop(within=within)
        self._host.pump()
        return self.show()

    def shutdown(self) -> None:
        """End the server process; accepted when Stopped (SLE-2, SLE-12)."""
        self._require("Stopped", "shutdown")
        self.is_shut_down = True
        self._host.shut_down()

    def _require(self, state: str, verb: str) -> None:
        found = self._engine.state.value
        if found != state:
            raise InvalidStateError(f"the SLEE: it is {found} [SLE-2]; {verb} is possible when {state}")

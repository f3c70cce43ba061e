"""Faults planted in journal and recovery: some seed of the simulation finds each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from slee.kernel.journal import Entry, Recovery
from slee.kernel.journalling import Journalling
from slee.kernel.recovery import _Recovery as Recovered
from slee.stores.profiles.database import ProfileDatabase
from tests.simulation.node import Node
from tests.simulation.witness import Witness
from tests.simulation.world import Broken, World

ENOUGH = 40
"""Seeds among which each fault is found."""


class Eager(Witness):
    """Acknowledges a record when it is appended, before it is durable."""

    _last = 0

    def append(self, entries: Sequence[Entry]) -> int:
        self._last = super().append(entries)
        return self._last

    @property
    def acknowledged(self) -> int:
        return max(self._last, super().acknowledged)


class Forgetful(Witness):
    """Brings back no key of one kind."""

    kind = b"T"

    @property
    def recovery(self) -> Recovery:
        found = super().recovery
        return found._replace(entries={key: value for key, value in found.entries.items() if key[:1] != self.kind})


class Halving(Witness):
    """Writes the first half of a record only."""

    def append(self, entries: Sequence[Entry]) -> int:
        return super().append(entries[: (len(entries) + 1) // 2])


class Stubborn(Witness):
    """Does not remove what is to be removed: what had ended comes back."""

    def append(self, entries: Sequence[Entry]) -> int:
        return super().append([entry for entry in entries if entry.value is not None] or list(entries[:1]))


def found(witness: type[Witness]) -> str:
    """What the first seed that finds the fault says."""
    node = type("FaultyNode", (Node,), {"witness_class": witness})
    for seed in range(ENOUGH):
        world = World(seed, node_class=node)
        try:
            world.play()
        except Broken as broken:
            return str(broken)
        except Exception as error:  # noqa: BLE001  # a recovery that fails is a find, too
            return repr(error)
    pytest.fail(f"{witness.__name__}: {ENOUGH} seeds and no find")


def test_acknowledgement_before_the_record_is_durable_is_found() -> None:
    """OUT-6, DUR-3: an output is handed over whose record a crash then loses."""
    assert "repeat it with scripts/simulate --seed" in found(Eager)


def test_lost_timer_is_found() -> None:
    """DUR-8."""
    assert "timers" in found(Forgetful)


def test_half_a_record_is_found() -> None:
    """DUR-2: a record is applied whole."""
    assert found(Halving)


def test_return_of_what_was_removed_is_found() -> None:
    """DUR-15."""
    assert found(Stubborn)


def test_output_that_does_not_wait_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """OUT-6."""
    monkeypatch.setattr(Journalling, "_hold", lambda self, tx, _: self._kernel.outputs.extend(tx.outputs))
    assert "OUT-6" in found(Witness)


def test_forgotten_progress_of_an_event_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """DUR-10: an entity that was served before the crash is served again."""
    monkeypatch.setattr(Recovered, "_event", forgets_who_was_served(Recovered._event))
    assert "notes" in found(Witness)


def forgets_who_was_served(original: Callable[..., None]) -> Callable[..., None]:
    def event(self: object, key: bytes, value: list[object]) -> None:
        value[8] = []
        original(self, key, value)

    return event


def heed_and_keep(journalling: Journalling, sequence: int) -> None:
    journalling._acknowledged = sequence


def test_output_that_waits_for_ever_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """OUT-6: it is handed over once its record is durable."""
    monkeypatch.setattr(Journalling, "acknowledged", heed_and_keep)
    assert "never handed over" in found(Witness) or "408" in found(Witness)


class ForgetfulOfProfiles(Forgetful):
    """Brings back no profile change that the database has not got."""

    kind = b"P"


def test_profile_change_that_the_database_never_gets_is_found() -> None:
    """PRF-46: what waited for the database when the process died is written at the next start."""
    assert "ledger" in found(ForgetfulOfProfiles)


def test_database_ahead_of_the_journal_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """PRF-46: the database follows; it does not get what a crash may yet take out of the journal."""
    monkeypatch.setattr(Journalling, "when_recorded", lambda self, function: function())
    assert "ledger" in found(Witness)


def test_journal_that_lets_go_too_early_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """PRF-46: the journal keeps a change until the database has it."""
    monkeypatch.setattr(ProfileDatabase, "position", property(lambda self: self._appended))
    assert "PRF-46" in found(Witness)

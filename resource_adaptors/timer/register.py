"""The schedules of one entity by name and by handle, and what is judged before one is made."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias, cast

import msgspec

from resource_adaptors.timer.config import TimerConfiguration
from resource_adaptors.timer.protocol.errors import (
    AlreadyExistsError,
    LocalProtocolError,
    ResourceExhaustedError,
    ScheduleOverError,
    UnknownScheduleError,
)
from resource_adaptors.timer.protocol.schedule import KINDS, Missed, Origin, Plan, Progress, Schedule
from resource_adaptors.timer.protocol.timing import (
    EARLIEST,
    HORIZON,
    LATEST,
    Holidays,
    Occurrences,
    Once,
    Timing,
    compile_timing,
)
from slee.api.ids import ServiceID

_NAME: Final = re.compile(r"[A-Za-z0-9_.:@+/-]{1,128}")
_LARGEST_PAYLOAD: Final = 4096
_LONGEST_JITTER: Final = 86_400.0
_LARGEST: Final = 2**31 - 1
_ATOMS: Final = (bool, int, float, str, bytes, type(None))

Owner: TypeAlias = tuple[str, str]
"""Name and vendor of a service: all its versions own a schedule together."""


def owner(service: ServiceID | None) -> Owner | None:
    """Who owns the schedules of a service; `None` for those that no service made."""
    return None if service is None else (service.name, service.vendor)


class Register:
    """Every schedule that there is, or that a delivery under way is making."""

    __slots__ = ("_by_name", "_counts", "_holidays", "by_handle", "settings")

    def __init__(self, settings: TimerConfiguration, holidays: Holidays) -> None:
        self.settings = settings
        self._holidays = holidays
        self._by_name: dict[str, Schedule] = {}
        self.by_handle: dict[str, Schedule] = {}
        self._counts: Counter[Owner | None] = Counter()
        """Schedules by owner."""

    def __iter__(self) -> Iterator[Schedule]:
        return iter(self.by_handle.values())

    def find(self, name: str, service: ServiceID | None) -> Schedule | None:
        """The schedule of a name, `None` if there is none or it is another service's (TIM-32)."""
        schedule = self._by_name.get(name)
        return schedule if schedule is not None and owner(schedule.service) == owner(service) else None

    def named(self, name: str) -> Schedule | None:
        """The schedule of a name, whoever made it; `None` if there is none."""
        return self._by_name.get(name)

    def get(self, name: str) -> Schedule:
        """The schedule of a name, whoever made it; `UnknownScheduleError` if there is none."""
        schedule = self._by_name.get(name)
        if schedule is None:
            raise UnknownScheduleError(f"schedule {name!r}: there is none of that name [TIM-27]; list them first")
        return schedule

    def names(self, prefix: str, service: ServiceID | None) -> tuple[str, ...]:
        """Names of a service's schedules that begin with a prefix, sorted."""
        own = owner(service)
        found = [n for n, s in self._by_name.items() if n.startswith(prefix) and owner(s.service) == own]
        return tuple(sorted(found))

    def kinds(self) -> Mapping[str, int]:
        """How many schedules of each kind there are."""
        counts = dict.fromkeys(KINDS, 0)
        for schedule in self.by_handle.values():
            counts[schedule.kind] += 1
        return counts

    def compile(self, timing: Timing, created: float, *, is_kept: bool = False) -> Occurrences:
        """What computes the occurrences of a timing; `LocalProtocolError` if it is malformed.

        One that was kept goes on though the calendar of its holidays is not there any more.
        """
        holidays = self._holidays
        return compile_timing(timing, created, (lambda name: holidays(name) or frozenset()) if is_kept else holidays)

    def make(
        self, handle: str, plan: Plan, now: float, *, service: ServiceID | None = None, origin: Origin = Origin.SERVICE
    ) -> Schedule:
        """A schedule, judged and not yet added.

        Args:
            handle: of its activity.
            plan: what is asked of it.
            now: on the time line of its timing.
            service: that it belongs to.
            origin: who makes it.

        Raises:
            LocalProtocolError: something of it cannot be had (TIM-9, TIM-28).
        """
        check_plan(plan)
        occurrences = self.compile(plan.timing, now)
        _check_reach(plan, occurrences, now)
        return Schedule(handle, plan, occurrences, Progress(created=now), service=service, origin=origin)

    def check_room(self, plan: Plan, service: ServiceID | None, *, replace: bool) -> Schedule | None:
        """The schedule that a new one would replace.

        Raises:
            AlreadyExistsError: the name is taken, and may not be replaced (TIM-10).
            ResourceExhaustedError: there are too many (TIM-28).
        """
        existing = self._by_name.get(plan.name)
        own = owner(service)
        is_own = existing is not None and existing.origin is Origin.SERVICE and owner(existing.service) == own
        if existing is not None and not (replace and is_own):
            remedy = "it is not this service's; choose another" if replace else "choose another, or replace=True"
            raise AlreadyExistsError(f"schedule {plan.name!r}: the name is taken [TIM-10]; {remedy}")
        settings = self.settings
        if existing is None and len(self._by_name) >= settings.max_schedules:
            raise ResourceExhaustedError(f"{len(self._by_name)} schedules exist [TIM-28]; cancel some first")
        if existing is None and self._counts[own] >= settings.max_schedules_of_service:
            raise ResourceExhaustedError(f"{service} has {self._counts[own]} schedules [TIM-28]; cancel some first")
        return existing

    def retime(self, schedule: Schedule, timing: Timing, now: float) -> None:
        """Give a schedule another timing, which has been judged."""
        schedule.plan = msgspec.structs.replace(schedule.plan, timing=timing)
        schedule.progress.created = now
        schedule.occurrences = self.compile(timing, now)

    def check_timing(self, schedule: Schedule, timing: Timing, now: float) -> None:
        """`LocalProtocolError` if a schedule cannot have that timing."""
        _check_reach(msgspec.structs.replace(schedule.plan, timing=timing), self.compile(timing, now), now)

    def add(self, schedule: Schedule) -> None:
        """Take a schedule in, in place of one of the same name."""
        self._by_name[schedule.plan.name] = schedule
        self.by_handle[schedule.handle] = schedule
        self._counts[owner(schedule.service)] += 1

    def release_name(self, schedule: Schedule) -> None:
        """Let another schedule have the name; this one goes on until it is removed."""
        if self._by_name.get(schedule.plan.name) is schedule:
            del self._by_name[schedule.plan.name]

    def reclaim_name(self, schedule: Schedule) -> None:
        """Undo `release_name`."""
        self._by_name[schedule.plan.name] = schedule

    def remove(self, schedule: Schedule) -> None:
        """Forget a schedule."""
        self.release_name(schedule)
        if self.by_handle.pop(schedule.handle, None) is not None:
            self._counts[owner(schedule.service)] -= 1

    def clear(self) -> None:
        """Forget all."""
        self._by_name.clear()
        self.by_handle.clear()
        self._counts.clear()


def check_plan(plan: Plan) -> None:
    """`LocalProtocolError` if a plan cannot be had, whatever its timing."""
    if _NAME.fullmatch(plan.name) is None:
        raise LocalProtocolError(
            f"schedule name {plan.name!r} [TIM-28]; give 1 to 128 of letters, digits and _ . : @ + / -"
        )
    if not _is_payload(plan.payload):
        raise LocalProtocolError(
            f"schedule {plan.name}: payload {type(plan.payload).__name__} [TIM-1]; give bool, int, float, str, bytes, "
            f"None, or a tuple of these and of tuples of them"
        )
    size = len(msgspec.msgpack.encode(plan.payload))
    if size > _LARGEST_PAYLOAD:
        raise LocalProtocolError(f"schedule {plan.name}: payload of {size} octets [TIM-28]; 4096 are allowed")
    if not 0 <= plan.jitter <= _LONGEST_JITTER:
        raise LocalProtocolError(f"schedule {plan.name}: jitter {plan.jitter} [TIM-1]; allowed is 0 to 86400 s")
    if not 0 <= plan.retries <= _LARGEST or not 0 <= plan.retry_delay <= HORIZON:
        given = f"{plan.retries} retries after {plan.retry_delay} s"
        raise LocalProtocolError(f"schedule {plan.name}: {given} [TIM-17]; give 0 or more, and no more than 50 years")
    if abs(plan.priority) > _LARGEST:
        raise LocalProtocolError(f"schedule {plan.name}: priority {plan.priority} [TIM-1]; give one within 31 bits")
    if any(limit is not None and math.isnan(limit) for limit in (plan.valid_from, plan.valid_until)):
        raise LocalProtocolError(f"schedule {plan.name}: validity [TIM-1]; give seconds since the epoch")


def _check_reach(plan: Plan, occurrences: Occurrences, now: float) -> None:
    """Refuse what never fires (TIM-8), or later than fifty years from now (TIM-28)."""
    valid_from, valid_until = plan.valid_from or EARLIEST, plan.valid_until or LATEST
    if valid_from - now > HORIZON:
        raise _too_late(plan)
    is_past_skipped = plan.missed is Missed.SKIP
    after = float("-inf") if isinstance(plan.timing, Once) and not is_past_skipped else now - 1e-9
    if plan.valid_from is not None and plan.valid_from > after:
        after = plan.valid_from - 1e-6
    first = occurrences.next_after(after)
    if first is None or (plan.valid_until is not None and first > plan.valid_until):
        if isinstance(plan.timing, Once) and is_past_skipped:
            return
        past = occurrences.next_after(max(valid_from, now - HORIZON) - 1e-6)
        if past is not None and past <= min(now, valid_until):
            raise ScheduleOverError(f"schedule {plan.name}: its last time has passed [TIM-8]; give a later end")
        raise LocalProtocolError(f"schedule {plan.name}: it would never fire [TIM-8]; mend its timing or validity")
    if first - now > HORIZON:
        raise _too_late(plan)


def _too_late(plan: Plan) -> LocalProtocolError:
    return LocalProtocolError(f"schedule {plan.name}: first due in over 50 years [TIM-28]; give an earlier time")


def _is_payload(value: object) -> bool:
    """Whether a value is a scalar, or a tuple of scalars and tuples of them."""
    if not isinstance(value, tuple):
        return _is_scalar(value)
    parts = cast("tuple[object, ...]", value)
    return all(
        all(_is_scalar(member) for member in cast("tuple[object, ...]", part))
        if isinstance(part, tuple)
        else _is_scalar(part)
        for part in parts
    )


def _is_scalar(value: object) -> bool:
    return type(value) in _ATOMS and not (type(value) is int and not -(2**63) <= value < 2**63)

"""Schedules, for operators: what there is, and what they may do with it (TIM-27, MGT-1)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from slee.api.errors import InvalidArgumentError, UnrecognizedResourceAdaptorEntityError
from slee.spi.scheduling import ScheduleInfo, Scheduling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from slee.management.engine import Engine, Host

_LOG = logging.getLogger(__name__)


class Schedules:
    """The schedules of one server."""

    def __init__(self, *, engine: Engine, host: Host) -> None:
        self._engine = engine
        self._host = host

    def list(self, prefix: str = "", resource: str | None = None) -> tuple[ScheduleInfo, ...]:
        """The schedules whose names begin so, by name, each with its next time.

        Raises:
            UnrecognizedResourceAdaptorEntityError: there is no entity of that name, or it has no schedules.
        """
        return self._adaptor(resource).list_schedules(prefix)

    def show(self, name: str, resource: str | None = None) -> ScheduleInfo:
        """One schedule, with its next five times.

        Raises:
            UnrecognizedResourceAdaptorEntityError: there is no entity of that name, or it has no schedules.
            UnrecognizedScheduleError: there is no schedule of that name.
        """
        return self._adaptor(resource).show_schedule(name)

    def create(self, name: str, properties: Mapping[str, Any], resource: str | None = None) -> ScheduleInfo:
        """Make a schedule that is fired to every service; it survives restarts.

        Args:
            name: of the schedule.
            properties: those of a schedule of the configuration: `cron` or `every`, `rule`, `at`, and so on.
            resource: the entity that makes it; the only one with schedules if `None`.

        Raises:
            InvalidArgumentError: a property is unknown or does not fit, or it would never fire.
            InvalidStateError: the entity does not work.
            ScheduleAlreadyExistsError: the name is taken, or there are too many.
            UnrecognizedResourceAdaptorEntityError: there is no entity of that name, or it has no schedules.
        """
        return self._changed(self._adaptor(resource).create_schedule(name, properties), "created")

    def suspend(self, name: str, resource: str | None = None) -> ScheduleInfo:
        """Fire nothing until the schedule is resumed; it keeps its place.

        Raises:
            UnrecognizedResourceAdaptorEntityError: there is no entity of that name, or it has no schedules.
            UnrecognizedScheduleError: there is no schedule of that name.
        """
        return self._changed(self._adaptor(resource).suspend_schedule(name), "suspended")

    def resume(self, name: str, resource: str | None = None) -> ScheduleInfo:
        """Let a schedule go on; what came due meanwhile is treated by its policy for missed occurrences.

        Raises:
            UnrecognizedResourceAdaptorEntityError: there is no entity of that name, or it has no schedules.
            UnrecognizedScheduleError: there is no schedule of that name.
        """
        return self._changed(self._adaptor(resource).resume_schedule(name), "resumed")

    def fire(self, name: str, resource: str | None = None) -> ScheduleInfo:
        """Fire a schedule once now, out of turn; its own occurrences stay as they are.

        Raises:
            UnrecognizedResourceAdaptorEntityError: there is no entity of that name, or it has no schedules.
            UnrecognizedScheduleError: there is no schedule of that name.
        """
        return self._changed(self._adaptor(resource).fire_schedule(name), "fired out of turn")

    def cancel(self, name: str, resource: str | None = None) -> None:
        """End a schedule.

        Raises:
            InvalidStateError: the configuration or a bundle declares it; it can be suspended.
            UnrecognizedResourceAdaptorEntityError: there is no entity of that name, or it has no schedules.
            UnrecognizedScheduleError: there is no schedule of that name.
        """
        self._adaptor(resource).cancel_schedule(name)
        _LOG.info("schedule %s: cancelled", name, extra={"component": name})
        self._host.pump()

    def _changed(self, info: ScheduleInfo, what: str) -> ScheduleInfo:
        _LOG.info("schedule %s: %s", info.name, what, extra={"component": info.name})
        self._host.pump()
        return info

    def _adaptor(self, resource: str | None) -> Scheduling:
        """The adaptor of an entity with schedules, or of the only one."""
        found = {n: e.adaptor for n, e in self._engine.resources.items() if isinstance(e.adaptor, Scheduling)}
        if resource is None and len(found) == 1:
            return next(iter(found.values()))
        if resource in found:
            return found[resource]
        names = ", ".join(sorted(found)) or "none"
        if resource is None and found:
            raise InvalidArgumentError(f"schedules: the entities {names} have some [TIM-27]; name one of them")
        raise UnrecognizedResourceAdaptorEntityError(
            f"{resource or 'schedules'}: no such entity has schedules, those that have are: {names} [TIM-27]; name one"
        )

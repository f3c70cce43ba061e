"""Schedules that configuration and bundles declare, and the days off that schedules keep off (TIM-5, TIM-23)."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from resource_adaptors.timer.config import TimerConfiguration, plan_of
from resource_adaptors.timer.protocol.errors import LocalProtocolError, ScheduleOverError
from resource_adaptors.timer.protocol.schedule import Origin, Plan
from resource_adaptors.timer.protocol.timing import Calendar, compile_timing
from resource_adaptors.timer.register import check_plan, owner
from slee.api.errors import (
    InvalidConfigurationError,
    Issue,
    UnrecognizedProfileTableError,
    VerificationError,
)

if TYPE_CHECKING:
    from resource_adaptors.timer.adaptor import TimerAdaptor
    from slee.spi import ReceivableService
    from slee.spi.scheduling import DeclaredSchedule

_ANY: frozenset[datetime.date] = frozenset()


def verify_configuration(configuration: TimerConfiguration) -> None:
    """Judge the schedules of a configuration; `InvalidConfigurationError` names the first that cannot be had."""

    def days_off(calendar: str) -> frozenset[datetime.date] | None:
        # A calendar that is not in the configuration may be in the table, once that is there.
        return configuration.holidays.get(calendar, None if configuration.holidays_table is None else _ANY)

    for declared in configuration.schedules:
        try:
            plan = plan_of(declared, configuration.zone_default)
            check_plan(plan)
            compile_timing(plan.timing, 0.0, days_off)
        except LocalProtocolError as error:
            raise InvalidConfigurationError(f"schedule {declared.name}: {error}") from error


class Declared:
    """What is declared for one entity."""

    def __init__(self, adaptor: TimerAdaptor) -> None:
        self._adaptor = adaptor
        self.suspended: set[str] = set()
        """Schedules that an operator had suspended when their declaration was changed."""
        self._seen: dict[str, frozenset[datetime.date]] = {}
        """Days off as they were last, by calendar."""

    # The configuration.

    def plan(self, name: str) -> Plan | None:
        """The plan that the configuration has for a name."""
        settings = self._adaptor.settings
        found = (declared for declared in settings.schedules if declared.name == name)
        return next((plan_of(declared, settings.zone_default) for declared in found), None)

    def make_configured(self) -> None:
        """Make what the configuration declares and is not there."""
        settings = self._adaptor.settings
        for declared in settings.schedules:
            if self._adaptor.register.named(declared.name) is None:
                self._make(plan_of(declared, settings.zone_default), None)

    def _make(self, plan: Plan, service: ReceivableService | None) -> None:
        adaptor = self._adaptor
        try:
            schedule = adaptor.register.make(
                adaptor.new_handle(plan.name),
                plan,
                adaptor.time_of(plan.timing),
                service=None if service is None else service.id,
                origin=Origin.CONFIGURATION if service is None else Origin.BUNDLE,
            )
        except LocalProtocolError as error:  # its last time may have passed since it was declared
            adaptor.context.tracer.warning("it is declared and not made: %s", str(error))
            return
        schedule.progress.is_suspended = plan.name in self.suspended
        self.suspended.discard(plan.name)
        adaptor.keeping.start(schedule)

    # Bundles.

    def verify(self, service: ReceivableService, active: Sequence[ReceivableService]) -> None:
        """Judge the schedules of a service that is about to become Active; `VerificationError` lists what is wrong."""
        issues: list[Issue] = []
        others = {
            each.name: other.id for other in active if not _are_versions(other, service) for each in other.schedules
        }
        for declared in service.schedules:
            where = f"{service.id}: schedule {declared.name}"
            existing = self._adaptor.register.named(declared.name)
            if declared.name in others:
                problem = f"{others[declared.name]} declares one of that name"
                issues.append(Issue(where, "TIM-10", problem, "choose another name"))
            elif existing is not None and owner(existing.service) != owner(service.id):
                problem = f"the {existing.origin.value} has one of that name"
                issues.append(Issue(where, "TIM-10", problem, "choose another name"))
            else:
                issues += self._issues_of(where, declared)
        if issues:
            raise VerificationError(issues)

    def _issues_of(self, where: str, declared: DeclaredSchedule) -> Iterable[Issue]:
        adaptor = self._adaptor
        try:
            plan = plan_of(declared, adaptor.settings.zone_default)
            adaptor.register.make("", plan, adaptor.time_of(plan.timing))
        except ScheduleOverError:
            return  # the service works without it, as it did when the last time had passed
        except LocalProtocolError as error:
            yield Issue(where, "TIM-9", str(error), "mend the section of the manifest")

    def service_active(self, service: ReceivableService) -> None:
        """Make what the bundle of a service declares; end what an earlier version of it declared and this one not."""
        adaptor = self._adaptor
        plans = {each.name: plan_of(each, adaptor.settings.zone_default) for each in service.schedules}
        for schedule in list(adaptor.register):
            if schedule.origin is not Origin.BUNDLE or owner(schedule.service) != owner(service.id):
                continue
            name = schedule.plan.name
            if plans.get(name) == schedule.plan:
                schedule.service = service.id
                adaptor.keeping.save(schedule)
                continue
            if schedule.progress.is_suspended and name in plans:
                self.suspended.add(name)
            adaptor.end(schedule, "replaced" if name in plans else "removed")
        for name, plan in plans.items():
            existing = adaptor.register.named(name)
            if existing is None:
                self._make(plan, service)
            elif existing.origin is not Origin.BUNDLE:
                message = "schedule %s of %s is not made: the %s has one of that name [TIM-10]"
                adaptor.context.tracer.warning(message, name, service.id, existing.origin.value)

    # Days off.

    def days_off(self, calendar: str) -> frozenset[datetime.date] | None:
        """The days off of a calendar as they were last looked at; `None` if there is no such calendar."""
        found = self._seen.get(calendar)
        if found is None:
            found = self._read(calendar)
            if found is not None:
                self._seen[calendar] = found
        return found

    def _read(self, calendar: str) -> frozenset[datetime.date] | None:
        settings = self._adaptor.settings
        days = settings.holidays.get(calendar)
        if settings.holidays_table is None:
            return days
        try:
            rows = self._adaptor.context.profiles(settings.holidays_table)
        except UnrecognizedProfileTableError:
            return days
        listed = frozenset(
            day
            for row in rows.values()
            if row.get("calendar") == calendar and isinstance(day := row.get("day"), datetime.date)
        )
        return listed | (days or _ANY) if listed or days is not None else None

    def look(self) -> None:
        """Have days off been provisioned, or taken away? Then what is to come is due at other times."""
        for calendar in tuple(self._seen):
            days = self._read(calendar) or _ANY
            if days == self._seen[calendar]:
                continue
            self._seen[calendar] = days
            for schedule in list(self._adaptor.register):
                timing = schedule.plan.timing
                if isinstance(timing, Calendar) and timing.holidays == calendar:
                    self._adaptor.scheduler.look_ahead(schedule, self._adaptor.wall_now())
                    self._adaptor.keeping.save(schedule)


def _are_versions(one: ReceivableService, other: ReceivableService) -> bool:
    return owner(one.id) == owner(other.id)

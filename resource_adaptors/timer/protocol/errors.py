"""Errors of the timer resource adaptor; all of them are the caller's, and each names rule and remedy.

LocalProtocolError (also a ValueError)
 +-- AlreadyExistsError
 +-- ResourceExhaustedError
 +-- ScheduleOverError
 +-- UnknownScheduleError
"""

from __future__ import annotations


class LocalProtocolError(ValueError):
    """A service or the configuration asked for something that cannot be had; nothing has changed."""


class AlreadyExistsError(LocalProtocolError):
    """A schedule of that name exists (TIM-10)."""


class ResourceExhaustedError(LocalProtocolError):
    """A limit on the number of schedules is reached (TIM-28)."""


class ScheduleOverError(LocalProtocolError):
    """Every time of the schedule has passed (TIM-8); what is declared may be so after a restart."""


class UnknownScheduleError(LocalProtocolError):
    """The service has no schedule of that name (TIM-32)."""

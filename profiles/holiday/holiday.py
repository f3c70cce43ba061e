"""Days off, for schedules that keep off them: a profile for each day of each calendar."""

from __future__ import annotations

import datetime

from slee import Profile, ProfileVerificationError, attribute


class Holiday(Profile, vendor="slee", version="1.0"):
    """A day off; the profile's name is free, such as `at-2026-12-25`."""

    calendar: str = attribute("", indexed=True)
    """Calendar that it belongs to, such as `at`: what a schedule names as its `holidays`."""
    day: datetime.date = datetime.date(1970, 1, 1)
    label: str = ""
    """For people."""

    def profile_verify(self) -> None:
        """It belongs to a calendar."""
        if self.profile_name is not None and not self.calendar:
            raise ProfileVerificationError("calendar is empty")

"""Occurrences that came due while nothing could fire: how many there are, and which are the last ones (TIM-13)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from resource_adaptors.timer.protocol.timing import Occurrences

COUNT_LIMIT: Final = 100_000
"""Overdue occurrences of one schedule that are counted; of more, only that there are so many is told."""


class Overdue(msgspec.Struct, frozen=True):
    """What is overdue of one schedule."""

    count: int
    """At most `COUNT_LIMIT`."""
    latest: tuple[float, ...]
    """When the latest of them were due, rising; as many as were asked for, if there are so many."""


def overdue(occurrences: Occurrences, due: float, until: float, keep: int) -> Overdue:
    """The occurrences from `due`, which is one, to `until`; with the latest `keep` of them."""
    count = 0
    latest: deque[float] = deque(maxlen=keep)
    following: float | None = due
    while following is not None and following <= until:
        if count == COUNT_LIMIT:
            return Overdue(count, _latest(occurrences, due, until, keep))
        count += 1
        latest.append(following)
        following = occurrences.next_after(following)
    return Overdue(count, tuple(latest))


def _latest(occurrences: Occurrences, due: float, until: float, keep: int) -> tuple[float, ...]:
    """The latest `keep` occurrences up to `until`, of very many: sought from behind, in ever longer stretches."""
    stretch = 1.0
    while True:
        begin = max(due, until - stretch)
        latest: deque[float] = deque(maxlen=keep)
        following = occurrences.next_after(begin)
        while following is not None and following <= until:
            latest.append(following)
            following = occurrences.next_after(following)
        if len(latest) == keep or begin == due:
            return tuple(latest)
        stretch *= 2

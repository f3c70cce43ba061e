"""Processor time and memory of a server with all its processes, as the kernel accounts for them (proc(5))."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_TICK: Final = os.sysconf("SC_CLK_TCK")
# Fields of /proc/PID/stat behind the command's closing parenthesis, counted from 0.
_PARENT: Final = 1
_TIMES: Final = slice(11, 15)
"""utime, stime, and both of the children that have been waited for."""


def members(root: int) -> list[int]:
    """Return `root` and all its living descendants."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            children[int(fields[_PARENT])].append(int(entry.name))
    found = [root]
    for pid in found:
        found.extend(children[pid])
    return found


def _stat(pid: int) -> list[str]:
    """Return the fields of a process, or none if it has ended meanwhile."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    # The command may hold spaces and parentheses itself.
    return text.rpartition(")")[2].split()


def cpu_seconds(root: int) -> float:
    """Return user and system time of the tree so far, ended children included; the resolution is one tick (10 ms)."""
    return sum(int(ticks) for pid in members(root) for ticks in _stat(pid)[_TIMES]) / _TICK


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a process tree in MiB."""

    rss: float
    """Resident; what processes share counts in each of them."""
    pss: float
    """Proportional; what processes share counts once."""


def memory(root: int) -> Memory:
    """Return the memory of the tree now."""
    sums = {"Rss:": 0, "Pss:": 0}
    for pid in members(root):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            name, *rest = line.split()
            if name in sums:
                sums[name] += int(rest[0])
    return Memory(rss=sums["Rss:"] / 1024, pss=sums["Pss:"] / 1024)

"""The accounts of processor time and memory: nothing that a server's processes spend may be missed."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmarks.process_tree import cpu_seconds, members, memory

_BURN = "import time\nwhile time.process_time() < 0.15: pass\n"
# A parent that waits for one burning child, burns itself, and stays with a second child until its input ends.
_PARENT = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {_BURN!r}], check=True)
{_BURN}
with subprocess.Popen([sys.executable, "-c", {_BURN!r} + "print('ready', flush=True)\\nimport sys; sys.stdin.read()"],
                      stdin=subprocess.PIPE) as child:
    sys.stdin.read()
    child.communicate()
"""


def test_living_and_ended_processes_count() -> None:
    """Three processes burn 0.15 s each: the root, a child that has ended, and one that lives."""
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        assert len(members(parent.pid)) == 2
        # Two of the three come to 0.3 s; a kernel that counts by ticks of 10 ms may miss some of them.
        assert cpu_seconds(parent.pid) > 0.35
        parent.communicate()


def test_memory_of_this_process() -> None:
    """What is shared counts in full as resident and in part as proportional."""
    used = memory(os.getpid())
    assert used.rss >= used.pss > 1.0

"""Runs the conformance tests of the router's rules with the naive router, and lists the functions that fail.

`python -m tests.conformance.naive` is the whole of it; it exits with 0 whatever fails, for failing is what it is for.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Generator

import pytest

from tests.conformance.naive.router import NaiveRouter
from tests.conformance.rules import TESTS, read_rules
from tests.conformance.supported import PASSED, Recorder

GROUPS = ("rtr", "ies", "tx", "ecx", "ac", "att")


class Interrupts:
    """A pytest plugin that takes an interrupt out of a test (TX-23) for a failure of it, not for the end of the run."""

    @pytest.hookimpl(wrapper=True)
    def pytest_pyfunc_call(self) -> Generator[None, object, object]:
        try:
            return (yield)
        except KeyboardInterrupt:
            pytest.fail("an interrupt left the test")


def failing() -> list[str]:
    """The names of the test functions that fail with the naive router."""
    recorder = Recorder(read_rules())
    modules = [str(TESTS / "conformance" / f"test_{group}.py") for group in GROUPS]
    # Without tracebacks, and with a bound: what is wrong may also run for ever.
    options = ["-q", "--tb=no", "--timeout=5", "-p", "no:cacheprovider"]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setattr("slee.kernel.kernel.Router", NaiveRouter)
        pytest.main([*options, *modules], plugins=[recorder, Interrupts()])
    return sorted(name for name, said in recorder.outcomes.items() if said != PASSED)


if __name__ == "__main__":
    sys.stdout.write("".join(f"{name}\n" for name in failing()))

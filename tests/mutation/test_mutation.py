"""A sample of what `scripts/mutate` does in full: no line of a state table can change without a test that fails."""

from __future__ import annotations

import subprocess
import sys

import pytest

from resource_adaptors.sip.protocol import tables
from slee.kernel import states
from slee.kernel.states import SERVICE, ServiceState
from tests.conformance.rules import TESTS
from tests.mutation.mutants import TABLES, mutants


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=TESTS.parent, capture_output=True, text=True, check=False)


@pytest.mark.timeout(60)  # two processes of their own, on a machine that may be busy
def test_no_mutant_of_a_sample_survives() -> None:
    done = run("-m", "tests.mutation", "--sample", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == "40 of 40 mutants noticed\n"


@pytest.mark.timeout(60)
def test_a_mutant_that_changes_nothing_survives() -> None:
    """So the hunt does not take for a kill what it brought about itself."""
    done = run(
        "-c",
        """
from tests.mutation.__main__ import hunt
from tests.mutation.mutants import TABLES, Mutant
for table in (TABLES[3], TABLES[4]):
    line, value = next(iter(table.lines.items()))
    print(len(hunt([Mutant(table, line, "the same", {line: value})]).killers))
""",
    )
    assert done.stdout == "0\n0\n", done.stderr


def test_no_table_is_left_out() -> None:
    found = {name for module in (states, tables) for name, value in vars(module).items() if isinstance(value, dict)}
    assert {name for name in found if not name.startswith("_")} == {table.name for table in TABLES}


def test_every_line_is_deleted_and_led_elsewhere_and_the_table_comes_back() -> None:
    for table in TABLES:
        before = dict(table.lines)
        made = list(mutants(table))
        assert {mutant.line for mutant in made if mutant.change == "deleted"} == set(before)
        assert {mutant.line for mutant in made if mutant.change.startswith("leads to")} == set(before)
        for mutant in made:
            with mutant.applied():
                assert table.lines != before
            assert table.lines == before
    assert SERVICE[ServiceState.INACTIVE, "ACTIVATE"] is ServiceState.ACTIVE

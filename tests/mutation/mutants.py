"""The state tables of the product, and what becomes of them when one line is deleted or altered."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from resource_adaptors.sip.protocol import tables
from resource_adaptors.sip.protocol.client import ClientInvite, ClientNonInvite
from resource_adaptors.sip.protocol.server import ServerInvite, ServerNonInvite
from resource_adaptors.sip.protocol.transaction import runs
from slee.kernel import states

_TESTS: Final = Path(__file__).parents[1]
_KERNEL_TESTS: Final = tuple(f"conformance/test_{group}.py" for group in ("sle", "svc", "upg", "ra", "ac", "att", "rtr", "dur"))
_SIP_TESTS: Final = ("resource_adaptors/sip/protocol/test_tables.py",)

Line = tuple[Any, str]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table, the tests that are to notice any change of it, and what compiles it for the product."""

    name: str
    lines: dict[Line, Any]
    tests: tuple[str, ...]
    compile: Callable[[], object] = lambda: None

    @property
    def paths(self) -> list[str]:
        return [str(_TESTS / name) for name in self.tests]


@dataclass(frozen=True, slots=True, eq=False)
class Mutant:
    """One table with one line deleted, moved to another input, or leading elsewhere."""

    table: Table
    line: Line
    change: str
    replacement: dict[Line, Any]
    """What stands in the place of the line."""

    def __str__(self) -> str:
        state, symbol = self.line
        return f"{self.table.name}[{_word(state)}, {symbol}]: {self.change}"

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Run the product with this table instead of its own."""
        original = dict(self.table.lines)
        del self.table.lines[self.line]
        self.table.lines.update(self.replacement)
        self.table.compile()
        try:
            yield
        finally:
            self.table.lines.clear()
            self.table.lines.update(original)
            self.table.compile()


def _word(state: object) -> str:
    return str(state.value) if isinstance(state, enum.Enum) else str(state)


def _kernel(name: str) -> Table:
    return Table(name, getattr(states, name), _KERNEL_TESTS)


def _sip(name: str, kind: type) -> Table:
    lines = getattr(tables, name)
    return Table(name, lines, _SIP_TESTS, lambda: runs(lines)(kind))


TABLES: Final = (
    *map(_kernel, ("SLEE", "SERVICE", "RESOURCE", "CONTEXT")),
    _sip("CLIENT_INVITE", ClientInvite),
    _sip("SERVER_INVITE", ServerInvite),
    _sip("CLIENT_NON_INVITE", ClientNonInvite),
    _sip("SERVER_NON_INVITE", ServerNonInvite),
)


def mutants(table: Table) -> Iterator[Mutant]:
    """Every line deleted; moved to each input that its state does not take; led to each other state; shorn of actions.

    The order of a line's actions is left alone: some of them commute, and a mutant that does the same is none.
    """
    every_state = _states(table)
    symbols = dict.fromkeys(symbol for _, symbol in table.lines)
    for line, value in list(table.lines.items()):
        state, _ = line
        yield Mutant(table, line, "deleted", {})
        for other in symbols:
            if (state, other) not in table.lines:
                yield Mutant(table, line, f"on {other} instead", {(state, other): value})
        actions, following = value if isinstance(value, tuple) else (None, value)
        for elsewhere in every_state:
            if elsewhere != following:
                changed = elsewhere if actions is None else (actions, elsewhere)
                yield Mutant(table, line, f"leads to {_word(elsewhere)}", {line: changed})
        for at, action in enumerate(actions or ()):
            yield Mutant(table, line, f"without {action}", {line: (actions[:at] + actions[at + 1 :], following)})


def _states(table: Table) -> list[object]:
    """All states of a table; of an enumeration, its members."""
    first, _ = next(iter(table.lines))
    if isinstance(first, enum.Enum):
        return list(type(first))
    sources = [state for state, _ in table.lines]
    return list(dict.fromkeys([*sources, *(following for _, following in table.lines.values())]))

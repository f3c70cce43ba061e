"""The list of rules, and which test is about which of them: a test of rule ATT-5 is named `test_att_5_...`.

One that cannot be parted is named by both its rules, `test_con_2_and_3_...`.
"""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LIST: Final = Path(__file__).with_name("rules.toml")
TESTS: Final = Path(__file__).parents[1]
_NAME: Final = re.compile(r"test_([a-z]+)_(\d+(?:_and_\d+)*)(?:_|$)")


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the SLEE semantics."""

    group: str
    number: int
    text: str
    """What it is about."""
    due: str | None = None
    """With what it comes, if it is not in scope yet."""
    clause: str | None = None
    """What of it comes later, though the rest is in scope."""

    @property
    def id(self) -> str:
        return f"{self.group}-{self.number}"


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules, in the order of the list."""

    titles: dict[str, str]
    by_id: dict[str, Rule]

    def of(self, group: str) -> list[Rule]:
        return [rule for rule in self.by_id.values() if rule.group == group]

    def named_by(self, test: str) -> list[str]:
        """The ids that the name of a test function claims, whether or not there are such rules; most claim one."""
        found = _NAME.match(test)
        if found is None or found[1].upper() not in self.titles:
            return []
        return [f"{found[1].upper()}-{int(number)}" for number in found[2].split("_and_")]


def read_rules(path: Path = LIST) -> Rules:
    """Read the list.

    Raises:
        ValueError: `due` or `clause` speak of a rule or group that is not listed.
    """
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    due, clause = tables.pop("due"), tables.pop("clause")
    titles = {group: table.pop("title") for group, table in tables.items()}
    rules = [
        Rule(group, int(number), text, due.get(group, due.get(f"{group}-{number}")), clause.get(f"{group}-{number}"))
        for group, table in tables.items()
        for number, text in table.items()
    ]
    by_id = {rule.id: rule for rule in rules}
    unknown = (due.keys() | clause.keys()) - by_id.keys() - titles.keys()
    if unknown:
        raise ValueError(f"{path.name}: [due] or [clause] names {', '.join(sorted(unknown))}, which is not listed")
    return Rules(titles, by_id)


def find_tests(rules: Rules, folder: Path = TESTS) -> dict[str, set[str]]:
    """Names of the test functions below `folder` by the rule that each names; nothing is imported or run."""
    found: dict[str, set[str]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for rule in rules.named_by(node.name):
                    found.setdefault(rule, set()).add(node.name)
    return found

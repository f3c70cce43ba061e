"""The product's source as the architecture rules see it: modules with their text and syntax tree."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("slee", "resource_adaptors", "sbbs", "profiles", "deploy")


@dataclass(frozen=True)
class Module:
    """One Python file; `path` is relative to the repository, with slashes."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text, self.path)

    @property
    def name(self) -> str:
        """The dotted name."""
        parts = self.path.removesuffix(".py").split("/")
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def is_package(self) -> bool:
        """True for an `__init__.py`."""
        return self.path.endswith("__init__.py")

    def imports(self) -> list[tuple[int, str]]:
        """Line and dotted name of all that is imported; `from a import b` counts as `a.b`."""
        package = self.name if self.is_package else self.name.rpartition(".")[0]
        found: list[tuple[int, str]] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [(node.lineno, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                source = node.module or ""
                if node.level:
                    base = package.split(".")[: len(package.split(".")) - node.level + 1]
                    source = ".".join([*base, source] if source else base)
                found += [(node.lineno, f"{source}.{alias.name}") for alias in node.names]
        return found


def read(*folders: str) -> list[Module]:
    """Every Python file below these folders of the repository."""
    return [
        Module(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]


@cache
def product() -> tuple[Module, ...]:
    """The modules of the five packages."""
    return tuple(read(*PACKAGES))


@cache
def suite() -> tuple[Module, ...]:
    """The modules of the test-suite, less the rules themselves, which have to name what they forbid."""
    return tuple(m for m in read("tests") if not m.path.startswith(("tests/architecture/", "tests/typing/negative/")))

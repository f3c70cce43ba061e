"""What the modules of a bundle import: judged before any of them runs, and turned to the right bundle (DU-22).

Inside a bundle `from profiles.location import LOCATION` means the version of that bundle which the lock names. The
import statements are rewritten to the bundle's private namespace when its source is compiled: `slee_bundles.X.` goes
in front of every module that the bundle or one of its dependencies provides.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from slee.api.errors import Issue
from slee.management.manifest import SHARED

RESERVED: Final = frozenset({"sbbs", "profiles"})
"""Packages whose modules come from bundles only; in the environment they are sources for build and tests."""


@dataclass(frozen=True, slots=True)
class ModuleSource:
    """One module of a bundle."""

    path: str
    """Where it stands in the archive."""
    source: bytes
    is_package: bool


class Provision:
    """The modules that imports inside one bundle can reach in private namespaces."""

    def __init__(self, own: Collection[str], lent: Collection[str]) -> None:
        """Take the names of the bundle's own modules, and of those of its dependencies."""
        self.modules = frozenset(own) | frozenset(lent)
        self.packages = frozenset(parent for module in self.modules for parent in parents(module)) - self.modules
        """Packages that only lead to modules."""
        self.tops = RESERVED | {module.partition(".")[0] for module in own}

    def __contains__(self, module: str) -> bool:
        return module in self.modules or module in self.packages

    def is_missing(self, module: str) -> bool:
        """Whether the module has to come from a bundle and none that is named provides it."""
        top = module.partition(".")[0]
        return module not in self and (top in RESERVED or (top in self.tops and not _in_environment(top)))


def parents(module: str) -> Iterator[str]:
    """The packages around a module, innermost first."""
    while "." in module:
        module = module.rpartition(".")[0]
        yield module


def modules_of(files: Mapping[str, bytes], names: Collection[str]) -> dict[str, ModuleSource]:
    """The sources of modules by name; names without a file are left out."""
    found: dict[str, ModuleSource] = {}
    for name in names:
        path = name.replace(".", "/")
        for candidate, is_package in ((f"{path}/__init__.py", True), (f"{path}.py", False)):
            if candidate in files:
                found[name] = ModuleSource(candidate, files[candidate], is_package)
                break
    return found


def import_issues(name: str, module: ModuleSource, provision: Provision) -> list[Issue]:
    """Every import of a module that cannot be served (DU-13, DU-19, DU-22)."""
    try:
        tree = ast.parse(module.source, module.path)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        return [Issue(f"{module.path}:{line}", "DU-10", f"it is no Python: {error}", "mend it")]
    package = name if module.is_package else name.rpartition(".")[0]
    issues: list[Issue] = []
    for line, target in _imports(tree, package, provision):
        top = target.partition(".")[0]
        where = f"{module.path}:{line}"
        if provision.is_missing(target) or target.startswith(".") or not target:
            issues.append(
                Issue(
                    where,
                    "DU-22",
                    f"imports {target}, which no bundle it depends on provides",
                    "name its bundle in [depends], or the module in modules",
                )
            )
        elif target not in provision and top not in SHARED and not _in_environment(top):
            issues.append(
                Issue(
                    where,
                    "DU-13",
                    f"imports {target}, which the environment does not have",
                    f"install a distribution that provides {top}",
                )
            )
    return issues


def rewritten(module: ModuleSource, provision: Provision, prefix: str) -> ast.Module:
    """The module's syntax tree with imports turned to the namespace `prefix`."""
    tree: ast.Module = _Rewriting(provision, prefix).visit(ast.parse(module.source, module.path))
    return ast.fix_missing_locations(tree)


def assigned_names(module: ModuleSource) -> set[str]:
    """The names that the module assigns at its top level, as opposed to those that it imports."""
    names: set[str] = set()
    for statement in ast.parse(module.source, module.path).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        if isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


class _Rewriting(ast.NodeTransformer):
    def __init__(self, provision: Provision, prefix: str) -> None:
        self.provision = provision
        self.prefix = prefix

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt:
        if not node.level and node.module is not None and node.module in self.provision:
            node.module = f"{self.prefix}.{node.module}"
        return node

    def visit_Import(self, node: ast.Import) -> list[ast.stmt]:
        """`import a.b` binds `a`: load a.b under that name, then bind the a of the namespace."""
        statements: list[ast.stmt] = []
        for alias in node.names:
            if alias.name not in self.provision:
                statements.append(ast.Import([alias]))
                continue
            top = alias.name.partition(".")[0]
            wanted = [(alias.name, alias.asname or top)]
            if alias.asname is None and top != alias.name:
                wanted.append((top, top))
            statements += [ast.Import([ast.alias(f"{self.prefix}.{module}", bound)]) for module, bound in wanted]
        return [ast.copy_location(statement, node) for statement in statements]


def _imports(tree: ast.AST, package: str, provision: Provision) -> Iterator[tuple[int, str]]:
    """Line and module of each import; for `from package import x` the module x if the package only leads to it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = _absolute(node, package)
            if module in provision.packages:
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, module


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = ".".join(parts[: max(len(parts) - node.level + 1, 0)])
    return f"{base}.{node.module or ''}".rstrip(".")


def _in_environment(top: str) -> bool:
    return top in sys.stdlib_module_names or top in sys.modules or find_spec(top) is not None

"""The architecture rules: each is a function of modules that returns its findings as `path:line: what is wrong`.

They know nothing of the repository, so that test_rules.py can show each of them failing on a sample.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Mapping

from .source import Module

SOFT_SIZE = 400
HARD_SIZE = 700
FUNCTION_SIZE = 40

BANNED_CLASS = re.compile(r"(Manager|Impl|Utils?|Helpers?|Base|Common|Misc)$")
BANNED_MODULE = {"utils", "util", "common", "helpers", "helper", "misc", "base", "manager", "impl"}

MUTATORS = {
    "add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popitem", "popleft", "remove",
    "setdefault", "update",
}  # fmt: skip
IMPORT_NAMES = {"python-diameter": "diameter"}
"""What distributions are imported as, where it is not their own name."""
SLEEPS = {"time.sleep", "asyncio.sleep", "anyio.sleep", "anyio.sleep_until", "anyio.sleep_forever"}
CATCH_ALLS = {"Exception", "BaseException"}
DEBT = re.compile(r"TODO|FIXME|\bXXX\b|type: ignore|pyright: ignore|pragma: no cover|noqa")

Findings = list[str]


def module_size(modules: Iterable[Module], *, allowed: Mapping[str, str]) -> Findings:
    """A module has at most 400 lines, or a reason in `allowed`, and never more than 700; no reason outlives it."""
    sizes = {module.path: module.text.count("\n") for module in modules}
    found = [f"{path}: {size} lines, more than {HARD_SIZE}" for path, size in sizes.items() if size > HARD_SIZE]
    found += [
        f"{path}: {size} lines, more than {SOFT_SIZE}, and no reason given"
        for path, size in sizes.items()
        if SOFT_SIZE < size <= HARD_SIZE and not allowed.get(path)
    ]
    found += [f"{path}: needs no exception (any more)" for path in allowed if sizes.get(path, 0) <= SOFT_SIZE]
    return found


def function_size(modules: Iterable[Module], *, limit: int = FUNCTION_SIZE) -> Findings:
    """A function has at most 40 lines, its docstring not counted."""
    found: Findings = []
    for module in modules:
        for function in functions(module.tree):
            first = function.body[0]
            documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            size = (function.end_lineno or 0) - function.lineno + 1 - docstring
            if size > limit:
                found.append(f"{module.path}:{function.lineno}: {function.name} has {size} lines, more than {limit}")
    return found


def mutable_globals(modules: Iterable[Module], *, allowed: Mapping[str, str]) -> Findings:
    """No function writes to what its module holds: state belongs to objects that the composition root makes.

    `allowed` gives the reason for each exception, by `path: name`.
    """
    found: Findings = []
    for module in modules:
        held = {name for node in module.tree.body for name in bound_names(node) if is_assignment(node)}
        for function in functions(module.tree):
            local = {argument.arg for argument in ast.walk(function.args) if isinstance(argument, ast.arg)}
            local |= {n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
            for node in ast.walk(function):
                if isinstance(node, ast.Global):
                    found.append(f"{module.path}:{node.lineno}: {function.name} rebinds {', '.join(node.names)}")
                found += [
                    f"{module.path}:{node.lineno}: {function.name} changes the module's {name}"
                    for name in changed_names(node)
                    if name in held - local and not allowed.get(f"{module.path}: {name}")
                ]
    return sorted(set(found))


def banned_names(modules: Iterable[Module]) -> Findings:
    """No class or module is named for being a drawer: name the concept instead."""
    found: Findings = []
    for module in modules:
        last = module.name.rpartition(".")[2]
        if last in BANNED_MODULE:
            found.append(f"{module.path}: a module named {last}")
        found += [
            f"{module.path}:{node.lineno}: a class named {node.name}"
            for node in ast.walk(module.tree)
            if isinstance(node, ast.ClassDef) and BANNED_CLASS.search(node.name)
        ]
    return found


def sleeps(modules: Iterable[Module], *, banned: Iterable[str] = frozenset(SLEEPS)) -> Findings:
    """Nothing sleeps: a change of state is an event, and time is an argument."""
    banned = frozenset(banned)
    found: Findings = []
    for module in modules:
        found += [f"{module.path}:{line}: imports {name}" for line, name in module.imports() if name in banned]
        found += [
            f"{module.path}:{node.lineno}: {ast.unparse(node)}"
            for node in ast.walk(module.tree)
            if isinstance(node, ast.Attribute) and ast.unparse(node) in banned
        ]
    return found


def swallowed_errors(modules: Iterable[Module]) -> Findings:
    """No bare `except`, and no catch-all that does nothing."""
    found: Findings = []
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ExceptHandler):
                if node.type is None:
                    found.append(f"{module.path}:{node.lineno}: bare except")
                elif names_in(node.type) & CATCH_ALLS and all(is_idle(statement) for statement in node.body):
                    found.append(f"{module.path}:{node.lineno}: catches everything and does nothing")
            elif (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) in {"suppress", "contextlib.suppress"}
                and any(names_in(argument) & CATCH_ALLS for argument in node.args)
            ):
                found.append(f"{module.path}:{node.lineno}: suppresses everything")
    return found


def exports(modules: Iterable[Module]) -> Findings:
    """Where there is an `__all__`, it is sorted (constants, classes, the rest) and equal to the public names.

    The public names of a module are those that it defines (type variables apart), and of a package those that it
    imports as well. A module may list what it imports to re-export it.
    """
    found: Findings = []
    for module in modules:
        listed = declared_exports(module)
        if listed is None:
            continue
        if listed != sorted(listed, key=export_order):
            found.append(f"{module.path}: __all__ is not sorted")
        if len(listed) != len(set(listed)):
            found.append(f"{module.path}: __all__ names something twice")
        definitions = [node for node in module.tree.body if not is_type_variable(node)]
        defined = {name for node in definitions for name in bound_names(node) if not name.startswith("_")}
        imported = {name for node in module.tree.body for name in imported_names(node)}
        public = defined | {name for name in imported if module.is_package and not name.startswith("_")}
        found += [f"{module.path}: {name} is public but not in __all__" for name in sorted(public - set(listed))]
        missing = set(listed) - defined - imported - {"__version__"}
        found += [f"{module.path}: __all__ names {name}, which is not there" for name in sorted(missing)]
    return found


def debt(modules: Iterable[Module]) -> Findings:
    """The lines that put something off or silence a checker; their number is budgeted."""
    return [
        f"{module.path}:{number}: {line.strip()}"
        for module in modules
        for number, line in enumerate(module.text.splitlines(), 1)
        if DEBT.search(line)
    ]


def visibility(modules: Iterable[Module]) -> Findings:
    """Services see `slee`, `resource_adaptors.*.api`, `profiles` and each other; profiles the first two and each other.

    This is an allow-list, which import contracts cannot say. Which services a service may see is its manifest's word.
    """
    shown = {
        "sbbs": re.compile(r"slee\.\w+$|resource_adaptors\.\w+\.api(\.|$)|profiles\.|sbbs\."),
        "profiles": re.compile(r"slee\.\w+$|resource_adaptors\.\w+\.api(\.|$)|profiles\."),
    }
    found: Findings = []
    for module in modules:
        package = module.name.partition(".")[0]
        for line, name in module.imports():
            ours = name.partition(".")[0] in {"slee", "resource_adaptors", "sbbs", "profiles", "deploy"}
            if package in shown and ours and not shown[package].match(name):
                found.append(f"{module.path}:{line}: {package} may not import {name}")
    return found


def services_without_io(modules: Iterable[Module]) -> Findings:
    """Services and profiles wait for nothing and touch nothing: what would wait is a command to a resource adaptor."""
    banned = {
        "anyio", "asyncio", "httpx", "multiprocessing", "os", "random", "select", "selectors", "socket", "sqlalchemy",
        "ssl", "subprocess", "threading", "time",
    }  # fmt: skip
    return [
        f"{module.path}:{line}: a service may not import {name.partition('.')[0]}"
        for module in modules
        if module.name.partition(".")[0] in {"sbbs", "profiles"}
        for line, name in module.imports()
        if name.partition(".")[0] in banned
    ]


def undeclared_dependencies(modules: Iterable[Module], *, declared: Iterable[str]) -> Findings:
    """Whatever the product imports is the standard library's, its own, or declared in pyproject.toml."""
    known = {IMPORT_NAMES.get(name, name.replace("-", "_").lower()) for name in declared} | sys.stdlib_module_names
    known |= {"slee", "resource_adaptors", "sbbs", "profiles", "deploy"}
    return [
        f"{module.path}:{line}: {name.partition('.')[0]} is not a declared dependency"
        for module in modules
        for line, name in module.imports()
        if name.partition(".")[0] not in known
    ]


# -- what the rules ask of a syntax tree -------------------------------------------------------------------------------


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def is_assignment(node: ast.stmt) -> bool:
    """True for `name = value`, annotated or not."""
    return isinstance(node, ast.Assign | ast.AnnAssign)


def is_type_variable(node: ast.stmt) -> bool:
    """True for `T = TypeVar("T")` and its like, which are notation and not API."""
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func).rpartition(".")[2] in {"TypeVar", "ParamSpec", "TypeVarTuple"}
    )


def bound_names(node: ast.stmt) -> list[str]:
    """The names that a statement at module level defines; imports are not definitions."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def imported_names(node: ast.stmt) -> list[str]:
    """The names that an import at module level binds."""
    if isinstance(node, ast.ImportFrom) and node.module != "__future__":
        return [alias.asname or alias.name for alias in node.names]
    if isinstance(node, ast.Import):
        return [alias.asname or alias.name.partition(".")[0] for alias in node.names]
    return []


def changed_names(node: ast.AST) -> list[str]:
    """Plain names whose object a node changes: `name[...] = `, `name.attribute = `, `del name[...]`, `name.add()`."""
    if isinstance(node, ast.Assign):
        targets: list[ast.expr] = node.targets
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        targets = [node.target]
    elif isinstance(node, ast.Delete):
        targets = node.targets
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS:
        targets = [node.func]
    else:
        return []
    owners = [target.value for target in targets if isinstance(target, ast.Subscript | ast.Attribute)]
    return [owner.id for owner in owners if isinstance(owner, ast.Name)]


def names_in(node: ast.expr) -> set[str]:
    """The plain names within an expression."""
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}


def is_idle(statement: ast.stmt) -> bool:
    """True for `pass`, `continue`, `...` and a lone string."""
    return isinstance(statement, ast.Pass | ast.Continue) or (
        isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    )


def declared_exports(module: Module) -> list[str] | None:
    """The entries of `__all__`, or None when the module has none."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and "__all__" in bound_names(node):
            return [str(entry) for entry in ast.literal_eval(node.value)]
    return None


def export_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest, as ruff sorts `__all__` (RUF022)."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2), name

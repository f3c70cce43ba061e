"""Private namespaces: the modules of each bundle version live under a package of their own (DU-22, DU-26).

`sbbs.registrar.sbb` of one bundle becomes `slee_bundles.registrar_1_0_3f2a9c1e.sbbs.registrar.sbb`. A module of a
dependency is reachable under the same prefix and is the dependency's own module object.
"""

from __future__ import annotations

import importlib
import linecache
import re
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Final

from slee.management.imports import ModuleSource, Provision, rewritten

ROOT: Final = "slee_bundles"


class Namespace:
    """The modules of one bundle version, imported on demand."""

    def __init__(
        self, prefix: str, label: str, modules: Mapping[str, ModuleSource], lenders: Sequence[Namespace]
    ) -> None:
        self.prefix = prefix
        self.label = label
        self.modules = modules
        self.lenders = {module: lender for lender in lenders for module in lender.modules}
        """The namespace that each module of a dependency belongs to."""
        self.provision = Provision(modules.keys(), self.lenders.keys())

    def load(self, module: str) -> ModuleType:
        """Import a module by the name that it has inside the bundle; whatever its code raises passes through."""
        return importlib.import_module(f"{self.prefix}.{module}")

    def file_name(self, source: ModuleSource) -> str:
        """What tracebacks call the file of a module."""
        return f"{self.label}/{source.path}"

    def spec(self, module: str) -> ModuleSpec | None:
        """How to load a module of this namespace, `None` if it has none of that name."""
        fullname = f"{self.prefix}.{module}" if module else self.prefix
        loader: Loader
        if source := self.modules.get(module):
            loader = _SourceLoader(self, source)
            spec = ModuleSpec(fullname, loader, origin=self.file_name(source), is_package=source.is_package)
            spec.has_location = True
            return spec
        if lender := self.lenders.get(module):
            return ModuleSpec(fullname, _LentLoader(lender, module))
        if not module or module in self.provision:
            return ModuleSpec(fullname, _PackageLoader(), is_package=True)
        return None


class Importer(MetaPathFinder):
    """Finds the modules of all namespaces of one server."""

    def __init__(self) -> None:
        self._namespaces: dict[str, Namespace] = {}

    def open(
        self, name: str, digest: str, modules: Mapping[str, ModuleSource], lenders: Sequence[Namespace]
    ) -> Namespace:
        """Make a namespace; nothing is imported yet.

        Args:
            name: bundle and version, for people.
            digest: hash of the archive, which tells two builds of one version apart.
            modules: the bundle's modules by name.
            lenders: namespaces of the bundles that it depends on.
        """
        label = re.sub(r"\W+", "_", f"{name}_{digest[:8]}")
        prefix, count = f"{ROOT}.{label}", 1
        while any(isinstance(finder, Importer) and finder.has(prefix) for finder in sys.meta_path):
            # Another server in this process, or a check of the same archive: classes of its own for each.
            count += 1
            prefix = f"{ROOT}.{label}_{count}"
        self._namespaces[prefix] = namespace = Namespace(prefix, name, modules, lenders)
        if self not in sys.meta_path:
            sys.meta_path.append(self)
        return namespace

    def has(self, prefix: str) -> bool:
        """Whether a namespace of that prefix is open."""
        return prefix in self._namespaces

    def close(self, namespace: Namespace) -> None:
        """Forget a namespace with every module in it."""
        del self._namespaces[namespace.prefix]
        inside = namespace.prefix + "."
        for module in [name for name in tuple(sys.modules) if name == namespace.prefix or name.startswith(inside)]:
            del sys.modules[module]
        for source in namespace.modules.values():
            # Another build of this version has files of the same names, and tracebacks must not show the old lines.
            linecache.cache.pop(namespace.file_name(source), None)
        root = sys.modules.get(ROOT)
        if root is not None:
            vars(root).pop(namespace.prefix.rpartition(".")[2], None)
        _forget_subscripts()
        if not self._namespaces:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        """Called by the import system."""
        root, _, rest = fullname.partition(".")
        if root != ROOT:
            return None
        if not rest:
            return ModuleSpec(ROOT, _PackageLoader(), is_package=True)
        label, _, module = rest.partition(".")
        namespace = self._namespaces.get(f"{ROOT}.{label}")
        return namespace.spec(module) if namespace else None


def _forget_subscripts() -> None:
    """Let go of the classes that `typing` remembers from annotations such as `Cmp[Mood]` (UPG-1)."""
    clearers: list[Callable[[], None]] = getattr(typing, "_cleanups", [])  # there is no public way
    for clear in clearers:
        clear()


class _PackageLoader(Loader):
    """Loads a package that has no file and only leads to modules."""

    def exec_module(self, module: ModuleType) -> None:
        pass


class _LentLoader(Loader):
    """Loads the module object of another namespace under a second name."""

    def __init__(self, lender: Namespace, name: str) -> None:
        self.lender = lender
        self.name = name

    def exec_module(self, module: ModuleType) -> None:
        # The import system takes what stands in sys.modules after this call.
        sys.modules[module.__name__] = self.lender.load(self.name)


class _SourceLoader(InspectLoader):
    """Compiles a module with its imports turned to the namespace."""

    def __init__(self, namespace: Namespace, module: ModuleSource) -> None:
        self.namespace = namespace
        self.module = module

    def is_package(self, fullname: str) -> bool:
        return self.module.is_package

    def get_source(self, fullname: str) -> str:
        """The source as written; tracebacks show it."""
        return self.module.source.decode()

    def get_code(self, fullname: str) -> CodeType:
        tree = rewritten(self.module, self.namespace.provision, self.namespace.prefix)
        code: CodeType = compile(tree, self.namespace.file_name(self.module), "exec", dont_inherit=True)
        return code

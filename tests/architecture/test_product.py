"""The product keeps the architecture rules of rules.py."""

from __future__ import annotations

import tomllib

from packaging.requirements import Requirement

from . import rules
from .source import ROOT, product, suite

# Modules of more than 400 lines, each with the reason why it reads better whole.
LONG_MODULES = {
    "slee/api/errors.py": "every error of the product is one tree, to be read in one place",
    "resource_adaptors/sip/api.py": "the SIP resource adaptor type is one vocabulary: events, activities, interface",
    "resource_adaptors/diameter/api.py": "the Diameter resource adaptor type is one vocabulary, as that of SIP is",
}

# Objects of modules that functions write to, each with the reason why it is no state.
MEMOS = {
    "slee/api/values.py: _structs": "what a class is as a value never changes, and one that holds itself must be found",
}

# The lines that put something off or silence a checker must fit on one screen.
DEBT_BUDGET = 25


def test_modules_are_of_readable_size() -> None:
    assert rules.module_size(product(), allowed=LONG_MODULES) == []


def test_test_modules_are_never_giants() -> None:
    assert [finding for finding in rules.module_size(suite(), allowed={}) if "no reason" not in finding] == []


def test_kernel_is_made_of_short_steps() -> None:
    assert rules.function_size(m for m in product() if m.name.startswith("slee.kernel")) == []


def test_modules_hold_no_mutable_state() -> None:
    assert rules.mutable_globals(product(), allowed=MEMOS) == []


def test_names_name_the_concept() -> None:
    assert rules.banned_names(product()) == []


def test_product_never_sleeps() -> None:
    assert rules.sleeps(product()) == []


def test_tests_without_sockets_never_sleep() -> None:
    assert rules.sleeps(m for m in suite() if not m.path.startswith("tests/interop/")) == []


def test_errors_are_not_swallowed() -> None:
    assert rules.swallowed_errors(product()) == []


def test_exports_are_sorted_and_complete() -> None:
    assert rules.exports(product()) == []


def test_authoring_and_adaptor_apis_stay_small() -> None:
    exports = {module.name: rules.declared_exports(module) for module in product()}
    assert len(exports["slee"] or ()) <= 60
    assert len(exports["slee.spi"] or ()) <= 20


def test_debt_fits_on_one_screen() -> None:
    found = rules.debt([*product(), *suite()])
    assert len(found) <= DEBT_BUDGET, "\n".join(found)


def test_services_and_profiles_see_only_what_they_may() -> None:
    assert rules.visibility(product()) == []


def test_services_and_profiles_do_no_io() -> None:
    assert rules.services_without_io(product()) == []


def test_imports_are_declared_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = project["dependencies"]
    # The test side of the product (slee.testing) is used where the tests' tools are.
    testing = project["optional-dependencies"]["dev"]
    shipped = [m for m in product() if ".testing" not in m.name]
    names = [Requirement(line).name for line in declared]
    assert rules.undeclared_dependencies(shipped, declared=names) == []
    names += [Requirement(line).name for line in testing]
    assert rules.undeclared_dependencies(product(), declared=names) == []

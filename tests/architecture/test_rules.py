"""Each architecture rule finds what it is for, and nothing in code that keeps it."""

from __future__ import annotations

from textwrap import dedent

import pytest

from . import rules
from .source import Module


def module(text: str, path: str = "slee/kernel/sample.py") -> Module:
    return Module(path, dedent(text))


def lines(count: int, path: str) -> Module:
    return Module(path, "x = 1\n" * count)


def test_module_size_has_a_soft_and_a_hard_limit() -> None:
    assert rules.module_size([lines(400, "a.py")], allowed={}) == []
    assert rules.module_size([lines(401, "a.py")], allowed={}) == [
        "a.py: 401 lines, more than 400, and no reason given"
    ]
    assert rules.module_size([lines(401, "a.py")], allowed={"a.py": "one table"}) == []
    assert rules.module_size([lines(701, "a.py")], allowed={"a.py": "one table"}) == ["a.py: 701 lines, more than 700"]


def test_module_size_exception_needs_a_reason_and_a_cause() -> None:
    assert rules.module_size([lines(401, "a.py")], allowed={"a.py": ""}) != []
    assert rules.module_size([lines(399, "a.py")], allowed={"a.py": "one table"}) == [
        "a.py: needs no exception (any more)"
    ]
    assert rules.module_size([], allowed={"gone.py": "one table"}) == ["gone.py: needs no exception (any more)"]


def test_function_size_does_not_count_the_docstring() -> None:
    body = "    x = 1\n" * 38
    assert (
        rules.function_size([Module("a.py", f'def f():\n    """One.\n\n    Two.\n    """\n{body}    return x\n')]) == []
    )
    assert rules.function_size([Module("a.py", f"def f():\n{body}    y = 2\n    return x\n")]) == [
        "a.py:1: f has 41 lines, more than 40"
    ]


@pytest.mark.parametrize(
    "change",
    ["CACHE[key] = 1", "del CACHE[key]", "CACHE.update(key)", "CACHE[key] += 1", "CACHE.limit = 3"],
)
def test_function_that_changes_a_module_global_is_found(change: str) -> None:
    text = f"CACHE: dict[str, int] = {{}}\n\ndef f(key):\n    {change}\n"
    assert rules.mutable_globals([Module("a.py", text)], allowed={}) == ["a.py:4: f changes the module's CACHE"]
    assert rules.mutable_globals([Module("a.py", text)], allowed={"a.py: CACHE": "a memo"}) == []
    assert rules.mutable_globals([Module("a.py", text)], allowed={"a.py: CACHE": ""}) != []


def test_global_statement_is_found() -> None:
    text = "count = 0\n\ndef f():\n    global count\n    count += 1\n"
    assert rules.mutable_globals([Module("a.py", text)], allowed={}) == ["a.py:4: f rebinds count"]


def test_constant_table_and_local_namesake_are_no_mutable_globals() -> None:
    sample = module(
        """
        TABLE = {"a": 1}
        NAMES = []

        def read(key):
            return TABLE[key]

        def build(NAMES):
            NAMES.append(1)
            TABLE = {}
            TABLE["b"] = 2
            return TABLE
        """
    )
    assert rules.mutable_globals([sample], allowed={}) == []


@pytest.mark.parametrize("name", ["CallManager", "RouterImpl", "SipUtils", "ParserHelper", "SbbBase"])
def test_banned_class_name_is_found(name: str) -> None:
    assert rules.banned_names([Module("a.py", f"class {name}: ...\n")]) == [f"a.py:1: a class named {name}"]


@pytest.mark.parametrize("path", ["slee/utils.py", "slee/common/__init__.py", "sbbs/misc.py"])
def test_banned_module_name_is_found(path: str) -> None:
    assert len(rules.banned_names([Module(path, "")])) == 1


def test_name_that_only_contains_a_banned_word_is_fine() -> None:
    assert rules.banned_names([Module("slee/management/base64.py", "class Baseline: ...\nclass Implicit: ...\n")]) == []


@pytest.mark.parametrize(
    "text",
    ["import time\ntime.sleep(1)\n", "from time import sleep\n", "import asyncio\nx = asyncio.sleep\n"],
)
def test_sleep_is_found(text: str) -> None:
    assert len(rules.sleeps([Module("a.py", text)])) == 1


def test_reading_the_clock_is_no_sleep() -> None:
    assert rules.sleeps([Module("a.py", "import time\nnow = time.monotonic()\n")]) == []


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    f()\nexcept:\n    raise\n",
        "try:\n    f()\nexcept Exception:\n    pass\n",
        "try:\n    f()\nexcept (OSError, BaseException):\n    ...\n",
        "import contextlib\nwith contextlib.suppress(Exception):\n    f()\n",
    ],
)
def test_swallowed_error_is_found(text: str) -> None:
    assert len(rules.swallowed_errors([Module("a.py", text)])) == 1


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    f()\nexcept OSError:\n    pass\n",
        "try:\n    f()\nexcept Exception as error:\n    log(error)\n",
        "import contextlib\nwith contextlib.suppress(KeyError):\n    f()\n",
    ],
)
def test_handled_error_is_fine(text: str) -> None:
    assert rules.swallowed_errors([Module("a.py", text)]) == []


def test_exports_must_be_sorted_complete_and_there() -> None:
    unsorted = '__all__ = ["f", "A"]\nclass A: ...\ndef f(): ...\n'
    assert rules.exports([Module("a.py", unsorted)]) == ["a.py: __all__ is not sorted"]
    incomplete = '__all__ = ["A"]\nclass A: ...\ndef f(): ...\n'
    assert rules.exports([Module("a.py", incomplete)]) == ["a.py: f is public but not in __all__"]
    absent = '__all__ = ["A", "B"]\nclass A: ...\n'
    assert rules.exports([Module("a.py", absent)]) == ["a.py: __all__ names B, which is not there"]
    twice = '__all__ = ["A", "A"]\nclass A: ...\n'
    assert rules.exports([Module("a.py", twice)]) == ["a.py: __all__ names something twice"]


def test_package_exports_what_it_imports() -> None:
    text = 'from .a import A, B\n__all__ = ["A"]\n'
    assert rules.exports([Module("a/__init__.py", text)]) == ["a/__init__.py: B is public but not in __all__"]
    assert rules.exports([Module("a/b.py", text)]) == []


def test_constants_sort_before_classes_before_functions() -> None:
    sample = module(
        """
        from typing import TypeVar
        __all__ = ["SIP", "Sbb", "cmp"]
        T = TypeVar("T")
        SIP = 1
        class Sbb: ...
        def cmp(): ...
        def _private(): ...
        """
    )
    assert rules.exports([sample]) == []


def test_debt_is_counted_by_line() -> None:
    text = "x = 1  # TODO later\ny = 2  # type: ignore[misc]\nz = 3  # noqa: E501\ntoday = 4\n"
    assert [finding.split(":")[1] for finding in rules.debt([Module("a.py", text)])] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("sbbs/proxy/sbb.py", "from slee.kernel.router import Router\n"),
        ("sbbs/proxy/sbb.py", "from slee.api.sbb import Sbb\n"),
        ("sbbs/proxy/sbb.py", "from resource_adaptors.sip.transport import udp\n"),
        ("sbbs/proxy/sbb.py", "import deploy.cli\n"),
        ("profiles/location/location.py", "from sbbs.proxy.sbb import Proxy\n"),
        ("sbbs/proxy/sbb.py", "from ...slee.kernel import Kernel\n"),
    ],
)
def test_service_that_sees_too_much_is_found(path: str, text: str) -> None:
    assert len(rules.visibility([Module(path, text)])) == 1


def test_service_that_sees_what_it_may_is_fine() -> None:
    text = "from slee import Sbb\nfrom resource_adaptors.sip.api import SIP\nfrom profiles.location import LOCATION\n"
    assert (
        rules.visibility([Module("sbbs/proxy/sbb.py", text + "import msgspec\nfrom .events import Diverted\n")]) == []
    )


def test_service_with_io_is_found() -> None:
    found = rules.services_without_io([Module("sbbs/proxy/sbb.py", "import asyncio\nimport time\nimport datetime\n")])
    assert [finding.rpartition(" ")[2] for finding in found] == ["asyncio", "time"]


def test_undeclared_dependency_is_found() -> None:
    text = "import json\nimport requests\nfrom prometheus_client import Counter\nfrom slee import Sbb\n"
    assert rules.undeclared_dependencies([Module("a.py", text)], declared=["prometheus-client"]) == [
        "a.py:2: requests is not a declared dependency"
    ]


def test_dependency_may_be_imported_by_another_name_than_it_is_declared_by() -> None:
    sample = Module("a.py", "from diameter.message import Avp\n")
    assert rules.undeclared_dependencies([sample], declared=["python-diameter"]) == []
    assert rules.undeclared_dependencies([sample], declared=["prometheus-client"]) == [
        "a.py:1: diameter is not a declared dependency"
    ]
    assert rules.undeclared_dependencies(
        [Module("a.py", "import python_diameter\n")], declared=["python-diameter"]
    ) == ["a.py:1: python_diameter is not a declared dependency"]

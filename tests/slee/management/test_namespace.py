"""Private namespaces: what the import system sees of them."""

from __future__ import annotations

import sys
import traceback

import pytest

from slee.management.imports import ModuleSource, Provision, assigned_names, import_issues
from slee.management.namespace import Importer


def module(text: str, path: str = "acme/a.py", *, is_package: bool = False) -> ModuleSource:
    return ModuleSource(path, text.encode(), is_package)


def test_a_traceback_shows_the_source_of_the_bundle() -> None:
    importer = Importer()
    namespace = importer.open("acme-1.0", "00", {"acme.a": module("def fail():\n    return 1 / 0  # here\n")}, [])
    try:
        namespace.load("acme.a").fail()
    except ZeroDivisionError:
        text = traceback.format_exc()
    importer.close(namespace)
    assert 'File "acme-1.0/acme/a.py", line 2, in fail' in text
    assert "return 1 / 0  # here" in text


def test_du_26_a_traceback_of_another_build_of_a_version_shows_its_own_lines() -> None:
    importer = Importer()
    shown: list[str] = []
    for digest, comment in (("00", "faulty"), ("11", "mended")):
        source = module(f"def fail():\n    return 1 / 0  # {comment}\n")
        namespace = importer.open("acme-1.0", digest, {"acme.a": source}, [])
        try:
            namespace.load("acme.a").fail()
        except ZeroDivisionError:
            shown.append(traceback.format_exc())
        importer.close(namespace)
    assert "# faulty" in shown[0]
    assert "# mended" in shown[1]


def test_a_namespace_is_forgotten_while_another_thread_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that ends right after its start still imports its interfaces on another thread."""

    class Name(str):
        """A module whose name is looked at when another one comes."""

        __slots__ = ()

        def startswith(self, *_: object) -> bool:
            sys.modules.setdefault("came_meanwhile", sys)
            return False

    importer = Importer()
    namespace = importer.open("acme-1.0", "00", {"acme.a": module("x = 1\n")}, [])
    namespace.load("acme.a")
    monkeypatch.delitem(sys.modules, "came_meanwhile", raising=False)
    monkeypatch.setitem(sys.modules, Name("looked_at"), sys)
    importer.close(namespace)
    assert "came_meanwhile" in sys.modules
    assert not [name for name in sys.modules if name.startswith(namespace.prefix)]
    del sys.modules["came_meanwhile"]


def test_a_lent_module_is_one_object_and_keeps_its_own_name() -> None:
    importer = Importer()
    lender = importer.open("lender-1", "00", {"acme.a": module("x = object()\n")}, [])
    user = importer.open(
        "user-1", "11", {"acme.b": module("import acme.a\nfrom acme.a import x\ny = acme.a.x\n")}, [lender]
    )
    found = user.load("acme.b")
    lent = lender.load("acme.a")
    assert found.x is found.y is lent.x
    assert lent.__name__ == vars(lent)["__spec__"].name == f"{lender.prefix}.acme.a"
    importer.close(user)
    importer.close(lender)
    assert not [name for name in sys.modules if name.startswith("slee_bundles.")]
    assert importer not in sys.meta_path


def test_two_servers_in_one_process_do_not_share_a_bundle() -> None:
    modules = {"acme.a": module("x = object()\n")}
    importers = Importer(), Importer()
    namespaces = [importer.open("acme-1.0", "00", modules, []) for importer in importers]
    first, second = (namespace.load("acme.a") for namespace in namespaces)
    assert first.x is not second.x
    for importer, namespace in zip(importers, namespaces, strict=True):
        importer.close(namespace)


def test_a_module_that_the_namespace_lacks_is_not_found() -> None:
    importer = Importer()
    namespace = importer.open("acme-1.0", "00", {"acme.a": module("")}, [])
    with pytest.raises(ModuleNotFoundError):
        namespace.load("acme.c")
    importer.close(namespace)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("import sbbs", None),
        ("from sbbs import a", None),
        ("import json, slee.api.ids, pydantic", None),
        ("from . import a", None),
        ("from .a import x", None),
        ("import sbbs.b", "DU-22"),
        ("from sbbs import b", "DU-22"),
        ("from .b import x", "DU-22"),
        ("from ..profiles import x", "DU-22"),
        ("from ... import x", "DU-22"),
        ("def late():\n    import profiles.x", "DU-22"),
        ("import nosuchthing", "DU-13"),
        ("from nosuchthing.more import x", "DU-13"),
        ("import =", "DU-10"),
    ],
)
def test_imports_are_judged_without_running_the_module(text: str, rule: str | None) -> None:
    provision = Provision(["sbbs.a", "sbbs.me"], [])
    issues = import_issues("sbbs.me", module(text, "sbbs/me.py"), provision)
    assert [issue.rule for issue in issues] == ([rule] if rule else [])


def test_names_assigned_are_told_from_names_imported() -> None:
    assert assigned_names(module("from a import B\nimport c\nD = 1\nE: int = 2\nf.g = 3\ndef h(): i = 4\n")) == {
        "D",
        "E",
    }

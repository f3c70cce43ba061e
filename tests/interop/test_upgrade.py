"""The lane of upgrades: versions change forth and back under calls, and no call notices (groups UPG, SVC)."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.interop.peers import Sipp
from tests.interop.servers import ROOT, Slee
from tests.interop.telephony import answering, register

StartSlee = Callable[[], Slee]
HERE = Path(__file__).parent


def test_upgrade_under_calls_forth_and_back(slee: StartSlee, tmp_path: Path, is_long: bool) -> None:
    """The proxy drains, a service with state on null activities migrates; every call is served, by one version."""
    calls, rate = (20_000, 150.0) if is_long else (1_200, 75.0)
    server = slee()
    _deploy(server, HERE / "bundles" / "tally", tmp_path)
    assert server.cli("service", "activate", "Tally")[0] == 0
    _deploy(server, _second_tally(tmp_path), tmp_path)
    _deploy(server, _second_proxy(tmp_path), tmp_path)
    turns: list[str] = []
    with answering(tmp_path, calls, timeout=60.0 + calls / rate) as callee:
        register(server, tmp_path, [("bob", callee.port)])
        with Sipp(
            "uac_rr", tmp_path, server=server.sip, calls=calls, rows=[("bob",)], rate=rate, timeout=60.0 + calls / rate
        ) as caller:
            ends = time.monotonic() + calls / rate - 4.0
            while time.monotonic() < ends:
                upgrade = _apply(server)
                turns.append("up")
                caller.child.pause(1.5)
                _json(server, "upgrade", "rollback", upgrade)
                turns.append("back")
                _wait_for(server, upgrade)
            upgrade = _apply(server)
            _json(server, "upgrade", "make-permanent", upgrade)
            caller.finish().require(calls)
        callee.finish().require(calls)
    _wait(server, upgrade, lambda info: not any(pair["old_trees"] + pair["new_trees"] for pair in info["pairs"]))
    counts = _counts(server)
    assert counts["opened"] == counts["closed"] == calls, counts
    assert counts["forwarded"] == calls, counts
    (info,) = _json(server, "upgrade", "status", "--upgrade", upgrade)
    assert {(pair["old_state"], pair["new_state"]) for pair in info["pairs"]} == {("Inactive", "Active")}
    assert all(pair["failed"] == 0 for pair in info["pairs"]), info
    assert server.stop() == 0
    print(f"{calls} calls, {len(turns) + 1} switches, {counts}")


def _second_proxy(folder: Path) -> Path:
    """The sources of the shipped proxy as its next version."""
    return _second(
        ROOT / "sbbs" / "proxy",
        folder / "next" / "sbbs" / "proxy",
        '\n[upgrade]\n"1.*" = { up = "drain", down = "drain" }\n',
    )


def _second_tally(folder: Path) -> Path:
    return _second(HERE / "bundles" / "tally", folder / "next" / "bundles" / "tally", "")


def _second(source: Path, target: Path, manifest: str) -> Path:
    shutil.copytree(source, target)
    text = (target / "bundle.toml").read_text(encoding="utf-8")
    (target / "bundle.toml").write_text(text.replace('version = "1.0.0"', 'version = "2.0.0"') + manifest)
    text = (target / "sbb.py").read_text(encoding="utf-8").replace("# version 2: ", "")
    (target / "sbb.py").write_text(text.replace(', version="1.0"', ', version="2.0"'))
    return target


def _deploy(server: Slee, source: Path, folder: Path) -> None:
    before = set(folder.glob("*.whl"))
    for path in before:
        path.unlink()
    status, output = server.cli("bundle", "build", str(source), "-o", str(folder))
    assert status == 0, output
    (archive,) = folder.glob("*.whl")
    status, output = server.cli("bundle", "install", str(archive))
    assert status == 0, output


def _json(server: Slee, *arguments: str) -> Any:
    status, output = server.cli(*arguments, "--json")
    assert status == 0, output
    return json.loads(output)


def _apply(server: Slee) -> str:
    plan = _json(server, "upgrade", "plan", "proxy", "tally")
    assert plan["refusals"] == [], plan
    return str(_json(server, "upgrade", "apply", plan["id"])["id"])


def _wait_for(server: Slee, upgrade: str) -> None:
    """Until no tree is left of the version that was replaced."""
    _wait(server, upgrade, lambda info: info["draining"] is None)


def _wait(server: Slee, upgrade: str, is_done: Callable[[Any], bool]) -> None:
    ends = time.monotonic() + 15.0
    while not is_done(info := _json(server, "upgrade", "status", "--upgrade", upgrade)[0]):
        assert time.monotonic() < ends, f"{info}\n{server.child.output[-6000:]}"
        server.child.pause(0.2)


def _counts(server: Slee) -> dict[str, int]:
    """The usage counters of both versions of both services, added up."""
    counts: dict[str, int] = {}
    for row in _json(server, "trace", "sources"):
        if row["counts"] and any(name in row["source"] for name in ("Tally", "Proxy")):
            for parameter in _json(server, "usage", "read", row["source"])["parameters"]:
                counts[parameter["name"]] = counts.get(parameter["name"], 0) + (parameter["value"] or 0)
    return counts

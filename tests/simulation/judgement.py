"""What must hold whatever happens: after each recovery, and at the end (DUR-3, DUR-10, OUT-6, CON-3)."""

from __future__ import annotations

import ast
from collections import Counter
from typing import TYPE_CHECKING

from tests.simulation.picture import Picture, differences, picture

if TYPE_CHECKING:
    from tests.simulation.node import Node
    from tests.simulation.world import World

FLUSH = 0.0021
"""Seconds within which a commit is given to the journal, and a little."""


def judge_recovery(world: World, node: Node) -> list[str]:
    """What a restarted server brings back is what some record said, and none that was acknowledged is missing."""
    problems: list[str] = []
    sequence = node.recovered_sequence
    if sequence < world.acknowledged:
        problems.append(f"record {world.acknowledged} was acknowledged, {sequence} is the last recovered [DUR-3]")
    wanted = world.pictures.get(sequence)
    found = picture(node.kernel, node.bindings)
    if wanted is not None:
        problems += [f"{difference} [DUR-3]" for difference in differences(wanted, found)]
    crash = world.crashes[-1]
    for text, handed_at, life in world.handed:
        kind, keeper, _, serial = text.split()
        if kind != "work" or life != world.life - 1 or "end" in world.works[int(serial)][0].tasks:
            continue
        first = world.covered.get(int(serial))
        if keeper == "sync" and (first is None or first > sequence) and not _ended(world, int(serial)):
            problems.append(f"work {serial} was answered at {handed_at} and is lost [OUT-6]")
        if keeper == "async" and first is None and handed_at < crash - FLUSH and not _ended(world, int(serial)):
            problems.append(f"work {serial} was committed at {handed_at} and not journalled by {crash} [DUR-3]")
    if node.kernel.service(node.keepers["memory"]).roots:
        problems.append("trees of the memory keeper are recovered [DUR-11]")
    return problems + judge_bindings(world, node)


def _ended(world: World, serial: int) -> bool:
    """Whether the keeper's key has been ended since, so that no state tells of the work."""
    work, keeper, _ = world.works[serial]
    return any(
        later.key == work.key and at == keeper and "end" in later.tasks
        for number, (later, at, _) in world.works.items()
        if number > serial
    )


def judge_bindings(world: World, node: Node) -> list[str]:
    """Every binding answered with 200 is there, unless a later REGISTER may have changed it."""
    problems: list[str] = []
    for aor, attempts in world.history.registrations.items():
        rows = node.bindings.get(aor, ())
        cseq = rows[0].cseq if rows else 0
        answered = [attempt for attempt in attempts if attempt.status == 200]
        if not answered:
            continue
        last = answered[-1]
        later = [attempt for attempt in attempts if attempt.cseq > last.cseq]
        allowed = {last.cseq if last.expires else 0, *(one.cseq if one.expires else 0 for one in later)}
        if last.sent_at + last.expires <= world.time.now:
            allowed.add(0)
        if not last.expires:
            # A copy of an earlier REGISTER may have come after it, to a server that knew no binding any more.
            allowed |= {one.cseq for one in attempts}
        if cseq not in allowed:
            problems.append(f"{aor}: REGISTER {last.cseq} was answered 200; the binding is of {cseq} [DUR-3]")
    return problems


def judge_clients(world: World) -> list[str]:
    """What the telephones saw in the end."""
    assert world.node is not None
    problems = judge_bindings(world, world.node)
    for call in world.history.calls.values():
        if call.confirmed_at is not None and call.bye_status != 200 and (call.acked or call.bye_status is not None):
            problems.append(f"{call.call_id} was confirmed at {call.confirmed_at}; its BYE got {call.bye_status}")
        if call.refused == 408 and not world.crashes:
            problems.append(f"{call.call_id} got no answer, and no server crashed")
    return problems


def judge_keepers(world: World) -> list[str]:
    """Nothing was done twice, and everything that a keeper's state promises was done."""
    node = world.node
    assert node is not None
    problems: list[str] = []
    for name, service in ((identity.name, service) for identity, service in node.kernel.services.items()):
        if name not in ("sync", "async", "memory"):
            continue
        for root in service.roots:
            state = {key: repr(value) for key, value in root.state.items()}
            key = f"{name}/{root.state.get('key')}"
            log = list(ast.literal_eval(state.get("log", "()")))
            problems += _twice(f"{key}: work", log)
            promised = Counter(serial for serial in log for task in world.works[serial][0].tasks if task == "note")
            noted = Counter(ast.literal_eval(state.get("notes", "()")))
            if promised != noted:
                problems.append(f"{key}: notes {promised} were fired, {noted} delivered [CON-13]")
            armed = dict(root.state.get("armed", ()))
            firings = Counter(timer for timer, _ in root.state.get("firings", ()))
            problems += _twice(f"{key}: firing", list(root.state.get("firings", ())))
            problems += [
                f"{key}: {timer} is to fire {times} times and fired {firings[timer]} times [DUR-8]"
                for timer, times in armed.items()
                if firings[timer] != times
            ]
    return problems


def _twice(what: str, values: list[object]) -> list[str]:
    return [f"{what} {value} was done {count} times" for value, count in Counter(values).items() if count > 1]


__all__ = ["FLUSH", "Picture", "judge_bindings", "judge_clients", "judge_keepers", "judge_recovery"]

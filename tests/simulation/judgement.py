"""What must hold whatever happens: after each recovery, and at the end (DUR-3, DUR-10, OUT-6, CON-3)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec

from tests.simulation.picture import Picture, differences, picture

if TYPE_CHECKING:
    from slee.kernel.entity import SbbEntity
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
    found = picture(node.kernel, node.bindings, node.ledgers)
    if wanted is not None:
        problems += [f"{difference} [DUR-3]" for difference in differences(wanted, found)]
    crash = world.crashes[-1]
    for text, handed_at, life in world.handed:
        kind, keeper, _, serial = text.split()
        if kind != "work" or keeper == "memory" or life != world.life - 1 or "end" in world.works[int(serial)][0].tasks:
            continue
        first = world.covered.get((keeper, int(serial)))
        if keeper == "sync" and (first is None or first > sequence) and not _ended(world, keeper, int(serial)):
            problems.append(f"work {serial} was answered at {handed_at} and is lost [OUT-6]")
        if keeper == "async" and first is None and handed_at < crash - FLUSH and not _ended(world, keeper, int(serial)):
            problems.append(f"work {serial} was committed at {handed_at} and not journalled by {crash} [DUR-3]")
    if node.kernel.service(node.keepers["memory"]).roots:
        problems.append("trees of the memory keeper are recovered [DUR-11]")
    problems += [f"when it was brought up: {told}" for told in judge_database(world, node)]
    world.covered = {done: first for done, first in world.covered.items() if first <= sequence}
    world.acknowledged = sequence
    return problems + judge_ledgers(world, node) + judge_bindings(world, node)


def judge_hand_over(world: World, node: Node, keeper: str, serial: int) -> list[str]:
    """An output waits for its own `sync` transaction's record, and for one before it on the same activity."""
    problems: list[str] = []
    for who, rule in {"sync": "OUT-7", keeper: "OUT-6"}.items():
        if who == "sync" and any(
            serial in _values(root, "log") for root in node.kernel.service(node.keepers[who]).roots
        ):
            first = world.covered.get((who, serial))
            if first is None or first > world.acknowledged:
                problems.append(f"output of {keeper} for work {serial} did not wait for record {first} [{rule}]")
    return problems


def _ended(world: World, keeper: str, serial: int) -> bool:
    """Whether the keeper's key has been ended since, so that no state tells of the work."""
    key = world.works[serial][0].key
    return any(
        work.key == key and keepers in (keeper, "all") and "end" in work.tasks
        for number, (work, keepers, _) in world.works.items()
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
        if any(one.sent_at + one.expires <= world.time.now for one in (last, *later)):
            allowed.add(0)
        if not last.expires:
            # A copy of an earlier REGISTER may have come after it, to a server that knew no binding any more.
            allowed |= {one.cseq for one in attempts}
        if cseq not in allowed:
            problems.append(f"{aor}: REGISTER {last.cseq} was answered 200; the binding is of {cseq} [DUR-3]")
    return problems


def judge_database(world: World, node: Node) -> list[str]:
    """The database of profiles has what is resident."""
    stored = {
        name: (tuple(msgspec.json.decode(serials)), last)
        for name, (serials, last) in world.disk.profiles.contents("Ledger").items()
    }
    return [
        f"the database has {stored.get(name)} of ledger {name}, resident is {node.ledgers.get(name)} [PRF-46]"
        for name in sorted(stored.keys() | node.ledgers.keys())
        if stored.get(name) != node.ledgers.get(name)
    ]


def judge_ledgers(world: World, node: Node) -> list[str]:
    """A keeper's log and its ledger are of the same commits; a ledger outlives its keeper (PRF-46)."""
    problems: list[str] = []
    for name, (serials, _) in node.ledgers.items():
        problems += _twice(f"ledger {name}: work", list(serials))
        keeper, _, key = name.partition("/")
        for root in node.kernel.service(node.keepers[keeper]).roots:
            log = _values(root, "log")
            if root.state.get("key") == key and log != list(serials)[len(serials) - len(log) :]:
                problems.append(f"ledger {name} has {serials}, the keeper's log is {log} [PRF-46]")
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
    assert world.node is not None
    problems = _twice("output", [text for text, _, _ in world.handed if text.startswith("work ")])
    for identity, service in world.node.kernel.services.items():
        if identity.name in world.node.keepers:
            for root in service.roots:
                problems += judge_keeper(world, f"{identity.name}/{root.state.get('key')}", root)
    return problems


def judge_keeper(world: World, key: str, root: SbbEntity) -> list[str]:
    """What a keeper's state says about itself, and what those of its children say."""
    log, notes, armed, firings = (_values(root, name) for name in ("log", "notes", "armed", "firings"))
    problems = [*_twice(f"{key}: work", log), *_twice(f"{key}: firing", firings)]
    handed = {text for text, _, _ in world.handed}
    problems += [
        f"{key}: the output for work {serial} was never handed over [OUT-6]"
        for serial in log
        if world.works[serial][2] >= world.started_at and "quiet" not in world.works[serial][0].tasks
        if f"work {key.replace('/', ' ')} {serial}" not in handed
    ]
    promised = Counter(serial for serial in log for task in world.works[serial][0].tasks if task in ("note", "hold"))
    if promised != Counter(notes):
        problems.append(f"{key}: notes {dict(promised)} were fired, {notes} delivered [CON-13]")
    count = Counter(timer for timer, _ in firings)
    problems += [
        f"{key}: {timer} is to fire {times} times and fired {count[timer]} times [DUR-8]"
        for timer, times in armed
        if count[timer] != times
    ]
    for helper in root.tree():
        if helper is not root:
            for name, whole in (("notes", notes), ("firings", firings)):
                part = _values(helper, name)
                if part != whole[len(whole) - len(part) :]:
                    problems.append(f"{key}: a helper was given {name} {part}, the keeper {whole} [DUR-10]")
    return problems


def _values(entity: SbbEntity, field: str) -> list[Any]:
    found = entity.state.get(field, ())
    assert isinstance(found, tuple)
    return list(found)


def _twice(what: str, values: list[Any]) -> list[str]:
    return [f"{what} {value} was done {count} times" for value, count in Counter(values).items() if count > 1]


__all__ = [
    "FLUSH",
    "Picture",
    "judge_bindings",
    "judge_clients",
    "judge_database",
    "judge_hand_over",
    "judge_keepers",
    "judge_ledgers",
    "judge_recovery",
]

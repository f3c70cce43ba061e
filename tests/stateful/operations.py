"""What hypothesis lets the SBBs do."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

HANDLES = ("a", "b")
KEYS = ("k", "l")
PRIORITIES = st.sampled_from((-2, 0, 3))

_anywhere = st.sampled_from(("here", *HANDLES, "null"))
_who = st.integers(-1, 1)
_seconds = st.sampled_from((0.25, 1.25, 5.25))


def _operations(scripts: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.one_of(
        st.tuples(st.just("attach"), _anywhere),
        st.tuples(st.just("detach"), _anywhere),
        st.tuples(st.just("mask"), _anywhere, st.sampled_from(((), ("note",), ("note", "timer")))),
        st.tuples(st.just("create"), _anywhere),
        st.tuples(st.just("remove"), _who),
        st.tuples(st.just("priority"), _who, PRIORITIES),
        st.tuples(st.just("poke"), _who, st.booleans()),
        st.tuples(st.just("suspend"), _anywhere, st.one_of(st.none(), _seconds)),
        st.tuples(st.just("resume"), _anywhere),
        st.tuples(st.just("open"), st.booleans()),
        st.tuples(st.just("close"), st.just("null")),
        st.tuples(st.just("timer"), _anywhere, _seconds, scripts),
        st.tuples(st.just("timer"), st.sampled_from(("here", "null")), st.just(5.25), scripts),
        st.tuples(st.just("cancel")),
        st.tuples(st.just("cancel")),
        st.tuples(st.just("note"), _anywhere, st.just(""), scripts),
        st.tuples(st.just("go"), _anywhere, st.sampled_from(KEYS), scripts),
        st.tuples(st.just("mark")),
    )


def _scripts(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    operations = st.lists(_operations(inner), max_size=4)
    failing = st.sampled_from(((), (), (), (("mark",),), (("boom",),)))
    script = st.builds(lambda before, failure: (*before, *failure), operations, failing)
    return st.lists(script, max_size=3).map(tuple)


SCRIPTS = _scripts(_scripts(st.just(())))
"""For each delivery of an event, what its handler does; events and timers that it makes have scripts of their own."""

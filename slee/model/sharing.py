"""Views of activity contexts that fit together: one alias is one attribute everywhere (SHR-4 to SHR-6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from slee.api.errors import Issue
from slee.api.view import ActivityContextView, Shared, alias_issues

View = type[ActivityContextView]


def sharing_issues(views: Iterable[View], installed: Iterable[View]) -> Iterator[Issue]:
    """Aliases that two views declare in two ways: views of one bundle, or of it and of what is installed."""
    yield from alias_issues(_attributes(views), _attributes(installed))


def _attributes(views: Iterable[View]) -> tuple[Shared[Any], ...]:
    """Every attribute once, whichever of the views inherit it."""
    return tuple(dict.fromkeys(a for view in dict.fromkeys(views) for a in view.shared_attributes.values()))

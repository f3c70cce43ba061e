"""Activities, for operators: what there is, what refers to it, and the end of one (AC-17, MGT-13)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from slee.api.activity import NullActivity
from slee.api.errors import (
    InvalidStateError,
    UnrecognizedActivityHandleError,
    UnrecognizedResourceAdaptorEntityError,
)
from slee.management.engine import Engine, Host
from slee.management.results import ActivityDetails, ActivityInfo

OWN: Final = "slee"
"""What stands for a resource adaptor entity in the ids of the SLEE's own activities."""


class ActivityOperations:
    """The activities of one server."""

    def __init__(self, *, engine: Engine, host: Host) -> None:
        self._engine = engine
        self._host = host

    def list(self, resource: str | None = None, limit: int = 1_000) -> tuple[ActivityInfo, ...]:
        """The activities, or those of one resource adaptor entity, at most so many.

        Raises:
            UnrecognizedResourceAdaptorEntityError: there is none of that name.
        """
        if resource not in (None, OWN) and resource not in self._engine.resources:
            raise UnrecognizedResourceAdaptorEntityError(
                f"{resource}: no entity has that name [RA-4]; list the entities"
            )
        return tuple(_info(context) for context in islice(self._contexts(resource), limit))

    def show(self, activity: str) -> ActivityDetails:
        """One activity, with what is attached to it and refers to it.

        Raises:
            UnrecognizedActivityHandleError: there is none of that id.
        """
        context = self._find(activity)
        attached = tuple(f"{entity} in tree {entity.root.id}" for entity in context.attached)
        return ActivityDetails(
            activity,
            _owner(context),
            context.state.value,
            type(context.activity).__name__,
            str(context.handle),
            attached,
            context.queued,
            tuple(context.names or ()),
            len(context.timers or ()),
            len(context.shared or ()),
        )

    def end(self, activity: str) -> None:
        """End one activity; its resource adaptor is told to say goodbye (AC-17, MGT-13).

        Raises:
            UnrecognizedActivityHandleError: there is none of that id.
            InvalidStateError: it is that of a service or table, which ends with its owner.
        """
        context = self._find(activity)
        if context.resource is None and not isinstance(context.activity, NullActivity):
            raise InvalidStateError(f"{activity}: it ends with its owner [SVC-10]; deactivate the service")
        self._engine.end_activity(context)
        self._host.pump()

    def _contexts(self, resource: str | None) -> Iterator[Any]:
        return (context for context in self._engine.contexts() if resource in (None, _owner(context)))

    def _find(self, activity: str) -> Any:
        owners = [name for name in (OWN, *self._engine.resources) if activity.startswith(f"{name}:")]
        found = next((c for owner in owners for c in self._contexts(owner) if str(c) == activity), None)
        if found is None:
            raise UnrecognizedActivityHandleError(f"{activity}: there is no such activity [AC-10]; list the activities")
        return found


def _owner(context: Any) -> str:
    return OWN if context.resource is None else str(context.resource.name)


def _info(context: Any) -> ActivityInfo:
    kind = type(context.activity).__name__
    return ActivityInfo(str(context), _owner(context), context.state.value, kind, len(context.attached), context.queued)

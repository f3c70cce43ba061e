"""Dead letters, for operators: messages that adaptors have given up, to be tried again or dropped (HTTP-31)."""

from __future__ import annotations

from collections.abc import Iterator

from slee.api.errors import InvalidStateError, NoSuchObjectError, UnrecognizedResourceAdaptorEntityError
from slee.management.engine import Engine, Host
from slee.management.results import LetterInfo
from slee.spi.letters import KeepsLetters, Letter


class DeadLetters:
    """The dead letters of one server."""

    def __init__(self, *, engine: Engine, host: Host) -> None:
        self._engine = engine
        self._host = host

    def list(self, resource: str | None = None) -> tuple[LetterInfo, ...]:
        """The dead letters, or those of one resource adaptor entity, oldest first (HTTP-31).

        Raises:
            UnrecognizedResourceAdaptorEntityError: there is none of that name.
        """
        names = list(self._engine.resources) if resource is None else [resource]
        return tuple(_info(name, letter) for name in names for letter in self._of(name))

    def retry(self, resource: str, letter: str | None = None) -> int:
        """Try a dead letter again as if it were new, or all of an entity; returns how many (HTTP-31).

        Raises:
            UnrecognizedResourceAdaptorEntityError: there is no entity of that name.
            NoSuchObjectError: it has no dead letter of that id.
            InvalidStateError: the entity is not active.
        """
        keeper, chosen = self._chosen(resource, letter)
        for identity in chosen:
            keeper.retry_letter(identity)
        self._host.pump()
        return len(chosen)

    def drop(self, resource: str, letter: str | None = None) -> int:
        """Forget a dead letter, or all of an entity; returns how many (HTTP-31).

        Raises:
            UnrecognizedResourceAdaptorEntityError: there is no entity of that name.
            NoSuchObjectError: it has no dead letter of that id.
            InvalidStateError: the entity is not active.
        """
        keeper, chosen = self._chosen(resource, letter)
        for identity in chosen:
            keeper.drop_letter(identity)
        self._host.pump()
        return len(chosen)

    def _of(self, name: str) -> Iterator[Letter]:
        entity = self._entity(name)
        if isinstance(entity, KeepsLetters) and self._engine.resources[name].is_object_active:
            yield from entity.letters()

    def _chosen(self, name: str, letter: str | None) -> tuple[KeepsLetters, tuple[str, ...]]:
        keeper = self._entity(name)
        if not isinstance(keeper, KeepsLetters):
            raise NoSuchObjectError(f"{name}: its adaptor keeps no dead letters [HTTP-31]; list them")
        if not self._engine.resources[name].is_object_active:
            raise InvalidStateError(f"{name}: it is not active [HTTP-31]; activate it first")
        known = tuple(one.id for one in keeper.letters())
        if letter is None:
            return keeper, known
        if letter not in known:
            raise NoSuchObjectError(f"{name}: there is no dead letter {letter} [HTTP-31]; list them")
        return keeper, (letter,)

    def _entity(self, name: str) -> object:
        entity = self._engine.resources.get(name)
        if entity is None:
            raise UnrecognizedResourceAdaptorEntityError(f"{name}: no entity has that name [RA-4]; list the entities")
        return entity.adaptor


def _info(resource: str, letter: Letter) -> LetterInfo:
    return LetterInfo(letter.id, resource, letter.target, letter.created, letter.attempts, letter.reason, letter.octets)


__all__ = ["DeadLetters"]

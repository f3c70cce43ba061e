"""Sends values of declared types through the product's codec and back (TST-8)."""

from __future__ import annotations

import msgspec

from slee.model.codec import Codec as DeclaredTypes


class Places:
    """What a value refers to: entities and contexts are not carried, their places in this list are."""

    def __init__(self) -> None:
        self._targets: list[object] = []

    def place(self, target: object) -> object:
        """The place of `target`, the same one for equal targets."""
        for place, known in enumerate(self._targets):
            if known == target:
                return place
        self._targets.append(target)
        return len(self._targets) - 1

    def target(self, place: int) -> object:
        """What stands at a place."""
        return self._targets[place]


class Codec(DeclaredTypes):
    """The codec of the journal, whose values stay in the process."""

    def copy(self, value: object, annotation: object) -> object:
        """What becomes of a value of a declared type when it is stored and read.

        Raises:
            ValueError: the value cannot be stored, or another one is read.
            TypeError: the codec does not carry the type.
        """
        carrier = self.carrier(annotation)
        references = Places()
        try:
            stored = msgspec.msgpack.encode(carrier.plain(value, references))
            copy = carrier.value(msgspec.msgpack.decode(stored), references)
            again = msgspec.msgpack.encode(carrier.plain(copy, references))
        except Exception as error:
            raise ValueError(f"{value!r} cannot be stored and read: {error!r}") from error
        if again != stored:
            raise ValueError(f"{value!r} is read as {copy!r}")
        return copy


__all__ = ["Codec", "Places"]

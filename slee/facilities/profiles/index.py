"""The index of one attribute: who holds which value; equality, longest prefix, and order once it is asked for."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slee.api.profile import Attribute


def key_of(attribute: Attribute) -> Callable[[Any], Any]:
    """What stands for a value of the attribute in comparisons (PRF-35)."""
    return _same if attribute.collation is None else attribute.collation.key


def _same(value: Any) -> Any:
    return value


class Index:
    """Names of profiles by the value of one attribute.

    A value that one profile holds costs one dictionary entry: the name itself stands there, and a dictionary of names
    only once a second holds the value. `None` and what is no value of the type are not indexed.
    """

    __slots__ = (
        "_accepts",
        "_by_length",
        "_holders",
        "_is_text",
        "_key",
        "_lengths",
        "_ordered",
        "attribute",
        "scalar",
    )

    def __init__(self, attribute: Attribute) -> None:
        self.attribute = attribute
        self.scalar = attribute.scalar
        self._accepts = attribute.kind.accepts
        self._key = key_of(attribute)
        self._is_text = attribute.scalar is str
        self._holders: dict[Any, str | dict[str, None]] = {}
        self._by_length: dict[int, int] = {}
        """How many keys there are of each length, if they are texts."""
        self._lengths: list[int] = []
        """The lengths, longest first."""
        self._ordered: list[Any] | None = None
        """The keys in order; made when first asked for, and kept from then on."""

    def add(self, value: Any, name: str) -> None:
        """The profile holds the value now."""
        if value is None or not self._accepts(value):
            return
        key = self._key(value)
        found = self._holders.get(key)
        if found is None:
            self._holders[key] = name
            self._key_added(key)
        elif type(found) is dict:
            found[name] = None
        else:
            self._holders[key] = {str(found): None, name: None}

    def discard(self, value: Any, name: str) -> None:
        """The profile holds the value no more."""
        if value is None or not self._accepts(value):
            return
        key = self._key(value)
        found = self._holders[key]
        if type(found) is dict:
            del found[name]
            if len(found) == 1:
                self._holders[key] = next(iter(found))
        else:
            del self._holders[key]
            self._key_removed(key)

    def _key_added(self, key: Any) -> None:
        if self._is_text:
            length = len(key)
            count = self._by_length.get(length, 0)
            self._by_length[length] = count + 1
            if not count:
                self._lengths = sorted(self._by_length, reverse=True)
        if self._ordered is not None:
            insort(self._ordered, key)

    def _key_removed(self, key: Any) -> None:
        if self._is_text:
            length = len(key)
            self._by_length[length] -= 1
            if not self._by_length[length]:
                del self._by_length[length]
                self._lengths.remove(length)
        if self._ordered is not None:
            del self._ordered[bisect_left(self._ordered, key)]

    def any_name(self, value: Any) -> str | None:
        """One profile that holds a value of the attribute's type."""
        found = self._holders.get(value if self._key is _same else self._key(value))
        return next(iter(found)) if isinstance(found, dict) else found

    def names(self, value: Any) -> tuple[str, ...]:
        """Who holds a value that is not `None`."""
        found = self._holders.get(self._key(value))
        if found is None:
            return ()
        return (found,) if type(found) is str else tuple(found)

    def shared(self, value: Any) -> tuple[str, str] | None:
        """Two profiles that hold the value, if two do (PRF-18)."""
        if value is None or not self._accepts(value):
            return None
        found = self._holders.get(self._key(value))
        if type(found) is not dict:
            return None
        first, second, *_ = found
        return first, second

    def longest_prefix(self, text: str) -> str | None:
        """The longest key that the text begins with (PRF-33): one look-up for each length that there is."""
        text = self._key(text)
        holders = self._holders
        size = len(text)
        for length in self._lengths:
            if length <= size and (prefix := text[:length]) in holders:
                return prefix
        return None

    def names_of_key(self, key: Any) -> tuple[str, ...]:
        """Who holds the value that `key` stands for."""
        found = self._holders[key]
        return (found,) if type(found) is str else tuple(found)

    def names_between(
        self, low: Any = None, high: Any = None, *, with_low: bool = True, with_high: bool = True
    ) -> Iterator[str]:
        """Who holds a value between two, or on one side of one; `None` is no bound."""
        ordered = self._in_order()
        begin, end = 0, len(ordered)
        if low is not None:
            begin = (bisect_left if with_low else bisect_right)(ordered, self._key(low))
        if high is not None:
            end = (bisect_right if with_high else bisect_left)(ordered, self._key(high))
        return self._names_of_keys(ordered[position] for position in range(begin, end))

    def names_with_prefix(self, prefix: str) -> Iterator[str]:
        """Who holds a value that begins with the prefix (PRF-34)."""
        ordered = self._in_order()
        prefix = self._key(prefix)
        begin = end = bisect_left(ordered, prefix)
        while end < len(ordered) and ordered[end].startswith(prefix):
            end += 1
        return self._names_of_keys(ordered[begin:end])

    def _in_order(self) -> list[Any]:
        if self._ordered is None:
            self._ordered = sorted(self._holders)
        return self._ordered

    def _names_of_keys(self, keys: Iterable[Any]) -> Iterator[str]:
        for key in keys:
            yield from self.names_of_key(key)


__all__ = ["Index", "key_of"]

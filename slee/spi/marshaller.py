"""How an adaptor's events and handles leave the process and come back (RA-44)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol


class Marshaller(Protocol):
    """Encodes events and handles; decoding what was encoded gives an equal one, in every process."""

    def encode_event(self, event: object) -> bytes:
        """An event as octets."""
        ...

    def decode_event(self, event_class: type, data: bytes) -> object:
        """The event back."""
        ...

    def encode_handle(self, handle: Hashable) -> bytes:
        """An activity handle as octets."""
        ...

    def decode_handle(self, data: bytes) -> Hashable:
        """The handle back."""
        ...

"""A volatile table for the test bundles."""

from __future__ import annotations

import msgspec

from slee import VolatileTable


class Place(msgspec.Struct, frozen=True):
    """Where somebody is."""

    name: str


PLACES = VolatileTable("places", Place, vendor="test", version="1.0")

"""The location table: where the user of an address-of-record can be reached now (RFC 3261 10)."""

from __future__ import annotations

from typing import Final

import msgspec

from slee import VolatileTable


class Binding(msgspec.Struct, frozen=True, gc=False):
    """One contact address of an address-of-record; the key is the address-of-record in canonical form."""

    contact: str
    """Contact URI, as registered."""
    expires_at: float
    """When the binding ends, in seconds since the epoch."""
    q: float
    """Preference, 0 to 1; the highest is tried first."""
    call_id: str
    """Call-ID of the REGISTER that wrote the binding (RFC 3261 10.3 step 7)."""
    cseq: int
    """CSeq number of that REGISTER."""
    path: tuple[str, ...] = ()
    """Route values for requests to the contact (RFC 3327)."""


LOCATION: Final = VolatileTable("location", Binding, vendor="slee", version="1.0", expires="expires_at")

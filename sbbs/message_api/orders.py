"""What clients of the message API send and are told, and the table that it is kept in."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from resource_adaptors.sip.api import TEXT
from slee import VolatileTable

PENDING: Final = "pending"
DELIVERED: Final = "delivered"
STORED: Final = "stored"
FAILED: Final = "failed"
UNKNOWN: Final = "unknown"


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of `POST /v1/messages`."""

    to: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    """URI of the recipient, such as `sip:bob@example.test`."""
    text: Annotated[str, msgspec.Meta(max_length=1300)]
    """What is sent, as UTF-8."""
    sender: Annotated[str, msgspec.Meta(max_length=255)] = msgspec.field(name="from", default="")
    """URI of the sender, one of `senders`; the first of them without."""
    content_type: Annotated[str, msgspec.Meta(max_length=100)] = TEXT


class MessageStatus(msgspec.Struct, frozen=True):
    """A message, as far as it has come."""

    id: str
    to: str
    state: str
    """`pending`; `delivered` (200) or `stored` (202); `failed`; `unknown`: the server restarted before the answer."""
    status: int
    """SIP status of the answer, 0 while there is none; 408 when none came, 503 when nobody could be reached."""
    reason: str
    created: float
    """Seconds since the epoch."""
    expires_at: float
    """When the API forgets it."""

    def shown(self) -> dict[str, object]:
        """As clients see it."""
        shown: dict[str, object] = {"id": self.id, "to": self.to, "state": self.state, "created": self.created}
        if self.status:
            shown |= {"status": self.status, "reason": self.reason}
        return shown


class KnownKey(msgspec.Struct, frozen=True):
    """An `Idempotency-Key` that has been used; the row's key is the principal's name and the key."""

    message: str
    """Id of the message that it has made."""
    digest: bytes
    """Of the body that came with it."""
    expires_at: float


MESSAGES: Final = VolatileTable("message", MessageStatus, vendor="slee", version="1.0", expires="expires_at")
KEYS: Final = VolatileTable("message-key", KnownKey, vendor="slee", version="1.0", expires="expires_at")

"""All torture messages of RFC 4475, and what each role makes of them.

Run them through any element: each says which section it is, its octets, and the outcome for parser, proxy, registrar
and user agent server.
"""

from __future__ import annotations

from typing import Final

from tests.conformance.rfc4475.invalid import INVALID
from tests.conformance.rfc4475.layers import LAYERS
from tests.conformance.rfc4475.valid import VALID
from tests.conformance.torture import TortureMessage

MESSAGES: Final[tuple[TortureMessage, ...]] = (*VALID, *INVALID, *LAYERS)
BY_NAME: Final = {message.name: message for message in MESSAGES}

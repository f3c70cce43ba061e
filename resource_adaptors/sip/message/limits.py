"""How much of anything a message may hold (protocols B2); sizes are octets."""

from __future__ import annotations

from typing import Final

MAX_DATAGRAM: Final = 65_535
MAX_START_LINE: Final = 8_192
MAX_URI: Final = 2_048
MAX_LINE: Final = 8_192
"""One header line, unfolded."""
MAX_HEADERS: Final = 49_152
MAX_LINES: Final = 256
MAX_VALUES: Final = 128
"""Values of one list header."""
MAX_PARAMS: Final = 64
"""Parameters of one value."""
MAX_VIAS: Final = 70
MAX_TOKEN: Final = 1_024
"""Call-ID, tag or branch."""
MAX_BODY: Final = 49_152

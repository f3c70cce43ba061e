"""How much of everything the parser takes (protocols B2): each is a configuration key with the default given here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in octets, and numbers of things; what is above is refused."""

    message: int = 65_535
    """Whole message; above it 513."""
    start_line: int = 8_192
    uri: int = 2_048
    """Request-URI; above it 414."""
    line: int = 8_192
    """One header line after unfolding."""
    headers: int = 49_152
    """Header section; above it 513."""
    lines: int = 256
    """Header lines, continuation lines not counted."""
    values: int = 128
    """Values of one list header over all its lines."""
    parameters: int = 64
    """Parameters of one value."""
    vias: int = 70
    """Via values; above it 483."""
    token: int = 1_024
    """Call-ID, tag or branch."""
    body: int = 49_152
    """Body; above it 413. The default is that for UDP."""
    parts: int = 16
    """Parts of one multipart body."""
    depth: int = 3
    """Multipart bodies within one another."""
    small: int = field(init=False)
    """Octets of a header section that cannot break any limit of size, which spares it the measuring."""
    few: int = field(init=False)
    """Commas and repeated header lines that cannot make too many values of any list header."""

    def __post_init__(self) -> None:
        # A header line is at least three octets and its line end
        small = min(self.message, self.start_line, self.uri, self.line, self.headers, self.token, 5 * self.lines)
        object.__setattr__(self, "small", small)
        object.__setattr__(self, "few", min(self.values, self.vias))


DATAGRAM: Final = Limits()
"""The defaults for UDP."""

"""Who this SLEE is (SLE-13)."""

from __future__ import annotations

from typing import Final

NAME: Final = "slee"
VENDOR: Final = "slee"
VERSION: Final = "0.1.0"

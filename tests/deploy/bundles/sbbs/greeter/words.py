"""What the greeter says."""

from __future__ import annotations

ANSWER = "hello"

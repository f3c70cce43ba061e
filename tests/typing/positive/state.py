"""State of an SBB has the declared type."""

from __future__ import annotations

from typing import assert_type

from slee import Cmp, Sbb, cmp


class Counting(Sbb, vendor="example.net", version="1.0"):
    count: Cmp[int] = cmp(0)
    callee: Cmp[str | None] = cmp(None)

    def on_anything(self) -> None:
        assert_type(self.count, int)
        assert_type(self.callee, str | None)
        self.count += 1
        self.callee = "alice"

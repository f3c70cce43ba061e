"""State of an SBB refuses what is not of the declared type."""

from __future__ import annotations

from slee import Cmp, Sbb, cmp


class Counting(Sbb, vendor="example.net", version="1.0"):
    count: Cmp[int] = cmp(0)
    callee: Cmp[str] = cmp(1)  # expect: arg-type | reportAssignmentType

    def on_call(self) -> None:
        self.count = "one"  # expect: assignment | reportAttributeAccessIssue

    def on_answer(self) -> str:
        return self.count  # expect: return-value | reportReturnType

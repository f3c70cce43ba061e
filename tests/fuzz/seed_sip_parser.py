"""Write the seeds of the SIP parser's corpus: the torture messages, and one usual message of each kind."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.conformance.rfc4475.messages import MESSAGES as RFC_4475
from tests.conformance.rfc5118.messages import MESSAGES as RFC_5118
from tests.resource_adaptors.sip.message.samples import INVITE, RINGING

CORPUS = Path(__file__).parent / "corpus" / "sip_parser"


def main() -> None:
    """Write one file for each seed, named after its message."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    for prefix, messages in (("rfc4475", RFC_4475), ("rfc5118", RFC_5118)):
        for message in messages:
            (CORPUS / f"{prefix}-{message.name}").write_bytes(message.data)
    (CORPUS / "invite").write_bytes(INVITE)
    (CORPUS / "ringing").write_bytes(RINGING)


if __name__ == "__main__":
    main()

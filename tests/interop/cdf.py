"""A charging data function by python-diameter: `python cdf.py LEDGER PORT`; it takes accounting records (Rf).

It keeps every arrival in LEDGER, an SQLite file, in order: session, record number, record type, User-Name, and whether
the T flag was set. With CDF_DIES_AFTER=N it kills itself once it has so many arrivals in this life: the last one is
kept and not answered, which is the worst moment.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import threading

from diameter_node import Answering, serve

DIES_AFTER = int(os.environ.get("CDF_DIES_AFTER", "0"))


class Records(Answering):
    """Takes every record, one at a time."""

    ledger = ""
    taken = 0
    lock = threading.Lock()

    def handle_request(self, message):
        number, kind = message.accounting_record_number, message.accounting_record_type
        row = (message.session_id, number, kind, message.user_name or "", message.header.is_retransmit)
        with self.lock, sqlite3.connect(self.ledger) as book:
            book.execute("PRAGMA synchronous = OFF")  # it is the process that is killed, not the machine
            book.execute("INSERT INTO arrival (session, number, kind, user, flagged) VALUES (?, ?, ?, ?, ?)", row)
        self.taken += 1
        if self.taken == DIES_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = self.generate_answer(message, result_code=2001)
        answer.accounting_record_type, answer.accounting_record_number = kind, number
        return answer


def main() -> None:
    """Serve until SIGTERM."""
    Records.ledger = sys.argv[1]
    with sqlite3.connect(Records.ledger) as book:
        book.execute(
            "CREATE TABLE IF NOT EXISTS arrival (place INTEGER PRIMARY KEY AUTOINCREMENT, "
            "session TEXT, number INT, kind INT, user TEXT, flagged INT)"
        )
    # One thread: what arrives first is kept first.
    serve("cdf", int(sys.argv[2]), Records(application_id=3, is_acct_application=True, max_threads=1))


if __name__ == "__main__":
    main()

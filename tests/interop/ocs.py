"""A charging server by python-diameter: `python ocs.py LEDGER PORT [RELAY_HOST]`; grants 30 s at a time.

It keeps what sessions report in LEDGER, an SQLite file, by session and request number, so that a request that comes
again after a restart is booked once. Of each session it keeps who pays and whether it is closed. A subscriber whose
identity holds `poor` is denied.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import threading

from diameter.message.avp.grouped import GrantedServiceUnit
from diameter_node import Answering, serve

SLICE = 30
BALANCE = int(os.environ.get("OCS_BALANCE", "45"))


class Charging(Answering):
    """Grants SLICE seconds until a session has had BALANCE, then 4012."""

    ledger = ""
    lock = threading.Lock()

    def handle_request(self, message):
        answer = message.to_answer()
        answer.session_id = message.session_id
        answer.origin_host, answer.origin_realm = b"ocs.fd.test", b"fd.test"
        answer.auth_application_id = 4
        answer.cc_request_type, answer.cc_request_number = message.cc_request_type, message.cc_request_number
        used = sum(
            unit.cc_time or 0
            for service in message.multiple_services_credit_control
            for unit in service.used_service_unit or ()
        )
        payer = ";".join(one.subscription_id_data or "" for one in message.subscription_id)
        with self.lock, sqlite3.connect(self.ledger) as book:
            book.execute("PRAGMA synchronous = OFF")  # it is the process that is killed, not the machine
            if message.cc_request_type == 1 and "poor" not in payer:
                book.execute("INSERT OR IGNORE INTO session VALUES (?, ?, 0)", (message.session_id, payer))
            elif message.cc_request_type == 3:
                book.execute("UPDATE session SET closed = closed + 1 WHERE id = ?", (message.session_id,))
            book.execute(
                "INSERT OR IGNORE INTO used VALUES (?, ?, ?)", (message.session_id, message.cc_request_number, used)
            )
            (total,) = book.execute("SELECT sum(seconds) FROM used WHERE session = ?", (message.session_id,)).fetchone()
        answer.result_code = 2001
        if message.cc_request_type in (1, 2):
            grant = min(SLICE, BALANCE - total)
            if grant > 0 and "poor" not in payer:
                answer.add_multiple_services_credit_control(
                    granted_service_unit=GrantedServiceUnit(cc_time=grant),
                    rating_group=100,
                    result_code=2001,
                    validity_time=60,
                )
            else:
                answer.result_code = 4012
        return answer


def main() -> None:
    """Serve until SIGTERM."""
    Charging.ledger = sys.argv[1]
    with sqlite3.connect(Charging.ledger) as book:
        book.execute(
            "CREATE TABLE IF NOT EXISTS used (session TEXT, number INT, seconds INT, PRIMARY KEY (session, number))"
        )
        book.execute("CREATE TABLE IF NOT EXISTS session (id TEXT PRIMARY KEY, payer TEXT, closed INT)")
    client = sys.argv[3] if len(sys.argv) > 3 else "slee.our.test"
    serve("ocs", int(sys.argv[2]), Charging(application_id=4, is_auth_application=True, max_threads=4), client)


if __name__ == "__main__":
    main()

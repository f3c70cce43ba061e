"""The four transaction state machines of RFC 3261 17 as corrected by RFC 6026, as literal data (SIP-57).

`TABLE[state, symbol] == (actions, next state)`. A pair that is not listed is rejected and changes nothing. The actions
name methods of the classes in `client.py` and `server.py`, which are called in the order given; a timer is armed after
the last of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Table = Mapping[tuple[str, str], tuple[tuple[str, ...], str]]

CALLING: Final = "calling"
TRYING: Final = "trying"
PROCEEDING: Final = "proceeding"
COMPLETED: Final = "completed"
CONFIRMED: Final = "confirmed"
ACCEPTED: Final = "accepted"
TERMINATED: Final = "terminated"

# Symbols: what can happen to a transaction.
START: Final = "start"
"""The transaction has just been created."""
REQUEST: Final = "request"
"""The request of a server transaction has come again."""
ACK: Final = "ACK"
RECEIVE_1XX: Final = "1xx"
RECEIVE_2XX: Final = "2xx"
RECEIVE_3XX_6XX: Final = "300-699"
SEND_1XX: Final = "send 1xx"
SEND_2XX: Final = "send 2xx"
SEND_3XX_6XX: Final = "send 300-699"
TRANSPORT_ERROR: Final = "transport error"
TIMER_A: Final = "A"
TIMER_B: Final = "B"
TIMER_D: Final = "D"
TIMER_E: Final = "E"
TIMER_F: Final = "F"
TIMER_G: Final = "G"
TIMER_H: Final = "H"
TIMER_I: Final = "I"
TIMER_J: Final = "J"
TIMER_K: Final = "K"
TIMER_L: Final = "L"
TIMER_M: Final = "M"

# Actions: what a transaction does about it.
SEND: Final = "send"
"""Put the message at hand on the wire, and keep it to be sent again."""
SEND_ONCE: Final = "send_once"
"""Put the message at hand on the wire without keeping it."""
RESEND: Final = "resend"
"""Put the message sent last on the wire again."""
SEND_ACK: Final = "send_ack"
"""Acknowledge the response at hand, and keep the ACK to be sent again."""
DELIVER: Final = "deliver"
"""Give the message at hand to the transaction user."""
REPORT_TIMEOUT: Final = "report_timeout"
REPORT_ERROR: Final = "report_error"
START_A: Final = "start_a"
DOUBLE_A: Final = "double_a"
START_B: Final = "start_b"
STOP_A_B: Final = "stop_a_b"
START_D: Final = "start_d"
START_E: Final = "start_e"
DOUBLE_E: Final = "double_e"
SLOW_E: Final = "slow_e"
"""Let timer E run T2, as it must once a provisional response has come (RFC 3261 17.1.2.2)."""
START_F: Final = "start_f"
START_G: Final = "start_g"
DOUBLE_G: Final = "double_g"
START_H: Final = "start_h"
STOP_G_H: Final = "stop_g_h"
START_I: Final = "start_i"
START_J: Final = "start_j"
START_K: Final = "start_k"
START_L: Final = "start_l"
START_M: Final = "start_m"

# RFC 3261 17.1.1, RFC 6026 7.2, 8.4.
CLIENT_INVITE: Final[Table] = {
    (CALLING, START): ((SEND, START_A, START_B), CALLING),
    (CALLING, TIMER_A): ((RESEND, DOUBLE_A), CALLING),
    (CALLING, TIMER_B): ((REPORT_TIMEOUT,), TERMINATED),
    (CALLING, RECEIVE_1XX): ((STOP_A_B, DELIVER), PROCEEDING),
    (CALLING, RECEIVE_2XX): ((START_M, DELIVER), ACCEPTED),
    (CALLING, RECEIVE_3XX_6XX): ((SEND_ACK, START_D, DELIVER), COMPLETED),
    (CALLING, TRANSPORT_ERROR): ((REPORT_ERROR,), TERMINATED),
    (PROCEEDING, RECEIVE_1XX): ((DELIVER,), PROCEEDING),
    (PROCEEDING, RECEIVE_2XX): ((START_M, DELIVER), ACCEPTED),
    (PROCEEDING, RECEIVE_3XX_6XX): ((SEND_ACK, START_D, DELIVER), COMPLETED),
    (PROCEEDING, TRANSPORT_ERROR): ((REPORT_ERROR,), TERMINATED),
    (COMPLETED, RECEIVE_3XX_6XX): ((RESEND,), COMPLETED),
    (COMPLETED, TIMER_D): ((), TERMINATED),
    (COMPLETED, TRANSPORT_ERROR): ((REPORT_ERROR,), TERMINATED),
    (ACCEPTED, RECEIVE_1XX): ((), ACCEPTED),
    (ACCEPTED, RECEIVE_2XX): ((DELIVER,), ACCEPTED),
    (ACCEPTED, RECEIVE_3XX_6XX): ((), ACCEPTED),
    (ACCEPTED, TIMER_M): ((), TERMINATED),
}

# RFC 3261 17.2.1, RFC 6026 7.1, 8.2, 8.8.
SERVER_INVITE: Final[Table] = {
    (PROCEEDING, REQUEST): ((RESEND,), PROCEEDING),
    (PROCEEDING, SEND_1XX): ((SEND,), PROCEEDING),
    (PROCEEDING, SEND_2XX): ((SEND_ONCE, START_L), ACCEPTED),
    (PROCEEDING, SEND_3XX_6XX): ((SEND, START_G, START_H), COMPLETED),
    (PROCEEDING, TRANSPORT_ERROR): ((REPORT_ERROR,), PROCEEDING),
    (COMPLETED, REQUEST): ((RESEND,), COMPLETED),
    (COMPLETED, TIMER_G): ((RESEND, DOUBLE_G), COMPLETED),
    (COMPLETED, ACK): ((STOP_G_H, START_I), CONFIRMED),
    (COMPLETED, TIMER_H): ((REPORT_TIMEOUT,), TERMINATED),
    (COMPLETED, TRANSPORT_ERROR): ((REPORT_ERROR,), COMPLETED),
    (CONFIRMED, TIMER_I): ((), TERMINATED),
    (CONFIRMED, TRANSPORT_ERROR): ((REPORT_ERROR,), CONFIRMED),
    (ACCEPTED, REQUEST): ((), ACCEPTED),
    (ACCEPTED, ACK): ((DELIVER,), ACCEPTED),
    (ACCEPTED, SEND_2XX): ((SEND_ONCE,), ACCEPTED),
    (ACCEPTED, TIMER_L): ((), TERMINATED),
    (ACCEPTED, TRANSPORT_ERROR): ((REPORT_ERROR,), ACCEPTED),
}

# RFC 3261 17.1.2.
CLIENT_NON_INVITE: Final[Table] = {
    (TRYING, START): ((SEND, START_E, START_F), TRYING),
    (TRYING, TIMER_E): ((RESEND, DOUBLE_E), TRYING),
    (TRYING, TIMER_F): ((REPORT_TIMEOUT,), TERMINATED),
    (TRYING, RECEIVE_1XX): ((DELIVER,), PROCEEDING),
    (TRYING, RECEIVE_2XX): ((START_K, DELIVER), COMPLETED),
    (TRYING, RECEIVE_3XX_6XX): ((START_K, DELIVER), COMPLETED),
    (TRYING, TRANSPORT_ERROR): ((REPORT_ERROR,), TERMINATED),
    (PROCEEDING, TIMER_E): ((RESEND, SLOW_E), PROCEEDING),
    (PROCEEDING, TIMER_F): ((REPORT_TIMEOUT,), TERMINATED),
    (PROCEEDING, RECEIVE_1XX): ((DELIVER,), PROCEEDING),
    (PROCEEDING, RECEIVE_2XX): ((START_K, DELIVER), COMPLETED),
    (PROCEEDING, RECEIVE_3XX_6XX): ((START_K, DELIVER), COMPLETED),
    (PROCEEDING, TRANSPORT_ERROR): ((REPORT_ERROR,), TERMINATED),
    (COMPLETED, RECEIVE_1XX): ((), COMPLETED),
    (COMPLETED, RECEIVE_2XX): ((), COMPLETED),
    (COMPLETED, RECEIVE_3XX_6XX): ((), COMPLETED),
    (COMPLETED, TIMER_K): ((), TERMINATED),
}

# RFC 3261 17.2.2.
SERVER_NON_INVITE: Final[Table] = {
    (TRYING, REQUEST): ((), TRYING),
    (TRYING, SEND_1XX): ((SEND,), PROCEEDING),
    (TRYING, SEND_2XX): ((SEND, START_J), COMPLETED),
    (TRYING, SEND_3XX_6XX): ((SEND, START_J), COMPLETED),
    (PROCEEDING, REQUEST): ((RESEND,), PROCEEDING),
    (PROCEEDING, SEND_1XX): ((SEND,), PROCEEDING),
    (PROCEEDING, SEND_2XX): ((SEND, START_J), COMPLETED),
    (PROCEEDING, SEND_3XX_6XX): ((SEND, START_J), COMPLETED),
    (COMPLETED, REQUEST): ((RESEND,), COMPLETED),
    (COMPLETED, TIMER_J): ((), TERMINATED),
}

"""The client of credit control, literally (RFC 8506 7): `CREDIT[state, event] == (actions, next state)` (DIA-30).

Beside the RFC's there are two states for updates that wait in the outbox. A pair that is not listed is refused at the
call, or dropped if it came from the network. Actions name methods of `CreditSession`, called in order. What the RFC
lists once for each failure handling is one event each here.
"""

from __future__ import annotations

from typing import Final

from resource_adaptors.diameter.protocol.tables import Table

IDLE: Final = "Idle"
PENDING_I: Final = "PendingI"
PENDING_U: Final = "PendingU"
PENDING_T: Final = "PendingT"
PENDING_E: Final = "PendingE"
PENDING_B: Final = "PendingB"
"""A debit that waits in the outbox until a server can be reached."""
PENDING_O: Final = "PendingO"
"""An update waits in the outbox; the service goes on, and is charged when a server can be reached."""
PENDING_X: Final = "PendingX"
"""The same, and the service has been told to end."""
OPEN: Final = "Open"
STATES: Final = (IDLE, PENDING_I, PENDING_U, PENDING_T, PENDING_E, PENDING_B, PENDING_O, PENDING_X, OPEN)
STORED: Final = (PENDING_B, PENDING_O, PENDING_X)
"""States in which the last request is in the outbox."""

BEGIN: Final = "service requested"
EVENT: Final = "event requested"
REPORT: Final = "units used up, rating changed, or validity over"
END: Final = "service ended"
REAUTH: Final = "RAR"
GRANTED: Final = "successful answer"
DENIED: Final = "answer that denies"
NOT_APPLICABLE: Final = "answer that nothing is charged"
FAILED_GO_ON: Final = "failure, CONTINUE"
FAILED_STOP: Final = "failure, TERMINATE"
FAILED_BUFFER: Final = "failure, to be stored"
EVENTS: Final = (
    BEGIN,
    EVENT,
    REPORT,
    END,
    REAUTH,
    GRANTED,
    DENIED,
    NOT_APPLICABLE,
    FAILED_GO_ON,
    FAILED_STOP,
    FAILED_BUFFER,
)

SEND_INITIAL: Final = "send_initial"
SEND_UPDATE: Final = "send_update"
SEND_TERMINATION: Final = "send_termination"
SEND_EVENT: Final = "send_event"
STORE: Final = "store"
"""Put the request into the outbox: it is sent until it is answered."""
STORE_TERMINATION: Final = "store_termination"
"""Put the last request of a session into the outbox, behind those that wait there."""
QUEUE_UPDATE: Final = "queue_update"
QUEUE_END: Final = "queue_end"
TELL_GRANTED: Final = "tell_granted"
TELL_DENIED: Final = "tell_denied"
TELL_FREE: Final = "tell_free"
"""Nothing is charged: the service goes on."""
TELL_CONTINUE: Final = "tell_continue"
TELL_TERMINATE: Final = "tell_terminate"
NEXT: Final = "next"
"""What was queued while an answer was awaited comes now."""
FINISH: Final = "finish"

CREDIT: Final[Table] = {
    (IDLE, BEGIN): ((SEND_INITIAL,), PENDING_I),
    (IDLE, EVENT): ((SEND_EVENT,), PENDING_E),
    (PENDING_I, GRANTED): ((TELL_GRANTED, NEXT), OPEN),
    (PENDING_I, DENIED): ((TELL_DENIED, FINISH), IDLE),
    (PENDING_I, NOT_APPLICABLE): ((TELL_FREE, FINISH), IDLE),
    (PENDING_I, FAILED_GO_ON): ((TELL_CONTINUE, FINISH), IDLE),
    (PENDING_I, FAILED_STOP): ((TELL_TERMINATE, FINISH), IDLE),
    (PENDING_I, REPORT): ((QUEUE_UPDATE,), PENDING_I),
    (PENDING_I, END): ((QUEUE_END,), PENDING_I),
    (OPEN, REPORT): ((SEND_UPDATE,), PENDING_U),
    (OPEN, REAUTH): ((SEND_UPDATE,), PENDING_U),
    (OPEN, END): ((SEND_TERMINATION,), PENDING_T),
    (PENDING_U, GRANTED): ((TELL_GRANTED, NEXT), OPEN),
    (PENDING_U, DENIED): ((TELL_DENIED, FINISH), IDLE),
    (PENDING_U, NOT_APPLICABLE): ((TELL_FREE, FINISH), IDLE),
    # The RFC ends the session here, and with it forgets what was used. The update is kept instead, so that its use is
    # charged once a server is back; so is what the service uses until it closes.
    (PENDING_U, FAILED_GO_ON): ((STORE, TELL_CONTINUE, NEXT), PENDING_O),
    (PENDING_U, FAILED_STOP): ((STORE, TELL_TERMINATE, NEXT), PENDING_X),
    (PENDING_U, REPORT): ((QUEUE_UPDATE,), PENDING_U),
    (PENDING_U, END): ((QUEUE_END,), PENDING_U),
    (PENDING_U, REAUTH): ((), PENDING_U),
    (PENDING_O, GRANTED): ((TELL_GRANTED, NEXT), OPEN),
    (PENDING_O, DENIED): ((TELL_DENIED, FINISH), IDLE),
    (PENDING_O, NOT_APPLICABLE): ((TELL_FREE, FINISH), IDLE),
    (PENDING_O, REPORT): ((QUEUE_UPDATE,), PENDING_O),
    (PENDING_O, REAUTH): ((), PENDING_O),
    (PENDING_O, END): ((STORE_TERMINATION, FINISH), IDLE),
    (PENDING_X, GRANTED): ((), PENDING_X),
    (PENDING_X, DENIED): ((FINISH,), IDLE),
    (PENDING_X, NOT_APPLICABLE): ((FINISH,), IDLE),
    (PENDING_X, REPORT): ((), PENDING_X),
    (PENDING_X, REAUTH): ((), PENDING_X),
    (PENDING_X, END): ((STORE_TERMINATION, FINISH), IDLE),
    (PENDING_T, GRANTED): ((TELL_GRANTED, FINISH), IDLE),
    (PENDING_T, DENIED): ((FINISH,), IDLE),
    (PENDING_T, NOT_APPLICABLE): ((FINISH,), IDLE),
    (PENDING_T, FAILED_GO_ON): ((STORE, FINISH), IDLE),
    (PENDING_T, FAILED_STOP): ((STORE, FINISH), IDLE),
    (PENDING_T, FAILED_BUFFER): ((STORE, FINISH), IDLE),
    (PENDING_E, GRANTED): ((TELL_GRANTED, FINISH), IDLE),
    (PENDING_E, DENIED): ((TELL_DENIED, FINISH), IDLE),
    (PENDING_E, NOT_APPLICABLE): ((TELL_FREE, FINISH), IDLE),
    (PENDING_E, FAILED_GO_ON): ((TELL_CONTINUE, FINISH), IDLE),
    (PENDING_E, FAILED_STOP): ((TELL_TERMINATE, FINISH), IDLE),
    (PENDING_E, FAILED_BUFFER): ((STORE, TELL_CONTINUE), PENDING_B),
    (PENDING_B, GRANTED): ((FINISH,), IDLE),
    (PENDING_B, DENIED): ((FINISH,), IDLE),
    (PENDING_B, NOT_APPLICABLE): ((FINISH,), IDLE),
}

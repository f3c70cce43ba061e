"""The watchdog of a peer's connection: RFC 3539 3.4.1, literally (DIA-14).

`WATCHDOG[state, event] == (actions, next state)`. A pair that is not listed changes nothing. Actions name methods of
`Peer`.
"""

from __future__ import annotations

from typing import Final

from resource_adaptors.diameter.protocol.tables import Table

INITIAL: Final = "INITIAL"
OKAY: Final = "OKAY"
SUSPECT: Final = "SUSPECT"
DOWN: Final = "DOWN"
REOPEN: Final = "REOPEN"
STATES: Final = (INITIAL, OKAY, SUSPECT, DOWN, REOPEN)

CONNECTED: Final = "connection up"
DISCONNECTED: Final = "connection down"
LEFT: Final = "connection ended with a goodbye"
DWA: Final = "DWA"
LAST_DWA: Final = "third DWA"
OTHER: Final = "another message"
SILENCE: Final = "timer, nothing pending"
PENDING_SILENCE: Final = "timer, DWA pending"
SECOND_SILENCE: Final = "timer, DWA pending for the second time"
EVENTS: Final = (CONNECTED, DISCONNECTED, LEFT, DWA, LAST_DWA, OTHER, SILENCE, PENDING_SILENCE, SECOND_SILENCE)

SEND_WATCHDOG: Final = "send_watchdog"
SET_WATCHDOG: Final = "set_watchdog"
STOP_WATCHDOG: Final = "stop_watchdog"
FAILOVER: Final = "failover"
FAILBACK: Final = "failback"
CLOSE_CONNECTION: Final = "close_connection"
COUNT_DWA: Final = "count_dwa"
FORGET_DWA: Final = "forget_dwa"
"""A DWA that did not come in time begins the count of three anew."""

WATCHDOG: Final[Table] = {
    (INITIAL, CONNECTED): ((SET_WATCHDOG, FAILBACK), OKAY),
    (DOWN, CONNECTED): ((SEND_WATCHDOG, SET_WATCHDOG), REOPEN),
    (OKAY, DWA): ((SET_WATCHDOG,), OKAY),
    (OKAY, LAST_DWA): ((SET_WATCHDOG,), OKAY),
    (OKAY, OTHER): ((SET_WATCHDOG,), OKAY),
    (OKAY, SILENCE): ((SEND_WATCHDOG, SET_WATCHDOG), OKAY),
    (OKAY, PENDING_SILENCE): ((FAILOVER, SET_WATCHDOG), SUSPECT),
    (OKAY, SECOND_SILENCE): ((FAILOVER, SET_WATCHDOG), SUSPECT),
    (OKAY, DISCONNECTED): ((FAILOVER, STOP_WATCHDOG), DOWN),
    (OKAY, LEFT): ((FAILOVER, STOP_WATCHDOG), INITIAL),
    (SUSPECT, DWA): ((FAILBACK, SET_WATCHDOG), OKAY),
    (SUSPECT, LAST_DWA): ((FAILBACK, SET_WATCHDOG), OKAY),
    (SUSPECT, OTHER): ((FAILBACK, SET_WATCHDOG), OKAY),
    (SUSPECT, SILENCE): ((CLOSE_CONNECTION,), DOWN),
    (SUSPECT, PENDING_SILENCE): ((CLOSE_CONNECTION,), DOWN),
    (SUSPECT, SECOND_SILENCE): ((CLOSE_CONNECTION,), DOWN),
    (SUSPECT, DISCONNECTED): ((STOP_WATCHDOG,), DOWN),
    (SUSPECT, LEFT): ((STOP_WATCHDOG,), INITIAL),
    (REOPEN, DWA): ((COUNT_DWA,), REOPEN),
    (REOPEN, LAST_DWA): ((FAILBACK, SET_WATCHDOG), OKAY),
    (REOPEN, SILENCE): ((SEND_WATCHDOG, SET_WATCHDOG), REOPEN),
    (REOPEN, PENDING_SILENCE): ((FORGET_DWA, SET_WATCHDOG), REOPEN),
    (REOPEN, SECOND_SILENCE): ((CLOSE_CONNECTION,), DOWN),
    (REOPEN, DISCONNECTED): ((STOP_WATCHDOG,), DOWN),
    (REOPEN, LEFT): ((STOP_WATCHDOG,), INITIAL),
}

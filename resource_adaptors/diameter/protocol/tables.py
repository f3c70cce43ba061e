"""The state machine of a peer (RFC 6733 5.6), literally: `PEER[state, event] == (actions, next state)` (DIA-10).

Events and actions that begin with I are of the connection that we opened, with R of the one that we accepted. A pair
that is not listed cannot happen or is refused, and changes nothing. Actions name methods of `Peer`, called in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Table = Mapping[tuple[str, str], tuple[tuple[str, ...], str]]

CLOSED: Final = "Closed"
WAIT_CONN_ACK: Final = "Wait-Conn-Ack"
WAIT_I_CEA: Final = "Wait-I-CEA"
WAIT_CONN_ACK_ELECT: Final = "Wait-Conn-Ack/Elect"
WAIT_RETURNS: Final = "Wait-Returns"
R_OPEN: Final = "R-Open"
I_OPEN: Final = "I-Open"
CLOSING: Final = "Closing"
STATES: Final = (
    CLOSED,
    WAIT_CONN_ACK,
    WAIT_I_CEA,
    WAIT_CONN_ACK_ELECT,
    WAIT_RETURNS,
    R_OPEN,
    I_OPEN,
    CLOSING,
)

START: Final = "Start"
STOP: Final = "Stop"
R_CONN_CER: Final = "R-Conn-CER"
I_RCV_CONN_ACK: Final = "I-Rcv-Conn-Ack"
I_RCV_CONN_NACK: Final = "I-Rcv-Conn-Nack"
TIMEOUT: Final = "Timeout"
I_RCV_CEA: Final = "I-Rcv-CEA"
I_RCV_NON_CEA: Final = "I-Rcv-Non-CEA"
I_PEER_DISC: Final = "I-Peer-Disc"
R_PEER_DISC: Final = "R-Peer-Disc"
WIN_ELECTION: Final = "Win-Election"
SEND_MESSAGE: Final = "Send-Message"
R_RCV_MESSAGE: Final = "R-Rcv-Message"
I_RCV_MESSAGE: Final = "I-Rcv-Message"
R_RCV_DWR: Final = "R-Rcv-DWR"
I_RCV_DWR: Final = "I-Rcv-DWR"
R_RCV_DWA: Final = "R-Rcv-DWA"
I_RCV_DWA: Final = "I-Rcv-DWA"
R_RCV_DPR: Final = "R-Rcv-DPR"
I_RCV_DPR: Final = "I-Rcv-DPR"
R_RCV_DPA: Final = "R-Rcv-DPA"
I_RCV_DPA: Final = "I-Rcv-DPA"
EVENTS: Final = (
    START,
    STOP,
    R_CONN_CER,
    I_RCV_CONN_ACK,
    I_RCV_CONN_NACK,
    TIMEOUT,
    I_RCV_CEA,
    I_RCV_NON_CEA,
    I_PEER_DISC,
    R_PEER_DISC,
    WIN_ELECTION,
    SEND_MESSAGE,
    R_RCV_MESSAGE,
    I_RCV_MESSAGE,
    R_RCV_DWR,
    I_RCV_DWR,
    R_RCV_DWA,
    I_RCV_DWA,
    R_RCV_DPR,
    I_RCV_DPR,
    R_RCV_DPA,
    I_RCV_DPA,
)

I_SND_CONN_REQ: Final = "i_snd_conn_req"
I_SND_CER: Final = "i_snd_cer"
R_ACCEPT: Final = "r_accept"
"""Take the connection on which the CER came for the one that this peer opened."""
R_REJECT: Final = "r_reject"
"""Disconnect the connection on which the CER came."""
R_SND_CEA: Final = "r_snd_cea"
PROCESS_CEA: Final = "process_cea"
ELECT: Final = "elect"
"""Compare the identities; if we win, `Win-Election` is next."""
I_DISC: Final = "i_disc"
R_DISC: Final = "r_disc"
CLEANUP: Final = "cleanup"
ERROR: Final = "error"
"""Disconnect whatever connections there are."""
SND_MESSAGE: Final = "snd_message"
PROCESS: Final = "process"
SND_DWA: Final = "snd_dwa"
PROCESS_DWA: Final = "process_dwa"
SND_DPR: Final = "snd_dpr"
SND_DPA: Final = "snd_dpa"

PEER: Final[Table] = {
    (CLOSED, START): ((I_SND_CONN_REQ,), WAIT_CONN_ACK),
    (CLOSED, R_CONN_CER): ((R_ACCEPT, R_SND_CEA), R_OPEN),
    (WAIT_CONN_ACK, I_RCV_CONN_ACK): ((I_SND_CER,), WAIT_I_CEA),
    (WAIT_CONN_ACK, I_RCV_CONN_NACK): ((CLEANUP,), CLOSED),
    (WAIT_CONN_ACK, R_CONN_CER): ((R_ACCEPT,), WAIT_CONN_ACK_ELECT),
    (WAIT_CONN_ACK, TIMEOUT): ((ERROR,), CLOSED),
    (WAIT_I_CEA, I_RCV_CEA): ((PROCESS_CEA,), I_OPEN),
    (WAIT_I_CEA, R_CONN_CER): ((R_ACCEPT, ELECT), WAIT_RETURNS),
    (WAIT_I_CEA, I_PEER_DISC): ((I_DISC,), CLOSED),
    (WAIT_I_CEA, I_RCV_NON_CEA): ((ERROR,), CLOSED),
    (WAIT_I_CEA, TIMEOUT): ((ERROR,), CLOSED),
    (WAIT_CONN_ACK_ELECT, I_RCV_CONN_ACK): ((I_SND_CER, ELECT), WAIT_RETURNS),
    (WAIT_CONN_ACK_ELECT, I_RCV_CONN_NACK): ((R_SND_CEA,), R_OPEN),
    (WAIT_CONN_ACK_ELECT, R_PEER_DISC): ((R_DISC,), WAIT_CONN_ACK),
    (WAIT_CONN_ACK_ELECT, R_CONN_CER): ((R_REJECT,), WAIT_CONN_ACK_ELECT),
    (WAIT_CONN_ACK_ELECT, TIMEOUT): ((ERROR,), CLOSED),
    (WAIT_RETURNS, WIN_ELECTION): ((I_DISC, R_SND_CEA), R_OPEN),
    (WAIT_RETURNS, I_PEER_DISC): ((I_DISC, R_SND_CEA), R_OPEN),
    (WAIT_RETURNS, I_RCV_CEA): ((R_DISC, PROCESS_CEA), I_OPEN),
    (WAIT_RETURNS, R_PEER_DISC): ((R_DISC,), WAIT_I_CEA),
    (WAIT_RETURNS, R_CONN_CER): ((R_REJECT,), WAIT_RETURNS),
    (WAIT_RETURNS, TIMEOUT): ((ERROR,), CLOSED),
    (R_OPEN, SEND_MESSAGE): ((SND_MESSAGE,), R_OPEN),
    (R_OPEN, R_RCV_MESSAGE): ((PROCESS,), R_OPEN),
    (R_OPEN, R_RCV_DWR): ((SND_DWA,), R_OPEN),
    (R_OPEN, R_RCV_DWA): ((PROCESS_DWA,), R_OPEN),
    (R_OPEN, R_CONN_CER): ((R_REJECT,), R_OPEN),
    (R_OPEN, STOP): ((SND_DPR,), CLOSING),
    (R_OPEN, R_RCV_DPR): ((SND_DPA,), CLOSING),
    (R_OPEN, R_PEER_DISC): ((R_DISC,), CLOSED),
    (I_OPEN, SEND_MESSAGE): ((SND_MESSAGE,), I_OPEN),
    (I_OPEN, I_RCV_MESSAGE): ((PROCESS,), I_OPEN),
    (I_OPEN, I_RCV_DWR): ((SND_DWA,), I_OPEN),
    (I_OPEN, I_RCV_DWA): ((PROCESS_DWA,), I_OPEN),
    (I_OPEN, R_CONN_CER): ((R_REJECT,), I_OPEN),
    (I_OPEN, STOP): ((SND_DPR,), CLOSING),
    (I_OPEN, I_RCV_DPR): ((SND_DPA,), CLOSING),
    (I_OPEN, I_PEER_DISC): ((I_DISC,), CLOSED),
    (CLOSING, I_RCV_DPA): ((I_DISC,), CLOSED),
    (CLOSING, R_RCV_DPA): ((R_DISC,), CLOSED),
    (CLOSING, TIMEOUT): ((ERROR,), CLOSED),
    (CLOSING, I_PEER_DISC): ((I_DISC,), CLOSED),
    (CLOSING, R_PEER_DISC): ((R_DISC,), CLOSED),
    # The RFC has no row for these: an answer to what was asked before the goodbye is still ours, and a peer that comes
    # back while we say goodbye has to try again.
    (CLOSING, I_RCV_MESSAGE): ((PROCESS,), CLOSING),
    (CLOSING, R_RCV_MESSAGE): ((PROCESS,), CLOSING),
    (CLOSING, R_CONN_CER): ((R_REJECT,), CLOSING),
}

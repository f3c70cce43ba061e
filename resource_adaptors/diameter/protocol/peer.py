"""One peer: runs the state machine of RFC 6733 5.6 and the watchdog of RFC 3539 on its connections."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from resource_adaptors.diameter.message import codes
from resource_adaptors.diameter.message.message import Message
from resource_adaptors.diameter.protocol import capabilities, tables, watchdog
from resource_adaptors.diameter.protocol.connection import Connection
from resource_adaptors.diameter.protocol.events import Down, Restarted, Up
from resource_adaptors.diameter.protocol.restraint import Bucket, Penalty
from resource_adaptors.diameter.protocol.settings import PeerSettings

if TYPE_CHECKING:
    from resource_adaptors.diameter.protocol.node import Node
    from resource_adaptors.diameter.protocol.requests import Pending

_OPEN: Final = (tables.R_OPEN, tables.I_OPEN)
_JITTER: Final = 2.0
"""Seconds that the watchdog interval differs at most (RFC 3539 3.4.1)."""
_NEVER: Final = math.inf


class Peer:
    """One peer, connected or not."""

    __slots__ = (
        "_cause",
        "_dwas",
        "_is_dwa_pending",
        "_node",
        "_said_goodbye",
        "applications",
        "bucket",
        "cer",
        "initiated",
        "is_dynamic",
        "is_unwanted",
        "is_up",
        "origin_state",
        "penalty",
        "pending",
        "reconnect_at",
        "responded",
        "settings",
        "silence_at",
        "state",
        "tc",
        "timeout_at",
        "watch",
    )

    def __init__(self, node: Node, settings: PeerSettings, *, is_dynamic: bool = False) -> None:
        self._node = node
        self.settings = settings
        self.is_dynamic = is_dynamic
        """Whether it is not configured: it is forgotten when its connection ends."""
        self.state = tables.CLOSED
        self.watch = watchdog.INITIAL
        self.initiated: Connection | None = None
        self.responded: Connection | None = None
        self.cer: Message | None = None
        """The CER of `responded`, to be answered."""
        self.pending: dict[int, Pending] = {}
        """Requests that it owes an answer to, by Hop-by-Hop."""
        self.applications: frozenset[int] = frozenset()
        self.origin_state: int | None = None
        self.is_up = False
        """Whether it is told as up: requests go to it."""
        self.is_unwanted = False
        """It does not want to talk to us: connect on demand only (DIA-15)."""
        self.tc = node.settings.tc
        self.timeout_at = _NEVER
        self.silence_at = _NEVER
        self.reconnect_at = _NEVER
        self.penalty = Penalty()
        self.bucket = Bucket(node.settings.burst)
        self._dwas = 0
        self._is_dwa_pending = False
        self._said_goodbye = False
        self._cause = capabilities.REBOOTING

    @property
    def host(self) -> str:
        """Its Origin-Host, in lower case."""
        return self.settings.host.lower()

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self.state in _OPEN

    @property
    def connection(self) -> Connection | None:
        """The connection in use."""
        return self.responded if self.state == tables.R_OPEN or self.initiated is None else self.initiated

    @property
    def next_deadline(self) -> float:
        """When `tick` has something to do; infinity for never."""
        return min(self.timeout_at, self.silence_at, self.reconnect_at)

    # The tables.

    def step(self, event: str, message: Message | None = None, connection: Connection | None = None) -> bool:
        """Let something happen to the peer; `False` if the table has no such pair (DIA-10)."""
        entry = tables.PEER.get((self.state, event))
        if entry is None:
            return False
        was_open = self.is_open
        actions, self.state = entry
        for action in actions:
            _ACTIONS[action](self, message, connection)
        self._after(was_open=was_open)
        return True

    def _after(self, *, was_open: bool) -> None:
        if self.is_open:
            self.timeout_at = _NEVER
            if not was_open:
                self.tc = self._node.settings.tc
                self.is_unwanted = self._said_goodbye = False
                self.observe(watchdog.CONNECTED)
                self._node.outgoing.peer_opened(self)
        elif self.state == tables.CLOSED:
            self.timeout_at = _NEVER
            if was_open or self.watch in (watchdog.OKAY, watchdog.SUSPECT, watchdog.REOPEN):
                self.observe(watchdog.LEFT if self._said_goodbye else watchdog.DISCONNECTED)
            self._plan_reconnection()
            self._node.closed_peer(self)
        elif self.state == tables.CLOSING and was_open:
            self.timeout_at = self._node.now + self._node.settings.dpa_timeout
            self._tell_down("disconnected")

    def observe(self, event: str) -> None:
        """Let something happen to the watchdog (DIA-14)."""
        entry = watchdog.WATCHDOG.get((self.watch, event))
        if entry is None:
            return
        actions, self.watch = entry
        for action in actions:
            _WATCH_ACTIONS[action](self)

    def heard(self, message: Message) -> None:
        """A message has come on the connection in use."""
        if message.command == codes.DEVICE_WATCHDOG and not message.is_request:
            self._is_dwa_pending = False
            self.observe(watchdog.LAST_DWA if self._dwas >= 2 else watchdog.DWA)
        else:
            self.observe(watchdog.OTHER)

    def tick(self, now: float) -> None:
        """Do what is due."""
        if self.timeout_at <= now:
            self.timeout_at = _NEVER
            self.step(tables.TIMEOUT)
        if self.silence_at <= now:
            self.silence_at = _NEVER
            if not self._is_dwa_pending:
                self.observe(watchdog.SILENCE)
            else:
                self.observe(watchdog.SECOND_SILENCE if self._dwas < 0 else watchdog.PENDING_SILENCE)
        if self.reconnect_at <= now:
            self.reconnect_at = _NEVER
            self.step(tables.START)

    def note_state(self, message: Message) -> None:
        """Has the peer restarted since it was heard last (DIA-16)?"""
        state = message.number(codes.ORIGIN_STATE_ID)
        if state is None:
            return
        if self.origin_state is not None and state > self.origin_state:
            self._node.events.append(Restarted(self.host, state))
        self.origin_state = state

    def wake(self) -> bool:
        """Connect where that is done on demand only; whether it is, or has been begun."""
        if not self.is_unwanted or not self.settings.opens or self._node.is_stopping:
            return False
        if self.state == tables.CLOSED:
            self.step(tables.START)
        return True

    def stop(self, cause: int) -> None:
        """Say goodbye, or give up connecting."""
        self._cause = cause
        self.reconnect_at = _NEVER
        if not self.step(tables.STOP) and self.state != tables.CLOSED:
            self.step(tables.TIMEOUT)
            self.reconnect_at = _NEVER

    # Actions of the peer table.

    def i_snd_conn_req(self, message: Message | None, connection: Connection | None) -> None:
        """Open a connection."""
        self.initiated = self._node.open_connection(self)
        self.timeout_at = self._node.now + self._node.settings.cer_timeout

    def i_snd_cer(self, message: Message | None, connection: Connection | None) -> None:
        """Send our CER on the connection that we opened."""
        node = self._node
        assert self.initiated is not None
        self.timeout_at = node.now + node.settings.cer_timeout
        request = capabilities.capabilities_request(node.settings, node.new_hop(), node.new_end_to_end())
        node.write(self.initiated, request)

    def r_accept(self, message: Message | None, connection: Connection | None) -> None:
        """The connection with the CER is the peer's."""
        assert connection is not None
        self.responded, self.cer = connection, message
        connection.peer = self

    def r_reject(self, message: Message | None, connection: Connection | None) -> None:
        """There is one already."""
        assert connection is not None
        assert message is not None
        node = self._node
        node.write(connection, capabilities.capabilities_answer(node.settings, message, codes.ELECTION_LOST))
        node.close(connection)

    def r_snd_cea(self, message: Message | None, connection: Connection | None) -> None:
        """Accept the peer's CER."""
        node = self._node
        assert self.responded is not None
        assert self.cer is not None
        node.write(self.responded, capabilities.capabilities_answer(node.settings, self.cer, codes.SUCCESS))
        self._know(self.cer)
        self.cer = None

    def process_cea(self, message: Message | None, connection: Connection | None) -> None:
        """The peer accepts ours."""
        assert message is not None
        self._know(message)

    def elect(self, message: Message | None, connection: Connection | None) -> None:
        """The side whose identity is higher keeps the connection that it accepted (DIA-11; RFC 6733 5.6.4)."""
        if self._node.settings.identity.lower() > self.host:
            self.step(tables.WIN_ELECTION)

    def i_disc(self, message: Message | None, connection: Connection | None) -> None:
        """Drop the connection that we opened."""
        found, self.initiated = self.initiated, None
        if found is not None:
            self._node.close(found)

    def r_disc(self, message: Message | None, connection: Connection | None) -> None:
        """Drop the connection that the peer opened."""
        found, self.responded = self.responded, None
        self.cer = None
        if found is not None:
            self._node.close(found)

    def error(self, message: Message | None, connection: Connection | None) -> None:
        """Drop all connections."""
        self.i_disc(message, connection)
        self.r_disc(message, connection)

    def snd_message(self, message: Message | None, connection: Connection | None) -> None:
        """Send on the connection in use."""
        assert message is not None
        assert self.connection is not None
        self._node.write(self.connection, message)

    def process(self, message: Message | None, connection: Connection | None) -> None:
        """A message that is not of the connection itself."""
        assert message is not None
        assert connection is not None
        self._node.process(self, message, connection)

    def snd_dwa(self, message: Message | None, connection: Connection | None) -> None:
        """Answer a watchdog."""
        assert message is not None
        assert connection is not None
        self.note_state(message)
        self._node.write(connection, capabilities.watchdog_answer(self._node.settings, message))

    def process_dwa(self, message: Message | None, connection: Connection | None) -> None:
        """The watchdog itself was told by `heard`."""
        assert message is not None
        self.note_state(message)

    def snd_dpr(self, message: Message | None, connection: Connection | None) -> None:
        """Say goodbye."""
        node = self._node
        self._said_goodbye = True
        found = self.responded if self.initiated is None else self.initiated
        assert found is not None
        node.write(
            found, capabilities.disconnect_request(node.settings, node.new_hop(), node.new_end_to_end(), self._cause)
        )

    def snd_dpa(self, message: Message | None, connection: Connection | None) -> None:
        """Answer a goodbye; the peer closes."""
        assert message is not None
        assert connection is not None
        self._said_goodbye = True
        self.is_unwanted = message.number(codes.DISCONNECT_CAUSE) == capabilities.DO_NOT_WANT_TO_TALK_TO_YOU
        self._node.write(connection, capabilities.disconnect_answer(self._node.settings, message))

    # Actions of the watchdog.

    def send_watchdog(self) -> None:
        """Send a DWR."""
        node = self._node
        self._is_dwa_pending = True
        found = self.connection
        if found is not None:
            node.write(found, capabilities.watchdog_request(node.settings, node.new_hop(), node.new_end_to_end()))

    def set_watchdog(self) -> None:
        """Wait for the interval, jittered."""
        jitter = (self._node.random_fraction() * 2 - 1) * _JITTER
        self.silence_at = self._node.now + self._node.settings.tw + jitter

    def stop_watchdog(self) -> None:
        """There is no connection to watch."""
        self.silence_at = _NEVER
        self._is_dwa_pending = False
        self._dwas = 0

    def failover(self) -> None:
        """Others take over what it owes an answer to (DIA-22)."""
        self._tell_down("silent" if self.is_open else "connection lost")
        self._node.outgoing.fail_over(self)

    def failback(self) -> None:
        """Requests go to it again."""
        self._dwas = 0
        self._is_dwa_pending = False
        if not self.is_up:
            self.is_up = True
            self._node.events.append(Up(self.host))

    def close_connection(self) -> None:
        """The second silence."""
        self.stop_watchdog()
        self.step(tables.I_PEER_DISC if self.state == tables.I_OPEN else tables.R_PEER_DISC)

    def count_dwa(self) -> None:
        """One more DWA of three."""
        self._dwas += 1

    def forget_dwa(self) -> None:
        """Begin to count anew."""
        self._dwas = -1

    # Within.

    def _know(self, message: Message) -> None:
        self.applications = capabilities.common_applications(self._node.settings, message)
        self.note_state(message)

    def _tell_down(self, reason: str) -> None:
        if self.is_up:
            self.is_up = False
            self._node.events.append(Down(self.host, reason))

    def _plan_reconnection(self) -> None:
        if not self.settings.opens or self.is_unwanted or self._node.is_stopping or self.is_dynamic:
            return
        self.reconnect_at = self._node.now + self.tc * (0.9 + 0.2 * self._node.random_fraction())
        self.tc = min(self.tc * 2, self._node.settings.longest_tc)


_ACTIONS: Final = {
    tables.I_SND_CONN_REQ: Peer.i_snd_conn_req,
    tables.I_SND_CER: Peer.i_snd_cer,
    tables.R_ACCEPT: Peer.r_accept,
    tables.R_REJECT: Peer.r_reject,
    tables.R_SND_CEA: Peer.r_snd_cea,
    tables.PROCESS_CEA: Peer.process_cea,
    tables.ELECT: Peer.elect,
    tables.I_DISC: Peer.i_disc,
    tables.R_DISC: Peer.r_disc,
    tables.CLEANUP: Peer.i_disc,
    tables.ERROR: Peer.error,
    tables.SND_MESSAGE: Peer.snd_message,
    tables.PROCESS: Peer.process,
    tables.SND_DWA: Peer.snd_dwa,
    tables.PROCESS_DWA: Peer.process_dwa,
    tables.SND_DPR: Peer.snd_dpr,
    tables.SND_DPA: Peer.snd_dpa,
}
_WATCH_ACTIONS: Final = {
    watchdog.SEND_WATCHDOG: Peer.send_watchdog,
    watchdog.SET_WATCHDOG: Peer.set_watchdog,
    watchdog.STOP_WATCHDOG: Peer.stop_watchdog,
    watchdog.FAILOVER: Peer.failover,
    watchdog.FAILBACK: Peer.failback,
    watchdog.CLOSE_CONNECTION: Peer.close_connection,
    watchdog.COUNT_DWA: Peer.count_dwa,
    watchdog.FORGET_DWA: Peer.forget_dwa,
}

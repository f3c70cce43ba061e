"""What the core of one listener is told once, in plain attributes: configuration models stay off the hot path."""

from __future__ import annotations

import msgspec

from resource_adaptors.sip.protocol.timing import Timing


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one core, that is of one UDP listener."""

    host: str
    """Address that others reach the listener at; numeric, an IPv6 address without brackets."""
    port: int
    """Port that others reach the listener at."""
    bound: tuple[str, int]
    """Address and port that the socket is bound to."""
    domains: frozenset[str] = frozenset()
    """Domains that are ours, in lower case; empty means every domain."""
    timing: Timing = Timing()
    max_forwards_limit: int = 70
    rfc2543_compat: bool = True
    malformed_answers_per_second: int = 50
    force_rport: bool = False
    tolerant: bool = False
    server_name: str = ""

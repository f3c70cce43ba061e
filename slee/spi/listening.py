"""Listening TCP sockets, bound before anything slow begins."""

from __future__ import annotations

import socket


def bind_tcp(host: str, port: int, *, backlog: int = 128, is_v6_only: bool = False) -> socket.socket:
    """A listening TCP socket that does not block; asyncio sets TCP_NODELAY on what connects to it.

    Args:
        host: an IPv4 or IPv6 address; one with a colon is IPv6.
        port: 0 for any that is free.
        backlog: connections that may wait to be accepted.
        is_v6_only: an IPv6 socket takes no IPv4 connections.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named; without it answers wait for acknowledgements.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_v6_only and family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


__all__ = ["bind_tcp"]

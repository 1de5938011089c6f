"""The limits of PostgreSQL sessions, so that a frozen or vanished process keeps no lock for long.

A frozen process answers nothing, but its kernel keeps its connections open: only these limits end what it
left behind.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from types import MappingProxyType
from typing import Final

import asyncpg

QUERY_SECONDS: Final = 60.0
"""The longest statement of a pool's connection. The driver cancels it; PostgreSQL does 5 s later."""

MOST_IDLE: Final = "10s"
"""The longest pause inside a transaction; then PostgreSQL ends the session and its locks."""

_NETWORK: Final = {
    # PostgreSQL notices a client whose machine has vanished within 25 s, also in the middle of an answer.
    "tcp_keepalives_idle": "10s",
    "tcp_keepalives_interval": "5s",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20s",
    # It ends the statement of a client that has closed its connection.
    "client_connection_check_interval": "5s",
}
OF_SERVICES: Final = MappingProxyType(
    {
        **_NETWORK,
        "statement_timeout": "65s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": MOST_IDLE,
    }
)
"""Settings of a session of a pool."""

OF_MIGRATIONS: Final = MappingProxyType(
    {
        **_NETWORK,
        # A migration may rewrite a large table. But while it waits for a lock, others queue behind it.
        "statement_timeout": "0",
        "lock_timeout": "60s",
        "idle_in_transaction_session_timeout": "60s",
    }
)
"""Settings of a session that migrates."""

_KEEP_ALIVE: Final = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 10),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 5),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 20_000),
)


def keep_alive(connection: asyncpg.Connection) -> None:
    """Notice within 25 s that the machine at the other end of a TCP connection has vanished."""
    # The driver sets no keep-alive and has no option for it.
    transport = getattr(connection, "_transport", None)
    opened = transport.get_extra_info("socket") if transport is not None else None
    if opened is None or opened.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    for level, name, value in _KEEP_ALIVE:
        # Some systems lack some of them.
        with suppress(OSError, AttributeError):
            opened.setsockopt(level, getattr(socket, name), value)

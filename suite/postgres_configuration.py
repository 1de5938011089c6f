"""The configuration of a local PostgreSQL: durable, sized for one machine, and without data in its log."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

SUPERUSER = "postgres"
_MEBIBYTE = 1 << 20
_MOST_SHARED_BUFFERS = 512  # MiB

_FIXED = {
    # Nothing acknowledged may be lost.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # The store commits many reads at once, so that waiting for other commits only adds latency.
    "commit_delay": "0",
    # Recovery after a crash reads at most max_wal_size again, which takes seconds. Checkpoints are no more
    # frequent than that needs: after each one, the first change of a page logs the whole page.
    "wal_level": "replica",
    "wal_buffers": "64MB",
    "max_wal_size": "768MB",
    "min_wal_size": "512MB",
    "checkpoint_timeout": "5min",
    "checkpoint_completion_target": "0.9",
    "max_slot_wal_keep_size": "8GB",  # log that waits for the archive; past it a new base copy is made
    "max_connections": "200",
    "max_locks_per_transaction": "256",  # a query over all daily partitions locks each with its indexes
    "huge_pages": "off",
    "jit": "off",
    "random_page_cost": "1.1",
    "autovacuum": "on",
    "autovacuum_max_workers": "2",
    "io_method": "worker",
    "timezone": "UTC",
    "password_encryption": "scram-sha-256",
    # A failing statement, its parameters and the detail of an error may hold a plate: none of them is logged.
    "log_startup_progress_interval": "1s",  # so that the suite can say how far recovery is
    "log_timezone": "UTC",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_line_prefix": "%m [%p] ",
}


def configuration(
    *, sockets: Path, port: int, listen: str, lz4: bool, overrides: Mapping[str, str] | None = None
) -> str:
    """The whole text of postgresql.conf; `listen` is "" for the Unix socket only."""
    settings = {
        # Before redo PostgreSQL syncs its folder: the file system as a whole is quicker than many files.
        **({"recovery_init_sync_method": "syncfs"} if sys.platform == "linux" else {}),
        "listen_addresses": listen,
        "port": str(port),
        "unix_socket_directories": str(sockets),
        "shared_buffers": f"{shared_buffers()}MB",
        **_FIXED,
        "wal_compression": "lz4" if lz4 else "off",
        **(overrides or {}),
    }
    lines = (f"{name} = {_quoted(value)}" for name, value in settings.items())
    return "\n".join(("# Written by the suite at every start; edits are lost.", *lines, ""))


def access_rules() -> str:
    """pg_hba.conf: the superuser by its OS user over the socket, other roles by password.

    All others are refused.
    """
    return "\n".join(
        (
            f"local all {SUPERUSER} peer map=suite",
            f"local replication {SUPERUSER} peer map=suite",
            f"host all {SUPERUSER} all reject",
            "local all all scram-sha-256",
            "host all all 127.0.0.1/32 scram-sha-256",
            "",
        )
    )


def superuser_names(os_users: set[str]) -> str:
    """pg_ident.conf: the OS users who may be the superuser."""
    return "".join(f'suite "{name}" {SUPERUSER}\n' for name in sorted(os_users))


def shared_buffers(memory: int | None = None) -> int:
    """Shared buffers in MiB: an eighth of `memory` bytes (by default this machine's), at most 512."""
    if memory is None:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(64, min(_MOST_SHARED_BUFFERS, memory // 8 // _MEBIBYTE))


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"

"""The configuration's text: quoting, overrides and size."""

import sys
from pathlib import Path

from suite.postgres_configuration import access_rules, configuration, shared_buffers, superuser_names


def test_overrides_win_and_values_are_quoted() -> None:
    text = configuration(
        sockets=Path("/tmp/it's"), port=5432, listen="", lz4=False, overrides={"max_connections": "7"}
    )
    assert "max_connections = '7'" in text
    assert "unix_socket_directories = '/tmp/it''s'" in text
    assert text.count("max_connections") == 1
    assert "fsync = 'on'" in text


def test_recovery_after_a_crash_is_bounded() -> None:
    text = configuration(sockets=Path("/tmp"), port=5432, listen="", lz4=False)
    assert "max_wal_size = '768MB'" in text
    assert "checkpoint_timeout = '5min'" in text
    assert ("recovery_init_sync_method = 'syncfs'" in text) is (sys.platform == "linux")


def test_buffers_follow_the_machine() -> None:
    assert shared_buffers(1 << 30) == 128
    assert shared_buffers(64 << 30) == 512
    assert shared_buffers(1 << 20) == 64


def test_a_caller_without_proof_is_refused() -> None:
    assert "trust" not in access_rules()
    assert superuser_names({"root", "postgres"}) == 'suite "postgres" postgres\nsuite "root" postgres\n'

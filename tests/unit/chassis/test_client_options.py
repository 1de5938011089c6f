"""How often a channel pings its server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from chassis.client import open_channel
from chassis.settings import TlsSettings

FIVE_MINUTES_MS = 300_000


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The options of each channel that is opened."""
    found: list[dict[str, Any]] = []
    really = grpc.aio.secure_channel

    def noting(target: str, credentials: Any, options: Any = None, **others: Any) -> grpc.aio.Channel:
        found.append(dict(options))
        return really(target, credentials, options=options, **others)

    monkeypatch.setattr(grpc.aio, "secure_channel", noting)
    return found


@pytest.fixture
def tls(tmp_path: Path) -> TlsSettings:
    files = {name: tmp_path / f"{name}.pem" for name in ("certificate", "key", "authority")}
    for file in files.values():
        file.write_text("-")
    return TlsSettings(**files)


async def test_a_frozen_service_of_ours_is_noticed_within_seconds(
    opened: list[dict[str, Any]], tls: TlsSettings
) -> None:
    async with open_channel("localhost:1", tls):
        pass
    assert opened[0]["grpc.keepalive_time_ms"] + opened[0]["grpc.keepalive_timeout_ms"] <= 15_000
    assert opened[0]["grpc.keepalive_permit_without_calls"] == 1


async def test_a_foreign_server_gets_no_more_pings_than_servers_take(
    opened: list[dict[str, Any]], tls: TlsSettings
) -> None:
    async with open_channel("localhost:1", tls, foreign=True, reconnects=True):
        pass
    assert opened[0]["grpc.keepalive_time_ms"] > FIVE_MINUTES_MS
    assert opened[0]["grpc.keepalive_permit_without_calls"] == 0

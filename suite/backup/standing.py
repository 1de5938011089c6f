"""What was withdrawn and revoked, kept beside the archived WAL, and replayed on a restored older state.

The WAL holds the same. But a restore to an earlier time leaves out the WAL after it, and with it what was
withdrawn since.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg
import pyrage

from reads.canary import CANARY
from suite.backup.archive import Archive, sealed_in
from suite.backup.server import SQL

_FORM: Final = "%Y%m%dT%H%M%S%fZ"
_KEPT: Final = 2


class Keeper:
    """Keeps what stands in the archive, whenever it has changed."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._kept = ""

    async def keep(
        self, connection: asyncpg.Connection, recipients: Sequence[pyrage.x25519.Recipient]
    ) -> None:
        """Archive what stands now, unless it is archived already."""
        text: str = await connection.fetchval(SQL.standing, CANARY)
        if text == self._kept:
            return
        stem = datetime.now(UTC).strftime(_FORM)
        self._archive.put(self._archive.standing, stem, io.BytesIO(text.encode()), recipients)
        self._kept = text
        for file in sealed_in(self._archive.standing)[:-_KEPT]:
            file.path.unlink(missing_ok=True)


@dataclass
class Replayed:
    """What a replay has changed. `hotlists` are without their content: import them again."""

    tokens: int = 0
    cameras: int = 0
    forces: int = 0
    destinations: int = 0
    hotlists: list[str] = field(default_factory=list)
    audit: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Of forces whose newest audit records are not there: (number restored, number that existed)."""

    @property
    def sentence(self) -> str:
        """What was changed, without names."""
        lost = sum(newest - number for number, newest in self.audit.values())
        return (
            f"replayed: {self.tokens} tokens, {self.cameras} cameras off, "
            f"{len(self.hotlists)} hotlists without entries, "
            f"{self.forces} forces retired, {self.destinations} destinations stopped; "
            f"{lost} audit records of later are not here"
        )

    def as_json(self) -> dict[str, Any]:
        """For reports."""
        return {
            "tokens": self.tokens,
            "cameras_switched_off": self.cameras,
            "forces_retired": self.forces,
            "destinations_retired_or_paused": self.destinations,
            "hotlists_without_entries": self.hotlists,
            "audit_records_not_restored": {
                force: newest - number for force, (number, newest) in self.audit.items()
            },
        }


def newest_standing(archive: Archive, identities: Sequence[pyrage.x25519.Identity]) -> dict[str, Any] | None:
    """What stood last; None when the archive does not say. SuiteError when it cannot be decrypted."""
    files = sealed_in(archive.standing)
    if not files:
        return None
    content = io.BytesIO()
    files[-1].open_into(content, identities)
    found: dict[str, Any] = json.loads(content.getvalue())
    return found


async def replay(connection: asyncpg.Connection, stood: dict[str, Any]) -> Replayed:
    """Withdraw and revoke in a restored database what was withdrawn and revoked later; in one transaction.

    A state that is newer than `stood` stays: nothing is given back.
    """
    done = Replayed()
    async with connection.transaction():
        if await connection.fetchval(SQL.registry_version) < stood["registry"]:
            feeds = _columns(stood["feeds"], 3)
            done.tokens = await connection.fetchval(SQL.replay_tokens, *feeds, CANARY)
            done.cameras = await connection.fetchval(SQL.replay_cameras, *_columns(stood["disabled"], 2))
            await connection.execute(SQL.replay_registry, stood["registry"])
        done.forces = await connection.fetchval(SQL.replay_retired, stood["retired"])
        done.destinations = await connection.fetchval(
            SQL.replay_destinations, *_columns(stood["destinations"], 3)
        )
        done.hotlists = await _empty_older_hotlists(connection, stood)
        heads = {row["force"]: row["number"] for row in await connection.fetch(SQL.audit_heads)}
        done.audit = {
            force: (heads.get(force, 0), number)
            for force, number, _ in stood["audit"]
            if heads.get(force, 0) < number
        }
    return done


async def _empty_older_hotlists(connection: asyncpg.Connection, stood: dict[str, Any]) -> list[str]:
    """An older version may hold entries that were withdrawn since, so it must not raise alerts."""
    older = await connection.fetch(SQL.older_hotlists, *_columns(stood["hotlists"], 3))
    for row in older:
        if not row["known"]:  # it came later, so there is nothing to empty
            continue
        await connection.execute(SQL.declare_force, row["force"])
        load = await connection.fetchval(SQL.empty_load, row["force"])
        await connection.execute(SQL.seal_load, load)
        await connection.execute(SQL.withdraw_hotlist, row["force"], row["name"], row["version"], load)
        await connection.execute(SQL.restart_matching, row["force"])
    return [f"{row['force']}/{row['name']}" for row in older]


async def close_restored(
    connection: asyncpg.Connection, stood: dict[str, Any] | None, subject: Callable[[Replayed], str]
) -> Replayed:
    """Before any service runs: replay what stood, and have search and alerts stay closed until the services
    have deleted again what was deleted since. `subject` says in the audit trail what was restored.
    """
    async with connection.transaction():
        replayed = Replayed() if stood is None else await replay(connection, stood)
        await connection.execute(SQL.close_search, subject(replayed))
        await connection.execute(SQL.close_alerts, subject(replayed))
    return replayed


def _columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    return [[row[place] for row in rows] for place in range(width)]

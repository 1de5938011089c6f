"""A client that opens connections without end leaves descriptors for the rest of the process."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from chassis import descriptors

MOST = 50


async def test_connections_beyond_the_most_are_closed_and_told(
    lab: Any, echo: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, until: Any
) -> None:
    monkeypatch.setattr(descriptors, "most_connections", lambda: MOST)
    monkeypatch.setattr(descriptors, "_LOOK_SECONDS", 0.05)
    caplog.set_level(logging.INFO)
    port = (await lab.echo(echo)).ports["grpc"]
    opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(MOST + 10)]
    closed = [asyncio.create_task(reader.read()) for reader, _ in opened]
    await until(lambda: sum(task.done() for task in closed) >= 10)
    await until(lambda: _told(caplog, "too many connections"))
    for _, writer in opened:
        writer.close()
    await asyncio.gather(*closed)
    await until(lambda: sum(task.done() for task in closed) == len(closed))
    monkeypatch.setattr(descriptors, "_opened", lambda: MOST - 1)
    await until(lambda: _told(caplog, "connections are taken again"))
    caller = await lab.caller(await lab.echo(echo))
    assert await caller.say("Say", b"x") == b"x"


def test_without_a_descriptor_to_look_with_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unreadable:
        def iterdir(self) -> list[str]:
            raise OSError(24, "Too many open files")

    monkeypatch.setattr(descriptors, "_DESCRIPTORS", Unreadable())
    assert descriptors._opened() is None


@pytest.mark.parametrize(("limit", "most"), [(20_000, 9_872), (1_024, 384), (100, 25)])
def test_a_part_of_the_descriptors_is_left(monkeypatch: pytest.MonkeyPatch, limit: int, most: int) -> None:
    monkeypatch.setattr(descriptors.resource, "getrlimit", lambda _: (limit, limit))
    assert descriptors.most_connections() == most


def _told(caplog: pytest.LogCaptureFixture, text: str) -> bool:
    return any(text in record.getMessage() for record in caplog.records)

"""Processes that match a log until they are killed: ``python -m tests.contract.match.killed_process SEED``.

The first line on standard input is the database's settings as JSON. Each further line makes a new process, by
fork since importing takes long, which writes its process id when it begins to follow.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncGenerator
from typing import Any

from gantry.store.v1.log_pb2 import TailReadsResponse

from chassis.settings import DatabaseSettings
from tests.contract.match.memory_log import MemoryLog
from tests.contract.match.replica import replica
from tests.contract.match.sightings import append_all, sightings

READS = 400


class ToldLog(MemoryLog):
    """Tells when it is followed for the first time."""

    def follow(
        self, force: str, consumer: str, *, after: int | None, **options: Any
    ) -> AsyncGenerator[TailReadsResponse, None]:
        """See `following.read_log.ReadLog`."""
        if not self.follows:
            sys.stdout.write(f"{os.getpid()}\n")
            sys.stdout.flush()
        return super().follow(force, consumer, after=after, **options)


async def whole_log(seed: int) -> ToldLog:
    """The same log for the same seed, so that it survives the process."""
    chance = random.Random(seed)
    log = ToldLog()
    await append_all(log, sightings(chance, READS), chance)
    return log


async def main(seed: int, database: DatabaseSettings) -> None:
    """Match until killed."""
    async with replica(database, await whole_log(seed)):
        await asyncio.Event().wait()


def fork_forever(seed: int) -> None:
    """Make a process for each line on standard input."""
    database = DatabaseSettings.model_validate_json(sys.stdin.readline())
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while sys.stdin.readline():
        if os.fork() == 0:
            asyncio.run(main(seed, database))


if __name__ == "__main__":
    fork_forever(int(sys.argv[1]))

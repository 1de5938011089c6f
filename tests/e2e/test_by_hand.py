"""The steps of docs/by-hand.md as they stand there: four services over a PostgreSQL of one's own."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from suite.database import SERVICES
from suite.ports import HeldPorts, free_port
from suite.postgres import LocalPostgres
from tests.postgres_server import SMALL, throwaway_folder

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "by-hand.md"
SECONDS = 160
PORTS = 44


@pytest.fixture
def server() -> Iterator[LocalPostgres]:
    """A PostgreSQL by TCP, whose superuser has a name and a password."""
    with throwaway_folder() as folder:
        postgres = LocalPostgres(folder / "postgres", listen_tcp=True, port=free_port(), settings=SMALL)
        asyncio.run(postgres.start())
        try:
            asyncio.run(make_superuser(postgres))
            yield postgres
        finally:
            asyncio.run(postgres.stop(immediately=True))
            asyncio.run(postgres.erase())


async def make_superuser(postgres: LocalPostgres) -> None:
    connection = await asyncpg.connect(**postgres.superuser())
    try:
        await connection.execute("create role admin superuser login password 'of the admin'")
    finally:
        await connection.close()


@pytest.fixture
def base() -> Iterator[int]:
    """The first of some free ports in a row, kept from others: the page opens its last one late."""
    with HeldPorts() as held:
        while True:
            base = held.another()
            if base + PORTS < 65_536 and all(held.hold(port) for port in range(base + 1, base + PORTS)):
                break
        yield base


@pytest.mark.timeout(SECONDS + 40)
def test_the_page_leads_to_an_alert(server: LocalPostgres, base: int, tmp_path: Path) -> None:
    home = tmp_path / "gantry"
    home.mkdir(mode=0o700)
    (home / "username").write_text("admin\n")
    (home / "password").write_text("of the admin\n")
    given, *blocks = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert given == "export GANTRY_HOME=/srv/gantry\npg_host=127.0.0.1 pg_port=5432 base=7000\n"
    ours = f"export GANTRY_HOME={home}\npg_host=127.0.0.1 pg_port={server.port} base={base}\n"

    done = run_bash("set -euo pipefail\n" + ours + "".join(blocks))

    assert done.returncode == 0, done.stdout + done.stderr + last_lines(home)
    assert "has the database gantry with the schemas ingest, store, match, nas_bridge" in done.stderr
    assert "1  accepted" in done.stdout
    assert re.search(r"AB12CDE +exact match.*Stolen", done.stdout)
    for service in (*SERVICES, "canary"):
        lines = [json.loads(line) for line in (home / f"{service}.log").read_text().splitlines()]
        assert "stopping" in {line["message"] for line in lines}, service
        assert not [line for line in lines if line["level"] == "error"], service
        assert "AB12CDE" not in (home / f"{service}.log").read_text()


def last_lines(home: Path) -> str:
    """What each service logged last."""
    return "\n".join(f"{log.name}: {log.read_text()[-2000:]}" for log in sorted(home.glob("*.log")))


def run_bash(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script with our own Python and `gantry` first in its path. Nothing that it started is left.

    A script that takes too long is killed, and what it has printed by then is returned.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith("GANTRY_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{ours['PATH']}"
    with subprocess.Popen(
        ["bash", "-c", script],
        env={**ours, "PATH": path, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, said = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, said = process.communicate()
        finally:
            # After a failure the services that it has started are still there, in its group.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return subprocess.CompletedProcess([], process.returncode, out, said)

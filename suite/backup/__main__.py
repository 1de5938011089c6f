"""Archive a site without end: python -m suite.backup --home FOLDER. Settings come from the environment."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, start_http_server

from chassis.logs import configure_logs
from suite.backup.archiver import Archiver, State
from suite.backup.images import IMAGES
from suite.backup.names import MetricName
from suite.backup.server import Server, server_elsewhere, server_of
from suite.backup.settings import ARCHIVE, settings_from
from suite.errors import SuiteError

_log = logging.getLogger(__name__)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m suite.backup", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="folder of the suite")
    parser.add_argument("--host", help="PostgreSQL's host, when it is not the suite's own")
    parser.add_argument("--port", type=int, default=5432)
    parser.add_argument("--user", default="postgres")
    parser.add_argument("--password-file", type=Path)
    parser.add_argument("--authority", type=Path, help="use TLS, and verify the server with this authority")
    parser.add_argument("--programs", type=Path, help="folder of PostgreSQL's programs of its version")
    parser.add_argument("--metrics-listen", default="127.0.0.1:0", metavar="HOST:PORT")
    parser.add_argument("--port-file", type=Path, help="write the port of the metrics to this JSON file")
    return parser.parse_args()


def _server(asked: argparse.Namespace) -> Server:
    if asked.host is None:
        if asked.authority is not None or asked.programs is not None:
            raise SuiteError("--authority and --programs are for a PostgreSQL elsewhere: give --host too")
        return server_of(asked.home)
    return server_elsewhere(
        asked.home,
        host=asked.host,
        port=asked.port,
        user=asked.user,
        password_file=asked.password_file,
        authority=asked.authority,
        programs=asked.programs,
    )


@contextmanager
def _metrics(listen: str, state: State) -> Iterator[int]:
    """Serve the archiver's metrics; yields the port."""
    registry = CollectorRegistry()
    shown: dict[MetricName, Callable[[], float]] = {
        MetricName.ARCHIVE_LAG_SECONDS: lambda: state.lag_seconds,
        MetricName.FAILING: lambda: bool(state.failing),
        MetricName.BASE_AGE_SECONDS: lambda: state.base_age_seconds,
        MetricName.SPOOL_BYTES: lambda: state.spool_bytes,
    }
    for metric, value in shown.items():
        Gauge(metric, metric.meaning, registry=registry).set_function(value)
    host, _, port = listen.rpartition(":")
    page, thread = start_http_server(int(port), host, registry)
    try:
        yield page.server_port
    finally:
        page.shutdown()
        page.server_close()
        thread.join()


async def _run(asked: argparse.Namespace) -> None:
    settings = settings_from(os.environ)
    if settings is None:
        raise SuiteError(f"{ARCHIVE} is not set: it names the folder of the archive")
    archiver = Archiver(_server(asked), settings, asked.home, images_url=os.environ.get(IMAGES, ""))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, archiver.stop)
    with _metrics(asked.metrics_listen, archiver.state) as port:
        if asked.port_file is not None:
            draft = asked.port_file.with_name(f"{asked.port_file.name}.draft")
            draft.write_text(json.dumps({"metrics": port}) + "\n")
            draft.replace(asked.port_file)
        await archiver.run()


def main() -> int:
    """The exit status: 0 stopped, 2 the settings or the archive cannot be used."""
    asked = _arguments()
    configure_logs("archiver", "info")
    try:
        asyncio.run(_run(asked))
    except SuiteError as error:
        _log.error("cannot start", extra={"cause": str(error)})
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

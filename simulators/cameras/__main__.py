"""Run the simulated cameras of two forces against an ingest: python -m simulators.cameras --help."""

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path

from gantry_sdk import Connection

from chassis.telemetry import telemetry
from simulators.cameras.batches import FeedKey, Schedule
from simulators.cameras.report import Report
from simulators.cameras.sender import SendError, open_feeds
from simulators.cameras.traffic import Run, simulate
from simulators.cameras.world import FORCES, World
from simulators.recording import OTLP_ENDPOINT, recording

CONNECT_SECONDS = 10.0
# Time between the choice of the start and the first read, in which traffic is computed.
LEAD_SECONDS = 1.0
# Fewer than ingest follows by default, so that each trace that begins here is followed to its end.
_TRACES_PER_SECOND = 10.0


class UsageError(Exception):
    """A file named on the command line cannot be used. The text is one sentence."""


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    ingest: str
    server_name: str | None
    authority: Path
    tokens: Path
    forces: tuple[str, ...]
    seed: int
    rate: float
    seconds: float
    warp: float | None
    images: bool
    report: Path | None
    spans: Path | None
    otlp_endpoint: str | None
    drain_seconds: float


def parse(words: list[str] | None = None) -> Options:
    """The command line as options; wrong ones end the process with status 2."""
    parser = argparse.ArgumentParser("python -m simulators.cameras", description=__doc__)
    parser.add_argument("--ingest", required=True, metavar="HOST:PORT", help="ingest's public door")
    parser.add_argument("--server-name", help="name in ingest's certificate, when it is not HOST")
    parser.add_argument("--authority", required=True, type=Path, help="PEM file of the certificate authority")
    parser.add_argument("--tokens", required=True, type=Path, help="JSON file: {force: {feed: token}}")
    parser.add_argument(
        "--forces", type=_codes, default=FORCES, metavar="A,B", help="whose cameras they are (essex,kent)"
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same reads (default 1)")
    parser.add_argument("--rate", type=_positive, default=60.0, help="reads a second, about (default 60)")
    parser.add_argument("--seconds", type=_positive, default=inf, help="how long; default until stopped")
    parser.add_argument(
        "--warp", type=_positive, help="simulated seconds a second; default: 1, or 20 minutes a run"
    )
    parser.add_argument("--no-images", dest="images", action="store_false", help="send plates only")
    parser.add_argument("--report", type=Path, help="write what was sent and acknowledged to this JSON file")
    parser.add_argument("--spans", type=Path, help="write the cameras' own spans to this file")
    parser.add_argument(
        "--otlp-endpoint", default=OTLP_ENDPOINT, help="collector for them, as http://HOST:PORT (gRPC)"
    )
    parser.add_argument(
        "--drain-seconds", type=_positive, default=30.0, help="longest wait for the last answers"
    )
    return Options(**vars(parser.parse_args(words)))


async def run(options: Options) -> int:
    """Send until the end or a signal; 0 when everything sent was acknowledged, else 1. Raises SendError."""
    world = World.build(options.seed, options.forces)
    tokens = read_tokens(options.tokens, world)
    report = Report(keep=options.report is not None)
    stopping = _stop_on_signals()
    async with (
        telemetry("cameras", recording(options.spans, options.otlp_endpoint, _TRACES_PER_SECOND)),
        Connection(
            options.ingest, authority=options.authority, server_name=options.server_name
        ) as connection,
    ):
        planned = _plan(options)
        try:
            async with (
                _bounded(stopping, options.drain_seconds),
                open_feeds(connection, tokens, report) as feeds,
            ):
                await feeds.connected(CONNECT_SECONDS)
                planned, begin = _plan(options), asyncio.get_running_loop().time() + LEAD_SECONDS
                schedule = await asyncio.to_thread(Schedule, simulate(world, planned))
                await feeds.send(schedule, begin, stopping)
        except TimeoutError:
            _say(f"{report.unanswered:,} reads got no answer within {options.drain_seconds:g} s")
        finally:
            if options.report is not None:
                report.write(options.report, planned)
    _say(_story(report))
    return 1 if report.unanswered else 0


@asynccontextmanager
async def _bounded(stopping: asyncio.Event, seconds: float) -> AsyncIterator[None]:
    """End the block with TimeoutError so long after there is nothing more to send."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(None) as limit:

        async def end() -> None:
            await stopping.wait()
            limit.reschedule(loop.time() + seconds)

        ending = asyncio.create_task(end(), name="bound the wait for answers")
        try:
            yield
        finally:
            ending.cancel()


def read_tokens(path: Path, world: World) -> dict[FeedKey, str]:
    """The tokens of all feeds of the world. Raises UsageError."""
    try:
        by_force = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"the token file {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"the token file {path} is not JSON") from error
    found = {(feed.force, feed.name): _token(by_force, feed.force, feed.name) for feed in world.feeds}
    missing = [f"{force}/{name}" for (force, name), token in found.items() if token is None]
    if missing:
        raise UsageError(
            f"{path} has no token for {len(missing)} feeds ({missing[0]}, ..): enrol the cameras"
        )
    return {key: token for key, token in found.items() if token is not None}


def _token(by_force: object, force: str, feed: str) -> str | None:
    feeds = by_force.get(force) if isinstance(by_force, Mapping) else None
    token = feeds.get(feed) if isinstance(feeds, Mapping) else None
    return token if isinstance(token, str) and token else None


def _codes(text: str) -> tuple[str, ...]:
    return tuple(filter(None, text.split(",")))


def _plan(options: Options) -> Run:
    start = datetime.now(UTC) + timedelta(seconds=LEAD_SECONDS)
    return Run(options.seed, start, options.rate, options.seconds, options.warp, options.images)


def _stop_on_signals() -> asyncio.Event:
    """Set by the first SIGTERM or SIGINT; the second ends the process at once."""
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    return stopping


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


def _story(report: Report) -> str:
    told = report.summary()
    ack = told["ack_ms"]
    times = f"; ack p50 {ack['p50']} ms, p99 {ack['p99']} ms" if ack["p50"] is not None else ""
    return (
        f"sent {told['reads_sent']:,} reads: {told['accepted']:,} accepted, "
        f"{told['duplicates']:,} duplicate, {told['rejected']:,} rejected, "
        f"{told['unanswered']:,} without an answer{times}"
    )


def _say(sentence: str) -> None:
    sys.stderr.write(f"cameras: {sentence}\n")


def main() -> int:
    """The exit status: 0 done, 1 not everything was acknowledged, 2 the command line or a file is wrong."""
    options = parse()
    try:
        return asyncio.run(run(options))
    except (UsageError, ValueError, OSError) as error:
        _say(str(error))
        return 2
    except SendError as error:
        _say(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())

"""Run the benchmarks: ``make bench``, or ``python -m bench --only NAME`` for some of them."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console

from bench import measurements
from bench.baseline import Baseline, bytes_a_read, raw_copy
from bench.command import command_search, command_start
from bench.disk import sync_times
from bench.echo import echo_cpu
from bench.recovery import recovery
from bench.report import Figure, show, write
from bench.tracing import MANY_TRACES, PRODUCT, tracing_batches, tracing_single_reads
from suite.errors import SuiteError
from suite.settings import SuiteSettings
from suite.suite import Suite

FOLDER: Final = Path(".gantry/bench")
COPY_ROWS: Final = 300_000
CHAIN_READS: Final = 400_000
SINGLE_SECONDS: Final = 15.0
ALERT_RATE: Final = 2_000.0
ALERT_SECONDS: Final = 30.0
ALERT_ENTRIES: Final = 1_000_000
BESIDE_RATE: Final = 10_000.0
BESIDE_SECONDS: Final = 20.0
ECHO_SECONDS: Final = 8.0
TRACING_PAIRS: Final = 8
TRACING_READS: Final = 150_000
TRACING_SECONDS: Final = 6.0


@dataclass
class Run:
    """A run against one suite: the baseline for ratios, and the figures so far."""

    suite: Suite
    console: Console
    baseline: Baseline
    pairs: int
    """How many pairs of runs show what traces cost."""
    figures: list[Figure] = field(default_factory=list)
    _listed: Sequence[str] = ()

    async def listed(self) -> Sequence[str]:
        """The plates of the first force's hotlist. The first call imports it."""
        self._listed = self._listed or await measurements.import_plates(self.suite, ALERT_ENTRIES)
        return self._listed

    def add(self, name: str, value: float, unit: str) -> None:
        """Keep a figure. Rates and processor times get their ratio to those of raw COPY."""
        self.figures.append(Figure(name, value, unit, self._ratio(value, unit)))
        self.console.print(f"  {name}: {value:,.1f} {unit}")

    def _ratio(self, value: float, unit: str) -> float | None:
        what, _, for_each = unit.partition("/")
        if for_each == "s":
            return value / self.baseline.rows_per_second
        return value / self.baseline.cpu_us if what == "us" else None


async def _store_append(run: Run) -> None:
    run.add("store_append", await measurements.store_append(run.suite, CHAIN_READS), "reads/s")


async def _chain_batches(run: Run) -> None:
    chain = await measurements.chain_batches(run.suite, CHAIN_READS)
    _add_chain(run, "chain_batches", chain)


async def _chain_single(run: Run) -> None:
    chain = await measurements.chain_single_reads(run.suite, SINGLE_SECONDS)
    _add_chain(run, "chain_single_reads", chain)


def _add_chain(run: Run, name: str, chain: measurements.Chain) -> None:
    run.add(name, chain.reads_per_second, "reads/s")
    run.add(f"{name}_ack_p50_ms", chain.ack_p50_ms, "ms")
    run.add(f"{name}_ack_p99_ms", chain.ack_p99_ms, "ms")
    for process, microseconds in chain.processor_us.items():
        run.add(f"{name}_cpu_{process}", microseconds, "us/read")
    product = sum(chain.processor_us[process] for process in PRODUCT)
    run.add(f"{name}_cpu_product", product, "us/read")


async def _alerts(run: Run) -> None:
    listed = await run.listed()
    async with sync_times(FOLDER) as disk:
        times = await measurements.alert_latency(run.suite, listed, ALERT_RATE, ALERT_SECONDS)
    # An alert needs two commits, one after the other.
    for name, taken in (("alert_latency", times), ("disk_sync", disk)):
        for percent in (50, 99):
            run.add(f"{name}_p{percent}_ms", measurements.percentile(taken, percent), "ms")


async def _beside(run: Run) -> None:
    times = await measurements.alert_latency(
        run.suite, await run.listed(), ALERT_RATE, BESIDE_SECONDS, beside=BESIDE_RATE
    )
    run.add("alert_beside_load_p99_ms", measurements.percentile(times, 99), "ms")


async def _echo(run: Run) -> None:
    run.add("grpc_echo_cpu", await echo_cpu(run.suite, ECHO_SECONDS), "us/message")


async def _tracing(run: Run) -> None:
    settings = SuiteSettings(FOLDER / "traced", canary=False, traces_per_second=MANY_TRACES)
    shutil.rmtree(settings.folder, ignore_errors=True)
    async with Suite(settings, say=run.console.print) as suite:
        batches = await tracing_batches(suite, run.pairs, TRACING_READS)
        single_reads = await tracing_single_reads(suite, run.pairs, TRACING_SECONDS)
    for name, added in (("tracing_cpu_batches", batches), ("tracing_cpu_single_reads", single_reads)):
        run.console.print(f"  {name}, pair by pair: {', '.join(f'{each:+.1f}' for each in added.pairs)} %")
        run.add(name, added.middle, "%")
        lowest, highest = added.interval
        run.add(f"{name}_at_least", lowest, "%")
        run.add(f"{name}_at_most", highest, "%")
        run.add(f"{name}_counted", added.counted, "%")


async def _command(run: Run) -> None:
    start, search = await command_start(), await command_search(run.suite)
    run.add("command_start_ms", start.clock_ms, "ms")
    run.add("command_start_cpu_ms", start.processor_ms, "ms")
    run.add("command_search_cpu_ms", search.processor_ms, "ms")


async def _bytes(run: Run) -> None:
    run.add("bytes_per_read", await bytes_a_read(run.suite), "bytes")


async def _recovery(run: Run) -> None:
    taken = await recovery(run.suite)
    run.add("recovery_log", taken.log_mib, "MiB")
    run.add("recovery_s", taken.seconds, "s")


MEASUREMENTS: Final[dict[str, Callable[[Run], Awaitable[None]]]] = {
    "store_append": _store_append,
    "chain_batches": _chain_batches,
    "chain_single_reads": _chain_single,
    "grpc_echo": _echo,
    "alert_latency": _alerts,
    "alert_beside_load": _beside,
    "bytes_per_read": _bytes,
    "tracing_cpu": _tracing,
    "command": _command,
    "recovery": _recovery,
}


async def bench(names: Sequence[str], pairs: int, console: Console) -> list[Figure]:
    """Bring up a fresh suite and take the named measurements, raw COPY first.

    `pairs`: of runs with and without traces.
    """
    shutil.rmtree(FOLDER / "state", ignore_errors=True)
    async with Suite(SuiteSettings(FOLDER / "state", canary=False), say=console.print) as suite:
        run = Run(suite, console, await raw_copy(suite, COPY_ROWS), pairs)
        run.add("raw_copy", run.baseline.rows_per_second, "rows/s")
        run.add("raw_copy_cpu", run.baseline.cpu_us, "us/row")
        for name in names:
            await MEASUREMENTS[name](run)
    return run.figures


def main() -> None:
    """Measure, print the table, write the report."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Gantry on this machine.")
    parser.add_argument(
        "--only", choices=MEASUREMENTS, action="append", help="take only this measurement; may be repeated"
    )
    parser.add_argument(
        "--pairs",
        type=int,
        choices=range(1, 1001),
        metavar="NUMBER",
        default=TRACING_PAIRS,
        help=f"of runs with and without traces: more narrow the interval of tracing_cpu ({TRACING_PAIRS})",
    )
    parser.add_argument(
        "--report", type=Path, default=FOLDER / "report.json", help="where to write the figures"
    )
    arguments = parser.parse_args()
    console = Console()
    try:
        figures = uvloop.run(bench(arguments.only or list(MEASUREMENTS), arguments.pairs, console))
    except (SuiteError, RuntimeError) as error:
        console.print(f"[red]The measurement failed:[/] {error}")
        raise SystemExit(1) from error
    show(figures, console)
    write(figures, arguments.report)
    console.print(f"Written to {arguments.report}")


if __name__ == "__main__":
    main()

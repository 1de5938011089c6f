"""Prometheus scrapes the services and loads the alarm rules; faults raise them."""

import json
import re
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deploy.slo.alarms import alarms_in
from deploy.slo.durations import Scale
from deploy.slo.objectives import objectives_in
from deploy.slo.rules import Rules
from deploy.slo.text import yaml_of
from suite.database import SERVICES
from suite.suite import Suite
from tests.counterparts.programs import free_port, program, running, told
from tests.counterparts.sending import delivered, sent
from tests.e2e.command import WHY, gantry
from tests.e2e.door import EnrolledFeed
from tests.e2e.waiting import eventually

HINT = "Debian's package prometheus has it"
HERE = Path(__file__).parent
DEPLOY = HERE.parents[1] / "deploy"
MONITORING = DEPLOY / "monitoring"
Query = Callable[[str], Awaitable[list[dict[str, Any]]]]


@pytest.mark.parametrize("name", ["alarms", "objectives"])
async def test_each_rule_fires_in_its_fault_and_not_without(tmp_path: Path, name: str) -> None:
    for file in (MONITORING / f"{name}.yml", HERE / f"{name}_test.yml"):
        shutil.copy(file, tmp_path)
    code, said = await told(program("promtool", HINT), "test", "rules", str(tmp_path / f"{name}_test.yml"))
    assert code == 0, said
    tested = (HERE / f"{name}_test.yml").read_text()
    for alarm in re.findall(r"- alert: (\w+)", (MONITORING / f"{name}.yml").read_text()):
        assert f'alertname="{alarm}"' in tested, alarm


async def test_promtool_accepts_rules_and_the_queries_of_dashboards(tmp_path: Path) -> None:
    queries = [
        {"record": f"q{index}", "expr": re.sub(r"\$__rate_interval", "5m", target["expr"])}
        for board in sorted((MONITORING / "dashboards").iterdir())
        for panel in json.loads(board.read_text())["panels"]
        for index, target in enumerate(panel.get("targets", ()))
    ]
    assert len(queries) > 40
    for index, query in enumerate(queries):
        query["record"] = f"q{index}"
    (tmp_path / "queries.yml").write_text(json.dumps({"groups": [{"name": "queries", "rules": queries}]}))
    files = (MONITORING / "alarms.yml", MONITORING / "objectives.yml", tmp_path / "queries.yml")
    code, said = await told(program("promtool", HINT), "check", "rules", *map(str, files))
    assert (code, said.count("SUCCESS")) == (0, 3), said


def shortened(folder: Path) -> list[str]:
    """Rules on a scale of seconds, so that a test need not wait; their files."""
    rules = Rules(
        objectives_in(DEPLOY / "slo.toml"),
        alarms_in(DEPLOY / "alarms.toml"),
        scale=Scale(by=30, most_hold_seconds=3),
    )
    for name, groups in (("alarms", rules.of_alarms()), ("objectives", rules.of_objectives())):
        (folder / f"{name}.yml").write_text(yaml_of({"groups": groups}, "Rules of a test"))
    return [str(folder / "alarms.yml"), str(folder / "objectives.yml")]


@asynccontextmanager
async def prometheus(suite: Suite, folder: Path) -> AsyncIterator[Query]:
    """A Prometheus that scrapes the four services each second; what asks it."""
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": shortened(folder),
        "scrape_configs": [
            {
                "job_name": "gantry",
                "static_configs": [{"targets": [suite.address(name, "metrics") for name in SERVICES]}],
            }
        ],
    }
    (folder / "prometheus.yml").write_text(json.dumps(configuration))  # JSON is YAML
    port = free_port()
    command = (
        program("prometheus", HINT),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )

    async def ask(expression: str) -> list[dict[str, Any]]:
        url = f"http://127.0.0.1:{port}/api/v1/query"
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, params={"query": expression}) as answer,
        ):
            return list((await answer.json())["data"]["result"])

    async with running(*command, port=port, log=folder / "prometheus.log"):
        yield ask


async def fires(ask: Query, alarm: str, **labels: str) -> None:
    """Wait until an alarm fires with these labels."""

    async def fired() -> bool:
        found = [each["metric"] for each in await ask(f'ALERTS{{alertname="{alarm}",alertstate="firing"}}')]
        return any(labels.items() <= each.items() for each in found)

    await eventually(fired, within=90, what=f"{alarm} fires")


async def test_faults_raise_alarms(suite: Suite, feed: EnrolledFeed, tmp_path: Path) -> None:
    async with prometheus(suite, tmp_path) as ask:

        async def scraped() -> bool:
            return len(await ask("gantry_build_info")) == len(SERVICES)

        await eventually(scraped, within=60, what="all services are scraped")
        for begun in ("gantry_bridge_dead_letters_total", "gantry_ingest_rejections_total"):
            assert {each["metric"]["force"] for each in await ask(begun)} == {"essex", "kent"}, begun
        await delivered(suite, feed)

        with frozen(suite, "nas"):
            await sent(suite, feed)
            await fires(ask, "DestinationBehind", force="essex", consumer="nas")
            await fires(ask, "DestinationFailing", force="essex", destination="nas")
            [lag] = await ask('gantry_bridge_lag_reads{force="essex",destination="nas"}')
            assert float(lag["value"][1]) >= 20
        with frozen(suite, "match"):
            await sent(suite, feed)
            await fires(ask, "AlertsLate", force="essex")
            await fires(ask, "ServiceAwayMatch")
        verb = ("bridge", "destination", "pause", "nas", "--force", "kent", *WHY)
        await gantry(suite, "operator", *verb)
        await fires(ask, "DestinationPaused", force="kent", destination="nas")
        await gantry(suite, "operator", *("bridge", "destination", "resume"), *verb[3:])
        await delivered(suite, feed)

        async def well() -> bool:
            return not await ask('ALERTS{alertstate="firing"}')

        await eventually(well, within=90, what="all alarms end")


@contextmanager
def frozen(suite: Suite, process: str) -> Iterator[None]:
    """A process is stopped by a signal until the end of the block."""
    suite.process(process).send(signal.SIGSTOP)
    try:
        yield
    finally:
        suite.process(process).send(signal.SIGCONT)

"""A real Prometheus that scrapes a suite, with the project's rules on a scale of seconds."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from deploy.slo.alarms import alarms_in
from deploy.slo.durations import Scale
from deploy.slo.objectives import objectives_in
from deploy.slo.rules import Rules
from deploy.slo.text import yaml_of
from suite.plan import PORTS
from suite.suite import Suite
from tests.counterparts.programs import free_port, program, running
from tests.e2e.waiting import eventually

HINT = "Debian's package prometheus has it"
DEPLOY = Path(__file__).parents[2] / "deploy"
# Five minutes are ten seconds. Ordinary work does not take the five seconds that are the least threshold.
SHORT = Scale(by=30, most_hold_seconds=3, least_seconds=5)


def project_rules(scale: Scale) -> Rules:
    """The rules of the project on a scale."""
    return Rules(objectives_in(DEPLOY / "slo.toml"), alarms_in(DEPLOY / "alarms.toml"), scale=scale)


@dataclass
class Prometheus:
    """Asks one, and notes which alarms it saw firing."""

    url: str
    seen: set[str] = field(default_factory=set)

    async def ask(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression now; none while Prometheus reads its own files at its start."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.url}/api/v1/query", params={"query": expression}) as answer,
        ):
            return list((await answer.json())["data"]["result"]) if answer.status == 200 else []

    async def firing(self) -> list[Mapping[str, str]]:
        """The labels of all alarms that fire now."""
        return [each["metric"] for each in await self.ask('ALERTS{alertstate="firing"}')]

    async def fires(self, alarm: str, **labels: str) -> None:
        """Wait until an alarm fires with these labels."""
        wanted = {"alertname": alarm, **labels}.items()

        async def fired() -> bool:
            return any(wanted <= each.items() for each in await self.firing())

        await eventually(fired, within=90, what=f"{alarm} fires")
        self.seen.add(alarm)

    async def ends(self, alarm: str) -> None:
        """Wait until an alarm fires no more."""

        async def ended() -> bool:
            return all(each["alertname"] != alarm for each in await self.firing())

        await eventually(ended, within=90, what=f"{alarm} ends")


@asynccontextmanager
async def prometheus(suite: Suite, folder: Path) -> AsyncIterator[Prometheus]:
    """A Prometheus that has scraped all processes with metrics and sees no alarm firing."""
    targets = [suite.address(name, "metrics") for name in suite.processes if "metrics" in PORTS[name]]
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": _rule_files(folder),
        "scrape_configs": [{"job_name": "gantry", "static_configs": [{"targets": targets}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(configuration))  # JSON is YAML
    port = free_port()
    command = (
        program("prometheus", HINT),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    async with running(*command, port=port, log=folder / "prometheus.log"):
        watching = Prometheus(f"http://127.0.0.1:{port}")

        async def scraped() -> bool:
            return len(await watching.ask("up == 1")) == len(targets)

        async def calm() -> bool:
            return not await watching.firing()

        await eventually(scraped, within=60, what="all processes are scraped")
        await eventually(calm, within=90, what="no alarm fires before the fault")
        yield watching


def _rule_files(folder: Path) -> list[str]:
    rules = project_rules(SHORT)
    for name, groups in (("alarms", rules.of_alarms()), ("objectives", rules.of_objectives())):
        (folder / f"{name}.yml").write_text(yaml_of({"groups": groups}, "Rules of a test"))
    return [str(folder / "alarms.yml"), str(folder / "objectives.yml")]

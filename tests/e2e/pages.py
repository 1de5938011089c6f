"""What a process tells Prometheus."""

import re
from collections import defaultdict

import aiohttp
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from suite.suite import Suite

_SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? (?P<value>\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


async def page_of(suite: Suite, process: str) -> str:
    """The Prometheus page of a process."""
    timeout = aiohttp.ClientTimeout(total=10)
    url = f"http://{suite.address(process, 'metrics')}/metrics"
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
        assert answer.status == 200
        return await answer.text()


async def exemplars(suite: Suite, process: str, histogram: str) -> set[str]:
    """The ids of the traces that the page of a process names beside the buckets of a histogram."""
    url = f"http://{suite.address(process, 'metrics')}/metrics"
    wanted = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with aiohttp.ClientSession(headers=wanted) as session, session.get(url) as answer:
        assert answer.content_type == "application/openmetrics-text"
        families = list(text_string_to_metric_families(await answer.text()))
    (family,) = [family for family in families if family.name == histogram]
    return {sample.exemplar.labels["trace_id"] for sample in family.samples if sample.exemplar}


async def counter(suite: Suite, process: str, name: str, label: str) -> dict[str, float]:
    """A counter's values by one of its labels."""
    found: dict[str, float] = defaultdict(float)
    for line in (await page_of(suite, process)).splitlines():
        sample = _SAMPLE.match(line)
        if sample and sample["name"] in {name, f"{name}_total"}:
            labels = dict(_LABEL.findall(sample["labels"] or ""))
            found[labels.get(label, "")] += float(sample["value"])
    return found

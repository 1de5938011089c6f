"""What a process tells Prometheus."""

import re
from collections import defaultdict

import aiohttp

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


async def counter(suite: Suite, process: str, name: str, label: str) -> dict[str, float]:
    """A counter's values by one of its labels."""
    found: dict[str, float] = defaultdict(float)
    for line in (await page_of(suite, process)).splitlines():
        sample = _SAMPLE.match(line)
        if sample and sample["name"] in {name, f"{name}_total"}:
            labels = dict(_LABEL.findall(sample["labels"] or ""))
            found[labels.get(label, "")] += float(sample["value"])
    return found

"""The pages for people: links lead somewhere, lines fit, and settings are those that exist."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from pydantic import BaseModel

from services.ingest.settings import IngestSettings
from services.match.settings import MatchSettings
from services.nas_bridge.settings import BridgeSettings
from services.store.settings import StoreSettings

ROOT: Final = Path(__file__).parents[3]
PAGES: Final = sorted(
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") or part == "node_modules" for part in page.relative_to(ROOT).parts)
)
_FENCE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#+ +(.*)$", re.MULTILINE)
_VARIABLE: Final = re.compile(r"\bGANTRY_(?:TLS|GRPC|DATABASE|TELEMETRY|INGEST|STORE|MATCH|BRIDGE)__[A-Z_]+")
_GONE: Final = frozenset(
    {
        *("GANTRY_MATCH__FORCES", "GANTRY_BRIDGE__FORCES", "GANTRY_BRIDGE__DESTINATIONS"),
        "GANTRY_STORE__REQUIRED_CONSUMERS",
    }
)
"""Settings that the changelog names because they no longer exist."""


@pytest.fixture(params=PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def page(request: pytest.FixtureRequest) -> Path:
    """Each page in turn."""
    found: Path = request.param
    return found


def test_lines_fit(page: Path) -> None:
    wide = [line for line in page.read_text().splitlines() if len(line) > 120]
    assert not wide


def test_links_lead_somewhere(page: Path) -> None:
    lost = [link for link in _links(page) if not _leads_somewhere(page, link)]
    assert not lost


def test_settings_exist(page: Path) -> None:
    named = set(_VARIABLE.findall(page.read_text()))
    assert named - _GONE - _settings() == set()


def _links(page: Path) -> Iterator[str]:
    for link in _LINK.findall(_FENCE.sub("", page.read_text())):
        if "://" not in link:
            yield link


def _leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(page: Path) -> set[str]:
    """What GitHub makes of headings."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _settings() -> set[str]:
    return {
        name
        for settings in (IngestSettings, StoreSettings, MatchSettings, BridgeSettings)
        for name in _variables(settings)
    }


def _variables(settings: type[BaseModel]) -> Iterator[str]:
    for section, field in settings.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from (f"GANTRY_{section}__{name}".upper() for name in kind.model_fields)

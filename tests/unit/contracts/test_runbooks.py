"""Each alarm has a page in docs/runbooks that says what it means, how to see it, and what to do."""

from __future__ import annotations

import re
from typing import Any

from tests.unit.contracts.test_alarms import DOCS, alarms
from tests.unit.contracts.test_database_alarms import database_alarms

SECTIONS = ["What it means for a force", "How to see it", "What to do", "How it was followed"]


def all_alarms() -> list[dict[str, Any]]:
    return alarms() + database_alarms()


def test_each_alarm_has_a_page_with_its_sections_and_each_page_an_alarm():
    names = {rule["alert"] for rule in all_alarms()}
    pages = {page.stem: page for page in (DOCS / "runbooks").iterdir() if page.stem != "README"}
    listed = set(re.findall(r"\((\w+)\.md\)", (DOCS / "runbooks" / "README.md").read_text()))
    assert set(pages) == names == listed
    for name, page in pages.items():
        text = page.read_text()
        assert text.startswith(f"# {name}\n"), page
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS, page
        meaning, seeing, doing, followed = re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]
        assert len(meaning.split()) >= 8, page
        assert "`" in seeing, f"{page} shows nothing to look at"
        assert re.search(r"^1\. .*^2\. ", doing, re.MULTILINE | re.DOTALL), f"{page} has no steps"
        assert re.search(r"\d{4}", followed), f"{page} does not say when it was followed"


def test_each_alarm_names_its_page():
    for rule in all_alarms():
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"
        assert rule["annotations"]["summary"]

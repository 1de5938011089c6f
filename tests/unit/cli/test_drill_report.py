"""The report of a drill says what was lost, and calls it wrong when more was lost than promised."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cli.drill.load import Compared
from cli.drill.report import Scenario, as_json, write

LOST_AT = 1_000.0
READS = Compared(sent=100, acknowledged=90, found=90, unanswered=0, lost={})
PRIMARY = Scenario("primary", "The primary is lost.", READS, LOST_AT, 8.0, 30.0, 0, {"noticed": 3.0}, {})
SITE = replace(
    PRIMARY,
    name="site",
    reads=replace(READS, lost={("essex", "c", 1, "r1"): 998_500_000, ("essex", "c", 2, "r2"): 999_000_000}),
    rto_limit_s=3_600.0,
    rpo_limit_reads=None,
    archive_lag_s=2.0,
    replayed={"tokens": 0, "hotlists_without_entries": []},
)


def test_what_was_promised_holds() -> None:
    assert (PRIMARY.wrong, PRIMARY.rpo_s) == ([], 0.0)
    assert (SITE.wrong, SITE.rpo_s) == ([], 1.5)


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        (replace(PRIMARY, rto_s=30.5), "recovery took 30.5 s"),
        (replace(PRIMARY, reads=SITE.reads), "2 acknowledged reads were lost"),
        (replace(SITE, archive_lag_s=0.2), "older than the archive's lag"),
        (replace(SITE, reads=replace(READS, unanswered=3)), "3 reads got no answer"),
    ],
)
def test_what_was_promised_does_not_hold(scenario: Scenario, words: str) -> None:
    (sentence,) = scenario.wrong
    assert words in sentence
    assert not as_json([PRIMARY, scenario], "gantry drill")["ok"]


def test_the_figures_on_top_are_the_worst(tmp_path: Path) -> None:
    report = as_json([PRIMARY, SITE], "gantry drill --lose both")
    assert (report["ok"], report["rpo_reads"], report["rto_s"]) == (True, 2, 8.0)
    assert report["replayed"]["site"] == {"tokens": 0, "hotlists_without_entries": []}
    as_data, as_text = write(report, [PRIMARY, SITE], tmp_path)
    assert json.loads(as_data.read_text()) == report
    page = as_text.read_text()
    assert "| site | 2 | the archive's lag | 8.0 | 3,600 |" in page
    assert "`gantry drill --lose both`" in page
    assert max(map(len, page.splitlines())) <= 120

"""Rules and dashboards are what slo.toml and alarms.toml say, and are about metrics that exist."""

from __future__ import annotations

import json
import re
import shutil
import sys
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import pytest

from deploy.slo import __main__ as command
from deploy.slo.alarms import alarms_in
from deploy.slo.derived import derived
from deploy.slo.durations import Scale, seconds
from deploy.slo.objectives import objectives_in
from deploy.slo.rules import Rules
from deploy.slo.text import yaml_of

DEPLOY: Final = Path(__file__).parents[3] / "deploy"
MONITORING: Final = DEPLOY / "monitoring"
EVENTS: Final = """
days = 30
[[objective]]
name = "door"
alarm = "DoorFails"
title = "Door"
summary = "The door fails"
kind = "events"
bad = 'batches{outcome="failed"}'
total = "batches"
by = ["force"]
target = 0.99
pages = true
least = 5
"""


def rules_of(folder: Path, text: str, **changed: Any) -> Rules:
    (folder / "slo.toml").write_text(text)
    return Rules(objectives_in(folder / "slo.toml"), alarms_in(DEPLOY / "alarms.toml"), **changed)


def expressions(groups: list[dict[str, Any]], key: str) -> dict[str, str]:
    return {rule[key]: rule["expr"] for group in groups for rule in group["rules"] if key in rule}


def test_a_budget_burns_over_two_windows(tmp_path):
    rules = rules_of(tmp_path, EVENTS)
    recorded = expressions(rules.of_objectives(), "record")
    assert recorded["gantry:objective_bad:ratio6h"] == (
        'sum by (force) (rate(batches{outcome="failed"}[6h])) / sum by (force) (rate(batches[6h]))'
    )
    group = rules.of_objectives()[1]["rules"]
    assert [(rule["alert"], rule["labels"]["severity"]) for rule in group] == [
        ("DoorFails", "page"),
        ("DoorFails", "ticket"),
    ]
    shares = re.findall(r"ratio(\w+)\{objective=\"door\"\} > ([\d.]+)", group[0]["expr"])
    assert shares == [("1h", "0.144"), ("5m", "0.144"), ("6h", "0.06"), ("30m", "0.06")]
    assert "and on (force) sum by (force) (increase(batches[1h])) >= 5" in group[0]["expr"]


def test_without_a_pager_all_burns_are_one_ticket(tmp_path):
    rules = rules_of(tmp_path, EVENTS.replace("pages = true", "pages = false"))
    (rule,) = rules.of_objectives()[1]["rules"]
    assert rule["labels"] == {"severity": "ticket", "objective": "door"}
    assert rule["expr"].count("\nor\n") == 3


def test_the_share_of_a_histogram_is_what_no_bucket_holds(tmp_path):
    text = EVENTS.replace('"events"', '"histogram"').replace('total = "batches"', "within = 1.0")
    text = re.sub(r"bad = .*", 'histogram = "h_seconds"', text)
    recorded = expressions(rules_of(tmp_path, text).of_objectives(), "record")
    assert recorded["gantry:objective_bad:ratio5m"] == (
        '1 - sum by (force) (rate(h_seconds_bucket{le="1.0"}[5m]))'
        " / sum by (force) (rate(h_seconds_count[5m]))"
    )


def test_moments_are_counted_from_what_is_true_now(tmp_path):
    text = EVENTS.replace('"events"', '"moments"').replace('total = "batches"\n', "")
    text = re.sub(r"bad = .*", "bad = 'lag > bool {5m}'", text)
    recorded = expressions(rules_of(tmp_path, text).of_objectives(), "record")
    assert recorded["gantry:objective_bad:now"] == "lag > bool 300"
    assert recorded["gantry:objective_bad:ratio1h"] == (
        'avg_over_time(gantry:objective_bad:now{objective="door"}[1h])'
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (('kind = "events"', 'kind = "event"'), "objective door: kind is 'event'; choose one of events"),
        (("target = 0.99", "target = 99"), "objective door: target is 99; it lies between 0 and 1"),
        (('total = "batches"\n', ""), "objective door: total is missing"),
        (("least = 5", "lest = 5"), "objective door: lest is not a field of this kind"),
    ],
)
def test_an_objective_that_means_nothing_is_refused_by_name(tmp_path, changed, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        rules_of(tmp_path, EVENTS.replace(*changed))


def test_a_scale_shortens_ranges_offsets_numbers_and_holds():
    scale = Scale(by=60, most_hold_seconds=5)
    written = 'rate(a{le="5m"}[5m] offset 1h) > {30m} and b{x="1d"} > 2'
    assert Scale(by=60, least_seconds=45).expression("a > {30m} or b > {1h}") == "a > 45 or b > 60"
    assert scale.expression(written) == 'rate(a{le="5m"}[5s] offset 60s) > 30 and b{x="1d"} > 2'
    assert [scale.hold(hold) for hold in ("1d", "2m", "1m", "0s")] == ["5s", "2s", "1s", "0s"]
    assert Scale().expression(written) == 'rate(a{le="5m"}[5m] offset 1h) > 1800 and b{x="1d"} > 2'
    assert Scale().hold("1d") == "1d"
    with pytest.raises(ValueError, match="'5 min' is no duration"):
        seconds("5 min")


def test_links_to_runbooks_begin_as_asked(tmp_path):
    rules = rules_of(tmp_path, EVENTS, runbooks="https://wiki.example/gantry")
    links = {
        rule["annotations"]["runbook_url"]
        for group in rules.of_alarms() + rules.of_objectives()
        for rule in group["rules"]
        if "alert" in rule
    }
    assert links == {f"https://wiki.example/gantry/{name}.md" for name in rules.names()}


def test_rules_are_read_back_as_they_were_written():
    yaml = pytest.importorskip("yaml")
    database = alarms_in(DEPLOY / "alarms-cloudnative-pg.toml")
    rules = Rules(objectives_in(DEPLOY / "slo.toml"), alarms_in(DEPLOY / "alarms.toml"), database=database)
    for groups in (rules.of_alarms(), rules.of_objectives(), rules.of_database()):
        assert yaml.safe_load(yaml_of({"groups": groups}, "about")) == {"groups": groups}
    odd = {"a": ["yes", 'it\'s "so"', "5m", "1", 'say "x"', "two\nlines"], "b": {"c": {}, "d": [], "e": 1.5}}
    assert yaml.safe_load(yaml_of(odd, "one\ntwo")) == odd
    resource = yaml.safe_load(derived(rules)["prometheusrule.yaml"])
    assert resource["spec"]["groups"] == rules.of_alarms() + rules.of_objectives()
    resource = yaml.safe_load(derived(rules)["cloudnative-pg/prometheusrule.yaml"])
    assert resource["spec"]["groups"] == rules.of_database()
    assert len(rules.of_database()[1]["rules"]) == len(database.alarms)


def test_what_is_committed_is_what_is_derived(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["slo", "--check"])
    assert command.main() == 0
    shutil.copytree(DEPLOY / "monitoring", tmp_path / "monitoring")
    changed = tmp_path / "monitoring" / "alarms.yml"
    changed.write_text(changed.read_text().replace("30", "31", 1))
    monkeypatch.setattr(sys, "argv", ["slo", "--check", "--into", str(tmp_path / "monitoring")])
    assert command.main() == 1
    assert f"{changed} is not what slo.toml and the files of alarms say" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["slo", "--into", str(tmp_path / "monitoring")])
    assert command.main() == 0
    assert changed.read_text() == (DEPLOY / "monitoring" / "alarms.yml").read_text()


def test_alarms_are_left_out_by_name(tmp_path, monkeypatch, capsys):
    asked = ["slo", "--into", str(tmp_path), "--without", "CanaryAway", "--without", "CanaryMissed"]
    monkeypatch.setattr(sys, "argv", [*asked, "--without", "DatabaseStandbyLags"])
    assert command.main() == 0
    assert "DatabaseStandbyLags" in (MONITORING / "cloudnative-pg.yml").read_text()
    assert "DatabaseStandbyLags" not in (tmp_path / "cloudnative-pg.yml").read_text()
    lines = [set((folder / "alarms.yml").read_text().splitlines()) for folder in (MONITORING, tmp_path)]
    assert {line.strip() for line in lines[0] - lines[1] if "alert:" in line} == {
        "- alert: CanaryAway",
        "- alert: CanaryMissed",
    }
    monkeypatch.setattr(sys, "argv", [*asked, "--without", "Canary"])
    assert command.main() == 2
    assert "there is no alarm Canary to leave out" in capsys.readouterr().err


@pytest.mark.parametrize(
    "board", sorted((DEPLOY / "monitoring" / "dashboards").iterdir()), ids=lambda f: f.stem
)
def test_panels_have_queries_and_do_not_overlap(board):
    content = json.loads(board.read_text())
    assert content["uid"] == board.stem
    places = [panel["gridPos"] for panel in content["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)
    for panel in content["panels"]:
        assert (panel["type"] == "row") == ("targets" not in panel)
        assert all(target["expr"] for target in panel.get("targets", ()))

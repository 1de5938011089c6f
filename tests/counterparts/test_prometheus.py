"""promtool accepts the rules, runs their tests, and accepts the queries of the dashboards."""

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.counterparts.programs import program, told
from tests.counterparts.prometheus import DEPLOY, HINT

HERE = Path(__file__).parent
MONITORING = DEPLOY / "monitoring"


@pytest.mark.parametrize("name", ["alarms", "cloudnative-pg", "objectives"])
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
    rules = [MONITORING / f"{name}.yml" for name in ("alarms", "cloudnative-pg", "objectives")]
    files = (*rules, tmp_path / "queries.yml")
    code, said = await told(program("promtool", HINT), "check", "rules", *map(str, files))
    assert (code, said.count("SUCCESS")) == (0, 4), said

"""All derived files, by their names below deploy/monitoring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from deploy.slo.dashboards import json_of
from deploy.slo.panels import forces_board, objectives_board, services_board
from deploy.slo.rules import Group, Rules
from deploy.slo.text import yaml_of

_ABOUT: Final = "Derived from deploy/alarms.toml and deploy/slo.toml by `make alarms`: change those."
_ABOUT_DATABASE: Final = "Derived from deploy/alarms-cloudnative-pg.toml by `make alarms`: change that."
_FOR_OPERATOR: Final = "\nThe same rules for the Prometheus operator on Kubernetes."


def derived(rules: Rules) -> dict[str, str]:
    """Name and text of each file."""
    alarms, objectives, database = rules.of_alarms(), rules.of_objectives(), rules.of_database()
    boards = (objectives_board(rules.objectives), services_board(), forces_board())
    return {
        "alarms.yml": yaml_of({"groups": alarms}, _ABOUT),
        "objectives.yml": yaml_of({"groups": objectives}, _ABOUT),
        "cloudnative-pg.yml": yaml_of({"groups": database}, _ABOUT_DATABASE),
        "prometheusrule.yaml": yaml_of(_resource("gantry", alarms + objectives), _ABOUT + _FOR_OPERATOR),
        "cloudnative-pg/prometheusrule.yaml": yaml_of(
            _resource("gantry-database", database), _ABOUT_DATABASE + _FOR_OPERATOR
        ),
        **{f"dashboards/{board.name}.json": json_of(board) for board in boards},
    }


def _resource(name: str, groups: Sequence[Group]) -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "gantry"}},
        "spec": {"groups": groups},
    }

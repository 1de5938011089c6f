"""All derived files, by their names below deploy/monitoring."""

from __future__ import annotations

from typing import Final

from deploy.slo.dashboards import json_of
from deploy.slo.panels import forces_board, objectives_board, services_board
from deploy.slo.rules import Rules
from deploy.slo.text import yaml_of

_ABOUT: Final = "Derived from deploy/alarms.toml and deploy/slo.toml by `make alarms`: change those."
_FOR_OPERATOR: Final = "\nThe same rules for the Prometheus operator on Kubernetes."


def derived(rules: Rules) -> dict[str, str]:
    """Name and text of each file."""
    alarms, objectives = rules.of_alarms(), rules.of_objectives()
    resource = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "gantry", "labels": {"app.kubernetes.io/part-of": "gantry"}},
        "spec": {"groups": alarms + objectives},
    }
    boards = (objectives_board(rules.objectives), services_board(), forces_board())
    return {
        "alarms.yml": yaml_of({"groups": alarms}, _ABOUT),
        "objectives.yml": yaml_of({"groups": objectives}, _ABOUT),
        "prometheusrule.yaml": yaml_of(resource, _ABOUT + _FOR_OPERATOR),
        **{f"dashboards/{board.name}.json": json_of(board) for board in boards},
    }

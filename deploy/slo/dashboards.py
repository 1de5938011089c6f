"""Dashboards as the JSON that Grafana imports. The data source is chosen in Grafana."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Any, Final

from deploy.slo.panels import Dashboard, Panel

_SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
_SCHEMA: Final = 39
_WIDTH: Final = 24
_HEIGHT: Final = 8


def json_of(dashboard: Dashboard) -> str:
    """The file of a dashboard."""
    content = {
        "uid": dashboard.name,
        "title": dashboard.title,
        "tags": ["gantry"],
        "schemaVersion": _SCHEMA,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "templating": {"list": [*_variables(dashboard)]},
        "panels": [*_panels(dashboard)],
    }
    return json.dumps(content, indent=2) + "\n"


def _variables(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    yield {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    if dashboard.by_force:
        yield {
            "name": "force",
            "label": "Force",
            "type": "query",
            "datasource": _SOURCE,
            "query": {"query": "label_values(gantry_store_position, force)", "refId": "force"},
            "refresh": 2,
            "includeAll": True,
            "multi": True,
            "current": {"text": "All", "value": "$__all"},
        }


def _panels(dashboard: Dashboard) -> Iterator[dict[str, Any]]:
    numbers, top = count(1), 0
    for row in dashboard.rows:
        place = {"x": 0, "y": top, "w": _WIDTH, "h": 1}
        yield {
            "id": next(numbers),
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": place,
            "panels": [],
        }
        top += 1
        across = 2 if len(row.panels) in {1, 2, 4} else 3
        for index, panel in enumerate(row.panels):
            width = _WIDTH // across
            place = {
                "x": index % across * width,
                "y": top + index // across * _HEIGHT,
                "w": width,
                "h": _HEIGHT,
            }
            yield _graph(next(numbers), panel, place)
        top += -(-len(row.panels) // across) * _HEIGHT


def _graph(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    lines = [
        {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
        for index, (expression, legend) in enumerate(panel.lines)
    ]
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": panel.least}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": lines,
    }

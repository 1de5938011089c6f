"""The collector's configuration fits together, and fits the spans and the pod."""

from typing import Any

import pytest
import yaml

from deploy.validate.build import OVERLAYS, objects_in
from deploy.validate.manifests import Pod
from services.match.names import SpanName

OBJECTS = list(objects_in((OVERLAYS / "hosted" / "collector.yaml").read_text(encoding="utf-8")))


@pytest.fixture
def configuration() -> Any:
    found = next(each for each in OBJECTS if each["kind"] == "ConfigMap")
    return yaml.safe_load(found["data"]["collector.yaml"])


def test_a_pipeline_names_parts_that_exist_and_all_are_used(configuration: Any) -> None:
    pipelines = configuration["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        assert {name for each in pipelines for name in each[kind]} == set(configuration[kind])
    assert set(configuration["service"]["extensions"]) == set(configuration["extensions"])


def test_traces_with_an_alert_are_kept(configuration: Any) -> None:
    policies = {each["name"]: each for each in configuration["processors"]["tail_sampling"]["policies"]}
    assert policies.keys() == {"errors", "slow", "alerts", "share"}
    assert policies["alerts"]["ottl_condition"]["span"] == [f'span.name == "{SpanName.MATCH_ALERT}"']


def test_it_listens_on_the_ports_of_its_pod(configuration: Any) -> None:
    pod = Pod(next(each for each in OBJECTS if each["kind"] == "Deployment"))
    reader = configuration["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]["prometheus"]
    assert pod.named_ports() == {
        "otlp": _port(configuration["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]),
        "health": _port(configuration["extensions"]["health_check"]["endpoint"]),
        "metrics": reader["port"],
    }


def _port(endpoint: str) -> int:
    return int(endpoint.rpartition(":")[2])

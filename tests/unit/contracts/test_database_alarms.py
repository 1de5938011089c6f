"""Alarms of CloudNativePG's database are about real metrics and the instances of the hosted overlay."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest

from deploy.validate.build import OVERLAYS, BuildError, built, objects_in
from tests.unit.contracts.test_alarms import MONITORING

# The labels of each metric that a rule may use. They are from CloudNativePG 1.28.4 (its default queries and
# its collector), the barman-cloud plugin and the kubelet. Look another metric up there before you add it.
_CLAIM: Final = frozenset({"namespace", "persistentvolumeclaim"})
_PLUGIN: Final = "barman_cloud_cloudnative_pg_io_"
METRICS: Final[dict[str, frozenset[str]]] = {
    "cnpg_pg_replication_in_recovery": frozenset(),
    "cnpg_pg_replication_lag": frozenset(),
    "cnpg_pg_stat_replication_flush_diff_bytes": frozenset(
        {"usename", "application_name", "client_addr", "client_port"}
    ),
    "cnpg_pg_stat_archiver_last_archived_time": frozenset(),
    "cnpg_pg_stat_archiver_last_failed_time": frozenset(),
    "cnpg_collector_pg_wal_archive_status": frozenset({"value"}),
    _PLUGIN + "last_available_backup_timestamp": frozenset(),
    _PLUGIN + "last_failed_backup_timestamp": frozenset(),
    "kubelet_volume_stats_available_bytes": _CLAIM,
    "kubelet_volume_stats_capacity_bytes": _CLAIM,
}
# Those that Prometheus gives to what a PodMonitor scrapes.
SCRAPED: Final = frozenset({"namespace", "pod"})
_SELECTOR: Final = re.compile(r"\b((?:cnpg|barman|kubelet)_\w+)\{([^}]*)\}")
_BY: Final = re.compile(r"\b(?:max|min|count) by \(([^)]*)\) \(\s*((?:cnpg|barman|kubelet)_\w+)")


def database_rules() -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml")
    groups = yaml.safe_load((MONITORING / "cloudnative-pg.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def database_alarms() -> list[dict[str, Any]]:
    return [rule for rule in database_rules() if "alert" in rule]


def cluster(file: str) -> Any:
    """The Cluster of a file of the hosted overlay."""
    found = objects_in((OVERLAYS / "hosted" / file).read_text(encoding="utf-8"))
    return next(each for each in found if each["kind"] == "Cluster")


def test_rules_are_about_metrics_and_labels_that_exist():
    used = set()
    recorded = {rule["record"] for rule in database_rules() if "record" in rule}
    for rule in database_rules():
        expression = rule["expr"]
        selected = _SELECTOR.findall(expression)
        assert len(selected) == len(re.findall(r"\b(?:cnpg|barman|kubelet)_\w+", expression)), rule
        assert selected or any(name in expression for name in recorded), rule
        for name, matchers in selected:
            used.add(name)
            assert set(re.findall(r'(\w+)!?=~?"', matchers)) <= METRICS[name] | SCRAPED, rule
        for by, name in _BY.findall(expression):
            assert {label.strip() for label in by.split(",")} <= METRICS[name] | SCRAPED, rule
    assert used == set(METRICS)


def test_rules_see_every_instance_and_not_the_search_copy():
    name, search = (cluster(file)["metadata"]["name"] for file in ("database.yaml", "search.yaml"))
    seen = 0
    for rule in database_rules():
        for metric, matchers in _SELECTOR.findall(rule["expr"]):
            wanted = dict(re.findall(r'(pod|persistentvolumeclaim|application_name)=~"([^"]*)"', matchers))
            assert ("persistentvolumeclaim" if metric.startswith("kubelet") else "pod") in wanted, rule
            for pattern in wanted.values():
                seen += 1
                assert all(re.fullmatch(pattern, f"{name}-{number}") for number in (1, 3, 12)), rule
                assert not re.fullmatch(pattern, f"{search}-1"), rule
            if metric.startswith("kubelet"):
                assert re.fullmatch(wanted["persistentvolumeclaim"], f"{name}-1-wal"), rule
    assert seen > 10
    assert cluster("database.yaml")["spec"]["walStorage"], "there is no volume of the log any more"


def test_the_ticket_expects_all_standbys_and_the_page_those_that_a_commit_waits_for():
    limits = {
        rule["labels"]["severity"]: int(rule["expr"].rpartition("<")[2])
        for rule in database_alarms()
        if rule["alert"] == "DatabaseStandbyMissing"
    }
    component = objects_in((OVERLAYS.parent / "components/cloudnative-pg/cluster.yaml").read_text())
    waits_for = next(iter(component))["spec"]["postgresql"]["synchronous"]["number"]
    standbys = cluster("database.yaml")["spec"]["instances"] - 1
    assert limits == {"page": waits_for, "ticket": standbys}


def test_the_hosted_overlay_alone_carries_them_and_its_pods_are_scraped():
    try:
        overlays = {each.name: built(each.name).objects for each in OVERLAYS.iterdir() if each.is_dir()}
    except BuildError as error:
        pytest.skip(str(error))
    carried = {
        name: each["spec"]["groups"]
        for name, objects in overlays.items()
        for each in objects
        if each["kind"] == "PrometheusRule" and each["metadata"]["name"] == "gantry-database"
    }
    assert list(carried) == ["hosted"]
    assert [rule for group in carried["hosted"] for rule in group["rules"]] == database_rules()
    scraped = [
        value
        for each in overlays["hosted"]
        if each["kind"] == "PodMonitor"
        for expression in each["spec"]["selector"].get("matchExpressions", ())
        if expression["key"] == "cnpg.io/cluster"
        for value in expression["values"]
    ]
    assert cluster("database.yaml")["metadata"]["name"] in scraped

"""The archiver of the overlay for one node: it shares PostgreSQL's socket, and the alarms hear of it."""

from pathlib import Path
from typing import Any

import yaml

from deploy.validate.build import KUBERNETES, OVERLAYS
from deploy.validate.manifests import Pod, selects

ONE_NODE = OVERLAYS / "onprem"
MONITOR = KUBERNETES.parent / "monitoring" / "podmonitor.yaml"
METRICS_POLICY = KUBERNETES / "components" / "outside" / "policies.yaml"


def objects(file: Path, kind: str) -> list[Any]:
    return [each for each in yaml.safe_load_all(file.read_text(encoding="utf-8")) if each["kind"] == kind]


def archiver() -> Pod:
    return Pod(objects(ONE_NODE / "archiver.yaml", "Deployment")[0])


def claim_at(pod: Pod, place: str) -> dict[str, Any]:
    """What of a volume is mounted at a place."""
    name = next(each["name"] for each in pod.containers[0]["volumeMounts"] if each["mountPath"] == place)
    found: dict[str, Any] = next(each for each in pod.volumes if each["name"] == name)
    return dict(found["persistentVolumeClaim"])


def test_both_pods_mount_one_folder_for_the_socket() -> None:
    """The archiver's is read-only as a whole: so the kubelet leaves the folder to PostgreSQL's group."""
    server = Pod(objects(ONE_NODE / "database.yaml", "StatefulSet")[0])
    place = "/var/run/postgresql"
    assert claim_at(archiver(), place) == {**claim_at(server, place), "readOnly": True}
    assert f"--host={place}" in archiver().containers[0]["args"]


def test_it_reads_the_pictures_where_the_store_puts_them() -> None:
    settings = objects(KUBERNETES / "components" / "images-volume" / "images.yaml", "ConfigMap")[0]["data"]
    place = settings["GANTRY_STORE__IMAGES"].removeprefix("file://")
    assert claim_at(archiver(), place) == {"claimName": "gantry-images", "readOnly": True}


def test_prometheus_finds_its_metrics_and_is_let_in() -> None:
    pod = archiver()
    monitor = objects(MONITOR, "PodMonitor")[0]["spec"]
    assert selects(monitor["selector"], pod.labels)
    port = pod.named_ports()[monitor["podMetricsEndpoints"][0]["port"]]
    policy = next(
        each["spec"]
        for each in objects(METRICS_POLICY, "NetworkPolicy")
        if each["metadata"]["name"] == "metrics"
    )
    assert selects(policy["podSelector"], pod.labels)
    assert {"protocol": "TCP", "port": port} in policy["ingress"][0]["ports"]
    assert f"--metrics-listen=0.0.0.0:{port}" in pod.containers[0]["args"]

"""apply.sh keeps the order, and shows what a failing pod said. A recording program stands for kubectl."""

import os
import subprocess
from pathlib import Path

import pytest

from deploy.validate.build import KUBERNETES

BUILT = """apiVersion: v1
kind: Namespace
metadata:
  name: gantry-here
---
apiVersion: postgresql.cnpg.io/v1
kind: Cluster
metadata:
  name: gantry-database
spec:
  imageName: postgresql.local/postgresql:17
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: store
spec:
  template:
    spec:
      containers:
      - image: gantry.local/store:unreleased
"""
KUBECTL = r"""#!/bin/bash
echo "$*" >> "$RECORD"
case "$*" in
    kustomize*) cat "$BUILT" ;;
    apply*) for last in "$@"; do :; done; cp "$last" "$RECORD.applied" ;;
    *"get job $FAILING "*) printf Failed ;;
    *"get job -l"*) printf 'ingest-migrate store-migrate' ;;
    *"get job "*) printf 'SuccessCriteriaMet Complete' ;;
    *"get pods -l"*) echo pod/of-job ;;
    *"logs pod/of-job"*) echo 'cannot start: 0003_x.sql was edited' ;;
    *"get deployment"*) echo deployment.apps/store ;;
    *"rollout status deployment/$FAILING "*) exit 1 ;;
esac
"""


class Cluster:
    """A folder with the program that stands for kubectl, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "kubectl").write_text(KUBECTL, encoding="utf-8")
        (folder / "kubectl").chmod(0o755)
        (folder / "built.yaml").write_text(BUILT, encoding="utf-8")

    def apply(
        self, *, failing: str = "-", overlay: str = "lab", postgres: str = "kubelab.local/postgresql:17"
    ) -> subprocess.CompletedProcess[str]:
        """Run apply.sh; the Job or Deployment `failing` does."""
        environment = {
            "PATH": os.environ["PATH"],
            "KUBECTL": str(self._folder / "kubectl"),
            "BUILT": str(self._folder / "built.yaml"),
            "RECORD": str(self._folder / "record"),
            "FAILING": failing,
            "REGISTRY": "registry.example:5000/anpr",
            "TAG": "v7",
            "GANTRY_POSTGRES_IMAGE": postgres,
        }
        return subprocess.run(
            [KUBERNETES / "apply.sh", overlay], env=environment, capture_output=True, check=False, text=True
        )

    @property
    def steps(self) -> list[str]:
        """What changed the cluster or was waited for, in order, in short."""
        calls = (self._folder / "record").read_text(encoding="utf-8").splitlines()
        return [short for call in calls if (short := _short(call))]

    @property
    def applied(self) -> str:
        """The manifests as they were applied."""
        return (self._folder / "record.applied").read_text(encoding="utf-8")


def _short(call: str) -> str:
    words = call.removeprefix("--namespace gantry-here ").split()
    if words[0] == "apply":
        return f"apply {call.partition(' -l ')[2].partition(' -f ')[0]}"
    if words[:2] in (
        ["wait", "--for=condition=Ready"],
        ["rollout", "status"],
        ["get", "job"],
        ["delete", "job"],
    ):
        return f"{words[0]} {words[2]}"
    return ""


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


ORDER = [
    "apply app.kubernetes.io/component notin (service, migration, simulator)",
    "wait cluster.postgresql.cnpg.io/gantry-database",
    "delete -l",
    "apply gantry/step=prepare",
    "get database-prepare",
    "apply gantry/step=migrate",
    "get -l",
    "get ingest-migrate",
    "get store-migrate",
    "apply app.kubernetes.io/component in (service, simulator)",
    "rollout deployment/store",
]


def test_database_then_migrations_then_services(cluster: Cluster) -> None:
    done = cluster.apply()
    assert (done.returncode, done.stderr) == (0, "")
    assert cluster.steps == ORDER
    assert "image: registry.example:5000/anpr/store:v7\n" in cluster.applied
    assert "imageName: kubelab.local/postgresql:17\n" in cluster.applied


def test_a_failed_migration_leaves_the_services_and_shows_its_log(cluster: Cluster) -> None:
    done = cluster.apply(failing="store-migrate")
    assert done.returncode == 1
    assert cluster.steps == ORDER[: ORDER.index("get store-migrate") + 1]
    assert "The Job store-migrate has not finished. Its pods say:\n" in done.stderr
    assert "cannot start: 0003_x.sql was edited\n" in done.stderr
    assert done.stderr.endswith("it starts the Job anew. The services were not changed.\n")


def test_a_deployment_that_does_not_roll_out_says_how_to_go_back(cluster: Cluster) -> None:
    done = cluster.apply(failing="store")
    assert done.returncode == 1
    assert "The Deployment store has not rolled out. Its pods say:\n" in done.stderr
    assert "`kubectl rollout undo deployment/store` goes back." in done.stderr


def test_an_unknown_overlay_is_named_with_those_that_exist(cluster: Cluster) -> None:
    done = cluster.apply(overlay="labb")
    assert done.returncode == 2
    assert done.stderr == "There is no overlay labb; there are: hosted lab onprem.\n"


def test_the_lab_asks_for_an_image_of_postgresql_before_it_changes_anything(cluster: Cluster) -> None:
    done = cluster.apply(postgres="")
    assert done.returncode == 2
    assert done.stderr.startswith("Set GANTRY_POSTGRES_IMAGE to an image of PostgreSQL for CloudNativePG")
    assert cluster.steps == []

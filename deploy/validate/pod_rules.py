"""Our own rules for the pods of an overlay. Each yields one sentence for each violation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from deploy.validate.manifests import Overlay, environment, selects, title

_SECRET_NAME: Final = re.compile(r"PASSWORD|SECRET|TOKEN|PRIVATE_KEY|ACCESS_KEY", re.IGNORECASE)
_OF_FILES: Final = re.compile(r"_(FILE|FOLDER|PATH)$", re.IGNORECASE)
DRAIN: Final = "GANTRY_GRPC__DRAIN_SECONDS"
_REST_OF_STOP: Final = 15.0
"""Seconds of a stop after calls have drained: background tasks 4, the pool 6 (the store), telemetry 5."""


def requests_and_limits(overlay: Overlay) -> Iterator[str]:
    """Every container asks for processor time and memory, and has a limit of both and of the node's disk."""
    for pod in overlay.pods():
        for container in pod.containers:
            resources = container.get("resources", {})
            for part, names in (
                ("requests", ("cpu", "memory")),
                ("limits", ("cpu", "memory", "ephemeral-storage")),
            ):
                for name in names:
                    if name not in resources.get(part, {}):
                        yield (
                            f"{pod.where}: container {container['name']} lacks resources.{part}.{name}; "
                            "set it"
                        )


def probes(overlay: Overlay) -> Iterator[str]:
    """Every container that serves says whether it lives and whether it is ready."""
    for pod in overlay.pods():
        for container in pod.spec.get("containers", []) if pod.is_served else []:
            for probe in ("livenessProbe", "readinessProbe"):
                if probe not in container:
                    yield f"{pod.where}: container {container['name']} has no {probe}; add one"


def budgets(overlay: Overlay) -> Iterator[str]:
    """Every Deployment and StatefulSet has a budget, and none blocks a drain for good."""
    for pod in overlay.pods():
        if pod.is_served and not any(
            selects(each["spec"]["selector"], pod.labels) for each in overlay.of("PodDisruptionBudget")
        ):
            yield f"{pod.where}: no PodDisruptionBudget selects its pods; add one"
    for budget in overlay.of("PodDisruptionBudget"):
        if budget["spec"].get("maxUnavailable") in (None, 0, "0%"):
            yield (
                f"{title(budget)}: it may block the drain of a node for good; set maxUnavailable to 1 or more"
            )


def images(overlay: Overlay) -> Iterator[str]:
    """Every image has a tag or a digest that stays."""
    for pod in overlay.pods():
        for container in pod.containers:
            name, _, tag = container["image"].rpartition("/")[2].partition(":")
            if "@" not in name and tag in ("", "latest"):
                yield (
                    f"{pod.where}: the image {container['image']} may change by itself; "
                    "name a tag or a digest"
                )


def no_secret_in_environment(overlay: Overlay) -> Iterator[str]:
    """Secrets are files: an environment shows in dumps, in child processes and in `kubectl describe`."""
    for pod in overlay.pods():
        for container in pod.containers:
            for said in _secrets_in(container):
                yield f"{pod.where}: container {container['name']} {said}; mount a Secret as a file instead"


def own_account(overlay: Overlay) -> Iterator[str]:
    """Every pod has a ServiceAccount of this overlay, and no token of it."""
    known = {each["metadata"]["name"]: each for each in overlay.of("ServiceAccount")}
    for pod in overlay.pods():
        name = pod.spec.get("serviceAccountName", "default")
        if name not in known:
            yield f"{pod.where}: the ServiceAccount {name} is not in the overlay; add it"
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield (
                f"{pod.where}: the token of its account is mounted; set automountServiceAccountToken to false"
            )
    for name, account in known.items():
        if account.get("automountServiceAccountToken") is not False:
            yield f"ServiceAccount {name}: its token is mounted; set automountServiceAccountToken to false"


def no_service_links(overlay: Overlay) -> Iterator[str]:
    """No variable for each Service of the namespace: one of them could look like a setting."""
    for pod in overlay.pods():
        if pod.spec.get("enableServiceLinks") is not False:
            yield f"{pod.where}: it gets variables of Services; set enableServiceLinks to false"


def read_only_root(overlay: Overlay) -> Iterator[str]:
    """Nothing can be written outside of volumes."""
    for pod in overlay.pods():
        for container in pod.containers:
            if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
                yield (
                    f"{pod.where}: container {container['name']} can write its image; "
                    "set readOnlyRootFilesystem"
                )


def grace(overlay: Overlay) -> Iterator[str]:
    """A pod is not killed while it stops: preStop, the drain of calls beside the callbacks, and the rest."""
    for pod in overlay.pods():
        given = pod.spec.get("terminationGracePeriodSeconds", 30)
        for container in pod.spec.get("containers", []):
            drain = environment(container).get(DRAIN)
            sleep = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            needed = 0.0 if drain is None else sleep + float(drain) + _REST_OF_STOP
            if given <= needed:
                yield (
                    f"{pod.where}: it gets {given} s to stop, and container {container['name']} may need "
                    f"{needed:g} s (preStop {sleep}, {DRAIN} {drain}); raise terminationGracePeriodSeconds"
                )


def surge(overlay: Overlay) -> Iterator[str]:
    """A rolling update starts the new pod before it stops the old one."""
    for each in overlay.of("Deployment"):
        strategy = each["spec"].get("strategy", {})
        rolls = strategy.get("type", "RollingUpdate") == "RollingUpdate"
        scaled = each["spec"].get("replicas") != 1 or _is_scaled(overlay, each)
        if rolls and scaled and strategy.get("rollingUpdate", {}).get("maxUnavailable") != 0:
            yield f"{title(each)}: a replica goes before its successor is ready; set maxUnavailable to 0"


def jobs(overlay: Overlay) -> Iterator[str]:
    """A Job can be repeated by a person, by Argo CD and by Flux, and goes away by itself."""
    for each in overlay.of("Job"):
        notes = each["metadata"].get("annotations", {})
        if notes.get("argocd.argoproj.io/hook-delete-policy") != "BeforeHookCreation":
            yield f"{title(each)}: Argo CD cannot run it again; set the hook-delete-policy BeforeHookCreation"
        if notes.get("kustomize.toolkit.fluxcd.io/force") != "Enabled":
            yield (
                f"{title(each)}: Flux cannot replace it; set the annotation kustomize.toolkit.fluxcd.io/force"
            )
        for name in ("ttlSecondsAfterFinished", "activeDeadlineSeconds", "backoffLimit"):
            if name not in each["spec"]:
                yield f"{title(each)}: it has no {name}; set it, so that it ends and goes away by itself"


def _is_scaled(overlay: Overlay, deployment: Mapping[str, Any]) -> bool:
    name = deployment["metadata"]["name"]
    return any(
        each["spec"]["scaleTargetRef"]["name"] == name for each in overlay.of("HorizontalPodAutoscaler")
    )


def _secrets_in(container: Mapping[str, Any]) -> Iterator[str]:
    for variable in container.get("env", []):
        if "secretKeyRef" in variable.get("valueFrom", {}):
            yield f"takes {variable['name']} from a Secret"
        elif _SECRET_NAME.search(variable["name"]) and not _OF_FILES.search(variable["name"]):
            yield f"has the variable {variable['name']}"
    for source in container.get("envFrom", []):
        if "secretRef" in source:
            yield f"takes variables from the Secret {source['secretRef']['name']}"

"""What the rules look at: the objects of one overlay, and the pods that they make."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Object = Mapping[str, Any]

WORKLOADS: Final = ("Deployment", "StatefulSet", "Job")
SERVED: Final = ("Deployment", "StatefulSet")


@dataclass(frozen=True)
class Outside:
    """What an overlay uses and does not define: made by people, by other programs, or in other namespaces.

    `secrets` and `config_maps` map a name to its keys; `labels` are KEY=VALUE of pods or namespaces.
    """

    secrets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    config_maps: Mapping[str, Sequence[str]] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Overlay:
    """The objects of an overlay as kustomize builds them."""

    name: str
    objects: Sequence[Object]
    outside: Outside = Outside()

    def of(self, *kinds: str) -> Iterator[Object]:
        """The objects of these kinds."""
        return (each for each in self.objects if each["kind"] in kinds)

    def pods(self) -> Iterator[Pod]:
        """A pod for each Deployment, StatefulSet and Job."""
        return (Pod(each) for each in self.of(*WORKLOADS))


@dataclass(frozen=True)
class Pod:
    """The pod that a workload makes."""

    workload: Object

    @property
    def where(self) -> str:
        """For sentences: kind and name of the workload."""
        return title(self.workload)

    @property
    def is_served(self) -> bool:
        """Whether it runs on, rather than ends when its work is done."""
        return self.workload["kind"] in SERVED

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of the pod."""
        return dict(self.workload["spec"]["template"].get("metadata", {}).get("labels", {}))

    @property
    def spec(self) -> Mapping[str, Any]:
        """The pod's spec."""
        found: Mapping[str, Any] = self.workload["spec"]["template"]["spec"]
        return found

    @property
    def containers(self) -> Sequence[Mapping[str, Any]]:
        """All containers, those for the start included."""
        return [*self.spec.get("initContainers", []), *self.spec.get("containers", [])]

    @property
    def volumes(self) -> Sequence[Mapping[str, Any]]:
        """The volumes."""
        return list(self.spec.get("volumes", []))

    def named_ports(self) -> dict[str, int]:
        """The ports of the containers by name."""
        ports = (port for each in self.containers for port in each.get("ports", []))
        return {port.get("name", ""): port["containerPort"] for port in ports}


def title(thing: Object) -> str:
    """Kind and name."""
    return f"{thing['kind']} {thing['metadata']['name']}"


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector (matchLabels, matchExpressions with In and Exists) takes these labels."""
    if selector is None:
        return False
    wanted: Mapping[str, str] = selector.get("matchLabels", {})
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_expressed(each, labels) for each in selector.get("matchExpressions", []))


def environment(container: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of a container that have a value in the manifest."""
    return {each["name"]: each.get("value") for each in container.get("env", [])}


def _expressed(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    key, operator = str(expression["key"]), expression["operator"]
    if operator == "In":
        return labels.get(key) in expression["values"]
    if operator == "NotIn":
        return labels.get(key) not in expression["values"]
    return (key in labels) is (operator == "Exists")

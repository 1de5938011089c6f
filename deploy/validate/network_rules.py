"""Our own rules for Services and NetworkPolicies. Each yields one sentence for each violation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final

from deploy.validate.manifests import Object, Overlay, Pod, selects, title

DATABASE: Final[Mapping[str, str]] = {"app.kubernetes.io/component": "database"}
"""The label that CloudNativePG gives to the pods of its clusters, which no object of an overlay has."""
THE_DATABASE: Final = "the database"


def closed_by_default(overlay: Overlay) -> Iterator[str]:
    """One policy selects every pod of the namespace and lets nobody in."""
    for policy in overlay.of("NetworkPolicy"):
        spec = policy["spec"]
        both = {"Ingress", "Egress"} <= set(spec.get("policyTypes", []))
        if spec["podSelector"] == {} and both and not spec.get("ingress"):
            return
    yield (
        "no NetworkPolicy closes the namespace; "
        "add one with an empty podSelector, both policyTypes and no ingress"
    )


def every_pod_has_a_policy(overlay: Overlay) -> Iterator[str]:
    """A policy beside the closed one says what each pod may do, in both directions."""
    for pod in overlay.pods():
        for direction in ("Ingress", "Egress"):
            if not any(
                direction in each["spec"].get("policyTypes", [])
                for each in overlay.of("NetworkPolicy")
                if each["spec"]["podSelector"] != {} and selects(each["spec"]["podSelector"], pod.labels)
            ):
                yield (
                    f"{pod.where}: no NetworkPolicy says anything of its {direction}; "
                    "add one that selects its pods"
                )


def peers_exist(overlay: Overlay) -> Iterator[str]:
    """Every pod that a policy names is in the overlay or is declared, and so is every namespace."""
    for policy in overlay.of("NetworkPolicy"):
        for peer in _peers(policy):
            inside = "namespaceSelector" not in peer
            if inside and "podSelector" in peer and not _is_known(overlay, peer["podSelector"]):
                yield (
                    f"{title(policy)}: no pod has the labels {_labels(peer['podSelector'])}; "
                    "correct or declare them"
                )
            if not inside and not _declared(overlay, peer["namespaceSelector"]):
                yield (
                    f"{title(policy)}: the namespace's labels {_labels(peer['namespaceSelector'])} "
                    "are not declared; correct them, or declare them in deploy/validate/outside.toml"
                )


def selects_pods(overlay: Overlay) -> Iterator[str]:
    """Every policy, Service and budget selects a pod."""
    for each in overlay.of("NetworkPolicy", "PodDisruptionBudget"):
        selector = each["spec"].get("podSelector", each["spec"].get("selector"))
        if not _is_known(overlay, selector):
            yield f"{title(each)}: no pod has the labels {_labels(selector)}; correct the selector"
    for service in overlay.of("Service"):
        if not _pods_of(overlay, service):
            yield (
                f"{title(service)}: no pod has the labels {service['spec'].get('selector')}; "
                "correct the selector"
            )


def service_ports(overlay: Overlay) -> Iterator[str]:
    """Every port of a Service has a name and leads to a named port of its pods."""
    for service in overlay.of("Service"):
        for port in service["spec"].get("ports", []):
            if "name" not in port:
                yield f"{title(service)}: port {port['port']} has no name; give it one"
            target = port.get("targetPort", port["port"])
            for pod in _pods_of(overlay, service):
                if target not in pod.named_ports() and target not in pod.named_ports().values():
                    yield (
                        f"{title(service)}: {pod.where} has no port {target}; "
                        "add it to a container, or correct it"
                    )


def policy_ports(overlay: Overlay) -> Iterator[str]:
    """Every port that a policy opens is one on which its pods listen."""
    for policy in overlay.of("NetworkPolicy"):
        selected = [pod for pod in overlay.pods() if selects(policy["spec"]["podSelector"], pod.labels)]
        for rule in policy["spec"].get("ingress") or []:
            for port in rule.get("ports", []):
                listening = {number for pod in selected for number in pod.named_ports().values()}
                if selected and port["port"] not in listening:
                    yield (
                        f"{title(policy)}: none of its pods listens on {port['port']}; "
                        "correct the port or remove it"
                    )


def two_sided(overlay: Overlay) -> Iterator[str]:
    """A call between pods that the caller may make is one that the callee takes, and the other way round."""
    out, into = calls(overlay, "egress"), calls(overlay, "ingress")
    for caller, callee, port in sorted(out - into):
        if callee == THE_DATABASE and not _is_selected(overlay, DATABASE):
            continue  # the base has no database, and so no policy for it
        yield (
            f"{caller} may call {callee} on {port}, and no NetworkPolicy of {callee} lets it in; "
            "add it to the ingress there, or remove it here"
        )
    for caller, callee, port in sorted(into - out):
        yield (
            f"{callee} lets {caller} in on {port}, and no NetworkPolicy of {caller} lets it out; "
            "add it to the egress there, or remove it here"
        )


def _is_selected(overlay: Overlay, labels: Mapping[str, str]) -> bool:
    selectors = (policy["spec"]["podSelector"] for policy in overlay.of("NetworkPolicy"))
    return any(selector != {} and selects(selector, labels) for selector in selectors)


def calls(overlay: Overlay, direction: str) -> set[tuple[str, str, int]]:
    """Caller, callee and port of the calls between pods of the overlay that one direction's rules allow."""
    pods = {pod.where: pod.labels for pod in overlay.pods()} | {THE_DATABASE: DATABASE}
    near, far = ("to", "from")[direction == "ingress"], direction == "ingress"
    found = set()
    for policy in overlay.of("NetworkPolicy"):
        own = [name for name, labels in pods.items() if selects(policy["spec"]["podSelector"], labels)]
        for rule in policy["spec"].get(direction) or []:
            others = [name for name, labels in pods.items() if _names(rule.get(near, []), labels)]
            for one, other, port in product(own, others, rule.get("ports", [])):
                found.add((other, one, port["port"]) if far else (one, other, port["port"]))
    return found


def _names(peers: Sequence[Mapping[str, Any]], labels: Mapping[str, str]) -> bool:
    return any("namespaceSelector" not in peer and selects(peer.get("podSelector"), labels) for peer in peers)


def _peers(policy: Object) -> Iterator[Mapping[str, Any]]:
    for rule in policy["spec"].get("ingress") or []:
        yield from rule.get("from", [])
    for rule in policy["spec"].get("egress") or []:
        yield from rule.get("to", [])


def _is_known(overlay: Overlay, selector: Mapping[str, Any]) -> bool:
    if any(selects(selector, pod.labels) for pod in overlay.pods()):
        return True
    if any(True for _ in overlay.of("Cluster")) and selects(selector, DATABASE):
        return True
    return _declared(overlay, selector)


def _declared(overlay: Overlay, selector: Mapping[str, Any]) -> bool:
    labels = selector.get("matchLabels", {})
    return bool(labels) and all(f"{key}={value}" in overlay.outside.labels for key, value in labels.items())


def _pods_of(overlay: Overlay, service: Object) -> list[Pod]:
    selector = {"matchLabels": service["spec"].get("selector") or {"": ""}}
    return [pod for pod in overlay.pods() if selects(selector, pod.labels)]


def _labels(selector: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in selector.get("matchLabels", {}).items()) or str(
        selector
    )

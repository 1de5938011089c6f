"""Our own rules for what objects refer to, and for what they must not say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from deploy.validate.manifests import Object, Overlay, Pod, environment, title

POOL: Final = "GANTRY_DATABASE__POOL_SIZE"
SESSIONS: Final = "SESSIONS"
_OWNERS: Final = 4 * 4
_RESERVED: Final = 24
"""Sessions for the superuser, replication and the operator of the database."""
_ANY_KEY: Final = "*"
_TLS_KEYS: Final = ("tls.crt", "tls.key", "ca.crt")

FORCES: Final = (
    "avon", "bedfordshire", "cambridgeshire", "cheshire", "cleveland", "cumbria", "derbyshire", "devon",
    "dorset", "durham", "dyfed", "essex", "gloucestershire", "gwent", "hampshire", "hertfordshire",
    "humberside", "kent", "lancashire", "leicestershire", "lincolnshire", "merseyside", "metropolitan",
    "norfolk", "northamptonshire", "northumbria", "nottinghamshire", "powys", "somerset", "staffordshire",
    "suffolk", "surrey", "sussex", "warwickshire", "westmercia", "west-mercia", "west-midlands",
    "wiltshire", "yorkshire",
)  # fmt: skip
"""Names of which a code may be made; the rule looks for whole words."""
_FORCE: Final = re.compile(rf"(?<![a-z])({'|'.join(FORCES)})(?![a-z])", re.IGNORECASE)


def secrets_and_config_maps(overlay: Overlay) -> Iterator[str]:
    """Every Secret and ConfigMap that a pod uses, with its keys, is in the overlay or declared."""
    known = {"Secret": _secrets(overlay), "ConfigMap": _config_maps(overlay)}
    for pod in overlay.pods():
        for kind, name, keys in _used(pod):
            found = known[kind].get(name)
            if found is None:
                yield (
                    f"{pod.where}: the {kind} {name} is not in the overlay; add it, or declare it in "
                    "deploy/validate/outside.toml"
                )
            elif _ANY_KEY not in found:
                for key in sorted(set(keys) - set(found)):
                    yield (
                        f"{pod.where}: the {kind} {name} has no key {key}; known: {', '.join(sorted(found))}"
                    )


def claims(overlay: Overlay) -> Iterator[str]:
    """Every volume that a pod claims is in the overlay."""
    known = {each["metadata"]["name"] for each in overlay.of("PersistentVolumeClaim")}
    for pod in overlay.pods():
        for volume in pod.volumes:
            name = volume.get("persistentVolumeClaim", {}).get("claimName")
            if name is not None and name not in known:
                yield f"{pod.where}: the PersistentVolumeClaim {name} is not in the overlay; add it"


def scaled_things_exist(overlay: Overlay) -> Iterator[str]:
    """An autoscaler has a Deployment, which leaves the number of replicas to it."""
    deployments = {each["metadata"]["name"]: each for each in overlay.of("Deployment")}
    for scaler in overlay.of("HorizontalPodAutoscaler"):
        target = deployments.get(scaler["spec"]["scaleTargetRef"]["name"])
        if target is None:
            yield f"{title(scaler)}: there is no Deployment of that name; correct scaleTargetRef"
        elif "replicas" in target["spec"]:
            yield f"{title(target)}: it sets replicas, and so does its autoscaler; remove one of them"


def connections(overlay: Overlay) -> Iterator[str]:
    """The pools fit into the limit of a role in a rolling update, and the roles into max_connections."""
    allowed = _sessions(overlay)
    for each in overlay.of("Deployment"):
        pool = environment(Pod(each).containers[0]).get(POOL)
        most = _most_replicas(overlay, each)
        if pool is not None and allowed is not None and 2 * most * int(pool) > allowed:
            yield (
                f"{title(each)}: 2 x {most} replicas x {pool} connections are more than the {allowed} "
                f"sessions of its role; raise {SESSIONS} of the Job database-prepare and max_connections, "
                f"or lower {POOL}"
            )
    for name, most in _max_connections(overlay):
        needed = 4 * (allowed or 0) + _OWNERS + _RESERVED
        if needed > most:
            yield f"{name}: max_connections is {most}, and the roles may take {needed}; raise it"


def identities(overlay: Overlay) -> Iterator[str]:
    """The certificate of a service holds its identity and the name by which it is called."""
    for each in overlay.of("Certificate"):
        name = each["metadata"]["name"]
        if not any(deployment["metadata"]["name"] == name for deployment in overlay.of("Deployment")):
            continue
        identity = f"gantry://service/{name.replace('-', '_')}"
        if each["spec"].get("uris") != [identity]:
            yield f"{title(each)}: uris should be [{identity}], by which the access rules know the service"
        if name not in each["spec"].get("dnsNames", []):
            yield f"{title(each)}: dnsNames lacks {name}, by which the others call it; add it"


def names_no_force(overlay: Overlay) -> Iterator[str]:
    """A force is a row of the database: no manifest changes when one is added."""
    for each in overlay.objects:
        for text in _texts(each):
            if found := _FORCE.search(text):
                yield (
                    f"{title(each)}: it names the force {found.group(1).lower()}; "
                    "a force is a row, so remove it"
                )


def namespace_is_restricted(overlay: Overlay) -> Iterator[str]:
    """The namespace makes the API server refuse pods that are not `restricted`."""
    for each in overlay.of("Namespace"):
        if each["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"{title(each)}: label it pod-security.kubernetes.io/enforce: restricted"


def _secrets(overlay: Overlay) -> dict[str, Sequence[str]]:
    found: dict[str, Sequence[str]] = dict(overlay.outside.secrets)
    for each in overlay.of("Certificate"):
        found[each["spec"]["secretName"]] = _TLS_KEYS
    for each in overlay.of("ExternalSecret"):
        found[each["spec"]["target"]["name"]] = _external_keys(each)
    for each in overlay.of("Cluster"):
        found[f"{each['metadata']['name']}-ca"] = ("ca.crt", "ca.key")
    for each in overlay.of("Secret"):
        found[each["metadata"]["name"]] = [*each.get("data", {}), *each.get("stringData", {})]
    return found


def _external_keys(external: Object) -> Sequence[str]:
    spec = external["spec"]
    if spec.get("dataFrom"):
        return (_ANY_KEY,)
    template = spec["target"].get("template", {}).get("data", {})
    return [*template] if template else [each["secretKey"] for each in spec.get("data", [])]


def _config_maps(overlay: Overlay) -> dict[str, Sequence[str]]:
    own = {each["metadata"]["name"]: [*each.get("data", {})] for each in overlay.of("ConfigMap")}
    return {**overlay.outside.config_maps, **own}


def _used(pod: Pod) -> Iterator[tuple[str, str, Sequence[str]]]:
    for volume in pod.volumes:
        for source in [volume, *volume.get("projected", {}).get("sources", [])]:
            yield from _used_by_volume(source)
    for container in pod.containers:
        for each in container.get("envFrom", []):
            if "configMapRef" in each:
                yield "ConfigMap", each["configMapRef"]["name"], ()
        for each in container.get("env", []):
            if reference := each.get("valueFrom", {}).get("configMapKeyRef"):
                yield "ConfigMap", reference["name"], (reference["key"],)


def _used_by_volume(source: Mapping[str, Any]) -> Iterator[tuple[str, str, Sequence[str]]]:
    for kind, field in (("Secret", "secret"), ("ConfigMap", "configMap")):
        part = source.get(field)
        if part is not None and not part.get("optional"):
            name = part.get("secretName") or part.get("name")
            yield kind, name, [item["key"] for item in part.get("items", [])]


def _sessions(overlay: Overlay) -> int | None:
    for pod in overlay.pods():
        for container in pod.containers:
            if (given := environment(container).get(SESSIONS)) is not None:
                return int(given)
    return None


def _most_replicas(overlay: Overlay, deployment: Object) -> int:
    for scaler in overlay.of("HorizontalPodAutoscaler"):
        if scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]:
            return int(scaler["spec"]["maxReplicas"])
    return int(deployment["spec"].get("replicas", 1))


def _max_connections(overlay: Overlay) -> Iterator[tuple[str, int]]:
    for each in overlay.of("Cluster"):
        given = each["spec"].get("postgresql", {}).get("parameters", {}).get("max_connections", 100)
        yield title(each), int(given)
    for each in overlay.of("ConfigMap"):
        for text in each.get("data", {}).values():
            if given := re.search(r"^max_connections = '(\d+)'", text, re.MULTILINE):
                yield title(each), int(given.group(1))


def _texts(thing: Any) -> Iterator[str]:
    if isinstance(thing, str):
        yield thing
    elif isinstance(thing, Mapping):
        for key, each in thing.items():
            yield str(key)
            yield from _texts(each)
    elif isinstance(thing, list):
        for each in thing:
            yield from _texts(each)

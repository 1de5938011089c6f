"""Each rule passes the manifests as they are, and refuses one in which somebody broke what it is about."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from deploy.validate import network_rules, pod_rules, reference_rules
from deploy.validate.build import base_files
from deploy.validate.manifests import Outside, Overlay
from deploy.validate.rules import RULES, Rule, problems
from deploy.validate.schema_rules import schemas

BASE = base_files()
Change = Callable[["Manifests"], None]


class Manifests:
    """A copy of the base that a test may break."""

    def __init__(self) -> None:
        self.objects: list[Any] = copy.deepcopy(list(BASE.objects))
        self.outside = BASE.outside

    def of(self, kind: str, name: str = "store") -> Any:
        """The object of this kind and name."""
        return next(
            each for each in self.objects if each["kind"] == kind and each["metadata"]["name"] == name
        )

    def pod(self, kind: str = "Deployment", name: str = "store") -> Any:
        """The spec of its pods."""
        return self.of(kind, name)["spec"]["template"]["spec"]

    def container(self, kind: str = "Deployment", name: str = "store") -> Any:
        """The container of its pods."""
        return self.pod(kind, name)["containers"][0]

    def source_of_roles(self) -> Any:
        """The first Secret from which the folder of passwords is made."""
        roles = self.pod("Job", "database-prepare")["volumes"][1]
        return roles["projected"]["sources"][0]["secret"]

    def remove(self, kind: str, name: str = "store") -> None:
        """Leave an object out."""
        self.objects.remove(self.of(kind, name))

    def set_variable(self, name: str, value: str, *, kind: str = "Deployment", of: str = "store") -> None:
        """Change or add a variable."""
        env = self.container(kind, of)["env"]
        env[:] = [each for each in env if each["name"] != name] + [{"name": name, "value": value}]

    def overlay(self) -> Overlay:
        """What the rules see."""
        return Overlay("broken", self.objects, self.outside)


def test_the_files_of_the_base_have_no_problem() -> None:
    assert list(problems(BASE)) == []


CASES: list[tuple[Rule, Change, str]] = [
    (
        schemas,
        lambda m: m.container().update(livenesProbe={}),
        (
            "Deployment store: spec.template.spec.containers.0 does not fit Kubernetes 1.34: "
            "Additional properties are not allowed ('livenesProbe' was unexpected)"
        ),
    ),
    (
        schemas,
        lambda m: m.of("HorizontalPodAutoscaler").update(apiVersion="autoscaling/v9"),
        (
            "HorizontalPodAutoscaler store: there is no schema for autoscaling/v9; add its module to "
            "deploy/validate/derive_schemas.py and run it"
        ),
    ),
    (
        pod_rules.requests_and_limits,
        lambda m: m.container()["resources"]["limits"].pop("memory"),
        "Deployment store: container store lacks resources.limits.memory; set it",
    ),
    (
        pod_rules.requests_and_limits,
        lambda m: m.container("Job", "store-migrate").pop("resources"),
        "Job store-migrate: container migrate lacks resources.requests.cpu; set it",
    ),
    (
        pod_rules.probes,
        lambda m: m.container().pop("readinessProbe"),
        "Deployment store: container store has no readinessProbe; add one",
    ),
    (
        pod_rules.budgets,
        lambda m: m.remove("PodDisruptionBudget"),
        "Deployment store: no PodDisruptionBudget selects its pods; add one",
    ),
    (
        pod_rules.budgets,
        lambda m: m.of("PodDisruptionBudget")["spec"].update(maxUnavailable=0),
        (
            "PodDisruptionBudget store: it may block the drain of a node for good; "
            "set maxUnavailable to 1 or more"
        ),
    ),
    (
        pod_rules.images,
        lambda m: m.container().update(image="registry.example:5000/gantry/store"),
        (
            "Deployment store: the image registry.example:5000/gantry/store may change by itself; "
            "name a tag or a digest"
        ),
    ),
    (
        pod_rules.images,
        lambda m: m.container().update(image="store:latest"),
        "Deployment store: the image store:latest may change by itself; name a tag or a digest",
    ),
    (
        pod_rules.no_secret_in_environment,
        lambda m: m.set_variable("AWS_SECRET_ACCESS_KEY", "x"),
        (
            "Deployment store: container store has the variable AWS_SECRET_ACCESS_KEY; "
            "mount a Secret as a file instead"
        ),
    ),
    (
        pod_rules.no_secret_in_environment,
        lambda m: m.container()["envFrom"].append({"secretRef": {"name": "s3"}}),
        (
            "Deployment store: container store takes variables from the Secret s3; "
            "mount a Secret as a file instead"
        ),
    ),
    (
        pod_rules.no_secret_in_environment,
        lambda m: m.container()["env"].append(
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s3", "key": "key"}}}
        ),
        "Deployment store: container store takes KEY from a Secret; mount a Secret as a file instead",
    ),
    (
        pod_rules.own_account,
        lambda m: m.remove("ServiceAccount"),
        "Deployment store: the ServiceAccount store is not in the overlay; add it",
    ),
    (
        pod_rules.own_account,
        lambda m: m.pod().pop("automountServiceAccountToken"),
        "Deployment store: the token of its account is mounted; set automountServiceAccountToken to false",
    ),
    (
        pod_rules.own_account,
        lambda m: m.of("ServiceAccount").pop("automountServiceAccountToken"),
        "ServiceAccount store: its token is mounted; set automountServiceAccountToken to false",
    ),
    (
        pod_rules.no_service_links,
        lambda m: m.pod().pop("enableServiceLinks"),
        "Deployment store: it gets variables of Services; set enableServiceLinks to false",
    ),
    (
        pod_rules.read_only_root,
        lambda m: m.container()["securityContext"].pop("readOnlyRootFilesystem"),
        "Deployment store: container store can write its image; set readOnlyRootFilesystem",
    ),
    (
        pod_rules.grace,
        lambda m: m.set_variable("GANTRY_GRPC__DRAIN_SECONDS", "40"),
        (
            "Deployment store: it gets 60 s to stop, and container store may need 60 s (preStop 5, "
            "GANTRY_GRPC__DRAIN_SECONDS 40); raise terminationGracePeriodSeconds"
        ),
    ),
    (
        pod_rules.surge,
        lambda m: m.of("Deployment")["spec"]["strategy"]["rollingUpdate"].update(maxUnavailable=1),
        "Deployment store: a replica goes before its successor is ready; set maxUnavailable to 0",
    ),
    (
        pod_rules.jobs,
        lambda m: m.of("Job", "store-migrate")["metadata"].pop("annotations"),
        "Job store-migrate: Flux cannot replace it; set the annotation kustomize.toolkit.fluxcd.io/force",
    ),
    (
        pod_rules.jobs,
        lambda m: m.of("Job", "store-migrate")["spec"].pop("ttlSecondsAfterFinished"),
        (
            "Job store-migrate: it has no ttlSecondsAfterFinished; "
            "set it, so that it ends and goes away by itself"
        ),
    ),
    (
        network_rules.closed_by_default,
        lambda m: m.of("NetworkPolicy", "default")["spec"].update(policyTypes=["Ingress"]),
        (
            "no NetworkPolicy closes the namespace; "
            "add one with an empty podSelector, both policyTypes and no ingress"
        ),
    ),
    (
        network_rules.every_pod_has_a_policy,
        lambda m: m.of("NetworkPolicy")["spec"].update(policyTypes=["Ingress"]),
        "Deployment store: no NetworkPolicy says anything of its Egress; add one that selects its pods",
    ),
    (
        network_rules.peers_exist,
        lambda m: m.of("NetworkPolicy")["spec"]["ingress"][0]["from"].append(
            {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "nas_bridge"}}}
        ),
        (
            "NetworkPolicy store: no pod has the labels app.kubernetes.io/name=nas_bridge; "
            "correct or declare them"
        ),
    ),
    (
        network_rules.peers_exist,
        lambda m: m.of("NetworkPolicy")["spec"]["ingress"][0]["from"].append(
            {"namespaceSelector": {"matchLabels": {"team": "other"}}}
        ),
        (
            "NetworkPolicy store: the namespace's labels team=other are not declared; "
            "correct them, or declare them in "
            "deploy/validate/outside.toml"
        ),
    ),
    (
        network_rules.selects_pods,
        lambda m: m.of("Service")["spec"].update(selector={"app.kubernetes.io/name": "stor"}),
        "Service store: no pod has the labels {'app.kubernetes.io/name': 'stor'}; correct the selector",
    ),
    (
        network_rules.selects_pods,
        lambda m: m.of("PodDisruptionBudget")["spec"].update(selector={"matchLabels": {"name": "store"}}),
        "PodDisruptionBudget store: no pod has the labels name=store; correct the selector",
    ),
    (
        network_rules.service_ports,
        lambda m: m.of("Service")["spec"]["ports"][0].update(targetPort="rpc"),
        "Service store: Deployment store has no port rpc; add it to a container, or correct it",
    ),
    (
        network_rules.service_ports,
        lambda m: m.of("Service")["spec"]["ports"][0].pop("name"),
        "Service store: port 7000 has no name; give it one",
    ),
    (
        network_rules.policy_ports,
        lambda m: m.of("NetworkPolicy")["spec"]["ingress"][0]["ports"][0].update(port=7700),
        "NetworkPolicy store: none of its pods listens on 7700; correct the port or remove it",
    ),
    (
        network_rules.two_sided,
        lambda m: m.of("NetworkPolicy", "ingest")["spec"].update(ingress=[]),
        (
            "Deployment match may call Deployment ingest on 7000, and no NetworkPolicy of "
            "Deployment ingest lets "
            "it in; add it to the ingress there, or remove it here"
        ),
    ),
    (
        network_rules.two_sided,
        lambda m: m.of("NetworkPolicy", "match")["spec"]["egress"].pop(0),
        (
            "Deployment store lets Deployment match in on 7000, and no NetworkPolicy of "
            "Deployment match lets it "
            "out; add it to the egress there, or remove it here"
        ),
    ),
    (
        reference_rules.identities,
        lambda m: m.objects.append(certificate("gantry://service/nas-bridge", "nas-bridge")),
        (
            "Certificate nas-bridge: uris should be [gantry://service/nas_bridge], by which "
            "the access rules know "
            "the service"
        ),
    ),
    (
        reference_rules.identities,
        lambda m: m.objects.append(certificate("gantry://service/nas_bridge", "bridge.gantry.svc")),
        "Certificate nas-bridge: dnsNames lacks nas-bridge, by which the others call it; add it",
    ),
    (
        reference_rules.secrets_and_config_maps,
        lambda m: m.remove("ConfigMap", "gantry-database"),
        (
            "Deployment store: the ConfigMap gantry-database is not in the overlay; add it, or declare it in "
            "deploy/validate/outside.toml"
        ),
    ),
    (
        reference_rules.secrets_and_config_maps,
        lambda m: m.pod()["volumes"][1]["secret"]["items"][0].update(key="passwort"),
        "Deployment store: the Secret store-database has no key passwort; known: password",
    ),
    (
        reference_rules.secrets_and_config_maps,
        lambda m: m.source_of_roles().update(name="shop-database"),
        (
            "Job database-prepare: the Secret shop-database is not in the overlay; add it, or declare it in "
            "deploy/validate/outside.toml"
        ),
    ),
    (
        reference_rules.claims,
        lambda m: m.pod()["volumes"].append(
            {"name": "images", "persistentVolumeClaim": {"claimName": "gantry-images"}}
        ),
        "Deployment store: the PersistentVolumeClaim gantry-images is not in the overlay; add it",
    ),
    (
        reference_rules.scaled_things_exist,
        lambda m: m.of("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"].update(name="shop"),
        "HorizontalPodAutoscaler store: there is no Deployment of that name; correct scaleTargetRef",
    ),
    (
        reference_rules.scaled_things_exist,
        lambda m: m.of("Deployment")["spec"].update(replicas=2),
        "Deployment store: it sets replicas, and so does its autoscaler; remove one of them",
    ),
    (
        reference_rules.connections,
        lambda m: m.of("HorizontalPodAutoscaler")["spec"].update(maxReplicas=5),
        (
            "Deployment store: 2 x 5 replicas x 15 connections are more than the 120 sessions of its role; "
            "raise SESSIONS of the Job database-prepare and max_connections, or lower "
            "GANTRY_DATABASE__POOL_SIZE"
        ),
    ),
    (
        reference_rules.connections,
        lambda m: m.objects.append(cluster(max_connections="500")),
        "Cluster db: max_connections is 500, and the roles may take 520; raise it",
    ),
    (
        reference_rules.names_no_force,
        lambda m: m.set_variable("GANTRY_FORCES", "West-Mercia"),
        "Deployment store: it names the force west-mercia; a force is a row, so remove it",
    ),
    (
        reference_rules.namespace_is_restricted,
        lambda m: m.objects.append({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "gantry"}}),
        "Namespace gantry: label it pod-security.kubernetes.io/enforce: restricted",
    ),
]


@pytest.mark.parametrize(("rule", "change", "sentence"), CASES, ids=[each[0].__name__ for each in CASES])
def test_a_broken_manifest_is_refused(rule: Rule, change: Change, sentence: str) -> None:
    manifests = Manifests()
    change(manifests)
    assert sentence in list(rule(manifests.overlay()))


def test_every_rule_has_a_case() -> None:
    of_pod_security = {"pod_security"}
    assert {each.__name__ for each in RULES} - {each[0].__name__ for each in CASES} == of_pod_security


def test_who_calls_whom() -> None:
    """The base alone: services call on 7000, the canary also at the door, and all but it reach PostgreSQL."""
    services = {
        (caller.removeprefix("Deployment "), callee.removeprefix("Deployment "), port)
        for caller, callee, port in network_rules.calls(BASE, "egress")
        if caller.startswith("Deployment")
    }
    assert services == {
        ("ingest", "store", 7000),
        ("match", "store", 7000),
        ("match", "ingest", 7000),
        ("nas-bridge", "store", 7000),
        ("canary", "store", 7000),
        ("canary", "match", 7000),
        ("canary", "ingest", 7000),
        ("canary", "ingest", 7443),
        *((each, "the database", 5432) for each in ("ingest", "store", "match", "nas-bridge")),
    }


def test_what_operators_make_counts_as_there() -> None:
    """Secrets of cert-manager, External Secrets and CloudNativePG, by the objects that ask for them."""
    manifests = Manifests()
    manifests.outside = replace(BASE.outside, secrets={})
    manifests.objects += list(made_by_operators())
    said = list(reference_rules.secrets_and_config_maps(manifests.overlay()))
    assert not [each for each in said if "Deployment store" in each]
    assert "Deployment match: the Secret match-tls is not in the overlay" in "".join(said)


def test_operators_objects_are_checked_too() -> None:
    wrong = cluster(max_connections="520")
    wrong["spec"]["instancess"] = 3
    wrong["spec"]["postgresql"]["synchronous"] = {"method": "some", "number": 1}
    assert list(schemas(Overlay("one", [wrong], Outside()))) == [
        (
            "Cluster db: spec does not fit github.com/cloudnative-pg/cloudnative-pg v1.28.0: Additional "
            "properties "
            "are not allowed ('instancess' was unexpected)"
        ),
        (
            "Cluster db: spec.postgresql.synchronous.method does not fit "
            "github.com/cloudnative-pg/cloudnative-pg "
            "v1.28.0: 'some' is not one of ['any', 'first']"
        ),
    ]
    wrong["apiVersion"] = "postgresql.cnpg.io/v2"
    assert list(schemas(Overlay("one", [wrong], Outside()))) == [
        (
            "Cluster db: github.com/cloudnative-pg/cloudnative-pg v1.28.0 has postgresql.cnpg.io/v1, not "
            "postgresql.cnpg.io/v2; correct apiVersion"
        )
    ]


def cluster(*, max_connections: str) -> dict[str, Any]:
    return {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Cluster",
        "metadata": {"name": "db"},
        "spec": {"instances": 3, "postgresql": {"parameters": {"max_connections": max_connections}}},
    }


def certificate(uri: str, dns: str) -> dict[str, Any]:
    return {
        "kind": "Certificate",
        "metadata": {"name": "nas-bridge"},
        "spec": {"secretName": "nas-bridge-tls", "uris": [uri], "dnsNames": [dns]},
    }


def made_by_operators() -> Iterator[dict[str, Any]]:
    yield {"kind": "Certificate", "metadata": {"name": "store"}, "spec": {"secretName": "store-tls"}}
    yield {
        "kind": "ExternalSecret",
        "metadata": {"name": "store"},
        "spec": {"target": {"name": "store-database"}, "data": [{"secretKey": "password"}]},
    }
    yield {"kind": "Cluster", "metadata": {"name": "gantry-database"}, "spec": {}}

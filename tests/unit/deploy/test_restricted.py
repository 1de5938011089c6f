"""Each control of the restricted profile refuses a pod that breaks it, and passes ours."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from deploy.validate import restricted
from deploy.validate.build import base_files
from deploy.validate.manifests import Overlay, Pod
from deploy.validate.restricted import CONTROLS, Control, pod_security

STORE = next(each for each in base_files().of("Deployment") if each["metadata"]["name"] == "store")


def in_pod(**fields: Any) -> Callable[[Any], None]:
    return lambda spec: spec.update(fields)


def in_pod_context(**fields: Any) -> Callable[[Any], None]:
    return lambda spec: spec["securityContext"].update(fields)


def in_container(**fields: Any) -> Callable[[Any], None]:
    return lambda spec: spec["containers"][0].update(fields)


def in_context(**fields: Any) -> Callable[[Any], None]:
    return lambda spec: spec["containers"][0]["securityContext"].update(fields)


def without_seccomp(spec: Any) -> None:
    del spec["securityContext"]["seccompProfile"]


CASES: list[tuple[Control, Callable[[Any], None], str]] = [
    (restricted.host_namespaces, in_pod(hostPID=True), "hostPID is true"),
    (
        restricted.host_process,
        in_context(windowsOptions={"hostProcess": True}),
        "container store has windowsOptions.hostProcess",
    ),
    (restricted.privileged, in_context(privileged=True), "container store is privileged"),
    (
        restricted.capabilities,
        in_context(capabilities={"drop": ["NET_RAW"]}),
        "container store keeps capabilities",
    ),
    (
        restricted.capabilities,
        in_context(capabilities={"drop": ["ALL"], "add": ["SYS_TIME", "NET_BIND_SERVICE"]}),
        "container store adds the capability SYS_TIME",
    ),
    (
        restricted.volume_types,
        in_pod(volumes=[{"name": "root", "hostPath": {"path": "/"}}]),
        "the volume root is a hostPath",
    ),
    (
        restricted.host_ports,
        in_container(ports=[{"containerPort": 7000, "hostPort": 7000}]),
        "container store takes port 7000 of the node",
    ),
    (
        restricted.probe_hosts,
        in_container(livenessProbe={"httpGet": {"host": "10.0.0.1", "port": 80}}),
        "container store: livenessProbe names a host",
    ),
    (
        restricted.probe_hosts,
        in_container(lifecycle={"preStop": {"tcpSocket": {"host": "10.0.0.1", "port": 80}}}),
        "container store: preStop names a host",
    ),
    (
        restricted.app_armor,
        in_pod_context(appArmorProfile={"type": "Unconfined"}),
        "the pod switches AppArmor off",
    ),
    (restricted.selinux, in_context(seLinuxOptions={"type": "spc_t"}), "container store sets seLinuxOptions"),
    (restricted.proc_mount, in_context(procMount="Unmasked"), "container store sets procMount to Unmasked"),
    (restricted.seccomp, without_seccomp, "container store has no seccomp profile"),
    (
        restricted.seccomp,
        in_context(seccompProfile={"type": "Unconfined"}),
        "container store has no seccomp profile",
    ),
    (
        restricted.seccomp,
        in_pod_context(seccompProfile={"type": "Unconfined"}),
        "seccompProfile is Unconfined; set it to RuntimeDefault",
    ),
    (
        restricted.sysctls,
        in_pod_context(sysctls=[{"name": "kernel.msgmax", "value": "1"}]),
        "it sets the sysctl kernel.msgmax",
    ),
    (
        restricted.privilege_escalation,
        in_context(allowPrivilegeEscalation=True),
        "container store may gain privileges",
    ),
    (restricted.run_as_non_root, in_pod_context(runAsNonRoot=False), "container store may run as root"),
    (restricted.run_as_user, in_pod_context(runAsUser=0), "the pod runs as user 0"),
]


@pytest.mark.parametrize(("control", "change", "said"), CASES, ids=[each[0].__name__ for each in CASES])
def test_a_violation_is_named(control: Control, change: Callable[[Any], None], said: str) -> None:
    deployment = copy.deepcopy(STORE)
    assert list(control(Pod(deployment))) == []
    change(deployment["spec"]["template"]["spec"])
    assert [each for each in control(Pod(deployment)) if each.startswith(said)]


def test_every_control_has_a_case() -> None:
    assert {each[0] for each in CASES} == set(CONTROLS)


def test_containers_for_the_start_are_checked_too() -> None:
    deployment = copy.deepcopy(STORE)
    deployment["spec"]["template"]["spec"]["initContainers"] = [{"name": "first", "image": "first:1"}]
    assert [
        each for each in pod_security(Overlay("one", [deployment])) if "container first may run" in each
    ] == []
    assert (
        "Deployment store: container first keeps capabilities; set securityContext.capabilities.drop to [ALL]"
        in (list(pod_security(Overlay("one", [deployment]))))
    )

"""The pod security profile `restricted` of Kubernetes, one function for each of its controls.

A function gets a pod and yields one sentence for each violation: what, and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from deploy.validate.manifests import Overlay, Pod

_VOLUMES: Final = frozenset(
    (
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    )
)
_SYSCTLS: Final = frozenset(
    (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
    )
)
_SELINUX_TYPES: Final = frozenset(
    ("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t")
)
_HANDLERS: Final = ("startupProbe", "livenessProbe", "readinessProbe")

Control = Callable[[Pod], Iterator[str]]


def pod_security(overlay: Overlay) -> Iterator[str]:
    """All violations of all pods."""
    for pod in overlay.pods():
        for control in CONTROLS:
            yield from (f"{pod.where}: {said}" for said in control(pod))


def host_namespaces(pod: Pod) -> Iterator[str]:
    """No network, processes or IPC of the node."""
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(name):
            yield f"{name} is true; remove it: the pod would share that of the node"


def host_process(pod: Pod) -> Iterator[str]:
    """No Windows process of the node."""
    for name, context in _contexts(pod):
        if context.get("windowsOptions", {}).get("hostProcess"):
            yield f"{name} has windowsOptions.hostProcess; remove it"


def privileged(pod: Pod) -> Iterator[str]:
    """No privileged container."""
    for name, context in _container_contexts(pod):
        if context.get("privileged"):
            yield f"{name} is privileged; remove securityContext.privileged"


def capabilities(pod: Pod) -> Iterator[str]:
    """All capabilities dropped; only NET_BIND_SERVICE may be added."""
    for name, context in _container_contexts(pod):
        kept = context.get("capabilities", {})
        if "ALL" not in kept.get("drop", []):
            yield f"{name} keeps capabilities; set securityContext.capabilities.drop to [ALL]"
        for added in sorted(set(kept.get("add", [])) - {"NET_BIND_SERVICE"}):
            yield f"{name} adds the capability {added}; remove it"


def volume_types(pod: Pod) -> Iterator[str]:
    """No volume of the node, and none of a type that the profile does not list."""
    for volume in pod.volumes:
        for kind in sorted(volume.keys() - {"name"} - _VOLUMES):
            yield f"the volume {volume['name']} is a {kind}; use one of {', '.join(sorted(_VOLUMES))}"


def host_ports(pod: Pod) -> Iterator[str]:
    """No port of the node."""
    for container in pod.containers:
        for port in container.get("ports", []):
            if port.get("hostPort"):
                yield (
                    f"container {container['name']} takes port {port['hostPort']} of the node; "
                    "remove hostPort"
                )


def probe_hosts(pod: Pod) -> Iterator[str]:
    """No probe or handler that calls another host."""
    for container in pod.containers:
        for name, handler in _handlers(container):
            for kind in ("httpGet", "tcpSocket"):
                if handler.get(kind, {}).get("host"):
                    yield f"container {container['name']}: {name} names a host; remove {kind}.host"


def app_armor(pod: Pod) -> Iterator[str]:
    """AppArmor is not switched off."""
    for name, context in _contexts(pod):
        if context.get("appArmorProfile", {}).get("type") == "Unconfined":
            yield f"{name} switches AppArmor off; remove appArmorProfile"


def selinux(pod: Pod) -> Iterator[str]:
    """No SELinux user, role or unusual type."""
    for name, context in _contexts(pod):
        options = context.get("seLinuxOptions", {})
        if options.get("user") or options.get("role") or options.get("type", "") not in _SELINUX_TYPES:
            yield f"{name} sets seLinuxOptions; remove user, role and type"


def proc_mount(pod: Pod) -> Iterator[str]:
    """The usual masks of /proc."""
    for name, context in _container_contexts(pod):
        if context.get("procMount", "Default") != "Default":
            yield f"{name} sets procMount to {context['procMount']}; remove it"


def seccomp(pod: Pod) -> Iterator[str]:
    """A seccomp profile, of the pod or of each container."""
    allowed = ("RuntimeDefault", "Localhost")
    of_pod = pod.spec.get("securityContext", {}).get("seccompProfile", {}).get("type")
    if of_pod is not None and of_pod not in allowed:
        yield f"seccompProfile is {of_pod}; set it to RuntimeDefault"
    for name, context in _container_contexts(pod):
        if context.get("seccompProfile", {}).get("type", of_pod) not in allowed:
            yield f"{name} has no seccomp profile; set seccompProfile.type to RuntimeDefault in the pod"


def sysctls(pod: Pod) -> Iterator[str]:
    """Only sysctls that concern the pod alone."""
    for each in pod.spec.get("securityContext", {}).get("sysctls", []):
        if each["name"] not in _SYSCTLS:
            yield f"it sets the sysctl {each['name']}; remove it"


def privilege_escalation(pod: Pod) -> Iterator[str]:
    """No setuid program gives more rights."""
    for name, context in _container_contexts(pod):
        if context.get("allowPrivilegeEscalation") is not False:
            yield f"{name} may gain privileges; set securityContext.allowPrivilegeEscalation to false"


def run_as_non_root(pod: Pod) -> Iterator[str]:
    """The kubelet refuses an image that would run as root."""
    of_pod = pod.spec.get("securityContext", {}).get("runAsNonRoot")
    for name, context in _container_contexts(pod):
        if context.get("runAsNonRoot", of_pod) is not True:
            yield f"{name} may run as root; set runAsNonRoot to true in the pod"


def run_as_user(pod: Pod) -> Iterator[str]:
    """No user 0."""
    for name, context in _contexts(pod):
        if context.get("runAsUser") == 0:
            yield f"{name} runs as user 0; name another"


CONTROLS: Final[tuple[Control, ...]] = (
    host_namespaces,
    host_process,
    privileged,
    capabilities,
    volume_types,
    host_ports,
    probe_hosts,
    app_armor,
    selinux,
    proc_mount,
    seccomp,
    sysctls,
    privilege_escalation,
    run_as_non_root,
    run_as_user,
)


def _contexts(pod: Pod) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield "the pod", pod.spec.get("securityContext", {})
    yield from _container_contexts(pod)


def _container_contexts(pod: Pod) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for container in pod.containers:
        yield f"container {container['name']}", container.get("securityContext", {})


def _handlers(container: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in _HANDLERS:
        yield name, container.get(name, {})
    for name, handler in container.get("lifecycle", {}).items():
        yield name, handler

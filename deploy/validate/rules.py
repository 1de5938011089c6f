"""All checks, in the order in which their findings are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from deploy.validate import network_rules, pod_rules, reference_rules
from deploy.validate.manifests import Overlay
from deploy.validate.restricted import pod_security
from deploy.validate.schema_rules import schemas

Rule = Callable[[Overlay], Iterator[str]]

RULES: Final[tuple[Rule, ...]] = (
    schemas,
    pod_security,
    pod_rules.requests_and_limits,
    pod_rules.probes,
    pod_rules.budgets,
    pod_rules.images,
    pod_rules.no_secret_in_environment,
    pod_rules.own_account,
    pod_rules.no_service_links,
    pod_rules.read_only_root,
    pod_rules.grace,
    pod_rules.surge,
    pod_rules.jobs,
    network_rules.closed_by_default,
    network_rules.every_pod_has_a_policy,
    network_rules.peers_exist,
    network_rules.selects_pods,
    network_rules.service_ports,
    network_rules.policy_ports,
    network_rules.two_sided,
    reference_rules.secrets_and_config_maps,
    reference_rules.claims,
    reference_rules.scaled_things_exist,
    reference_rules.connections,
    reference_rules.identities,
    reference_rules.names_no_force,
    reference_rules.namespace_is_restricted,
)


def problems(overlay: Overlay) -> Iterator[str]:
    """What is wrong with an overlay: one sentence each."""
    for rule in RULES:
        yield from rule(overlay)

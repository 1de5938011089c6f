"""Who may call an RPC, as data: the chassis enforces such rules, and `policy` makes them from contracts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from chassis.identity import Caller

ANY_SERVICE: Final = "*"
"""In `Rule.services`: every service with a certificate of our authority."""


def _every_permission(_caller: Caller, _permission: str) -> bool:
    return True


@dataclass(frozen=True)
class AuditRule:
    """What a call by a person writes to the audit trail of each force that it names."""

    action: int
    subject: Callable[[Any], str]


@dataclass(frozen=True)
class Rule:
    """The access rule of one RPC. Everything that it does not name is forbidden.

    services: by the name in their certificate.
    people: they also need `permission`, about which `permits` decides.
    feeds: with the token of the feed.
    forces: finds the forces in the message; raises InvalidInput FORCE_INVALID. None: the call is about no
        force, or with `force_of_token` about the feed's. `force_field` is the path of the field.
    force_is_new: the call creates the force.
    purpose: finds the purpose of a person; raises InvalidInput PURPOSE_REQUIRED when it is not usable.
    anyone: also callers without a certificate.
    closed_while_restoring: refused until a restored database has deleted again what was deleted since.
    """

    services: frozenset[str] = frozenset()
    people: bool = False
    feeds: bool = False
    permission: str = ""
    forces: Callable[[Any], Sequence[str]] | None = None
    force_field: str = "force"
    force_of_token: bool = False
    purpose: Callable[[Any], Any] | None = None
    audit: AuditRule | None = None
    force_is_new: bool = False
    anyone: bool = False
    closed_while_restoring: bool = False
    permits: Callable[[Caller, str], bool] = _every_permission

    @property
    def reads_message(self) -> bool:
        """Whether the first message is judged before the handler runs."""
        return not (self.forces is None and self.purpose is None and self.audit is None)


Rules: TypeAlias = Mapping[str, Rule]
"""The rules of a server's RPCs, by "package.Service/Method"."""


_CERTIFIED: Final = Rule(services=frozenset({ANY_SERVICE}), people=True)
BUILT_IN: Final[Rules] = {
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": _CERTIFIED,
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": _CERTIFIED,
    # On a port of its own: the probe of a Kubernetes node has no certificate.
    "grpc.health.v1.Health/Check": Rule(anyone=True),
    "grpc.health.v1.Health/List": Rule(anyone=True),
    "grpc.health.v1.Health/Watch": Rule(anyone=True),
}
"""The rules of the RPCs that every service has."""


class Auditor(Protocol):
    """Writes audit records."""

    async def record(self, force: str, person: str, action: int, purpose: Any, subject: str) -> object:
        """Write a record; durable when it returns. `purpose` is None where the RPC asks for none."""


class FeedTokens(Protocol):
    """Finds feeds by their tokens."""

    def caller(self, token: str) -> Caller | None:
        """The feed that a token belongs to, of kind "feed" and with its force; None for an unknown token."""

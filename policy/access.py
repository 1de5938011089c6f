"""Access rules from the contracts' options: for the guard of each server, and as a matrix for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gantry.common.v1.access_pb2 import Access, access
from gantry.common.v1.audit_action_pb2 import AuditAction
from google.protobuf.descriptor import MethodDescriptor

from chassis.access import AuditRule, Rule, Rules
from policy.contracts import CONTRACTS, service_of
from policy.fields import force_codes, subject_of
from policy.purpose import purpose_at
from policy.roles import permits


@dataclass(frozen=True)
class Row:
    """The callers and conditions of one RPC, in words. A text is empty when the rule has no such part."""

    method: str
    """package.Service/Rpc"""
    callers: tuple[str, ...]
    """Names of services ("*": every service), "person", "feed"."""
    permission: str
    force: str
    """Path of the field, "of the token", or "none"."""
    purpose: str
    """Path of the field."""
    audit: str
    """Name of the action."""
    audit_fields: tuple[str, ...]


def rules(*services: str) -> Rules:
    """The rules of every RPC of these gRPC services, by full name, such as "gantry.store.v1.SearchService".

    Raises KeyError for a service without a contract, and ValueError for a rule that is not sound.
    """
    return {
        _name_of(method): _rule(method, option)
        for service in services
        for method in service_of(service).methods
        if (option := _option(method)) is not None
    }


def matrix() -> list[Row]:
    """A row for every RPC of all contracts, by name. An RPC without a rule has no callers."""
    return [_row(method) for service in sorted(CONTRACTS) for method in service_of(service).methods]


def actions_without_purpose() -> frozenset[int]:
    """The audit actions that some RPC records without asking for a purpose."""
    return frozenset(option.audit for option in _options() if option.audit and not option.purpose_field)


def actions_on_new_forces() -> frozenset[tuple[int, bool]]:
    """The audit actions of the RPCs that create the force that they name, and whether those take a purpose.

    Another RPC with the same action, such as one that retires the force, differs in the latter.
    """
    creating = (option for option in _options() if option.audit and option.force_is_new)
    return frozenset((option.audit, bool(option.purpose_field)) for option in creating)


def _options() -> Iterator[Access]:
    for service in CONTRACTS:
        yield from (option for method in service_of(service).methods if (option := _option(method)))


def _name_of(method: MethodDescriptor) -> str:
    return f"{method.containing_service.full_name}/{method.name}"


def _option(method: MethodDescriptor) -> Access | None:
    options = method.GetOptions()
    return options.Extensions[access] if options.HasExtension(access) else None


def _rule(method: MethodDescriptor, option: Access) -> Rule:
    problems = ", ".join(_problems(option))
    if problems:
        raise ValueError(f"the access rule of {_name_of(method)} is not sound: {problems}")
    request = method.input_type
    return Rule(
        services=frozenset(option.services),
        people=option.people,
        feeds=option.feeds,
        permission=option.permission,
        forces=force_codes(request, option.force_field) if option.force_field else None,
        force_field=option.force_field,
        force_of_token=option.force_of_token,
        force_is_new=option.force_is_new,
        closed_while_restoring=option.closed_while_restoring,
        purpose=purpose_at(request, option.purpose_field) if option.purpose_field else None,
        audit=_audit(request, option),
        permits=permits,
    )


def _audit(request: Any, option: Access) -> AuditRule | None:
    if not option.audit:
        return None
    return AuditRule(option.audit, subject_of(request, option.audit_fields))


def _problems(option: Access) -> Iterator[str]:
    if not (option.services or option.people or option.feeds):
        yield "it admits nobody"
    if option.people != bool(option.permission):
        yield "people need a permission, and nobody else has one"
    if option.WhichOneof("force") is None:
        yield "it does not say where the force is"
    if option.force_of_token and (option.people or option.services):
        yield "only feeds have a token with a force"
    if (option.purpose_field or option.audit) and not option.people:
        yield "only people have purposes and audit records"
    if option.audit and not option.force_field:
        yield "an audit record belongs to a force"
    if bool(option.audit_fields) > bool(option.audit):
        yield "it has fields of an audit record that it does not ask for"


def _row(method: MethodDescriptor) -> Row:
    option = _option(method) or Access()
    callers = (*option.services, *(["person"] if option.people else []), *(["feed"] if option.feeds else []))
    return Row(
        method=_name_of(method),
        callers=callers,
        permission=option.permission,
        force=option.force_field or ("of the token" if option.force_of_token else "none"),
        purpose=option.purpose_field,
        audit=AuditAction.Name(option.audit).removeprefix("AUDIT_ACTION_") if option.audit else "",
        audit_fields=tuple(option.audit_fields),
    )

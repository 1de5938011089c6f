"""Roles of people and what each role permits, from ``roles.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Final

from chassis.identity import Caller

MEMBER: Final = "member"
"""The role of every person with a certificate."""


def load_roles(text: str) -> Mapping[str, frozenset[str]]:
    """The permissions of each role. Raises ValueError for a text that is not TOML or has another shape."""
    roles = tomllib.loads(text).get("roles")
    if not isinstance(roles, dict) or MEMBER not in roles:
        raise ValueError(f"roles.toml should have a table roles.{MEMBER}")
    return {name: _permissions(name, role) for name, role in roles.items()}


def permits(caller: Caller, permission: str) -> bool:
    """Whether a role of the caller has the permission."""
    return caller.kind == "person" and permission in ROLES[MEMBER]


def _permissions(name: str, role: object) -> frozenset[str]:
    permissions = role.get("permissions") if isinstance(role, dict) else None
    if not isinstance(permissions, list) or not all(isinstance(each, str) for each in permissions):
        raise ValueError(f"role {name} should have a list of permissions")
    return frozenset(permissions)


ROLES: Final = load_roles((resources.files("policy") / "roles.toml").read_text(encoding="utf-8"))

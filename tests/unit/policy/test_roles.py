"""Roles are data."""

from __future__ import annotations

import pytest

from chassis.identity import NOBODY, Caller
from policy.roles import ROLES, load_roles, permits


def _caller(kind: str) -> Caller:
    return Caller(kind, "x", frozenset({"essex"}))  # type: ignore[arg-type]


def test_every_person_is_a_member():
    assert all(permits(_caller("person"), permission) for permission in ROLES["member"])


def test_a_permission_that_no_role_has_is_not_granted():
    assert not permits(_caller("person"), "reads.erase")
    assert not permits(_caller("person"), "")


@pytest.mark.parametrize("caller", [NOBODY, _caller("service"), _caller("feed")])
def test_only_people_have_permissions(caller: Caller):
    assert not permits(caller, "reads.search")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "roles = 1",
        "[roles.other]\npermissions = []",
        "[roles.member]",
        "[roles.member]\npermissions = 'all'",
        "[roles.member]\npermissions = [1]",
        "roles.member = 3",
        "[roles",
    ],
)
def test_what_is_no_list_of_roles_is_refused(text: str):
    with pytest.raises(ValueError, match=r"."):
        load_roles(text)

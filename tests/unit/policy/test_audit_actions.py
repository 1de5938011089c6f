"""Which audit actions need no purpose, and which may name a force that does not exist yet."""

from gantry.common.v1 import audit_action_pb2 as actions

from policy.access import actions_on_new_forces, actions_without_purpose, matrix


def test_an_action_needs_no_purpose_where_an_rpc_asks_for_none() -> None:
    assert actions_without_purpose() == {
        actions.AUDIT_ACTION_CHANGE_CAMERAS,
        actions.AUDIT_ACTION_CHANGE_FORCES,
        actions.AUDIT_ACTION_CHANGE_CONSUMERS,
    }
    names = {row.audit for row in matrix() if row.audit and not row.purpose}
    assert {f"AUDIT_ACTION_{name}" for name in names} == {
        actions.AuditAction.Name(action) for action in actions_without_purpose()
    }


def test_only_a_force_is_created_under_its_own_name() -> None:
    assert actions_on_new_forces() == {(actions.AUDIT_ACTION_CHANGE_FORCES, False)}

"""The contracts' access rules are complete and sound, and the matrix shows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from gantry.common.v1.access_pb2 import Access, access
from gantry.common.v1.audit_action_pb2 import AUDIT_ACTION_VIEW_READ
from gantry.store.v1.search_pb2 import GetReadRequest
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import MethodDescriptor

from chassis.access import Rule
from policy.access import Row, _rule, matrix, rules
from policy.contracts import CONTRACTS, service_of
from policy.roles import ROLES

PROTOS = Path(__file__).parents[3] / "protos"


def test_every_service_of_every_contract_is_listed():
    found = set()
    for file in PROTOS.rglob("*.proto"):
        text = file.read_text()
        package = re.search(r"^package (\S+);", text, re.MULTILINE).group(1)
        found |= {f"{package}.{name}" for name in re.findall(r"^service (\w+) {", text, re.MULTILINE)}
    assert found == set(CONTRACTS)


def test_every_rpc_has_a_sound_rule():
    assert set(rules(*CONTRACTS)) == {row.method for row in matrix()}
    assert all(row.callers for row in matrix())


def test_roles_name_the_permissions_of_the_contracts_and_no_others():
    assert frozenset().union(*ROLES.values()) == {row.permission for row in matrix()} - {""}


def test_rules_of_some_services_are_of_no_others():
    assert {name.partition("/")[0] for name in rules("gantry.store.v1.SearchService")} == {
        "gantry.store.v1.SearchService"
    }
    with pytest.raises(KeyError):
        rules("gantry.store.v1.StoreService")


def test_a_row_says_it_in_words():
    rows = {row.method: row for row in matrix()}
    assert rows["gantry.store.v1.SearchService/GetRead"] == Row(
        method="gantry.store.v1.SearchService/GetRead",
        callers=("person",),
        permission="reads.view",
        force="force",
        purpose="purpose",
        audit="VIEW_READ",
        audit_fields=("position", "read_id"),
    )
    door = rows["gantry.ingest.v1.IngestService/StreamReads"]
    assert (door.callers, door.force, door.audit) == (("feed",), "of the token", "")
    watch = rows["gantry.store.v1.DirectoryService/Watch"]
    assert (watch.callers, watch.force) == (("*",), "none")


def test_a_rule_finds_what_it_names():
    rule = rules("gantry.store.v1.SearchService")["gantry.store.v1.SearchService/GetRead"]
    request = GetReadRequest(force="essex", position=7)
    request.purpose.justification = "Burglary"
    assert rule.forces(request) == ["essex"]
    assert rule.purpose(request).justification == "Burglary"
    assert (rule.audit.action, rule.audit.subject(request)) == (AUDIT_ACTION_VIEW_READ, "position 7")


def _method(**option: object) -> MethodDescriptor:
    file = descriptor_pb2.FileDescriptorProto(name="rule_test.proto", package="t", syntax="proto3")
    message = file.message_type.add(name="Request")
    kind = descriptor_pb2.FieldDescriptorProto
    for number, name in enumerate(("force", "vrm"), 1):
        message.field.add(name=name, number=number, type=kind.TYPE_STRING, label=kind.LABEL_OPTIONAL)
    method = file.service.add(name="Service").method.add(
        name="Do", input_type=".t.Request", output_type=".t.Request"
    )
    method.options.Extensions[access].CopyFrom(Access(**option))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool.FindServiceByName("t.Service").methods[0]


SOUND = {"people": True, "permission": "a.b", "force_field": "force"}


def _rule_of(**option: object) -> Rule:
    return _rule(_method(**option), Access(**option))


def test_a_sound_rule_is_taken():
    assert _rule_of(**SOUND).people


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ({"force_field": "force"}, "it admits nobody"),
        ({"people": True, "force_field": "force"}, "people need a permission"),
        ({"services": ["match"], "permission": "a.b", "force_field": "force"}, "nobody else has one"),
        ({"services": ["match"]}, "where the force is"),
        ({"services": ["match"], "feeds": True, "force_of_token": True}, "only feeds have a token"),
        ({"services": ["match"], "force_field": "force", "audit": 2}, "only people have"),
        ({"people": True, "permission": "a.b", "no_force": True, "audit": 2}, "belongs to a force"),
        ({**SOUND, "audit_fields": ["vrm"]}, "it does not ask for"),
        ({**SOUND, "force_field": "nowhere"}, "has no field nowhere"),
        ({**SOUND, "audit": 2, "audit_fields": ["vrm.text"]}, r"has no field vrm\.text"),
    ],
)
def test_a_rule_that_is_not_sound_is_refused(option: dict[str, object], problem: str):
    with pytest.raises(ValueError, match=problem):
        _rule_of(**option)


def test_every_service_has_a_descriptor():
    assert [service_of(name).full_name for name in CONTRACTS] == list(CONTRACTS)

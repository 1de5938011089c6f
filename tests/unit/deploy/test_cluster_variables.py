"""Without what it needs, the test on a cluster is skipped with a sentence, and does not fail half-way."""

import pytest

from tests.k8s.cluster import unset

_WHOLE = {"KUBECONFIG": "/lab/config", "GANTRY_POSTGRES_IMAGE": "postgresql:17", "K8S_IMPORT": "load"}


def test_nothing_is_missing_when_all_is_named():
    assert unset(_WHOLE) is None


@pytest.mark.parametrize("name", _WHOLE)
@pytest.mark.parametrize("given", [None, ""])
def test_a_variable_that_is_missing_or_empty_is_named(name, given):
    others = {each: value for each, value in _WHOLE.items() if each != name}
    said = unset(others if given is None else others | {name: given})
    assert said is not None
    assert said.startswith(f"{name} names no ")


def test_images_that_the_cluster_has_need_no_command_to_load_them():
    assert unset({**_WHOLE, "K8S_IMPORT": "", "K8S_TAG": "test-1"}) is None

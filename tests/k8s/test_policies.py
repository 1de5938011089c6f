"""Network policies: a port answers whom it is meant for, and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.e2e.waiting import eventually
from tests.k8s.lab import Lab
from tests.k8s.reach import address_of, reaches

STRANGER = "stranger"
GRPC, PEOPLE, VENDORS, POSTGRES = 7000, 7001, 7443, 5432


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stranger(lab: Lab) -> AsyncIterator[str]:
    """A pod outside Gantry's namespace."""
    words = ("run", STRANGER, f"--image={lab.image('simulators')}", "--restart=Never", "--command")
    await lab.outside.kubectl(*words, "--", "sleep", "3600")
    await lab.outside.kubectl("wait", "--for=condition=Ready", f"pod/{STRANGER}", "--timeout=60s", seconds=70)
    yield STRANGER
    await lab.outside.kubectl("delete", "pod", STRANGER, "--grace-period=0", "--force")


@pytest.mark.parametrize(
    ("caller", "called", "port"),
    [
        ("ingest", "store", GRPC),
        ("match", "store", GRPC),
        ("match", "ingest", GRPC),
        ("nas-bridge", "store", GRPC),
        ("nas-bridge", "nas", GRPC),
        ("canary", "store", GRPC),
        ("canary", "match", GRPC),
        ("canary", "ingest", GRPC),
        ("canary", "ingest", VENDORS),
    ],
)
async def test_a_service_reaches_those_it_calls(lab: Lab, caller: str, called: str, port: int) -> None:
    pod = (await lab.namespace.pods(caller))[0]
    assert await reaches(lab.namespace, pod, await address_of(lab.namespace, called), port)


@pytest.mark.parametrize(
    ("caller", "called", "port"),
    [
        ("store", "ingest", GRPC),
        ("store", "match", GRPC),
        ("ingest", "match", GRPC),
        ("ingest", "nas", GRPC),
        ("match", "nas-bridge", GRPC),
        ("nas", "store", GRPC),
        ("nadc", "ingest", GRPC),
        ("canary", "nas-bridge", GRPC),
        ("canary", "nas", GRPC),
    ],
)
async def test_a_service_does_not_reach_others(lab: Lab, caller: str, called: str, port: int) -> None:
    pod = (await lab.namespace.pods(caller))[0]
    assert not await reaches(lab.namespace, pod, await address_of(lab.namespace, called), port)


@pytest.mark.parametrize("called", ["ingest", "store", "match", "nas-bridge"])
async def test_a_stranger_reaches_no_internal_port(lab: Lab, stranger: str, called: str) -> None:
    address = await address_of(lab.namespace, called)
    assert not await reaches(lab.outside, stranger, address, GRPC)


async def test_a_stranger_does_not_reach_the_database(lab: Lab, stranger: str) -> None:
    found = await lab.namespace.get("pods", "-l", "cnpg.io/cluster=gantry-database")
    for pod in found["items"]:
        assert not await reaches(lab.outside, stranger, pod["status"]["podIP"], POSTGRES)


async def test_the_canary_does_not_reach_the_database(lab: Lab) -> None:
    (canary,) = await lab.namespace.pods("canary")
    found = await lab.namespace.get("pods", "-l", "cnpg.io/cluster=gantry-database")
    for pod in found["items"]:
        assert not await reaches(lab.namespace, canary, pod["status"]["podIP"], POSTGRES)


async def test_vendors_reach_the_door(lab: Lab, stranger: str) -> None:
    async def answers() -> bool:
        door = f"ingest-vendors.{lab.namespace.name}.svc"
        return await reaches(lab.outside, stranger, door, VENDORS)

    await eventually(answers, within=20, what="an answer of the door")


async def test_pods_run_without_privilege(lab: Lab) -> None:
    for name in ("ingest", "store", "match", "nas-bridge", "canary", "nas", "nadc"):
        pod = (await lab.namespace.pods(name))[0]
        script = "import os; print(os.getuid(), os.access('/', os.W_OK), os.access('/app', os.W_OK))"
        assert (await lab.namespace.execute(pod, "python", "-c", script)).split() == [
            "10001",
            "False",
            "False",
        ]


async def test_the_namespace_refuses_a_privileged_pod(lab: Lab) -> None:
    words = ("run", "privileged", f"--image={lab.image('simulators')}", "--privileged")
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        await lab.namespace.kubectl(*words)

"""The internal ports refuse callers without a certificate, and with a foreign, expired or wrong one."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from gantry.store.v1 import log_pb2

from chassis.client import open_channel
from chassis.settings import TlsSettings
from suite.certificates import Authority
from suite.database import SERVICES
from suite.suite import Suite
from tests.e2e.contract import Rpc, calling, fault_of, name_force, rpcs
from tests.e2e.door import public_channel
from tests.e2e.marks import SHARED_SUITE

pytestmark = SHARED_SUITE

HEALTH = "/grpc.health.v1.Health/Check"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


@pytest.fixture(scope="session")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("another-authority"))


def _foreign(suite: Suite, strange: Authority) -> TlsSettings:
    """A person of our name, certified by another authority; trusts our servers."""
    tls = strange.issue_person("operator", suite.settings.forces)
    return TlsSettings(certificate=tls.certificate, key=tls.key, authority=suite.authority.certificate)


def _expired(suite: Suite, _: Authority) -> TlsSettings:
    long_ago = datetime.now(UTC) - timedelta(days=500)
    authority = Authority(suite.layout.pki, clock=lambda: long_ago)
    return authority.issue_person("of-last-year", suite.settings.forces)


@pytest.mark.parametrize("process", SERVICES)
@pytest.mark.parametrize("make", [_foreign, _expired])
async def test_a_certificate_that_proves_nothing(
    suite: Suite, strange: Authority, process: str, make: Callable[[Suite, Authority], TlsSettings]
) -> None:
    rpc = next(each for each in rpcs() if each.process == process)
    async with AsyncExitStack() as opened:
        channel = await opened.enter_async_context(calling(suite, rpc, make(suite, strange)))
        fault = await fault_of(channel, rpc, rpc.request(), seconds=5)
    assert fault is not None
    assert fault.status in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}


@pytest.mark.parametrize("process", SERVICES)
async def test_no_certificate_at_all(suite: Suite, process: str) -> None:
    credentials = grpc.ssl_channel_credentials(suite.authority.certificate.read_bytes())
    options = [("grpc.ssl_target_name_override", "localhost"), ("grpc.enable_retries", 0)]
    rpc = next(each for each in rpcs() if each.process == process)
    async with grpc.aio.secure_channel(suite.address(process), credentials, options) as channel:
        fault = await fault_of(channel, rpc, rpc.request(), seconds=5)
    assert fault is not None
    assert fault.status is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("process", SERVICES)
async def test_no_tls_at_all(suite: Suite, process: str) -> None:
    rpc = next(each for each in rpcs() if each.process == process)
    async with grpc.aio.insecure_channel(suite.address(process)) as channel:
        fault = await fault_of(channel, rpc, rpc.request(), seconds=5)
    assert fault is not None
    assert fault.status is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("rpc", [rpc for rpc in rpcs() if not rpc.open_to_services], ids=str)
async def test_a_service_that_no_rule_names_is_refused(suite: Suite, rpc: Rpc) -> None:
    """A service with a valid certificate that no access rule names is refused by every RPC."""
    request = rpc.request()
    name_force(request, "essex")
    async with open_channel(
        suite.address(rpc.process), suite.authority.issue_service("tea-trolley")
    ) as channel:
        fault = await fault_of(channel, rpc, request)
    assert fault is not None
    assert (fault.status, fault.reason) == (grpc.StatusCode.PERMISSION_DENIED, "CALLER_NOT_ALLOWED")


@pytest.mark.parametrize("rpc", [rpc for rpc in rpcs() if rpc.process == "ingest"], ids=str)
async def test_the_public_door_opens_to_the_cameras_service_alone(suite: Suite, rpc: Rpc) -> None:
    async with public_channel(suite) as channel:
        fault = await fault_of(channel, rpc, rpc.request())
    assert fault is not None
    assert fault.status in {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNIMPLEMENTED}


async def test_only_ingest_appends_and_only_followers_follow(suite: Suite) -> None:
    wanted = {"AppendReads": {"ingest"}, "TailReads": {"match", "nas_bridge"}}
    for rpc in rpcs():
        if rpc.name not in wanted:
            continue
        request = rpc.request()
        name_force(request, "orwell")
        if isinstance(request, log_pb2.TailReadsRequest):
            request.earliest = True
        for caller in (*SERVICES, "nas"):
            async with open_channel(suite.address("store"), suite.service(caller)) as channel:
                fault = await fault_of(channel, rpc, request)
            refused = fault is not None and fault.reason == "CALLER_NOT_ALLOWED"
            assert refused == (caller not in wanted[rpc.name]), f"{rpc} by {caller}: {fault}"


@pytest.mark.parametrize("process", SERVICES)
async def test_health_needs_no_certificate_and_shows_nothing_else(suite: Suite, process: str) -> None:
    async with grpc.aio.insecure_channel(suite.address(process, "health")) as channel:
        assert await channel.unary_unary(HEALTH)(b"", timeout=5) == b"\x08\x01"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(REFLECTION)(b"", timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_private_keys_and_passwords_are_for_us_alone(suite: Suite) -> None:
    secret = [*suite.layout.pki.rglob("*.key"), *suite.layout.secrets.iterdir()]
    assert len(secret) > len(SERVICES)
    assert [path for path in secret if path.stat().st_mode & 0o077] == []


async def test_what_is_secret_is_not_in_the_folder_of_what_is_public(suite: Suite) -> None:
    assert all(b"PRIVATE" not in path.read_bytes() for path in suite.layout.pki.rglob("*.pem"))
    assert suite.authority.certificate.stat().st_mode & 0o044 == 0o044

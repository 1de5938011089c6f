"""Importing hotlists as a hotlist manager does."""

import uuid
from collections.abc import Iterator, Sequence

import grpc
from gantry.match.v1 import hotlist_pb2, hotlist_pb2_grpc

from chassis.client import open_channel
from chassis.errors import fault_from
from suite.suite import Suite
from tests.e2e.outcome import PURPOSE

_CHUNK_BYTES = 64 * 1024


async def import_csv(
    suite: Suite,
    force: str,
    content: bytes,
    *,
    name: str = "e2e",
    near_matches: bool = True,
    person: str | None = None,
    forces: Sequence[str] | None = None,
) -> hotlist_pb2.ImportHotlistResponse:
    """Import a CSV; when it returns, reads stored from now on are matched against it. Raises Fault."""
    header = hotlist_pb2.ImportHeader(
        force=force,
        name=name,
        purpose=PURPOSE,
        near_matches=near_matches,
        request_id=str(uuid.uuid4()),
    )
    async with open_channel(suite.address("match"), suite.person(person, forces)) as channel:
        try:
            return await hotlist_pb2_grpc.HotlistServiceStub(channel).ImportHotlist(
                _parts(header, content), timeout=60
            )
        except grpc.aio.AioRpcError as error:
            raise fault_from(error) from None


async def import_plates(suite: Suite, force: str, plates: Sequence[str], name: str = "e2e") -> None:
    """Import a list of these plates."""
    lines = "".join(f"{plate},wanted in a test\n" for plate in plates)
    answer = await import_csv(suite, force, f"vrm,reason\n{lines}".encode(), name=name)
    assert answer.entries == len(plates)


def _parts(header: hotlist_pb2.ImportHeader, content: bytes) -> Iterator[hotlist_pb2.ImportHotlistRequest]:
    yield hotlist_pb2.ImportHotlistRequest(header=header)
    for start in range(0, len(content), _CHUNK_BYTES):
        yield hotlist_pb2.ImportHotlistRequest(chunk=content[start : start + _CHUNK_BYTES])

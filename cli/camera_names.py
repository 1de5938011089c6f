"""What people call the cameras of some reads."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

import grpc
from gantry.common.v1.read_pb2 import Read

from chassis.errors import Fault
from cli.exits import CliError
from cli.links import Links

Names: TypeAlias = Mapping[tuple[str, str], str]
"""A camera's name by force and id."""

_PAGE: Final = 1000
_SECONDS: Final = 2.0


async def camera_names(links: Links, reads: Iterable[Read]) -> Names:
    """The names of the cameras that made `reads`, as far as the registry tells them now.

    An answer without names is better than none: where the person may not list cameras, or ingest is away or
    slow, the names are absent.
    """
    wanted = {(read.force, read.camera_id) for read in reads}
    found: dict[tuple[str, str], str] = {}
    try:
        async with asyncio.timeout(_SECONDS):
            for force in sorted({force for force, _ in wanted}):
                await _collect(links, force, wanted, found)
    except (TimeoutError, Fault, CliError, grpc.aio.AioRpcError):
        pass
    return found


async def _collect(
    links: Links, force: str, wanted: set[tuple[str, str]], found: dict[tuple[str, str], str]
) -> None:
    missing = sum(one == force for one, _ in wanted)
    async for camera in (await links.cameras()).cameras(force, page_size=_PAGE):
        key = force, camera.camera_id
        if key in wanted:
            found[key] = camera.name
            missing -= 1
        if not missing:
            return

"""The adapter of replay to ingest's camera registry."""

from collections.abc import Sequence

from gantry.ingest.v1.cameras_pb2 import Camera

from cli.commands.camera import all_cameras, enrol_in_parts
from cli.links import Links


class RegistryLink:
    """Calls the registry over a person's links."""

    def __init__(self, links: Links) -> None:
        self._links = links

    async def cameras(self, force: str) -> Sequence[Camera]:
        """Every camera of a force."""
        return await all_cameras(self._links, force)

    async def enrol(self, force: str, feed: str, cameras: Sequence[Camera], *, new_token: bool) -> str:
        """Enrol cameras on a feed; its token when there is a new one, else empty."""
        answer = await enrol_in_parts(self._links, force, feed, cameras, new_token=new_token)
        return answer.token

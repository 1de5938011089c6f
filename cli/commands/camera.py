"""`gantry camera`: enrols cameras, and shows the reads that they have delivered."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from gantry.ingest.v1.cameras_pb2 import Camera, CameraHealth, CameraKind, EnrolCamerasResponse
from gantry.ingest.v1.ingest_pb2 import (
    REJECTION_REASON_VRM_EMPTY,
    REJECTION_REASON_VRM_NOT_READ,
    WarningReason,
)

from chassis.errors import InvalidInput
from cli.camera_file import camera_of, cameras_in
from cli.exits import CliError, Exit
from cli.forms import camera_form, health_form, moment, word
from cli.jsonlines import write_json
from cli.links import Links, connect
from cli.options import ForceOption, ForcesOption, one_force, run
from cli.output import Column, Marked, counted, local_time, note, say, table, warn
from cli.patience import run_patiently
from cli.replay.feeds import odd_places
from cli.tokens import TokenFile
from cli.verbs import Session, verb

_PAGE = 1000
_FIELD_OF_CAMERA = re.compile(r"cameras\[(\d+)\]\.(.+)")
_COLUMNS = {"position": "lat and lon", "position.latitude": "lat", "position.longitude": "lon"}
_LIST: Final = (
    Column("force", rank=2),
    Column("camera"),
    Column("name", least=20, rank=1),
    Column("kind", rank=5),
    Column("feed", rank=3),
    Column("accepted", right=True),
    Column("duplicate", right=True, rank=4),
    Column("rejected", right=True),
    Column("not read", right=True, rank=7),
    Column("last read (UTC)"),
    Column("remarks", least=20, rank=6),
)
_NOT_READ = frozenset({REJECTION_REASON_VRM_EMPTY, REJECTION_REASON_VRM_NOT_READ})
"""Reads that came without a plate: the camera failed to read one."""
_IDS = typer.Argument(metavar="CAMERA_ID..", help="Cameras by id.", show_default=False)
_FILE = typer.Option(
    "--file", help="CSV with the columns camera_id, name, kind, lat, lon.", show_default=False
)
_MAP = typer.Option(
    "--map",
    metavar="OURS=THEIRS",
    help="A column of ours by its name in the file; repeat for more.",
    show_default=False,
)
_KEEP = typer.Option("--keep-token", help="Keep the token in the suite's folder, so that replay can use it.")


@verb
def enrol(
    session: Session,
    camera_ids: Annotated[list[str] | None, _IDS] = None,
    *,
    feed: Annotated[str, typer.Option(help="The connection that carries them.", show_default=False)],
    force: ForceOption = None,
    file: Annotated[Path | None, _FILE] = None,
    columns: Annotated[list[str] | None, _MAP] = None,
    name: Annotated[str, typer.Option(help="Name for people.", show_default=False)] = "",
    kind: Annotated[
        str, typer.Option(help="fixed (of new cameras the default), mobile or portable.", show_default=False)
    ] = "",
    lat: Annotated[float | None, typer.Option(help="Degrees north.", show_default=False)] = None,
    lon: Annotated[float | None, typer.Option(help="Degrees east.", show_default=False)] = None,
    new_token: Annotated[
        bool, typer.Option("--new-token", help="Make a new token; the old one ends.")
    ] = False,
    keep_token: Annotated[bool, _KEEP] = False,
) -> None:
    """Enrol cameras on a feed. A new feed's token is shown once: the vendor's client needs it.

    Of cameras that are enrolled already it changes only what is given.
    """
    if columns and file is None:
        raise CliError("--map names columns of a --file, and there is none", Exit.USAGE)
    cameras = [camera_of(one, name, kind, lat, lon) for one in camera_ids or ()]
    cameras += cameras_in(file, columns or []) if file is not None else []
    if not cameras:
        raise CliError("name the cameras to enrol, or a --file of them", Exit.USAGE)
    run(_enrol(session, force, feed, cameras, new_token=new_token, keep_token=keep_token))


@verb
def list_cameras(session: Session, force: ForcesOption = None) -> None:
    """List cameras with what they have delivered."""
    run_patiently(session, "ingest", lambda: _list(session, force or []))


async def enrol_in_parts(
    links: Links, force: str, feed: str, cameras: Sequence[Camera], *, new_token: bool
) -> EnrolCamerasResponse:
    """Enrol any number of cameras; the counts of all parts are summed, the token is the first part's."""
    registry, total = await links.cameras(), EnrolCamerasResponse()
    for start in range(0, len(cameras), _PAGE):
        part, fresh = cameras[start : start + _PAGE], new_token and start == 0
        with _naming(part):
            answer = await registry.enrol(force, feed, part, new_token=fresh)
        total.created += answer.created
        total.updated += answer.updated
        total.token = total.token or answer.token
    return total


@contextmanager
def _naming(cameras: Sequence[Camera]) -> Iterator[None]:
    """When one camera of many cannot be enrolled, name that camera and the wrong column."""
    try:
        yield
    except InvalidInput as fault:
        found = _FIELD_OF_CAMERA.fullmatch(fault.field or "")
        if found is None:
            raise
        camera_id, field = cameras[int(found[1])].camera_id, _COLUMNS.get(found[2], found[2])
        said = fault.message.removeprefix(f"{fault.field}: ")
        raise CliError(f"camera {camera_id!r}, {field}: {said}", Exit.USAGE, reason=fault.reason) from None


async def all_cameras(links: Links, force: str) -> list[Camera]:
    """Every camera of a force."""
    return [camera async for camera in (await links.cameras()).cameras(force, page_size=_PAGE)]


async def _enrol(
    session: Session,
    force: str | None,
    feed: str,
    cameras: list[Camera],
    *,
    new_token: bool,
    keep_token: bool,
) -> None:
    async with connect(session.home, session.person) as links:
        chosen = one_force(links.person, force)
        placed = any(camera.HasField("position") for camera in cameras)
        before = await all_cameras(links, chosen) if placed else []
        answer = await enrol_in_parts(links, chosen, feed, cameras, new_token=new_token)
        if answer.token and keep_token:
            TokenFile.of(links.home).keep(chosen, feed, answer.token)
    if session.as_json:
        counts = {"created": answer.created, "updated": answer.updated}
        write_json({"force": chosen, "feed": feed, "token": answer.token or None} | counts)
        return
    note(f"{counted(answer.created, 'camera')} of {chosen} enrolled on {feed}, {answer.updated:,} updated")
    again = {camera.camera_id for camera in cameras}
    others = [one.position for one in before if one.HasField("position") and one.camera_id not in again]
    for remark in odd_places(cameras, others):
        warn(remark)
    if answer.token:
        warn("the feed's token, shown this once:")
        say(answer.token)


async def _list(session: Session, forces: list[str]) -> None:
    found: list[tuple[str, Camera, CameraHealth | None]] = []
    async with connect(session.home, session.person) as links:
        for force in links.person.chosen(forces):
            health = await _health(links, force)
            found += [
                (force, camera, health.get(camera.camera_id)) for camera in await all_cameras(links, force)
            ]
    if session.as_json:
        write_json({"cameras": [_form(*one) for one in found]})
        return
    if not found:
        note("no cameras are enrolled; `gantry camera enrol` enrols some")
        return
    table(_LIST, [_row(*one) for one in found])


async def _health(links: Links, force: str) -> dict[str, CameraHealth]:
    registry = await links.cameras()
    return {one.camera_id: one async for one in registry.health(force, page_size=_PAGE)}


def _form(force: str, camera: Camera, health: CameraHealth | None) -> dict[str, Any]:
    return camera_form(force, camera) | ({} if health is None else health_form(health))


def _row(force: str, camera: Camera, health: CameraHealth | None) -> list[str | Marked]:
    camera_id = camera.camera_id if camera.enabled else Marked(f"{camera.camera_id} (off)", "bad")
    counts = ["-", "-", "-", "-", "-", "-"]
    if health is not None:
        rejected = sum(one.count for one in health.rejected)
        not_read = sum(one.count for one in health.rejected if one.reason in _NOT_READ)
        last = local_time(moment(health, "last_received_at"))
        numbers = (health.accepted, health.duplicate, rejected, not_read)
        counts = [*(f"{number:,}" for number in numbers), last, _remarks(health)]
    kind = word(CameraKind, camera.kind, "CAMERA_KIND_")
    return [force, camera_id, camera.name, kind, camera.feed, *counts]


def _remarks(health: CameraHealth) -> str:
    """For example "3 position unknown, 1 duplicate differs"."""
    words = [f"{one.count:,} {word(WarningReason, one.reason, 'WARNING_REASON_')}" for one in health.warnings]
    return ", ".join(words).replace("_", " ") or "-"

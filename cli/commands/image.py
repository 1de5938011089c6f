"""`gantry image`: saves a picture of a read."""

import errno
import hashlib
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
from gantry.common.v1.purpose_pb2 import Purpose
from gantry.store.v1.search_pb2 import (
    IMAGE_KIND_OVERVIEW,
    IMAGE_KIND_PLATE_PATCH,
    GetReadResponse,
    ImageKind,
)

from chassis.errors import NotFound
from cli.exits import CliError, Exit
from cli.forms import kind_word
from cli.inert import inert
from cli.jsonlines import write_json
from cli.links import Links, connect
from cli.options import ForcesOption, PurposeOption, ReferenceOption, one_force, purpose_of
from cli.output import note
from cli.patience import run_patiently
from cli.trace.story import reads_named
from cli.verbs import Session, verb

_KINDS: Final[dict[str, ImageKind.ValueType]] = {
    kind_word(kind): kind for kind in (IMAGE_KIND_PLATE_PATCH, IMAGE_KIND_OVERVIEW)
}
_OWNER_ONLY: Final = 0o600
_NAMED: Final = 10


@dataclass(frozen=True)
class Picture:
    """Which picture of which read."""

    force: str
    position: int
    kind: str

    @property
    def read(self) -> str:
        """The read in words."""
        return f"the read at position {self.position} of {self.force}"


@verb
def image(
    session: Session,
    read_id: Annotated[
        str | None,
        typer.Argument(metavar="READ", help="The vendor's identifier of the read.", show_default=False),
    ] = None,
    *,
    purpose: PurposeOption,
    position: Annotated[
        int | None,
        typer.Option(
            min=1, help="Instead: its position in the force's log, as search shows it.", show_default=False
        ),
    ] = None,
    camera: Annotated[
        str, typer.Option("--camera", metavar="CAMERA_ID", help="The camera of READ.", show_default=False)
    ] = "",
    kind: Annotated[str, typer.Option(metavar="plate|overview", help="Which picture.")] = "plate",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where to write it: a new file, or a folder. Default: a new file in this folder.",
            show_default=False,
        ),
    ] = None,
    force: ForcesOption = None,
    reference: ReferenceOption = "",
) -> None:
    """Save a picture of a read. The audit trail has it first."""
    if (read_id is None) is (position is None):
        raise CliError("name the read: either by its READ or with --position", Exit.USAGE)
    if kind not in _KINDS:
        raise CliError(f"--kind {kind}: say {' or '.join(_KINDS)}", Exit.USAGE)
    _check_target(out)
    why = purpose_of(purpose, reference)

    async def work() -> None:
        async with connect(session.home, session.person) as links:
            if read_id is not None:
                place = await _named(links, links.person.chosen(force or []), read_id, camera, why)
            else:
                place = one_force(links.person, _only(force)), position or 0
            picture = Picture(*place, kind)
            jpeg = await _fetched(links, picture, why)
        _tell(session, picture, _written(jpeg, _target(out, picture)), jpeg)

    run_patiently(session, "store", work)


def _only(forces: list[str] | None) -> str | None:
    """Each force counts its positions: in another force the same number names another read."""
    return forces[0] if forces and len(forces) == 1 else None


def _is_folder(path: Path) -> bool:
    """Whether it is a folder. `Path.is_dir` raises for a name that is too long."""
    return os.path.isdir(path)  # noqa: PTH112


def _check_target(out: Path | None) -> None:
    """Refuse before a look-up is recorded that would lead to nothing."""
    if out is not None and not _is_folder(out):
        if os.path.lexists(out):
            raise _in_the_way(out)
        if not out.parent.is_dir():
            raise CliError(f"--out {out}: there is no folder {out.parent}", Exit.USAGE)
    folder = Path() if out is None else out if _is_folder(out) else out.parent
    if not os.access(folder, os.W_OK):
        raise CliError(f"no file can be made in {folder.absolute()}: give another --out", Exit.USAGE)


async def _named(
    links: Links, forces: tuple[str, ...], read_id: str, camera: str, purpose: Purpose
) -> tuple[str, int]:
    """The force and position of the one read with this id. CliError when there is none, or more than one."""
    found = await reads_named(links, forces, read_id, camera, purpose)
    if len(found) > 1 or found[0].others_count:
        raise _ambiguous(found)
    return found[0].read.read.force, found[0].read.position


def _ambiguous(found: list[GetReadResponse]) -> CliError:
    count = sum(1 + answer.others_count for answer in found)
    reads = [stored for answer in found for stored in (answer.read, *answer.others)]
    lines = [
        f"  --force {one.read.force} --position {one.position}: camera {one.read.camera_id}, captured "
        f"{one.read.captured_at.ToDatetime():%Y-%m-%d %H:%M:%S}"
        for one in reads[:_NAMED]
    ]
    more = [f"  and {count - len(lines):,} more"] if count > len(lines) else []
    head = f"{count:,} reads have that read_id; say which, with --camera or with --position instead of READ:"
    return CliError(head, Exit.USAGE, more=[*lines, *more])


async def _fetched(links: Links, picture: Picture, purpose: Purpose) -> bytes:
    search, kind = await links.search(), _KINDS[picture.kind]
    try:
        return await search.image(picture.force, picture.position, kind, purpose)
    except NotFound as fault:
        raise CliError(_absent(fault, picture), Exit.NOT_FOUND, reason=fault.reason) from None


def _absent(fault: NotFound, picture: Picture) -> str:
    if fault.reason != "IMAGE_ABSENT":
        return f"no read is at position {picture.position} of {picture.force}"
    other = next(one for one in _KINDS if one != picture.kind)
    return f"{picture.read} has no {picture.kind} picture; try --kind {other}"


def _target(out: Path | None, picture: Picture) -> Path:
    usual = f"{picture.force}-{picture.position}-{picture.kind}.jpg"
    if out is None:
        return Path(usual)
    return out / usual if _is_folder(out) else out


def _written(jpeg: bytes, path: Path) -> Path:
    """Write a new file that only its owner may read. Never over another, nor through a link."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    except FileExistsError:
        raise _in_the_way(path) from None
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        reason = inert(error.strerror or str(error)).lower()
        raise CliError(f"{path} cannot be made: {reason}; give another --out", Exit.USAGE) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(jpeg)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return path


def _in_the_way(path: Path) -> CliError:
    return CliError(f"{path} is there already and stays as it is: give another --out", Exit.USAGE)


def _tell(session: Session, picture: Picture, path: Path, jpeg: bytes) -> None:
    digest = hashlib.sha256(jpeg).hexdigest()
    if session.as_json:
        write_json(asdict(picture) | {"file": str(path), "bytes": len(jpeg), "sha256": digest})
        return
    note(f"{path}: {picture.kind} picture of {picture.read}, {len(jpeg):,} bytes")
    note(f"sha256 {digest}; only you can read the file")

"""`gantry backup`: base copies of a site, and the archive that they are in."""

import asyncio
import os
from pathlib import Path
from typing import Annotated, Final

import pyrage
import typer

from cli.exits import CliError, Exit
from cli.jsonlines import write_json
from cli.output import counted, local_time, note, say, table
from cli.places import nameable
from cli.secret_files import write_secret
from cli.verbs import Session, verb
from suite.backup.archive import Archive
from suite.backup.archiver import site_id
from suite.backup.base import bases, make_base
from suite.backup.images import IMAGES, ImageMirror, image_folder
from suite.backup.prune import prune as prune_archive
from suite.backup.reach import complete_to
from suite.backup.server import server_elsewhere, server_of
from suite.backup.settings import ARCHIVE, BackupSettings, identity_in, settings_from
from suite.backup.verify import verify as verify_archive

_MIB: Final = 1 << 20

_ARCHIVE = Annotated[
    Path | None,
    typer.Option("--archive", envvar=ARCHIVE, help="Folder of the archive.", show_default=False),
]
_IDENTITY = Annotated[
    Path | None,
    typer.Option("--identity", help="File with the age identity: also decrypt and check the content."),
]


@verb
def key(
    session: Session, *, file: Annotated[Path, typer.Argument(help="Where to put the identity.")]
) -> None:
    """Make an age identity, and print its recipient.

    Keep the file away from the site: whoever has it can read the backups, and without it nobody can.
    """
    made = pyrage.x25519.Identity.generate()
    recipient = str(made.to_public())
    write_secret(file, f"# public key: {recipient}\n{made}\n")
    if session.as_json:
        write_json({"recipient": recipient, "identity": str(file)})
    else:
        say(recipient)
        note(f"the identity is in {file}: keep it away from this site")


@verb
def create(
    session: Session,
    *,
    host: Annotated[str | None, typer.Option(help="PostgreSQL's host, if it is not the suite's own.")] = None,
    port: Annotated[int, typer.Option(help="Its port.")] = 5432,
    user: Annotated[str, typer.Option(help="A superuser there.")] = "postgres",
    password_file: Annotated[Path | None, typer.Option(help="File with the password.")] = None,
    authority: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Use TLS, and verify the server's certificate and name with this authority (PEM).",
            show_default=False,
        ),
    ] = None,
    programs: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="PostgreSQL's programs of the server's version. TLS needs others than ours.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a base copy now. The suite's archiver makes one every day by itself."""
    settings = _settings()
    if host is not None:
        server = server_elsewhere(
            session.home,
            host=host,
            port=port,
            user=user,
            password_file=password_file,
            authority=authority,
            programs=programs,
        )
    elif authority is None and programs is None:
        server = server_of(session.home)
    else:
        raise CliError(
            "--authority and --programs are for a PostgreSQL elsewhere: give --host too", Exit.USAGE
        )
    archive = Archive(settings.archive)
    archive.make()
    url = os.environ.get(IMAGES, "")
    images = image_folder(session.home, url)
    if images is None:
        note(f"the pictures are in {url}, which the archive does not cover: see docs/recovery.md")
    else:
        mirror = ImageMirror(images, archive, settings.keep_days)
        mirror.open()
        mirror.mirror(settings.keys())
    bucket = url if images is None else ""
    base = asyncio.run(make_base(server, archive, settings.keys(), home=session.home, images_url=bucket))
    prune_archive(archive, settings.keep_days, images)
    if session.as_json:
        write_json(base.as_json())
    else:
        say(f"{base.name}: {base.size // _MIB:,} MiB, {counted(base.objects, 'picture object')}")


@verb
def list_backups(session: Session, *, archive: _ARCHIVE = None) -> None:
    """List the base copies, and up to when the archive reaches."""
    place = _archive(archive)
    found, reach = bases(place), complete_to(place)
    if session.as_json:
        write_json(
            {
                "complete_to": None if reach is None else reach.isoformat(),
                "bases": [base.as_json() for base in found],
            }
        )
        return
    rows = [
        (base.name, local_time(base.ended_at), f"{base.size // _MIB:,}", f"{base.objects:,}", base.postgres)
        for base in found
    ]
    table(
        ("base copy", "complete at", "MiB", "picture objects", "PostgreSQL"),
        rows,
        right=("MiB", "picture objects"),
    )
    say("no WAL is archived" if reach is None else f"the archive reaches until {local_time(reach)}")


@verb
def verify(
    session: Session,
    *,
    archive: _ARCHIVE = None,
    identity: _IDENTITY = None,
) -> None:
    """Check all files of the archive; exit code 1 when something is wrong.

    Without --identity: digests and the chain of WAL. With it, the content of each base copy is
    compared with PostgreSQL's manifest, piece by piece.
    """
    place = _archive(archive)
    identities = None if identity is None else identity_in(nameable(identity))
    settings = settings_from(os.environ)
    keep_days = 7 if settings is None else settings.keep_days
    found = verify_archive(place, keep_days, identities, note)
    if session.as_json:
        write_json({**vars(found), "ok": found.ok})
    else:
        opened = "" if identities is None else f" ({found.opened} read)"
        say(
            f"{counted(found.bases, 'base copy', 'base copies')}{opened}, "
            f"{counted(found.segments, 'WAL segment')}, {counted(found.objects, 'picture object')}"
        )
        for sentence in found.wrong:
            say(sentence)
    if not found.ok:
        raise CliError(f"{counted(len(found.wrong), 'thing is', 'things are')} wrong in {place.folder}")


@verb
def prune(session: Session) -> None:
    """Delete backups that are past their time. The suite's archiver does it by itself."""
    settings = _settings()
    images = image_folder(session.home, os.environ.get(IMAGES, ""))
    archive = Archive(settings.archive)
    archive.require()
    done = prune_archive(archive, settings.keep_days, images)
    if session.as_json:
        write_json({"bases": list(done.bases), "segments": done.segments, "objects": done.objects})
    else:
        say(
            f"deleted {counted(len(done.bases), 'base copy', 'base copies')}, "
            f"{counted(done.segments, 'WAL segment')}, {counted(done.objects, 'picture object')}"
        )


@verb
def take_over(session: Session, *, archive: _ARCHIVE = None) -> None:
    """Let this site write to an archive in place of another site.

    The archiver of the other site, should it still run, stops writing at once.
    """
    place = _archive(archive)
    if not session.home.is_dir():
        raise CliError(f"there is no suite in {session.home}", Exit.NOT_FOUND)
    place.claim(site_id(session.home))
    if session.as_json:
        write_json({"archive": str(place.folder)})
    else:
        say(f"{session.home} writes to {place.folder} from now on")


def _settings() -> BackupSettings:
    settings = settings_from(os.environ)
    if settings is None:
        raise CliError(f"{ARCHIVE} is not set: it names the folder of the archive", Exit.USAGE)
    return settings


def _archive(folder: Path | None) -> Archive:
    if folder is None:
        raise CliError(f"name the archive with --archive or {ARCHIVE}", Exit.USAGE)
    archive = Archive(nameable(folder))
    archive.require()
    return archive

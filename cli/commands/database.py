"""`gantry database`: a PostgreSQL that others run."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.exits import CliError, Exit
from cli.jsonlines import write_json
from cli.output import note, say, warn
from cli.places import nameable
from cli.secret_files import write_secret
from cli.verbs import Session, verb
from suite.backup.elsewhere import close_restored_at, standing_at, standing_in
from suite.database import DATABASE, RUNTIME_SESSIONS, SERVICES
from suite.external import ExternalPostgres, PasswordFiles, prepare_external, secret_in

HostOption = Annotated[str, typer.Option(help="Name or address of the server.", show_default=False)]
PortOption = Annotated[int, typer.Option(min=1, max=65535, help="Its port.")]
UserFileOption = Annotated[
    Path, typer.Option(metavar="FILE", help="The name of a superuser, in a file.", show_default=False)
]
PasswordFileOption = Annotated[
    Path, typer.Option(metavar="FILE", help="Its password, in a file.", show_default=False)
]
AuthorityOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Use TLS, and verify the server's certificate and name with this authority (PEM).",
        show_default=False,
    ),
]
DatabaseOption = Annotated[str, typer.Option(metavar="NAME", help="The database.")]


@verb
def prepare(
    session: Session,
    *,
    host: HostOption,
    user_file: UserFileOption,
    password_file: PasswordFileOption,
    roles: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="The passwords of the roles: files ROLE.password.", show_default=False
        ),
    ],
    port: PortOption = 5432,
    authority: AuthorityOption = None,
    database: DatabaseOption = DATABASE,
    sessions: Annotated[
        int, typer.Option(min=1, max=10_000, help="Limit of sessions of each service's role.")
    ] = RUNTIME_SESSIONS,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the server.")] = 60,
) -> None:
    """Make the roles, database and schemas in a PostgreSQL, or give its roles their new passwords."""
    if not roles.is_dir():
        raise CliError(f"--roles {roles}: there is no such folder", Exit.USAGE)
    server = _server(host, port, user_file, password_file, authority)
    passwords = PasswordFiles(roles)
    remarks = asyncio.run(
        prepare_external(server, passwords, database=database, sessions=sessions, wait=wait)
    )
    if session.as_json:
        write_json(
            {"database": database, "roles": passwords.roles, "schemas": list(SERVICES), "remarks": remarks}
        )
        return
    for remark in remarks:
        note(f"note: {remark}")
    note(f"{server.where} has the database {database} with the schemas {', '.join(SERVICES)} and their roles")


@verb
def standing(
    session: Session,
    *,
    host: HostOption,
    user_file: UserFileOption,
    password_file: PasswordFileOption,
    to: Annotated[
        Path,
        typer.Option("--to", metavar="FILE", help="A new file, for its owner alone.", show_default=False),
    ],
    port: PortOption = 5432,
    authority: AuthorityOption = None,
    database: DatabaseOption = DATABASE,
) -> None:
    """Write what is withdrawn and revoked now, before the database is taken back to an earlier time."""
    server = _server(host, port, user_file, password_file, authority)
    write_secret(nameable(to), asyncio.run(standing_at(server, database)) + "\n")
    if session.as_json:
        write_json({"file": str(to)})
        return
    note(f"{to} says what stands in {database} at {server.where}")


@verb
def restored(
    session: Session,
    *,
    host: HostOption,
    user_file: UserFileOption,
    password_file: PasswordFileOption,
    stood: Annotated[
        Path | None,
        typer.Option(
            "--standing", metavar="FILE", help="What `gantry database standing` wrote.", show_default=False
        ),
    ] = None,
    newest: Annotated[
        bool,
        typer.Option("--newest", help="It was restored to its newest state, so that nothing is missing."),
    ] = False,
    port: PortOption = 5432,
    authority: AuthorityOption = None,
    database: DatabaseOption = DATABASE,
) -> None:
    """After a restore by others: withdraw again what stood; close search and alerts.

    Before services start. They open by themselves, when what was deleted since has been deleted again.
    """
    if (stood is None) != newest:
        raise CliError(
            "say what stood: --standing FILE, or --newest when it was restored to its newest state",
            Exit.USAGE,
        )
    server = _server(host, port, user_file, password_file, authority)
    done = asyncio.run(close_restored_at(server, database, None if stood is None else _standing(stood)))
    if session.as_json:
        write_json({"database": database, "replayed": done.as_json()})
        return
    say(done.sentence)
    for name in done.hotlists:
        warn(f"hotlist {name} was imported since, and has no entries now: import it again")
    note("search and alerts are closed until the services have deleted again what was deleted since")


def _standing(file: Path) -> dict[str, Any]:
    try:
        return standing_in(nameable(file).read_text(encoding="utf-8"))
    except ValueError as error:
        raise CliError(
            f"--standing {file}: it is not what `gantry database standing` writes", Exit.USAGE
        ) from error


def _server(
    host: str, port: int, user_file: Path, password_file: Path, authority: Path | None
) -> ExternalPostgres:
    if not host.isascii() or not host.isprintable() or not host:
        raise CliError(f"--host {host}: give the name or the address of the server", Exit.USAGE)
    if authority is not None and not authority.is_file():
        raise CliError(f"--authority {authority}: there is no such file", Exit.USAGE)
    return ExternalPostgres(host, port, secret_in(user_file), secret_in(password_file), authority)

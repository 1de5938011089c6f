"""`gantry database`: a PostgreSQL that others run."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from cli.exits import CliError, Exit
from cli.jsonlines import write_json
from cli.output import note
from cli.verbs import Session, verb
from suite.database import DATABASE, RUNTIME_SESSIONS, SERVICES
from suite.external import ExternalPostgres, PasswordFiles, prepare_external, secret_in


@verb
def prepare(
    session: Session,
    *,
    host: Annotated[str, typer.Option(help="Name or address of the server.", show_default=False)],
    user_file: Annotated[
        Path, typer.Option(metavar="FILE", help="The name of a superuser, in a file.", show_default=False)
    ],
    password_file: Annotated[
        Path, typer.Option(metavar="FILE", help="Its password, in a file.", show_default=False)
    ],
    roles: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="The passwords of the roles: files ROLE.password.", show_default=False
        ),
    ],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Its port.")] = 5432,
    authority: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Use TLS, and verify the server's certificate and name with this authority (PEM).",
            show_default=False,
        ),
    ] = None,
    database: Annotated[str, typer.Option(metavar="NAME", help="The database.")] = DATABASE,
    sessions: Annotated[
        int, typer.Option(min=1, max=10_000, help="Limit of sessions of each service's role.")
    ] = RUNTIME_SESSIONS,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the server.")] = 60,
) -> None:
    """Make the roles, database and schemas in a PostgreSQL, or give its roles their new passwords."""
    if not host.isascii() or not host.isprintable() or not host:
        raise CliError(f"--host {host}: give the name or the address of the server", Exit.USAGE)
    if not roles.is_dir():
        raise CliError(f"--roles {roles}: there is no such folder", Exit.USAGE)
    if authority is not None and not authority.is_file():
        raise CliError(f"--authority {authority}: there is no such file", Exit.USAGE)
    server = ExternalPostgres(host, port, secret_in(user_file), secret_in(password_file), authority)
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

"""`gantry certificate`: certificates of an authority of one's own, for services and people."""

import re
from ipaddress import ip_address
from typing import Annotated, Final

import typer

from chassis.settings import TlsSettings
from cli.exits import CliError, Exit
from cli.jsonlines import write_json
from cli.output import note, say
from cli.verbs import Session, verb
from suite.certificates import Authority
from suite.database import SERVICES
from suite.layout import Layout
from suite.plan import CANARY

_NAMES: Final = (*SERVICES, CANARY)
_HOST: Final = re.compile(r"[A-Za-z0-9*][A-Za-z0-9*.-]{0,252}")


@verb
def service(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"Its name: {', '.join(_NAMES)}, or another.")],
    *,
    dns: Annotated[
        list[str] | None,
        typer.Option(
            "--dns",
            metavar="HOST",
            help="A further name by which it is called; repeat for more.",
            show_default=False,
        ),
    ] = None,
    ip: Annotated[
        list[str] | None,
        typer.Option(
            "--ip",
            metavar="ADDRESS",
            help="A further address by which it is called; repeat for more.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Issue a service's certificate, valid for its name, localhost and what is given."""
    _check(name, dns or [], ip or [])
    _answer(session, _authority(session).issue_service(name, dns=dns or [], ips=ip or []))
    if name not in _NAMES:
        note(f"note: {name} is none of Gantry's services, so other services refuse its calls")


@verb
def person(
    session: Session,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whom the audit trail names.")],
    *,
    force: Annotated[
        list[str],
        typer.Option(
            "--force",
            metavar="CODE",
            help="A force that the person may work for; repeat for more.",
            show_default=False,
        ),
    ],
) -> None:
    """Issue a person's certificate, which names the forces that the person may work for."""
    _answer(session, _authority(session).issue_person(name, sorted(set(force))))


def _authority(session: Session) -> Authority:
    """The authority of the folder, made when it is missing."""
    return Authority(Layout.of(session.home).pki)


def _answer(session: Session, files: TlsSettings) -> None:
    paths = {name: str(getattr(files, name)) for name in ("certificate", "key", "authority")}
    if session.as_json:
        write_json(paths)
        return
    for name, path in paths.items():
        say(f"{name}: {path}")


def _check(name: str, hosts: list[str], addresses: list[str]) -> None:
    known = name.replace("-", "_")
    if known != name and known in _NAMES:
        raise CliError(
            f"the service is called {known}; its certificate is valid for the host {name}, too", Exit.USAGE
        )
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise CliError(f"--dns {host}: give the name of a host", Exit.USAGE)
    for address in addresses:
        try:
            ip_address(address)
        except ValueError:
            raise CliError(f"--ip {address}: give an IP address", Exit.USAGE) from None

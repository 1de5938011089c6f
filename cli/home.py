"""The suite's folder: addresses of services and people's certificates."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.certified import uris_in
from cli.exits import CliError, Exit
from suite.steps import Phase, Step, read_step

_FORCE_URI = "gantry://force/"


@dataclass(frozen=True)
class PersonFiles:
    """The files with which a person calls: certificate, key, and the authority to trust."""

    certificate: Path
    key: Path
    authority: Path


@dataclass(frozen=True)
class Person:
    """A person: a name, the forces that they may work for, and the certificate that says so."""

    name: str
    forces: tuple[str, ...]
    tls: PersonFiles

    def chosen(self, forces: list[str]) -> tuple[str, ...]:
        """The forces asked for, or all of the person's when none was. CliError for one that is not theirs."""
        return tuple(dict.fromkeys(map(self.require, forces))) or self.forces

    def require(self, force: str) -> str:
        """The force's code, in small letters, when it is one of the person's. CliError otherwise."""
        code = force.strip().lower()
        if code not in self.forces:
            theirs = ", ".join(self.forces) or "no force"
            raise CliError(
                f"{self.name} may not work for {force!r}: the certificate names {theirs}", Exit.REFUSED
            )
        return code


class SuiteHome:
    """A folder that `gantry up` made, or one laid out like it for a suite elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def spans(self) -> Path:
        """Where services write their spans."""
        return self.folder / "spans"

    @property
    def authority(self) -> Path:
        """The certificate authority that cameras and people trust."""
        return self.folder / "pki" / "ca.pem"

    @property
    def secrets(self) -> Path:
        """The folder that only its owner may read."""
        return self.folder / "secrets"

    @property
    def belongs_here(self) -> bool:
        """Whether suites run in this folder, rather than it being laid out for one that runs elsewhere."""
        return (self.folder / "lock").exists()

    def step(self) -> Step | None:
        """What the suite that runs here does; None when none does, or it runs elsewhere."""
        return read_step(self.folder / "run")

    def processes(self) -> list[str]:
        """Names of the processes that were started."""
        return _names(self.folder / "run", ".json", ".pid")

    def pid(self, process: str) -> int | None:
        """A process's id, or None when there is no file with it."""
        try:
            return int((self.folder / "run" / f"{process}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def ports(self, process: str) -> dict[str, Any]:
        """The ports that a process wrote down. CliError when it has not."""
        path = self.folder / "run" / f"{process}.json"
        try:
            found = json.loads(path.read_text())
        except (FileNotFoundError, NotADirectoryError):
            raise CliError(self.not_running(process), Exit.UNREACHABLE) from None
        except ValueError:
            raise CliError(f"{path} is damaged: start the suite again with `gantry up`") from None
        return dict(found)

    def address(self, process: str, port: str = "grpc") -> str:
        """HOST:PORT of a process's port by its name. CliError when it has none."""
        value = self.ports(process).get(port)
        if isinstance(value, int):
            return f"127.0.0.1:{value}"
        if isinstance(value, str) and ":" in value:
            return value
        raise CliError(f"{process} has no {port} port: start the suite again with `gantry up`")

    def certified_name(self, process: str) -> str | None:
        """The name in a process's certificate, when the file says that it differs from its address."""
        value = self.ports(process).get("name")
        return value if isinstance(value, str) and value else None

    def people(self) -> list[str]:
        """Whose certificates are here."""
        return _names(self.folder / "pki" / "people", ".pem")

    def person(self, name: str | None) -> Person:
        """A person by name, or the one whose certificate names the most forces. CliError if absent."""
        known = self.people()
        if not known:
            raise CliError(self.not_running(None), Exit.UNREACHABLE)
        if name is not None and name not in known:
            raise CliError(
                f"there is no certificate of {name!r} here; --as knows {', '.join(known)}", Exit.NOT_FOUND
            )
        found = [self._person(one) for one in ([name] if name is not None else known)]
        return max(found, key=lambda one: len(one.forces))

    def _person(self, name: str) -> Person:
        folder = self.folder / "pki" / "people"
        certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
        if not key.exists():
            raise CliError(f"{key} is missing: start the suite again with `gantry up`")
        forces = _forces_in(certificate)
        return Person(name, forces, PersonFiles(certificate, key, self.authority))

    def not_running(self, process: str | None) -> str:
        """Why a process, or the suite, cannot be asked, and what to do."""
        step, see = self.step(), "; `gantry status` shows it" if process else ""
        if step is not None and step.phase == Phase.STARTING:
            return f"the suite in {self.folder} is {step.sentence}. Wait until it runs{see}"
        if step is not None and step.phase == Phase.STOPPING:
            return f"the suite in {self.folder} is {step.sentence}. `gantry up` starts it again after that"
        if step is not None and process:
            return f"{process} is down in {self.folder} and is being started again; see `gantry status`"
        what = f"{process} is not running" if process else "no suite is running"
        return f"{what} in {self.folder}: start one with `gantry up`, or name another folder with --home"


def _names(folder: Path, *suffixes: str) -> list[str]:
    """The names of a folder's files with these suffixes, each once; none when there is no such folder.

    PermissionError when it may not be read (`Path.glob` would find nothing): a suite may run there.
    """
    try:
        return sorted({path.stem for path in folder.iterdir() if path.suffix in suffixes})
    except (FileNotFoundError, NotADirectoryError):
        return []


def _forces_in(certificate: Path) -> tuple[str, ...]:
    try:
        uris = uris_in(certificate.read_bytes())
    except (OSError, ValueError, StopIteration):
        raise CliError(f"{certificate} cannot be read as a person's certificate") from None
    return tuple(sorted(uri.removeprefix(_FORCE_URI) for uri in uris if uri.startswith(_FORCE_URI)))

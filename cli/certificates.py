"""People's certificates of a suite on this machine."""

from pathlib import Path

from cli.exits import CliError, Exit
from cli.home import SuiteHome
from suite.certificates import Authority


def let_work_for(folder: Path, name: str | None, force: str) -> None:
    """Have the suite's authority name the force in a person's certificate.

    CliError where the authority's key is not on this machine.
    """
    home = SuiteHome(folder)
    person = home.person(name)
    if force in person.forces:
        return
    if not home.authority.with_suffix(".key").exists():
        raise CliError(
            f"the certificate of {person.name} does not name {force!r}: have one issued that does",
            Exit.REFUSED,
        )
    Authority(home.authority.parent).issue_person(person.name, sorted((*person.forces, force)))

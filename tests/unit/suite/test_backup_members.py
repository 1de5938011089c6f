"""What a tar of a backup holds is written below one folder, and nowhere else."""

import io
import tarfile
from pathlib import Path

import pytest

from suite.backup.members import unpack_all
from suite.errors import SuiteError


def tar_of(*members: tuple[str, bytes, bytes]) -> tarfile.TarFile:
    """A tar of members by name, kind and content."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.mode, info.linkname = kind, len(content), 0o777, "/etc/passwd"
            tar.addfile(info, io.BytesIO(content))
    target.seek(0)
    return tarfile.open(fileobj=target)


def test_files_and_folders_are_written_for_their_owner_only(tmp_path: Path) -> None:
    with tar_of(("pki", tarfile.DIRTYPE, b""), ("pki/ca.key", tarfile.REGTYPE, b"secret")) as tar:
        unpack_all(tar, tmp_path)
    assert (tmp_path / "pki/ca.key").read_bytes() == b"secret"
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "pki/ca.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["/tmp/elsewhere", "../elsewhere", "pki/../../elsewhere"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with (
        tar_of((name, tarfile.REGTYPE, b"x")) as tar,
        pytest.raises(SuiteError, match="leads out of its folder"),
    ):
        unpack_all(tar, tmp_path / "home")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_left_out(tmp_path: Path, kind: bytes) -> None:
    with tar_of(("pki", kind, b"")) as tar:
        unpack_all(tar, tmp_path)
    assert list(tmp_path.iterdir()) == []

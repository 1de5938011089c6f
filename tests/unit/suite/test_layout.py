"""A suite makes its folders only where nothing else has folders of these names."""

from pathlib import Path

import pytest

from suite.errors import SuiteError
from suite.layout import Layout


@pytest.mark.parametrize("name", ["run", "pki", "secrets", "logs", "images"])
def test_a_folder_of_something_else_is_refused_and_stays_as_it_is(tmp_path: Path, name: str) -> None:
    foreign = tmp_path / name / "theirs.pid"
    foreign.parent.mkdir()
    foreign.write_text("1")
    with pytest.raises(SuiteError, match=f"holds {name} of something else"):
        Layout.of(tmp_path).make()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert foreign.read_text() == "1"


def test_other_files_and_empty_folders_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("vrm,reason")
    (tmp_path / "images").mkdir()
    Layout.of(tmp_path).make()
    assert (tmp_path / "run").is_dir()


def test_a_suites_own_folder_is_taken_again(tmp_path: Path) -> None:
    layout = Layout.of(tmp_path)
    layout.make()
    layout.lock.touch()
    (layout.pki / "ca.pem").write_text("certificate")
    layout.make()

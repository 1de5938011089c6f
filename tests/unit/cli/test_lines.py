"""Lines of a file: numbered, bounded, and none hides the next."""

import gzip
from pathlib import Path

import pytest

from cli.exits import CliError, Exit
from cli.replay.lines import LONGEST_LINE, FileCutError, LineFile


def lines_of(path: Path) -> list[tuple[int, bytes]]:
    with LineFile(path) as file:
        return list(file.numbered())


def test_lines_are_numbered_from_one_and_blank_ones_left_out(tmp_path: Path) -> None:
    path = tmp_path / "reads.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\r\n\r\n1,2\n3,4")
    assert lines_of(path) == [(1, b"a,b"), (3, b"1,2"), (4, b"3,4")]


def test_gzip_is_recognised_by_content_not_by_name(tmp_path: Path) -> None:
    path = tmp_path / "reads.csv"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    with LineFile(path) as file:
        assert file.compressed
        assert list(file.numbered()) == [(1, b"a,b"), (2, b"1,2")]
        assert list(file.numbered()) == [(1, b"a,b"), (2, b"1,2")], "a file can be read twice"


def test_a_line_without_end_is_cut_and_the_next_is_found(tmp_path: Path) -> None:
    path = tmp_path / "reads.csv"
    path.write_bytes(b"a\n" + b"x" * (LONGEST_LINE * 3) + b"\nb\n")
    found = lines_of(path)
    assert [(number, len(line)) for number, line in found] == [(1, 1), (2, LONGEST_LINE + 1), (3, 1)]


def test_a_cut_gzip_file_gives_what_it_has_and_then_says_so(tmp_path: Path) -> None:
    path = tmp_path / "reads.csv.gz"
    whole = gzip.compress(b"".join(b"%d,%d\n" % (n, n * n * 7919) for n in range(50_000)))
    path.write_bytes(whole[: len(whole) // 2])
    seen: list[int] = []
    with LineFile(path) as file, pytest.raises(FileCutError, match="after line"):
        seen.extend(number for number, _ in file.numbered())
    assert len(seen) > 10_000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        ("force,vrm\n".encode("utf-16"), "UTF-16"),
        (b"\x1f\x8b\x00", "gzip"),
    ],
)
def test_a_file_that_cannot_be_text_is_refused_with_a_sentence(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "reads"
    path.write_bytes(content)
    with pytest.raises(CliError, match=said) as caught:
        LineFile(path)
    assert caught.value.code == Exit.USAGE


def test_a_file_that_is_not_there_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"cannot read .*: no such file"):
        LineFile(tmp_path / "absent.csv")

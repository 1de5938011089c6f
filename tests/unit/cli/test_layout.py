"""CSV and JSON lines become values; a broken line is named and never sinks the rest."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.exits import CliError
from cli.replay.layout import BrokenLineError, Parser, find_layout
from cli.replay.lines import LineFile

HEADER = "force,camera_id,read_id,captured_at,vrm,confidence,lat,lon,heading"
WANTED = ("force", "camera_id", "captured_at", "vrm")


def values_or_message(parse: Parser, line: bytes) -> Any:
    try:
        return list(parse(line))
    except BrokenLineError as broken:
        return broken.message


@pytest.fixture
def parse_all(tmp_path: Path) -> Callable[..., list[Any]]:
    def run(
        content: str | bytes, chosen: dict[str, str] | None = None, force: str | None = None
    ) -> list[Any]:
        path = tmp_path / "reads"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with LineFile(path) as file:
            layout = find_layout(file, chosen or {}, force)
            parse = layout.parser(WANTED)
            lines = [line for number, line in file.numbered() if number > layout.header_lines]
        return [values_or_message(parse, line) for line in lines]

    return run


def test_csv_with_any_usual_delimiter(parse_all: Callable[..., list[Any]]) -> None:
    for delimiter in ",;\t|":
        header, row = (
            HEADER.replace(",", delimiter),
            "essex,C1,r1,12.5,AB12CDE,0.9,51,0,90".replace(",", delimiter),
        )
        assert parse_all(f"{header}\n{row}\n") == [["essex", "C1", "12.5", "AB12CDE"]]


def test_quoted_fields_and_an_open_quote(parse_all: Callable[..., list[Any]]) -> None:
    text = (
        'force,camera_id,captured_at,vrm\nessex,"C,1",1,"AB12 CDE"\nessex,"C1,1,AB12CDE\nkent,C2,2,XY12ABC\n'
    )
    assert parse_all(text) == [
        ["essex", "C,1", "1", "AB12 CDE"],
        "a quotation mark is not closed, or stands inside a field",
        ["kent", "C2", "2", "XY12ABC"],
    ]


def test_lines_of_another_width(parse_all: Callable[..., list[Any]]) -> None:
    text = "force,camera_id,captured_at,vrm\nessex,C1,1\nessex,C1,1,AB12CDE,,\nessex,C1,1,AB12CDE,x\n"
    assert parse_all(text) == [
        "the line has 3 columns, the header 4",
        ["essex", "C1", "1", "AB12CDE"],
        "the line has 5 columns, the header 4",
    ]


def test_bytes_that_are_not_utf8_are_named_by_place(parse_all: Callable[..., list[Any]]) -> None:
    content = b"force,camera_id,captured_at,vrm\nessex,C\xff1,1,AB12CDE\nkent,C2,2,AB12CDE\n"
    assert parse_all(content) == ["byte 8 of the line is not UTF-8", ["kent", "C2", "2", "AB12CDE"]]


def test_json_lines_with_mapped_names_and_broken_ones(parse_all: Callable[..., list[Any]]) -> None:
    good = json.dumps({"f": "essex", "cam": 7, "captured_at": 1.5, "vrm": "AB12CDE"})
    deep = "[" * 30_000
    text = f'{good}\n{{"f": \n[1]\n{deep}\n{good}\n'
    found = parse_all(text, {"force": "f", "camera_id": "cam"})
    row = ["essex", 7, 1.5, "AB12CDE"]
    assert found == [
        row,
        "the line is not JSON",
        "the line is not a JSON object",
        "the line is not JSON",
        row,
    ]


def test_a_fixed_force_stands_for_the_column(parse_all: Callable[..., list[Any]]) -> None:
    assert parse_all("camera_id,captured_at,vrm\nC1,1,A1\n", force="kent") == [["kent", "C1", "1", "A1"]]
    assert parse_all('{"camera_id":"C1","captured_at":1,"vrm":"A1"}\n', force="kent") == [
        ["kent", "C1", 1, "A1"]
    ]


def test_a_json_array_is_refused_with_advice(parse_all: Callable[..., list[Any]]) -> None:
    with pytest.raises(CliError, match="one JSON array"):
        parse_all('[{"vrm": "A1"}]')


def test_json_without_our_names_is_refused_with_suggestions(parse_all: Callable[..., list[Any]]) -> None:
    with pytest.raises(CliError, match="--map vrm=plate"):
        parse_all('{"force":"essex","camera_id":"C1","captured_at":1,"plate":"A1"}\n')

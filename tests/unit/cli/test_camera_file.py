"""Files of cameras as spreadsheets write them."""

from pathlib import Path

import pytest
from gantry.common.v1.read_pb2 import Position
from gantry.ingest.v1.cameras_pb2 import CAMERA_KIND_FIXED, CAMERA_KIND_MOBILE, Camera

from cli.camera_file import cameras_in
from cli.exits import CliError

MILL = Camera(
    camera_id="A1", name="M\u00fchle", kind=CAMERA_KIND_FIXED, position=Position(latitude=51.7, longitude=0.5)
)
CAR = Camera(camera_id="CAR", kind=CAMERA_KIND_MOBILE)
TEXT = "camera_id,name,kind,lat,lon\nA1,M\u00fchle,fixed,51.7,0.5\nCAR,,mobile,,\n"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(TEXT.encode(), id="UTF-8"),
        pytest.param(TEXT.encode("utf-8-sig"), id="byte-order mark"),
        pytest.param(TEXT.replace(",", "\t").encode("utf-16"), id="UTF-16 with tabs"),
        pytest.param(TEXT.replace("\n", "\r").encode(), id="bare CR"),
        pytest.param(TEXT.replace("CAR,,mobile,,", "CAR,,mobile").encode(), id="trailing cells left out"),
        pytest.param(TEXT.replace("0.5\n", "0.5,,\n").encode(), id="empty cells at the end"),
        pytest.param(
            ("sep=;\r\n" + TEXT.replace(",", ";").replace("51.7", "51,7").replace("0.5", "0,5")).encode(
                "cp1252"
            ),
            id="German Excel",
        ),
        pytest.param(TEXT.replace("A1,", '"=""A1""",').encode(), id="guarded"),
        pytest.param(TEXT.replace("lat,lon", "Latitude,Longitude").encode(), id="other names"),
        pytest.param((TEXT + "Total,2\n").encode(), id="total"),
    ],
)
def test_files_that_mean_the_same(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "cameras.csv"
    path.write_bytes(data)
    assert cameras_in(path, []) == [MILL, CAR]


def test_columns_are_mapped(tmp_path: Path) -> None:
    path = tmp_path / "cameras.csv"
    path.write_text(TEXT.replace("camera_id", "Site"))
    with pytest.raises(CliError, match="--map camera_id=Site"):
        cameras_in(path, [])
    assert cameras_in(path, ["camera_id=Site"]) == [MILL, CAR]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("camera_id,name\n", "no cameras"),
        ("OFFICIAL\ncamera_id,name\nA1,x\n", "protective marking"),
        ("camera_id,lat,lon\nA1,51.7,\n", "lat and lon are both needed"),
        ("camera_id,name\n,x\n", "line 2, camera_id: is empty"),
        ("camera_id,kind\nA1,Static\n", "line 2: camera A1: Static is no kind"),
        ("camera_id,lat,lon\nA1,51.7N,0.5\n", "line 2, lat: is not a number"),
        ("camera_id,lat,lon\nA1,573210,207654\n", "line 2, lat: should be -90 to 90 degrees; turn eastings"),
        ("camera_id,name\nA1,x\nA2,y\nA1,z\n", "line 4, camera_id: camera A1 is on line 2 too"),
        ("camera_id,lat,lon\nA1,#N/A,0.5\n", "line 2, lat: holds a spreadsheet's error"),
        ("camera_id,kind\nA1,tripod\n", "tripod is no kind"),
        ("camera_id,name\nA1,x\nA2,y,z\n", "line 3"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "cameras.csv"
    path.write_text(text)
    with pytest.raises(CliError, match=said):
        cameras_in(path, [])

"""The tables that Gantry reads: their columns, and the names that others give them."""

from __future__ import annotations

from typing import Final

from tables.columns import Wanted

_PLATES: Final = (
    *("registration", "vrn", "plate", "reg", "reg_no", "registration_number", "number_plate"),
    *("plate_number", "licence_plate", "license_plate", "registration_mark", "vehicle_registration_mark"),
    *("vehicle_registration", "vehicle_reg", "veh_reg", "reg_mark", "reg_number", "registration_no", "regno"),
    *("plate_no", "plate_text", "plate_read", "v.r.m", "v_r_m", "index_no", "index_number", "index"),
    *("kennzeichen", "kenteken", "immatriculation", "targa", "matricula", "reg_nr"),
)

_OBJECTS: Final = ("position", "location", "gps", "coordinates", "coords", "geo")


def _inside(*names: str) -> tuple[str, ...]:
    return tuple(f"{outer}.{name}" for outer in _OBJECTS for name in names)


UTC_TIMES: Final = (
    *(
        "captured_at_utc",
        "capture_time_utc",
        "captured_utc",
        "timestamp_utc",
        "datetime_utc",
        "date_time_utc",
    ),
    *("time_utc", "utc_timestamp", "utc_datetime", "utc_date_time", "utc_time", "utc"),
)
"""Names of columns that hold a capture time in UTC."""

READS: Final = Wanted(
    required=("force", "camera_id", "captured_at", "vrm"),
    optional=("read_id", "confidence", "lat", "lon", "heading"),
    together=("captured_at", "vrm"),
    also={
        "lat": ("latitude", *_inside("lat", "latitude")),
        "lon": ("longitude", *_inside("lon", "longitude", "lng")),
    },
    instead={"force": "--force CODE"},
    likely={
        "force": ("organisation", "agency", "owner", "tenant", "bof"),
        "camera_id": (
            *("camera", "cam", "cameraid", "cam_id", "camera_name", "device", "device_id", "site", "source"),
            "feed_id",
        ),
        "read_id": ("id", "uuid", "guid", "readid", "event_id", "reference"),
        "captured_at": (
            *UTC_TIMES,
            *(
                "timestamp",
                "datetime",
                "date_time",
                "capture_time",
                "capture_date",
                "captured",
                "date_and_time",
            ),
            *("time", "when", "ts", "t", "t_ms", "date", "zeitpunkt", "zeitstempel", "zeit", "datum"),
        ),
        "vrm": _PLATES,
        "confidence": ("score", "conf", "certainty", "quality"),
        "lat": ("y",),
        "lon": ("lng", "long", "x"),
        "heading": ("bearing", "course", "direction_degrees"),
    },
)

HOTLIST: Final = Wanted(
    required=("vrm", "reason"),
    optional=(
        "priority",
        "markers",
        "instruction",
        "weed_date",
        "make",
        "model",
        "colour",
        "country",
    ),
    also={"colour": ("color",)},
    likely={
        "vrm": _PLATES,
        "reason": (
            *(
                "why",
                "reason_for_interest",
                "offence_type",
                "crime_type",
                "details",
                "remarks",
            ),
            *(
                "description",
                "offence",
                "crime",
                "circumstances",
                "category",
                "comment",
                "notes",
                "reason_code",
            ),
        ),
        "priority": ("prio", "level", "severity", "rank"),
        "markers": ("warnings", "warning", "marker", "flags", "warning_markers"),
        "instruction": ("instructions", "action", "advice", "actions"),
        "weed_date": (
            "expiry",
            "expires",
            "expiry_date",
            "end_date",
            "valid_to",
            "valid_until",
            "weed",
            "review_date",
        ),
        "make": ("manufacturer", "brand"),
        "model": ("type", "vehicle_model"),
        "colour": ("vehicle_colour", "vehicle_color", "paint"),
        "country": ("nationality", "country_code", "origin"),
    },
    together=("reason", "weed_date"),
    in_force=True,
)

"""The picture of an overview camera on a gantry: road, sky and a vehicle, by day, dusk and night."""

from functools import lru_cache
from random import Random
from typing import Literal

from PIL import Image, ImageDraw, ImageFilter

from simulators.cameras.plate_art import BLACK, Colour
from simulators.cameras.vehicles import Kind

OVERVIEW_SIZE = 512, 288
HORIZON = 92
SCENES = 6
Light = Literal["day", "dusk", "night"]
Edge = Literal["nearside", "middle", "offside"]

_BRIGHTNESS: dict[Light, float] = {"day": 1.0, "dusk": 0.62, "night": 0.34}
_PAINT: dict[str, Colour] = {
    "BLACK": (34, 35, 38),
    "GREY": (96, 100, 106),
    "WHITE": (226, 228, 230),
    "BLUE": (38, 70, 142),
    "SILVER": (170, 174, 178),
    "RED": (158, 30, 34),
    "GREEN": (36, 96, 58),
    "YELLOW": (220, 182, 40),
}
_GLASS = 52, 66, 78
# Width and height of each kind of vehicle in the overview, in pixels.
_SHAPES: dict[Kind, tuple[int, int]] = {
    "CAR": (170, 124),
    "LGV": (176, 164),
    "HGV": (196, 196),
    "BUS": (190, 190),
    "MOTORCYCLE": (64, 112),
}


def light_at(hour: int) -> Light:
    """Daylight at that hour (UTC), much as in March or September."""
    if 7 <= hour < 18:
        return "day"
    return "dusk" if hour in (6, 18, 19) else "night"


def plate_place(kind: Kind) -> tuple[int, int]:
    """Where the middle of the plate is, as an offset from the middle of the vehicle's lower edge."""
    return 0, -26 if kind == "MOTORCYCLE" else -22


@lru_cache(maxsize=40)
def background(scene: int, edge: Edge, light: Light) -> Image.Image:
    """The empty road. There are `SCENES` of them. Do not change the image: it is shared."""
    rng = Random(f"scene/{scene}")
    width, height = OVERVIEW_SIZE
    picture = Image.new("RGB", OVERVIEW_SIZE, (170 + 5 * scene, 192 + 2 * scene, 212))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, HORIZON, width, height), fill=(84 + 3 * scene, 112 - 2 * scene, 62))
    for _ in range(26):
        x, size = rng.randint(-20, width), rng.randint(10, 42)
        shade = rng.randint(0, 30)
        draw.ellipse(
            (x, HORIZON - size, x + 2 * size, HORIZON + 8), fill=(48 + shade, 74 + shade, 44 + shade)
        )
    left = 20 if edge == "nearside" else -120
    right = width - 20 if edge == "offside" else width + 120
    draw.polygon(((left, height), (226, HORIZON), (286, HORIZON), (right, height)), fill=(92, 93, 95))
    _lines(draw, edge, left, right)
    return _lit(picture.filter(ImageFilter.GaussianBlur(1.2)), light)


def _lines(draw: ImageDraw.ImageDraw, edge: Edge, left: int, right: int) -> None:
    white, bottom = (214, 214, 208), OVERVIEW_SIZE[1]
    if edge == "nearside":
        draw.line(((left + 22, bottom), (230, HORIZON)), fill=white, width=4)
    if edge == "offside":
        draw.line(((right - 22, bottom), (282, HORIZON)), fill=white, width=4)
        draw.line(((right + 4, bottom - 30), (292, HORIZON - 4)), fill=(150, 152, 156), width=7)
    for lane, top in ((110, 245), (402, 267)):
        for near, far in ((0.0, 0.16), (0.34, 0.48), (0.62, 0.72), (0.82, 0.9)):
            draw.line(
                (_along(lane, top, near), _along(lane, top, far)), fill=white, width=5 if near < 0.3 else 3
            )


def _along(bottom_x: int, top_x: int, share: float) -> tuple[float, float]:
    return bottom_x + (top_x - bottom_x) * share, OVERVIEW_SIZE[1] + (HORIZON - OVERVIEW_SIZE[1]) * share


@lru_cache(maxsize=192)
def vehicle_picture(kind: Kind, colour: str, rear: bool, light: Light) -> tuple[Image.Image, Image.Image]:
    """A vehicle without its plate, and the mask to paste it with. Do not change them: they are shared."""
    width, height = _SHAPES[kind]
    picture, mask = Image.new("RGB", (width, height), (60, 60, 62)), Image.new("L", (width, height))
    draw, cut = ImageDraw.Draw(picture), ImageDraw.Draw(mask)
    if kind == "MOTORCYCLE":
        _motorcycle(draw, cut, width, height, _PAINT[colour])
    else:
        _body(draw, cut, kind, _PAINT[colour])
        _lamps(draw, width, height, rear, light)
    return _lit(picture, light, glow=not rear), mask


def _body(draw: ImageDraw.ImageDraw, cut: ImageDraw.ImageDraw, kind: Kind, paint: Colour) -> None:
    width, height = _SHAPES[kind]
    waist = height // 2 if kind == "CAR" else height // 3
    roof = 26 if kind == "CAR" else 8
    outline = (
        (roof, 2),
        (width - roof, 2),
        (width - 4, waist),
        (width - 4, height - 10),
        (4, height - 10),
        (4, waist),
    )
    cut.polygon(outline, fill=255)
    cut.rectangle((12, height - 14, 38, height), fill=255)
    cut.rectangle((width - 38, height - 14, width - 12, height), fill=255)
    draw.polygon(outline, fill=paint)
    dark = paint[0] * 2 // 3, paint[1] * 2 // 3, paint[2] * 2 // 3
    draw.rectangle((4, height - 44, width - 4, height - 10), fill=dark)
    draw.polygon(
        ((roof + 8, 9), (width - roof - 8, 9), (width - 18, waist - 2), (18, waist - 2)), fill=_GLASS
    )
    draw.rectangle((width // 4, height - 64, width * 3 // 4, height - 50), fill=BLACK)
    draw.rectangle((12, height - 14, 38, height), fill=BLACK)
    draw.rectangle((width - 38, height - 14, width - 12, height), fill=BLACK)


def _lamps(draw: ImageDraw.ImageDraw, width: int, height: int, rear: bool, light: Light) -> None:
    lit = (255, 255, 255) if light != "day" else (222, 226, 228)
    colour = (190, 24, 26) if rear else lit
    for left in (10, width - 40):
        draw.ellipse((left, height - 66, left + 30, height - 48), fill=colour)


def _motorcycle(
    draw: ImageDraw.ImageDraw, cut: ImageDraw.ImageDraw, width: int, height: int, paint: Colour
) -> None:
    for canvas, fills in ((cut, (255, 255, 255)), (draw, (BLACK, paint, _GLASS))):
        canvas.rectangle((width // 2 - 9, height // 2, width // 2 + 9, height), fill=fills[0])
        canvas.polygon(((6, height * 2 // 3), (width // 2, 30), (width - 6, height * 2 // 3)), fill=fills[1])
        canvas.ellipse((width // 2 - 15, 0, width // 2 + 15, 34), fill=fills[2])


def _lit(picture: Image.Image, light: Light, glow: bool = False) -> Image.Image:
    """Darken for the time of day; with glow, what is pure white (a lamp) keeps shining."""
    share = _BRIGHTNESS[light]
    if share == 1.0:
        return picture
    return picture.point(lambda level: 255 if glow and level == 255 else round(level * share))

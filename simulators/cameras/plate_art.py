"""Number plates as pictures: as they hang on the vehicle, and as the infra-red patch a camera cuts out."""

from dataclasses import dataclass
from functools import lru_cache
from random import Random

from PIL import Image, ImageDraw, ImageFont

from simulators.cameras.plates import Plate, Style

Colour = tuple[int, int, int]
PLATE_SIZE = 208, 44
PATCH_SIZE = 120, 60
WHITE = 238, 240, 236
YELLOW = 236, 196, 34
BLACK = 18, 18, 20
RED = 150, 24, 40
EU_BLUE = 22, 52, 140


@dataclass(frozen=True, slots=True)
class _Design:
    front: Colour
    rear: Colour
    ink: Colour
    band: str
    """Country code on the blue band at the left; empty: no band."""


_DESIGNS: dict[Style, _Design] = {
    "uk": _Design(WHITE, YELLOW, BLACK, ""),
    "france": _Design(WHITE, WHITE, BLACK, "F"),
    "germany": _Design(WHITE, WHITE, BLACK, "D"),
    "netherlands": _Design(YELLOW, YELLOW, BLACK, "NL"),
    "poland": _Design(WHITE, WHITE, BLACK, "PL"),
    "romania": _Design(WHITE, WHITE, BLACK, "RO"),
    "ireland": _Design(WHITE, WHITE, BLACK, "IRL"),
    "lithuania": _Design(WHITE, WHITE, BLACK, "LT"),
    "belgium": _Design(WHITE, WHITE, RED, "B"),
}


@lru_cache(maxsize=8)
def font(size: int) -> ImageFont.FreeTypeFont:
    """The typeface that comes with Pillow, so that pictures do not depend on the machine's fonts."""
    loaded = ImageFont.load_default(size)
    if not isinstance(loaded, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType; install the wheel from the package index.")
    return loaded


@lru_cache(maxsize=2048)
def plate_picture(plate: Plate, rear: bool) -> Image.Image:
    """The plate seen straight on, in colour, `PLATE_SIZE`. Do not change the image: it is shared."""
    design = _DESIGNS[plate.style]
    picture = Image.new("RGB", PLATE_SIZE, design.rear if rear else design.front)
    draw = ImageDraw.Draw(picture)
    left = 4
    if design.band:
        draw.rectangle((0, 0, 22, PLATE_SIZE[1]), fill=EU_BLUE)
        draw.text((11, 32), design.band, fill=WHITE, font=font(11), anchor="mm")
        left = 26
    room = PLATE_SIZE[0] - left - 4, PLATE_SIZE[1] - 10
    picture.paste(design.ink, (left, 5), _lettering(plate.text, room))
    draw.rectangle((0, 0, PLATE_SIZE[0] - 1, PLATE_SIZE[1] - 1), outline=BLACK, width=2)
    return picture


def _lettering(text: str, room: tuple[int, int]) -> Image.Image:
    """The text as a mask as high as the room, squeezed in width if it must be."""
    glyphs = [_glyph(character, room[1]) for character in text]
    line = Image.new("L", (sum(glyph.width for glyph in glyphs), room[1]))
    left = 0
    for glyph in glyphs:
        line.paste(glyph, (left, 0))
        left += glyph.width
    if line.width > room[0]:
        line = line.resize(room, Image.Resampling.BILINEAR)
    lettering = Image.new("L", room)
    lettering.paste(line, ((room[0] - line.width) // 2, 0))
    return lettering


@lru_cache(maxsize=128)
def _glyph(character: str, height: int) -> Image.Image:
    face = font(48)
    top, bottom = (round(edge) for edge in face.getbbox("H", stroke_width=1)[1::2])
    width = round(face.getlength(character)) + 3
    glyph = Image.new("L", (width, bottom - top))
    ImageDraw.Draw(glyph).text((2, -top), character, fill=255, font=face, stroke_width=1)
    return glyph.resize((width * height // glyph.height, height), Image.Resampling.BILINEAR)


@lru_cache(maxsize=64)
def _bumper(shade: int) -> Image.Image:
    picture = Image.linear_gradient("L").resize(PATCH_SIZE).point(lambda level: shade + level // 6)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 50, 120, 60), fill=shade // 2)
    draw.line((0, 7, 120, 7), fill=shade // 2 + 8, width=2)
    return picture


def patch_picture(plate: Plate, rear: bool) -> Image.Image:
    """The plate as an infra-red camera crops it, in shades of grey, `PATCH_SIZE`."""
    rng = Random(plate.vrm)
    picture = _bumper(rng.randrange(22, 62, 8)).copy()
    size = rng.randint(92, 106), rng.randint(20, 24)
    flat = plate_picture(plate, rear).convert("L").resize(size, Image.Resampling.BOX)
    tilted = flat.rotate(rng.uniform(-2.5, 2.5), Image.Resampling.BILINEAR, expand=True, fillcolor=40)
    place = (PATCH_SIZE[0] - tilted.width) // 2 + rng.randint(-4, 4), rng.randint(12, 22)
    picture.paste(tilted, place)
    return picture

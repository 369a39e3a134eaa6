"""Contact sheets of what a network sees on validation pictures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from maskery.core.labels import Colour

ROWS, CELLS = 6, 32
"""Pictures on a sheet of masks, and on one of labels."""
SIDE, GAP, COLUMNS, TEXT = 240, 6, 8, 16
WHITE, RIGHT, WRONG = (255, 255, 255), (0, 110, 0), (190, 0, 0)

Triple = tuple[Image.Image, NDArray[np.integer], NDArray[np.integer]]


def spread(pictures: int, most: int) -> list[int]:
    """At most ``most`` of ``pictures`` indices, evenly spaced."""
    return [int(i) for i in np.linspace(0, pictures - 1, min(most, pictures))]


def mask_sheet(rows: Sequence[Triple], palette: Sequence[Colour]) -> Image.Image:
    """A row each: picture RGB, true and predicted class ids (H, W); what has no class is black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(palette)] = palette
    drawn = [[_fit(image), *(_fit(Image.fromarray(table[ids])) for ids in masks)] for image, *masks in rows]
    heights = [row[0].height + GAP for row in drawn]
    sheet = Image.new("RGB", (3 * (SIDE + GAP) - GAP, sum(heights) - GAP), WHITE)
    for row, top in zip(drawn, np.cumsum([0, *heights[:-1]]), strict=True):
        for column, image in enumerate(row):
            sheet.paste(image, (column * (SIDE + GAP), int(top)))
    return sheet


def label_sheet(cells: Sequence[tuple[Image.Image, str, str]]) -> Image.Image:
    """A cell each: picture RGB, its class, and the predicted one; wrong ones are red, with the true class below."""
    side = SIDE // 2
    lines = -(-len(cells) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (side + GAP) - GAP, lines * (side + 2 * TEXT + GAP)), WHITE)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT - 4)
    for i, (image, truth, predicted) in enumerate(cells):
        x, y = i % COLUMNS * (side + GAP), i // COLUMNS * (side + 2 * TEXT + GAP)
        sheet.paste(image.resize((side, side), Image.Resampling.BILINEAR), (x, y))
        draw.text((x, y + side), predicted, RIGHT if predicted == truth else WRONG, font)
        if predicted != truth:
            draw.text((x, y + side + TEXT), f"is {truth}", WRONG, font)
    return sheet


def _fit(image: Image.Image) -> Image.Image:
    """``SIDE`` pixels wide."""
    return image.resize((SIDE, max(1, round(image.height * SIDE / image.width))), Image.Resampling.NEAREST)

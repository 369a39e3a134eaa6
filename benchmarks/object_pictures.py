"""The picture of docs/objects.md: free photographs through a model of objects, as an overlay and each cut out alone.

    make object-pictures          # MIRROR=folder of the catalogue's files, MODEL=another one of the catalogue

The samples of scikit-image (CC0 and public domain) beside each other become docs/images/objects.jpg.
"""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data

import maskery
from maskery.core.arrays import Pixels

HEIGHT = 360
TARGET = Path(__file__).parents[1] / "docs" / "images" / "objects.jpg"


def scene() -> Pixels:
    """(H, W, 3): a cat, an astronaut and a cup of coffee, side by side."""
    parts = [Image.fromarray(sample()) for sample in (data.chelsea, data.astronaut, data.coffee)]
    scaled = [part.resize((round(part.width * HEIGHT / part.height), HEIGHT)) for part in parts]
    return np.concatenate([np.asarray(part) for part in scaled], axis=1)


def cut_out(archive: bytes, width: int) -> Image.Image:
    """What the zip holds, on white, in a row of ``width``."""
    row, left = Image.new("RGB", (width, HEIGHT // 2), "white"), 0
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        for name in file.namelist():
            picture = Image.open(io.BytesIO(file.read(name))).convert("RGBA")
            picture.thumbnail((width // 4, HEIGHT // 2 - 10))
            if left + picture.width < width:
                row.paste(picture, (left, 5), picture)
            left += picture.width + 10
    return row


def main() -> None:
    """Write ``TARGET``."""
    result = maskery.load(os.environ.get("MODEL") or "objects-coco").segment(scene())
    overlay = result.to_pil("overlay").convert("RGB")
    sheet = Image.new("RGB", (overlay.width, HEIGHT + HEIGHT // 2))
    sheet.paste(overlay, (0, 0))
    sheet.paste(cut_out(result.encode("cutouts"), overlay.width), (0, HEIGHT))
    sheet.save(TARGET, quality=85)


if __name__ == "__main__":
    main()

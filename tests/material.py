"""Pictures and files that tests work on."""

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared"


def shared(path: str) -> Path:
    """A file or folder of the shared test material; skips where it is absent."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"{path} of the shared test material is not here")
    return found


def photo(name: str) -> NDArray[np.uint8]:
    """A sample photograph of scikit-image, (H, W, 3) uint8: astronaut, chelsea, coffee."""
    picture: NDArray[np.uint8] = getattr(data, name)()
    return picture


def person_and_cat() -> NDArray[np.uint8]:
    """Astronaut and chelsea side by side, (512, 1024, 3) uint8: two classes, whatever the weights are."""
    cat = np.asarray(Image.fromarray(photo("chelsea")).resize((512, 512)))
    return np.hstack([photo("astronaut"), cat])


def encoded(array: NDArray[np.uint8], format: str = "PNG", size_wh: tuple[int, int] | None = None) -> bytes:
    """The picture as a file's bytes, resized before where ``size_wh`` is given."""
    image = Image.fromarray(array)
    file = io.BytesIO()
    (image.resize(size_wh) if size_wh else image).save(file, format)
    return file.getvalue()


def decoded(data: bytes) -> NDArray[np.uint8]:
    """Pixel values of an encoded picture: class ids of an indexed PNG, colours otherwise."""
    return np.array(Image.open(io.BytesIO(data)))

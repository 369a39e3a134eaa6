"""What headers say about memory."""

import io

import numpy as np
import pytest
from PIL import Image

from maskery.core.picture.decode import open_picture
from maskery.core.picture.headers import jpeg_coefficient_bytes
from maskery.inference.planning.header import facts_of
from tests.material import photo

ASTRONAUT = Image.fromarray(photo("astronaut")[:300, :400])


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("options", "share"),
    [({"subsampling": 0}, 0.0), ({"subsampling": 0, "progressive": True}, 6.0), ({"progressive": True}, 3.0)],
)
def test_progressive_jpegs_are_held_as_coefficients(options: dict[str, object], share: float) -> None:
    assert jpeg_coefficient_bytes(saved(ASTRONAUT, "JPEG", **options)) == share * 300 * 400


def test_a_grey_progressive_jpeg_has_one_component() -> None:
    assert jpeg_coefficient_bytes(saved(ASTRONAUT.convert("L"), "JPEG", progressive=True)) == 2 * 300 * 400


def test_damaged_jpegs_have_an_answer_too() -> None:
    data = saved(ASTRONAUT, "JPEG", progressive=True)
    for end in range(0, 700, 7):
        assert jpeg_coefficient_bytes(data[:end]) >= 0
    for position in range(2, 700, 3):
        assert jpeg_coefficient_bytes(data[:position] + b"\xff" + data[position + 1 :]) >= 0


def test_what_is_read_from_a_header() -> None:
    exif = Image.Exif()
    exif[274] = 8
    data = saved(ASTRONAUT.convert("L"), "PNG", exif=exif)
    facts = facts_of(open_picture(data, max_bytes=1 << 20, max_pixels=1 << 20))
    assert (facts.size_wh, facts.stored_wh, facts.orientation) == ((300, 400), (400, 300), 8)
    assert (facts.pillow, facts.copied, facts.source_bytes, facts.why_whole) == (1, True, len(data), "")
    half = facts.scaled(0.5)
    assert half.size_wh == (150, 200)
    assert half.source_bytes == pytest.approx(len(data) / 4, abs=1)


def test_an_array_takes_nothing_but_its_copy() -> None:
    facts = facts_of(open_picture(np.zeros((30, 40, 3), np.uint8), max_bytes=1, max_pixels=1 << 20))
    assert (facts.source_bytes, facts.pillow, facts.why_whole) == (0, 0, "")

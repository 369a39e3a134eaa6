"""A large plain PNG is read in bands, and the model sees the same pixels."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import maskery
from maskery.core.arrays import Tensor
from maskery.core.errors import PictureError
from maskery.core.picture.decode import open_picture
from maskery.inference.pipeline import Model
from maskery.inference.source import in_one_piece
from maskery.models.segmenter import Segmenter
from tests.material import photo

pytest.importorskip("pyvips")
LARGE_WH = (1200, 900)


@pytest.fixture(scope="module")
def everyday() -> Segmenter:
    return maskery.load("everyday", device="cpu")


def png(mode: str, **options: object) -> bytes:
    picture = Image.fromarray(photo("astronaut")).resize(LARGE_WH)
    if mode == "P":
        picture = picture.quantize(200)
    elif mode in ("RGBA", "LA"):
        picture = picture.convert(mode)
        picture.putalpha(Image.linear_gradient("L").resize(LARGE_WH))
    file = io.BytesIO()
    picture.convert(mode).save(file, "PNG", **options)
    return file.getvalue()


def tensors(model: Model, data: bytes) -> tuple[Tensor, Tensor, str]:
    """As it is planned, as a whole, and how it was planned to be decoded."""
    picture = open_picture(data, max_bytes=1 << 30, max_pixels=1 << 30)
    plan = model.plan(picture)
    whole = replace(plan, decode="whole")
    planned, other = (model.prepare(way, picture).tensor for way in (plan, whole))
    return planned, other, plan.decode


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P"])
def test_a_large_plain_png_is_read_in_bands_with_the_same_pixels(everyday: Segmenter, mode: str) -> None:
    planned, whole, decode = tensors(everyday.model, png(mode))
    assert decode == "bands"
    np.testing.assert_array_equal(planned, whole)


def test_a_transparent_colour_is_read_alike(everyday: Segmenter) -> None:
    planned, whole, decode = tensors(everyday.model, png("P", transparency=3))
    assert decode == "bands"
    np.testing.assert_array_equal(planned, whole)


def test_others_are_decoded_as_a_whole(everyday: Segmenter) -> None:
    tall = io.BytesIO()
    Image.fromarray(photo("astronaut")).resize((700, 1600)).save(tall, "PNG")
    turned, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo("astronaut")).resize(LARGE_WH).save(turned, "PNG", exif=exif)
    small = io.BytesIO()
    Image.fromarray(photo("astronaut")).save(small, "PNG")
    for file in (tall, turned, small):
        assert tensors(everyday.model, file.getvalue())[2] == "whole"


def test_a_wrong_checksum_is_passed_over_as_by_pillow(everyday: Segmenter) -> None:
    data = png("RGB")
    at = data.index(b"IDAT") + 4
    length = int.from_bytes(data[at - 8 : at - 4], "big")
    broken = data[: at + length] + b"\0\0\0\0" + data[at + length + 4 :]
    planned, _, decode = tensors(everyday.model, broken)
    assert decode == "bands"
    np.testing.assert_array_equal(planned, tensors(everyday.model, data)[1])


def test_within_a_budget_a_damaged_file_is_refused(everyday: Segmenter) -> None:
    data = png("RGB")
    picture = open_picture(data[: len(data) // 2], max_bytes=1 << 30, max_pixels=1 << 30)
    plan = everyday.model.plan(picture, budget=1 << 30)
    assert plan.decode == "bands"
    with pytest.raises(PictureError):
        in_one_piece(picture, plan.working_wh, plan)

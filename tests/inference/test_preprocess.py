import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from maskery.core.card_tensors import Input
from maskery.core.errors import BadRequest
from maskery.core.plan import Placement
from maskery.inference.preprocess import frame_of, place, to_tensor


def spec(resize: str, **rest: object) -> Input:
    return Input(tensor="x", layout="NCHW", resize=resize, **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("policy", "original", "max_side", "working", "content", "offset"),
    [
        (spec("stretch", size=(64, 32)), (100, 100), None, (64, 32), (64, 32), (0, 0)),
        (spec("letterbox", size=(64, 64)), (100, 50), None, (64, 64), (64, 32), (0, 16)),
        (spec("letterbox", size=(64, 64)), (50, 100), None, (64, 64), (32, 64), (16, 0)),
        (spec("longest-side", side=96, multiple=32), (300, 200), None, (96, 64), (96, 64), (0, 0)),
        (spec("longest-side", side=96, multiple=32), (300, 200), 160, (160, 96), (160, 96), (0, 0)),
        (spec("shortest-side", side=64, multiple=32), (200, 100), None, (128, 64), (128, 64), (0, 0)),
        (spec("shortest-side", side=64, max_side=96, multiple=32), (1000, 100), None, (96, 32), (96, 32), (0, 0)),
        (spec("square", side=400, multiple=16), (30, 700), None, (400, 400), (400, 400), (0, 0)),
        (spec("square", side=400, multiple=16), (30, 700), 200, (208, 208), (208, 208), (0, 0)),
        (spec("multiple", multiple=32), (100, 47), None, (96, 32), (96, 32), (0, 0)),
        (spec("multiple", multiple=32, max_side=64), (1000, 500), None, (64, 32), (64, 32), (0, 0)),
        (spec("longest-side", side=64, multiple=32), (5000, 1), None, (64, 32), (64, 32), (0, 0)),
    ],
)
def test_place(
    policy: Input,
    original: tuple[int, int],
    max_side: int | None,
    working: tuple[int, int],
    content: tuple[int, int],
    offset: tuple[int, int],
) -> None:
    assert place(original, policy, max_side) == Placement(original, working, content, offset)


def test_max_side_is_refused_where_it_cannot_work() -> None:
    with pytest.raises(BadRequest, match="works at 64 x 32 pixels only"):
        place((9, 9), spec("stretch", size=(64, 32)), 100)
    with pytest.raises(BadRequest, match="from 32 to 2048"):
        place((9, 9), spec("longest-side", side=96), 4096)


def test_the_frame_says_scale_and_padding() -> None:
    frame = frame_of(place((100, 50), spec("letterbox", size=(64, 64))), 6)
    assert frame.scale_xy == (0.64, 0.64)
    assert frame.padding == (0, 16, 0, 16)
    assert frame.orientation == 6


def picture() -> NDArray[np.uint8]:
    return np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def test_tensor_layouts_channels_and_normalisation() -> None:
    rgb, placement = picture(), Placement((3, 2), (3, 2), (3, 2), (0, 0))
    norm = {"mean": (1.0, 2.0, 3.0), "std": (2.0, 4.0, 8.0)}
    nchw = to_tensor(rgb, placement, spec("stretch", size=(3, 2), **norm))
    expected = (rgb.astype(np.float32) - [1, 2, 3]) / [2, 4, 8]
    assert nchw.shape == (1, 3, 2, 3)
    assert nchw.dtype == np.float32
    assert np.allclose(nchw[0].transpose(1, 2, 0), expected)
    bgr = Input(tensor="x", layout="NHWC", channels="BGR", resize="stretch", size=(3, 2), dtype="uint8")
    assert np.array_equal(to_tensor(rgb, placement, bgr)[0], rgb[..., ::-1])


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("channels", ["RGB", "BGR"])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_every_kind_of_tensor_is_the_formula_to_the_last_bit(layout: str, channels: str, dtype: str) -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (7, 5, 3), np.uint8)
    placement = Placement((5, 7), (12, 10), (6, 9), (3, 0))
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    policy = Input(
        tensor="x", layout=layout, channels=channels, dtype=dtype, resize="letterbox", size=(12, 10),
        mean=mean, std=std, pad_value=114,
    )  # type: ignore[arg-type]  # fmt: skip
    canvas = np.full((10, 12, 3), 114, np.uint8)
    canvas[:9, 3:9] = np.asarray(Image.fromarray(rgb).resize((6, 9), Image.Resampling.BILINEAR))
    expected = canvas[..., ::-1] if channels == "BGR" else canvas
    if dtype == "float32":
        expected = (expected.astype(np.float32) - np.array(mean, np.float32)) / np.array(std, np.float32)
    if layout == "NCHW":
        expected = expected.transpose(2, 0, 1)
    for picture in (rgb, Image.fromarray(rgb)):
        tensor = to_tensor(picture, placement, policy)
        assert tensor.dtype == dtype
        assert tensor.flags.c_contiguous
        assert np.array_equal(tensor[0], expected)


def test_letterbox_padding_is_normalised_too() -> None:
    policy = spec("letterbox", size=(4, 4), pad_value=10, mean=(10.0, 10.0, 10.0))
    tensor = to_tensor(np.full((2, 4, 3), 30, np.uint8), place((4, 2), policy), policy)
    assert tensor[0, 0].tolist() == [[0] * 4, [20] * 4, [20] * 4, [0] * 4]


def test_shrinking_does_not_alias() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    policy = spec("stretch", size=(16, 16))
    tensor = to_tensor(stripes, place((64, 64), policy), policy)
    assert tensor.min() > 115
    assert tensor.max() < 140

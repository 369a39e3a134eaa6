"""Results in bands are the results, and tiles are the picture, however it is stored."""

import io
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from maskery.core.errors import BadRequest
from maskery.core.picture.decode import Picture, open_picture
from maskery.core.plan import Demand, RunOptions
from maskery.core.result.banded import BandedForegroundResult, BandedSemanticResult
from maskery.core.result.capabilities import HasClassMap, expect
from maskery.core.result.types import ForegroundResult, SemanticResult
from maskery.inference.pipeline import Model
from tests.inference.pointwise import model
from tests.material import photo

BANDS = Demand(bands=True)
KINDS = [("semantic", "logits"), ("semantic", "class-map"), ("foreground", "foreground")]
TILED = RunOptions(tile=100)


def opened(source: bytes | NDArray[np.uint8]) -> Picture:
    return open_picture(source, max_bytes=1 << 24, max_pixels=1 << 24)


def map_of(result: object) -> NDArray[np.generic]:
    assert isinstance(result, SemanticResult | ForegroundResult)
    return result.alpha if isinstance(result, ForegroundResult) else result.class_map


def in_bands(toy: Model, picture: Picture, run_options: RunOptions) -> BandedSemanticResult | BandedForegroundResult:
    result = toy.follow(replace(toy.plan(picture, run_options, BANDS), banded=True), picture)
    assert isinstance(result, BandedSemanticResult | BandedForegroundResult)
    return result


@pytest.mark.parametrize(("task", "kind"), KINDS)
def test_bands_of_one_run_are_its_result(task: str, kind: str) -> None:
    toy, picture = model(task, kind), opened(photo("coffee"))
    whole = toy.run(picture)
    result = in_bands(toy, picture, RunOptions())
    np.testing.assert_array_equal(map_of(result.whole()), map_of(whole))
    semantic = expect(whole, HasClassMap)
    np.testing.assert_array_equal(np.concatenate(list(result.rows())), semantic.class_map)
    assert result.classes == semantic.classes
    assert result.meta.frame == semantic.meta.frame
    assert result.decided_by == semantic.decided_by


@pytest.mark.parametrize(("task", "kind"), KINDS)
def test_tiles_say_what_one_piece_of_their_scale_says(task: str, kind: str) -> None:
    toy, picture = model(task, kind, max_side=2048), opened(photo("coffee"))
    tiled = toy.run(picture, TILED)
    assert tiled.meta.plan is not None
    assert tiled.meta.plan.tiles is not None
    width, height = tiled.meta.frame.working_wh
    assert toy.session.runs == tiled.meta.plan.tiles.count > 8  # type: ignore[attr-defined]
    one_piece = model(task, kind, resize="stretch", size=[width, height]).run(picture)
    rounding = 1 if task == "foreground" else 0  # of the weights
    np.testing.assert_allclose(map_of(tiled), map_of(one_piece), rtol=0, atol=rounding)
    assert tiled.meta.frame == one_piece.meta.frame


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_turned_picture_is_cut_as_it_is_stored_and_answered_upright(orientation: int, format: str) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    file = io.BytesIO()
    Image.fromarray(photo("coffee")).save(file, format, exif=exif, quality=95)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    toy, picture = model(), opened(file.getvalue())
    plan = toy.plan(picture, TILED, BANDS)
    assert plan.decode == "bands"
    result = in_bands(toy, picture, TILED)
    assert result.meta.frame.orientation == orientation
    assert result.meta.frame.original_wh == upright.shape[1::-1] == result.packed.size_wh
    expected = map_of(toy.run(opened(upright), TILED))
    # Tiles begin elsewhere from another corner, and pixels are shrunk in another order: borders move a little.
    assert (map_of(result.whole()) == expected).mean() > (0.97 if plan.reduce == 1 else 0.93)


def test_pictures_that_only_come_whole_are_cut_too() -> None:
    file = io.BytesIO()
    Image.fromarray(photo("coffee")).save(file, "WEBP", lossless=True)
    toy = model()
    result = toy.run(opened(file.getvalue()), TILED)
    assert result.meta.plan is not None
    assert result.meta.plan.decode == "whole"
    np.testing.assert_array_equal(map_of(result), map_of(toy.run(opened(photo("coffee")), TILED)))


def test_bands_keep_classes_as_the_whole_does() -> None:
    toy, picture = model(), opened(photo("coffee"))
    run_options = replace(TILED, classes=("blue",))
    result = in_bands(toy, picture, run_options)
    whole = toy.run(picture, run_options)
    assert isinstance(whole, SemanticResult)
    np.testing.assert_array_equal(np.concatenate(list(result.rows())), whole.class_map)
    assert result.classes == whole.classes
    assert result.kept == ("blue",)
    with pytest.raises(BadRequest, match="blue"):
        result.keep(["blu"])


def test_tiles_can_be_decided_on_another_grid() -> None:
    toy, picture = model(), opened(photo("coffee"))
    run_options = replace(TILED, answer_wh=(60, 40))
    result = toy.run(picture, run_options)
    assert map_of(result).shape == (40, 60)
    exact = map_of(toy.run(picture, TILED))[5::10, 5::10]
    assert (map_of(result) == exact).mean() > 0.9


def test_work_on_tiles_can_be_ended() -> None:
    toy, picture = model(), opened(photo("coffee"))

    def check_cancelled() -> None:
        if toy.session.runs == 3:  # type: ignore[attr-defined]
            raise TimeoutError

    with pytest.raises(TimeoutError):
        toy.follow(toy.plan(picture, TILED), picture, check_cancelled=check_cancelled)
    assert toy.session.runs == 3  # type: ignore[attr-defined]


def test_what_cannot_be_cut_is_refused() -> None:
    picture = opened(photo("coffee"))
    with pytest.raises(BadRequest, match="classifier"):
        model("classification", "scores").plan(picture, TILED)
    with pytest.raises(BadRequest, match="maps"):
        model().plan(picture, replace(TILED, maps=("entropy",)))
    with pytest.raises(BadRequest, match="16 pixels or more"):
        model().plan(picture, RunOptions(tile=4))

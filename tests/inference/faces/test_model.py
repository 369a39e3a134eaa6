import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from maskery.core.errors import BadRequest, TooLarge
from maskery.core.picture import decode, stream
from maskery.core.picture.decode import Picture
from maskery.core.plan import Demand, RunOptions
from maskery.core.result.banded import BandedSemanticResult
from maskery.core.result.meta import Faces
from maskery.core.result.types import SemanticResult
from maskery.inference.faces.model import Cascade
from tests.face_models import cascade, scene, truth


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Cascade:
    return cascade(tmp_path_factory.mktemp("models"))


def opened(array: NDArray[np.uint8]) -> Picture:
    return decode.open_picture(array, max_bytes=1, max_pixels=1 << 30)


def filed(array: NDArray[np.uint8], format: str = "PNG", orientation: int = 1) -> Picture:
    exif = Image.Exif()
    exif[274] = orientation
    file = io.BytesIO()
    Image.fromarray(array).save(file, format, exif=exif, quality=95)
    return decode.open_picture(file.getvalue(), max_bytes=1 << 30, max_pixels=1 << 30)


def run(model: Cascade, picture: Picture, run_options: RunOptions | None = None) -> SemanticResult:
    result = model.run(picture, run_options or RunOptions())
    assert isinstance(result, SemanticResult)
    return result


def agreement(result: SemanticResult, picture: NDArray[np.uint8]) -> float:
    """Of the pixels that are not background in one or the other, the share that is the same."""
    expected = truth(picture)
    looked = (expected > 0) | (result.class_map > 0)
    return float((expected == result.class_map)[looked].mean())


def boxes(result: SemanticResult) -> list[list[float]]:
    assert result.meta.faces is not None
    return [face.document()["box"] for face in result.meta.faces.seen]


def test_two_faces_in_their_places(model: Cascade) -> None:
    picture = scene((500, 400), (60, 80, 96), (300, 200, 120))
    result = run(model, opened(picture))
    assert agreement(result, picture) > 0.94
    assert np.allclose(sorted(boxes(result)), [[60, 80, 156, 176], [300, 200, 420, 320]], atol=8)
    assert result.meta.note == ""
    assert result.meta.plan_header().count("faces=2") == 1


def test_no_face_is_background_and_said(model: Cascade) -> None:
    result = run(model, opened(scene((300, 200))))
    assert not result.class_map.any()
    assert result.meta.faces == Faces((), 0)
    assert result.meta.plan_document()["faces"] == []
    assert result.meta.note == "No face was found: all is background."
    assert set(result.meta.timings_ms) >= {"decode", "find", "run", "postprocess"}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_is_answered_upright(model: Cascade, orientation: int) -> None:
    picture = filed(scene((320, 240), (40, 100, 80), (200, 20, 60)), orientation=orientation)
    upright = picture.rgb()
    result = run(model, picture)
    assert agreement(result, upright) > 0.94
    assert result.meta.frame.orientation == orientation


@pytest.mark.parametrize("place", [(-24, 100), (268, 100), (100, -24), (100, 168), (-20, -20)])
def test_a_face_at_the_border(model: Cascade, place: tuple[int, int]) -> None:
    picture = scene((320, 220), (*place, 80))
    assert agreement(run(model, opened(picture)), picture) > 0.85


def test_faces_that_overlap_keep_their_own_pixels(model: Cascade) -> None:
    picture = scene((400, 300), (80, 80, 100), (164, 80, 100))
    result = run(model, opened(picture))
    assert len(boxes(result)) == 2
    assert agreement(result, picture) > 0.95


def test_a_tiny_and_a_huge_face(model: Cascade) -> None:
    tiny = scene((640, 480), (300, 200, 24))
    assert agreement(run(model, opened(tiny)), tiny) > 0.85
    huge = scene((2000, 2400), (200, 300, 1600))
    assert agreement(run(model, opened(huge)), huge) > 0.94
    assert run(model, opened(scene((1, 1)))).class_map.shape == (1, 1)


def test_a_picture_cut_to_the_face_is_shown_whole(model: Cascade) -> None:
    picture = scene((160, 160), (20, 20, 120))
    result = run(model, opened(picture))
    assert result.meta.faces
    assert result.meta.faces.seen[0].crop_xyxy == (0, 0, 160, 160)
    assert agreement(result, picture) > 0.94


def test_only_so_many_faces_and_it_is_said(tmp_path: Path) -> None:
    few = cascade(tmp_path, max_faces=2)
    picture = scene((600, 200), (20, 40, 80), (220, 40, 80), (420, 40, 80))
    result = run(few, opened(picture))
    assert len(boxes(result)) == 2
    assert result.meta.note == "3 faces were found; only the 2 surest were looked at."


def test_wishes(model: Cascade) -> None:
    picture = scene((400, 300), (100, 100, 120))
    kept = run(model, opened(picture), RunOptions(classes=("nose",)))
    assert set(np.unique(kept.class_map)) == {0, 2}
    finer = run(model, opened(picture), RunOptions(max_side=256))
    assert finer.meta.plan is not None
    assert finer.meta.plan.working_wh == (256, 256)
    small = run(model, opened(picture), RunOptions(answer_wh=(40, 30)))
    assert small.class_map.shape == (30, 40)
    assert small.class_map[16, 16] == 2
    assert small.class_map[11, 11] == 1
    mapped = run(model, opened(picture), RunOptions(maps=("confidence", "entropy", "margin")))
    assert (mapped.maps["confidence"][:50] == 1).all()
    assert mapped.maps["confidence"][100:220, 100:220].min() < 1
    with pytest.raises(BadRequest, match="crop of its own"):
        model.run(opened(picture), RunOptions(tile=100))


@pytest.mark.parametrize(("format", "orientation"), [("PNG", 1), ("JPEG", 1), ("PNG", 6), ("JPEG", 7)])
def test_bands_give_the_same(model: Cascade, format: str, orientation: int) -> None:
    if not stream.available():
        pytest.skip("needs the extra huge")
    picture = filed(scene((800, 600), (100, 100, 200), (500, 300, 240)), format, orientation)
    plan = replace(model.plan(picture), decode="bands", banded=True)
    result = model.follow(plan, picture)
    assert isinstance(result, BandedSemanticResult)
    whole = result.whole()
    assert isinstance(whole, SemanticResult)
    assert (whole.class_map == run(model, picture).class_map).mean() > 0.99
    assert len(boxes(whole)) == 2


def test_memory_decides_how_a_picture_is_read(model: Cascade) -> None:
    if not stream.available():
        pytest.skip("needs the extra huge")
    picture, bands = filed(np.zeros((9000, 3000, 3), np.uint8)), Demand(bands=True, held=0.1)
    plain = model.plan(picture, demand=bands)
    assert (plain.decode, plain.max_faces, plain.changed) == ("whole", 16, "")
    less = model.plan(picture, demand=bands, budget=int(0.7 * plain.need_bytes))
    assert (less.decode, less.banded) == ("bands", True)
    assert less.need_bytes <= 0.7 * plain.need_bytes
    assert "read in bands of rows" in less.changed


def test_fewer_faces_where_the_scores_of_many_do_not_fit(tmp_path: Path) -> None:
    many = cascade(tmp_path, max_faces=200)
    picture = filed(np.zeros((300, 400, 3), np.uint8))
    plain = many.plan(picture)
    less = many.plan(picture, budget=plain.need_bytes // 2)
    assert 10 < less.max_faces < 200
    assert f"at most {less.max_faces} faces instead of 200" in less.changed


def test_a_budget_that_nothing_fits_names_a_size(model: Cascade) -> None:
    with pytest.raises(TooLarge, match=r"One of \d+ x \d+ pixels would fit"):
        model.plan(filed(np.zeros((3000, 4000, 3), np.uint8)), budget=30 << 20)


def test_it_stops_when_it_is_told(model: Cascade) -> None:
    calls = []

    def check_cancelled() -> None:
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("left")

    picture = opened(scene((500, 400), (60, 80, 96)))
    with pytest.raises(RuntimeError, match="left"):
        model.follow(model.plan(picture), picture, check_cancelled=check_cancelled)

"""Frames drawn in each style: what changes, what stays."""

from dataclasses import replace

import numpy as np
import pytest

from maskery.core.errors import BadRequest
from maskery.core.result.instances import InstanceResult
from maskery.core.result.types import ClassificationResult, ForegroundResult
from maskery.jobs.counting import CountOptions, ObjectCounter, parse_line, parse_zone
from maskery.jobs.drawing import STYLES, DrawOptions, Style, drawn_frame, opacity, over_colour, style_of
from tests.films import Pixels, meta_of, scene, see_classes, see_objects, square_masks

FRAME = scene(15)
INSIDE = square_masks(FRAME)[0] | square_masks(FRAME)[1]


def draw(style: Style, result: object = None) -> Pixels:
    return drawn_frame(result or see_objects(FRAME), FRAME, DrawOptions(style=style, labels=False), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("see", [see_objects, see_classes])
@pytest.mark.parametrize("style", STYLES)
def test_what_was_not_found_stays_and_what_was_changes(style: Style, see: object) -> None:
    before = FRAME.copy()
    drawn = drawn_frame(see(FRAME), FRAME, DrawOptions(style=style, color=(0, 255, 0), labels=False), None)  # type: ignore[operator]
    assert (before == FRAME).all()
    assert drawn.shape == (*FRAME.shape[:2], 4 if style == "cutout" else 3)
    if style == "cutout":
        assert (drawn[..., 3] == 255 * INSIDE).all()
    elif style != "boxes":
        assert (drawn[~INSIDE] == FRAME[~INSIDE]).all()
    if style in ("blur", "replace"):
        assert (drawn[INSIDE] != FRAME[INSIDE]).any()
    if style == "replace":
        assert (drawn[INSIDE] == (0, 255, 0)).all()


def test_blur_leaves_nothing_of_a_pattern() -> None:
    noisy = FRAME.copy()
    noisy[INSIDE] = np.random.default_rng(1).integers(0, 255, (int(INSIDE.sum()), 3))
    drawn = drawn_frame(see_objects(FRAME), noisy, DrawOptions(style="blur"), None)
    assert drawn[INSIDE].std() < 0.5 * noisy[INSIDE].std()


def test_objects_without_masks_are_boxed_not_filled() -> None:
    found = see_objects(FRAME)
    boxes = InstanceResult(found.meta, tuple(replace(one, mask=None) for one in found.instances))
    assert (draw("masks", boxes) == draw("boxes", boxes)).all()


def test_an_object_has_one_colour_in_all_frames() -> None:
    def shown(index: int) -> set[tuple[int, ...]]:
        frame = np.full_like(scene(index), 90)
        found = see_objects(scene(index))
        numbered = InstanceResult(found.meta, tuple(replace(one, track_id=5) for one in found.instances[:1]))
        drawn = drawn_frame(numbered, frame, DrawOptions(style="boxes", labels=False), None)
        return {tuple(int(v) for v in pixel) for pixel in drawn.reshape(-1, 3)} - {(90, 90, 90)}

    assert len(shown(12)) == 1
    assert shown(12) == shown(17)


def test_lines_zones_trails_and_names_are_drawn() -> None:
    options = CountOptions((parse_line("gate=48,0,48,64"),), (parse_zone("yard=2,2,30,2,30,30"),))
    counter, found = ObjectCounter(options, (96, 64)), see_objects(FRAME)
    plain = drawn_frame(found, FRAME, DrawOptions(style="boxes", labels=False), None)
    numbered = InstanceResult(found.meta, tuple(replace(one, track_id=one.id) for one in found.instances))
    counter.see(0.0, numbered.instances, found.meta.labels)
    drawn = drawn_frame(numbered, FRAME, DrawOptions(style="boxes"), counter.view(numbered.instances))
    assert (drawn[:, 48] == (255, 214, 10)).all(axis=1).sum() > 30
    assert (drawn != plain).any(axis=2).sum() > 300


def test_a_soft_mask_keeps_its_soft_edge() -> None:
    alpha = np.zeros(FRAME.shape[:2], np.uint8)
    alpha[10:20, 10:20], alpha[20:22, 10:20] = 255, 100
    meta = replace(meta_of((96, 64), "foreground"), labels=("background", "foreground"), palette=((0, 0, 0), (1, 1, 1)))
    result = ForegroundResult(meta, alpha)
    assert (opacity(result) == alpha).all()
    cut = over_colour(drawn_frame(result, FRAME, DrawOptions(style="cutout"), None), (255, 255, 255))
    assert (cut[30] == 255).all()
    assert cut[20, 10].tolist() == ((FRAME[20, 10].astype(int) * 100 + 255 * 155 + 127) // 255).tolist()


def test_a_classification_is_written_on_the_frame_and_has_nothing_to_blur() -> None:
    meta = meta_of((96, 64), "classification")
    result = ClassificationResult(meta, np.array([0.1, 0.7, 0.2], np.float32))
    assert (drawn_frame(result, FRAME, DrawOptions(), None) != FRAME).any()
    with pytest.raises(BadRequest):
        drawn_frame(result, FRAME, DrawOptions(style="blur"), None)


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(BadRequest, match="blur"):
        style_of("blurr")

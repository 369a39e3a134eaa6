"""What each reader makes of tensors that were made by hand, of a known object; and what it refuses."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from maskery.core.arrays import Array
from maskery.core.card import ModelCard
from maskery.core.errors import ModelError
from maskery.inference.objects.readers import MOST_CANDIDATES, Candidates, ObjectOutputs, read_candidates
from tests.inference.objects.object_cards import object_card

WIDTH, HEIGHT = 64, 32
BOX = (8.0, 4.0, 40.0, 28.0)


def read(card: ModelCard, outputs: Mapping[str, Array], score: float = 0.3) -> Candidates:
    return read_candidates(ObjectOutputs(outputs, card, (WIDTH, HEIGHT), score))


def expect_one(found: Candidates, score: float, class_id: int = 1, within: float = 1e-3) -> None:
    np.testing.assert_allclose(found.boxes, [BOX], atol=within)
    np.testing.assert_allclose(found.scores, [score], atol=1e-4)
    assert found.class_ids.tolist() == [class_id]


def level(card: str, layouts: Mapping[str, tuple[str, str]], **objects: Any) -> ModelCard:
    return object_card(card, layouts, objects)


def test_distances() -> None:
    card = level(
        "detection",
        {"s8": ("object-scores", "NC"), "s16": ("object-scores", "NC"), "d8": ("object-boxes", "NC")}
        | {"d16": ("object-boxes", "NC")},
        reader="distances",
        strides=[8, 16],
        shift=-0.5,
    )
    cells = {8: 8 * 4, 16: 4 * 2}
    outputs = {f"s{stride}": np.zeros((1, count, 3), np.float32) for stride, count in cells.items()}
    outputs |= {f"d{stride}": np.zeros((1, count, 4 * 8), np.float32) for stride, count in cells.items()}
    cell = 4 + 2  # of stride 16 in the second row of four, the third: its middle is (40, 24), less a half
    outputs["s16"][0, cell, 1] = 0.8
    for side, distance in enumerate(((39.5 - 8) / 16, (23.5 - 4) / 16, (40 - 39.5) / 16, (28 - 23.5) / 16)):
        low = int(distance)
        shares = np.full(8, 1e-9)
        shares[[low, low + 1]] = 1 - (distance - low), distance - low
        outputs["d16"][0, cell, side * 8 : side * 8 + 8] = np.log(np.maximum(shares, 1e-9))
    expect_one(read(card, outputs), 0.8)
    with pytest.raises(ModelError, match="cells of stride 8"):
        read(card, outputs | {"s8": np.zeros((1, 9, 3), np.float32)})


def test_grid() -> None:
    card = level("detection", {"y": ("object-rows", "NC")}, reader="grid", strides=[8, 16])
    rows = np.full((1, 32 + 8, 5 + 3), -9, np.float32)
    rows[..., 4:] = 0
    cell = 32 + 4 + 1  # its corner is (16, 16)
    rows[0, cell] = [(24 - 16) / 16, 0, np.log(32 / 16), np.log(24 / 16), 0.9, 0.1, 0.8, 0]
    expect_one(read(card, {"y": rows}), 0.72)
    with pytest.raises(ModelError, match="for 40 cells"):
        read(card, {"y": rows[:, 1:]})


def test_rows_that_were_kept_with_prototypes() -> None:
    card = level(
        "instance", {"y": ("object-rows", "NC"), "p": ("prototypes", "HWC")}, reader="kept-rows", relative=True
    )
    rows, prototypes = np.zeros((1, 5, 6 + 2), np.float32), np.zeros((1, 8, 16, 2), np.float32)
    rows[0, 2] = [8 / 64, 4 / 32, 40 / 64, 28 / 32, 0.7, 1, 2, -1]
    prototypes[0, 1:7, 2:10, 0] = 1
    prototypes[0, 4, 4, 1] = 3
    found = read(card, {"y": rows, "p": prototypes})
    expect_one(found, 0.7)
    assert found.mask_of is not None
    logits = found.mask_of(0)
    assert logits.shape == (8, 16)
    assert (logits[2, 3], logits[4, 4], logits[0, 0]) == (2, -1, 0)
    with pytest.raises(ModelError, match="2 coefficients for 3 prototypes"):
        read(card, {"y": rows, "p": np.zeros((1, 8, 16, 3), np.float32)})


def test_raw_rows_come_transposed_and_several_classes_of_one_row_count() -> None:
    card = level("instance", {"y": ("object-rows", "CN"), "p": ("prototypes", "CHW")}, reader="raw-rows")
    rows = np.zeros((1, 4 + 3 + 2, 20), np.float32)
    rows[0, :, 7] = [24, 16, 32, 24, -9, np.log(4), -9, 5, 6]
    rows[0, 4:7, :7] = rows[0, 4:7, 8:] = -9
    found = read(card, {"y": rows, "p": np.eye(2, dtype=np.float32).reshape(1, 2, 1, 2)})
    expect_one(found, 0.8)
    assert found.mask_of is not None
    assert found.mask_of(0).tolist() == [[5, 6]]
    rows[0, 4, 7] = 2.0
    assert sorted(read(card, {"y": rows, "p": np.zeros((1, 2, 1, 2), np.float32)}).class_ids.tolist()) == [0, 1]
    with pytest.raises(ModelError, match="3 classes"):
        read(card, {"y": rows[:, :-1], "p": np.zeros((1, 2, 1, 2), np.float32)})


@pytest.mark.parametrize("covers", ["picture", "box"])
def test_masks_of_torchvision(covers: str) -> None:
    """Without a batch axis, one channel a mask, class 0 is the background, masks are probabilities."""
    roles = {"b": ("object-boxes", "NC"), "c": ("object-classes", "C"), "s": ("object-scores", "C")}
    card = level(
        "instance",
        roles | {"m": ("object-masks", "NHW")},
        reader="cropped-masks",
        first_class=1,
        masks_cover=covers,
        values="probabilities",
    )
    masks = np.zeros((2, 1, 28, 28), np.float32)
    masks[0, 0, :14] = 0.9
    outputs: dict[str, Array] = {
        "b": np.array([BOX, (0, 0, 5, 5)], np.float32),
        "c": np.array([2, 0], np.int64),  # the second is the background
        "s": np.array([0.6, 0.9], np.float32),
        "m": masks,
    }
    found = read(card, outputs)
    expect_one(found, 0.6)
    assert found.covers == covers
    assert found.mask_of is not None
    np.testing.assert_allclose(found.mask_of(0)[[0, 27], 0], [0.4, -0.5], atol=1e-6)
    with pytest.raises(ModelError, match="1 masks"):
        read(card, outputs | {"m": masks[:1]})


def test_queries() -> None:
    card = level("instance", {"c": ("object-scores", "NC"), "m": ("object-masks", "NHW")}, reader="queries")
    classes, masks = np.zeros((1, 4, 3 + 1), np.float32), np.full((1, 4, 8, 16), -9, np.float32)
    classes[0, :, 3] = 9  # no object
    classes[0, 2] = [0, 9, 0, 0]
    masks[0, 2, 1:7, 2:10] = np.log(9)
    score = np.exp(9) / (np.exp(9) + 3) * 0.9
    found = read(card, {"c": classes, "m": masks})
    expect_one(found, score)
    assert found.mask_of is not None
    assert (found.mask_of(0) > 0).sum() == 6 * 8
    classes[0, 2] = 0
    assert len(read(card, {"c": classes, "m": masks}).scores) == 0
    with pytest.raises(ModelError, match="3 classes"):
        read(card, {"c": classes[..., 1:], "m": masks})


def test_centres() -> None:
    """Two dogs side by side and a cat, on grass; each pixel points at its own centre."""
    roles = {"y": ("scores", "CHW"), "c": ("object-centres", "HW"), "o": ("object-offsets", "CHW")}
    card = level("panoptic", roles, reader="centres", things=["cat", "dog"])
    height, width = 16, 32
    scores, heat = np.zeros((1, 3, height, width), np.float32), np.zeros((1, 1, height, width), np.float32)
    offsets = np.zeros((1, 2, height, width), np.float32)
    scores[0, 2] = 9
    for left, top, right, bottom, class_id, sure in (
        (2, 2, 8, 10, 1, 0.9),
        (8, 2, 14, 10, 1, 0.7),
        (20, 4, 30, 14, 0, 0.8),
    ):
        y, x = (top + bottom) // 2, (left + right) // 2
        scores[0, :, top:bottom, left:right] = 0
        scores[0, class_id, top:bottom, left:right] = 9
        heat[0, 0, y, x] = sure
        rows, columns = np.mgrid[top:bottom, left:right]
        offsets[0, 0, top:bottom, left:right], offsets[0, 1, top:bottom, left:right] = y - rows, x - columns
    heat[0, 0, 15, 0] = 0.05  # no centre
    found = read(card, {"y": scores, "c": heat, "o": offsets})
    assert found.class_ids.tolist() == [1, 0, 1]
    np.testing.assert_allclose(found.scores, np.array([0.9, 0.8, 0.7]) * np.exp(9) / (np.exp(9) + 2), rtol=1e-4)
    np.testing.assert_allclose(found.boxes, [[4, 4, 16, 20], [40, 8, 60, 28], [16, 4, 28, 20]])
    assert found.mask_of is not None
    assert [(found.mask_of(place) > 0).sum() for place in range(3)] == [48, 100, 48]
    assert len(read(card, {"y": scores, "c": np.zeros_like(heat), "o": offsets}).scores) == 0
    with pytest.raises(ModelError, match="shapes"):
        read(card, {"y": scores, "c": heat, "o": offsets[:, :1]})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("column", range(6))
def test_what_is_no_number_is_no_object(bad: float, column: int) -> None:
    card = level("detection", {"y": ("object-rows", "NC")}, reader="kept-rows")
    rows = np.array([[[*BOX, 0.9, 1], [*BOX, 0.9, 1]]], np.float32)
    rows[0, 0, column] = bad
    found = read(card, {"y": rows})
    assert len(found.scores) == 1 + (column == 4 and bad == np.inf)


def test_boxes_without_a_size_and_unknown_classes_are_no_objects() -> None:
    card = level("detection", {"y": ("object-rows", "NC")}, reader="kept-rows")
    rows = np.array([[[9, 4, 9, 28, 0.9, 1], [40, 4, 8, 28, 0.9, 1], [*BOX, 0.9, 3], [*BOX, 0.9, -1]]], np.float32)
    assert len(read(card, {"y": rows}).scores) == 0


def test_only_the_surest_of_very_many_are_looked_at() -> None:
    card = level("detection", {"y": ("object-rows", "NC")}, reader="raw-rows", values="probabilities")
    rows = np.tile(np.array([24, 16, 32, 24, 0.4, 0.5, 0.6], np.float32), (1, MOST_CANDIDATES, 1))
    found = read(card, {"y": rows})
    assert len(found.scores) == MOST_CANDIDATES
    assert (found.class_ids == 2).all()

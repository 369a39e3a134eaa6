import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from maskery.core.boxes import Box
from maskery.core.card import Detector, ModelCard
from maskery.core.errors import ModelError
from maskery.core.plan import Placement
from maskery.inference.faces.detector import anchor_centres, read
from maskery.inference.preprocess import place
from maskery.models.card_toml import parse_card
from maskery.models.catalog import catalog

WANTED = Detector(model="any", min_score=0.5, marked=0.5)
SHORT_RANGE = [(8, 2), (16, 6)]


def semantic() -> ModelCard:
    card = {
        "name": "spots", "version": "1", "task": "semantic", "description": "", "file": "a.onnx", "sha256": "0" * 64,
        "bytes": 1, "url": "", "licence": {"name": "MIT", "commercial_use": True}, "labels": ["background", "face"],
        "input": {"tensor": "x", "layout": "NCHW", "resize": "stretch", "size": [64, 64]},
        "output": {"tensor": "y", "kind": "logits", "layout": "CHW"},
    }  # fmt: skip
    return parse_card(card, "spots")


def test_anchors_of_the_full_range() -> None:
    centres = anchor_centres((192, 192), [(4, 1)])
    assert centres.shape == (2304, 2)
    assert centres[0].tolist() == [2, 2]
    assert centres[1].tolist() == [6, 2], "along x first"
    assert centres[48].tolist() == [2, 6]
    assert centres[-1].tolist() == [190, 190]


def test_anchors_of_the_short_range() -> None:
    centres = anchor_centres((128, 128), SHORT_RANGE)
    assert centres.shape == (896, 2)
    assert centres[:3].tolist() == [[4, 4], [4, 4], [12, 4]]
    assert centres[512:519].tolist() == [[8, 8]] * 6 + [[24, 8]]


def split(output: NDArray[np.float32], card: ModelCard) -> dict[str, NDArray[np.float32]]:
    """(1, N, 17) -> the card's two tensors: boxes with key points, and logits."""
    boxes, logits = (one.tensor for one in card.outputs)
    return {boxes: output[..., :-1], logits: output[..., -1:]}


def test_boxes_are_where_the_anchors_say() -> None:
    card = catalog()["blazeface-full-range-192"]
    output = np.full((1, 2304, 17), -100, np.float32)
    output[0, 49] = [1, -2, 20, 40, *[0] * 12, 2.0]  # its anchor is at 6, 6
    found = read(split(output, card), place((192, 192), card.input), card, WANTED)
    assert [box.xyxy for box in found] == [(-3, -16, 17, 24)]
    assert found[0].score == pytest.approx(1 / (1 + np.exp(-2)))
    letterboxed = read(split(output, card), place((384, 192), card.input), card, WANTED)
    assert letterboxed == [Box((-6, -128, 34, -48), found[0].score)], "twice as large, and 48 rows of padding above"


def test_unsure_and_empty_boxes_do_not_count() -> None:
    card = catalog()["blazeface-full-range-192"]
    output = np.zeros((1, 2304, 17), np.float32)
    output[0, :, 2:4] = 10
    output[0, :, -1] = -0.1
    output[0, 7, 2:] = [-5, 10, *[0] * 12, 50]
    assert read(split(output, card), place((192, 192), card.input), card, WANTED) == []


def test_an_output_that_does_not_fit_the_anchors() -> None:
    card = catalog()["blazeface-full-range-192"]
    with pytest.raises(ModelError, match=r"anchors are 2304.*its anchors"):
        read(split(np.zeros((1, 896, 17), np.float32), card), place((192, 192), card.input), card, WANTED)


def test_pieces_are_the_middle_of_boxes() -> None:
    scores = np.zeros((1, 2, 16, 16), np.float32)
    scores[0, 1] = -3
    scores[0, 1, 2:6, 3:9] = 3
    scores[0, 1, 12:14, 12:14] = 0.1
    scores[0, 1, 0, 15] = 5
    placement = Placement((128, 64), (64, 64), (64, 64), (0, 0))
    found = read({"y": scores}, placement, semantic(), WANTED)
    assert sorted(box.xyxy for box in found) == [(0, 0, 96, 32), (88, 44, 120, 60), (116, -2, 132, 6)]
    assert max(box.score for box in found) == pytest.approx(1 / (1 + np.exp(-5)))


def test_a_long_thin_piece_is_no_face() -> None:
    scores = np.zeros((1, 2, 16, 16), np.float32)
    scores[0, 1] = -3
    scores[0, 1, 2, 1:14] = 5
    scores[0, 1, 8:10, 4:6] = 5
    (box,) = read({"y": scores}, Placement((64, 64), (64, 64), (64, 64), (0, 0)), semantic(), WANTED)
    assert (box.xyxy[0] + box.xyxy[2]) / 2 == 20
    assert (box.xyxy[1] + box.xyxy[3]) / 2 == 36


def test_pieces_need_the_label() -> None:
    with pytest.raises(ModelError, match=r"scores of 'head'"):
        read(
            {"y": np.zeros((1, 2, 8, 8), np.float32)},
            place((64, 64), semantic().input),
            semantic(),
            Detector(model="a", label="head"),
        )


def test_a_logit_in_the_last_column_of_the_boxes() -> None:
    card = catalog()["blazeface-full-range-192"]
    output = np.full((1, 2304, 17), -100, np.float32)
    output[0, 49] = [1, -2, 20, 40, *[0] * 12, 2.0]
    one = msgspec.structs.replace(card, outputs=card.outputs[:1])
    placement = place((192, 192), card.input)
    assert read({one.output.tensor: output}, placement, one, WANTED) == read(
        split(output, card), placement, card, WANTED
    )

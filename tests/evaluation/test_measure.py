"""Measuring a model that says what the colours say: every number is known beforehand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskery.core.errors import BadRequest, DataError
from maskery.core.labels import IGNORE
from maskery.evaluation.confusion import ClassificationScores, SegmentationScores
from maskery.evaluation.measure import measure
from maskery.evaluation.measurement import EvaluationOptions
from maskery.evaluation.report.evaluation_page import report
from tests.toys import STEP, add, reds

LABELS = ("road", "sky", "tree")


@pytest.fixture
def streets(tmp_path: Path) -> Path:
    """Two pictures: one all right, one where half of the sky is taken for trees; a part is not judged."""
    right = np.repeat([0, 1], 10)[:, None].repeat(24, axis=1)
    add(tmp_path, "a", right, right)
    seen, truth = right.copy(), right.copy()
    seen[10:, :12] = 2
    truth[0, :] = IGNORE
    add(tmp_path, "b", seen, truth)
    return tmp_path


def test_scores_confusion_and_the_worst_picture(streets: Path) -> None:
    done: list[tuple[int, int]] = []
    found = measure(reds(LABELS), streets, "val", progress=lambda *at: done.append(at))
    assert isinstance(found.scores, SegmentationScores)
    assert found.confusion.tolist() == [[456, 0, 0, 0], [0, 360, 120, 0], [0, 0, 0, 0]]
    assert found.scores.iou == {"road": 1.0, "sky": 0.75, "tree": 0.0}
    assert found.scores.images == {"road": 2, "sky": 2, "tree": 0}
    assert [(poor.name, poor.score) for poor in found.worst] == [("b", 0.75), ("a", 1.0)]
    assert done == [(1, 2), (2, 2)]
    assert (found.pictures, found.of, found.notes) == (2, 2, ())
    assert set(found.clock.medians_ms()) == {"decode", "preprocess", "run", "postprocess"}


def test_only_the_first_pictures_without_outlines(streets: Path) -> None:
    found = measure(reds(LABELS), streets, "val", EvaluationOptions(limit=1, boundary=0))
    assert isinstance(found.scores, SegmentationScores)
    assert (found.pictures, found.of, found.scores.miou, found.scores.boundary) == (1, 2, 1.0, {})
    assert "the first 1 of 2 pictures" in found.for_card("streets").note


def test_the_card_gets_what_was_measured(streets: Path) -> None:
    found = measure(reds(LABELS), streets, "val")
    card = found.for_card("streets")
    assert (card.data, card.split, card.pictures) == ("streets", "val", 2)
    assert (card.miou, card.iou["sky"], card.images["sky"]) == (round(1.75 / 3, 5), 0.75, 2)
    assert card.pixel_accuracy == round(816 / 936, 5)
    assert None not in (card.fw_iou, card.mean_dice, card.mean_accuracy, card.boundary_f)


def test_a_foreground_model_is_judged_by_its_hard_mask(tmp_path: Path) -> None:
    truth = np.repeat([0, 1], 8)[:, None].repeat(16, axis=1)
    add(tmp_path, "a", truth, truth)
    found = measure(reds(("background", "person"), "foreground"), tmp_path, "val")
    assert isinstance(found.scores, SegmentationScores)
    assert found.scores.iou == {"background": 1.0, "person": 1.0}


def test_other_names_are_paired_and_said(streets: Path) -> None:
    """Of three names one is the model's by another word, one unknown to it, and one of the model's in no mask."""
    options = EvaluationOptions(labels=("road", "sky", "unicorn"))
    found = measure(
        reds(("pavement", "sky", "tree")),
        streets,
        "val",
        EvaluationOptions(labels=options.labels, overrides={"road": ("pavement",)}),
    )
    assert found.labels == ("pavement", "sky")
    assert found.confusion.tolist() == [[456, 0, 0], [0, 360, 120]]
    assert found.notes == (
        "road counts as pavement (as asked)",
        "not judged, for the model has no such class: unicorn",
        "in no mask, and wrong wherever predicted: tree",
    )
    assert found.for_card("x").overrides == {"road": ["pavement"]}


@pytest.mark.parametrize(
    ("options", "kind", "says"),
    [
        (EvaluationOptions(overrides={"road": ("sky",)}), BadRequest, "does not say the names of its classes"),
        (EvaluationOptions(labels=("a", "b", "c")), DataError, "no class name in common"),
        (EvaluationOptions(labels=LABELS, overrides={"raod": ("sky",)}), BadRequest, "no class 'raod'"),
        (EvaluationOptions(labels=LABELS, overrides={"road": ("syk",)}), BadRequest, "no class 'syk'"),
        (EvaluationOptions(labels=("road",)), DataError, "class id 1, but there are only 1 classes"),
        (EvaluationOptions(format="mask-folders"), BadRequest, "Unknown data set format"),
    ],
)
def test_terms_that_cannot_be(streets: Path, options: EvaluationOptions, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says) as caught:
        measure(reds(LABELS), streets, "val", options)
    assert getattr(caught.value, "cure", "")


def test_data_that_is_wrong_says_so(streets: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(DataError, match="no split 'vla'"):
        measure(reds(LABELS), streets, "vla")
    with pytest.raises(DataError, match="known data set"):
        measure(reds(LABELS), tmp_path_factory.mktemp("empty"), "val")
    with pytest.raises(BadRequest, match="not a folder"):
        measure(reds(LABELS), streets / "nowhere", "val")
    mask = streets / "masks" / "val" / "a.png"
    Image.new("RGB", (24, 20), "red").save(mask)
    with pytest.raises(DataError, match="mode RGB"):
        measure(reds(LABELS), streets, "val")
    Image.new("L", (24, 21)).save(mask)
    with pytest.raises(DataError, match=r"is 24 x 21 pixels, its picture 24 x 20"):
        measure(reds(LABELS), streets, "val")
    mask.unlink()
    with pytest.raises(DataError, match="has no mask"):
        measure(reds(LABELS), streets, "val")


def test_the_report_is_one_file_with_everything(streets: Path) -> None:
    model = reds(LABELS)
    found = measure(model, streets, "val")
    page = report(found, model)
    assert page.count("data:image/jpeg;base64,") == 8
    assert "http" not in page
    for text in ("0.750", "sky", "boundary F", "0" * 64, "MIT", "mean IoU of its classes 0.750", "tree", "25.0%"):
        assert text in page


def test_names_cannot_break_the_report(tmp_path: Path) -> None:
    truth = np.zeros((8, 8), int)
    add(tmp_path, "x", truth, truth)
    model = reds(("<script>", "b&b"))
    page = report(measure(model, tmp_path, "val"), model)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


ANIMALS = ("cat", "dog", "cow", "hen", "bee", "fox")


@pytest.fixture
def animals(tmp_path: Path) -> Path:
    """Class folders: two cats, one of which is taken for a dog, a dog, and a fish that the model does not know."""
    for name, seen in (("cat/a", [0] * 9), ("cat/b", [1] * 5 + [0] * 4), ("dog/c", [1] * 9), ("fish/d", [2] * 9)):
        picture = np.zeros((3, 3, 3), np.uint8)
        picture[..., 0] = np.reshape(seen, (3, 3)) * STEP + STEP // 2
        path = tmp_path / "test" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return tmp_path


def test_a_classifier_on_class_folders(animals: Path) -> None:
    model = reds(ANIMALS, "classification")
    found = measure(model, animals, "test")
    assert isinstance(found.scores, ClassificationScores)
    assert found.labels == ("cat", "dog")
    assert found.confusion.tolist() == [[1, 1, 0], [0, 1, 0]]
    assert (found.scores.top1, found.scores.top5, found.scores.mean_accuracy) == (2 / 3, 1.0, 0.75)
    assert found.scores.accuracy == {"cat": 0.5, "dog": 1.0}
    assert found.scores.precision == {"cat": 1.0, "dog": 0.5}
    assert "left out, for the model has no such class: fish" in found.notes
    (poor,) = found.worst
    assert (poor.name, poor.truth, poor.predicted, round(poor.score, 3)) == ("cat/b.png", "cat", "dog", 0.444)
    card = found.for_card("animals")
    assert (card.top1, card.top5, card.accuracy, card.images) == (
        0.66667,
        1.0,
        {"cat": 0.5, "dog": 1.0},
        {"cat": 2, "dog": 1},
    )
    page = report(found, model)
    assert "cat, taken for dog" in page
    assert page.count("data:image/jpeg") == 1


def test_folders_by_another_name(animals: Path) -> None:
    options = EvaluationOptions(overrides={"fish": ("cow",), "dog": ()})
    found = measure(reds(ANIMALS, "classification"), animals, "test", options)
    assert isinstance(found.scores, ClassificationScores)
    assert (found.labels, found.scores.accuracy) == (("cat", "cow"), {"cat": 0.5, "cow": 1.0})
    assert found.confusion.tolist() == [[1, 0, 1], [0, 1, 0]]
    with pytest.raises(BadRequest, match="no class 'fsh'"):
        measure(reds(ANIMALS, "classification"), animals, "test", EvaluationOptions(overrides={"fsh": ("cow",)}))
    with pytest.raises(DataError, match="no class name in common"):
        measure(reds(("a", "b"), "classification"), animals, "test")


def test_each_task_has_its_kind_of_data(animals: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(DataError, match="class folders, without masks"):
        measure(reds(LABELS), animals, "test")
    masks = tmp_path_factory.mktemp("masks")
    add(masks, "a", np.zeros((4, 4), int), np.zeros((4, 4), int))
    with pytest.raises(DataError, match="has masks"):
        measure(reds(ANIMALS, "classification"), masks, "val")

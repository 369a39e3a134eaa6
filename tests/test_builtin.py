"""What the built-in model's card claims is what comes out."""

import hashlib

import numpy as np
import pytest

import maskery
from maskery import image
from maskery.evaluation import evaluate_model
from maskery.labels import VOC
from maskery.metrics import mean_iou
from maskery.serving.residents import check
from maskery.zoo.catalog import builtin
from tests.material import photo, shared


@pytest.fixture(scope="module")
def everyday():  # type: ignore[no-untyped-def]
    return maskery.load("everyday")


def test_the_file_is_the_cards_and_small(everyday) -> None:  # type: ignore[no-untyped-def]
    data = (builtin()["everyday"] / everyday.card.file).read_bytes()
    assert hashlib.sha256(data).hexdigest() == everyday.card.sha256
    assert len(data) == everyday.card.bytes <= 8_000_000
    assert b".py" not in data  # the exporter notes source files, with the folders of the machine that trained


def test_it_gives_its_stored_answer(everyday) -> None:  # type: ignore[no-untyped-def]
    assert everyday.card.check is not None
    assert check(everyday.model) == "ok"


@pytest.mark.parametrize(("name", "label", "least"), [("astronaut", "person", 0.35), ("chelsea", "cat", 0.6)])
def test_sample_photographs(everyday, name: str, label: str, least: float) -> None:  # type: ignore[no-untyped-def]
    found = everyday.segment(photo(name)).class_map
    assert (found == VOC.index(label)).mean() > least
    assert (found[found != 0] == VOC.index(label)).mean() > 0.8


def test_the_cards_numbers_are_reproduced(everyday) -> None:  # type: ignore[no-untyped-def]
    card = everyday.card.quality
    measured = evaluate_model(everyday.model, shared("data/voc2012-part"), "val")
    assert measured.miou == pytest.approx(card.miou, abs=5e-4)
    assert measured.pixel_accuracy == pytest.approx(card.pixel_accuracy, abs=5e-4)
    assert measured.images == card.images
    for name, value in card.iou.items():
        assert measured.iou[name] == pytest.approx(value, abs=2e-3), name
    assert mean_iou(measured) > 0.634


def test_motorbikes_boats_birds_and_cars_are_found(everyday) -> None:  # type: ignore[no-untyped-def]
    """On pictures that it was trained on: a floor, not a measure. The rare classes of VOC alone stayed at zero."""
    from maskery.datasets.formats import open_dataset

    data = open_dataset(shared("data/voc-extra"), "train", VOC)
    for label in ("motorbike", "boat", "bird", "car"):
        i = VOC.index(label)
        hits = 0
        for index in [k for k in range(len(data)) if (data.mask(k) == i).any()][:10]:
            picture = image.open_picture(data.image_path(index), max_bytes=1 << 24, max_pixels=1 << 24)
            found, truth = everyday.model.run(picture).class_map == i, data.mask(index) == i
            hits += np.logical_and(found, truth).sum() > 0.5 * truth.sum()
        assert hits >= 7, label

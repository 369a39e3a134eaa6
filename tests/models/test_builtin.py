"""What the built-in model's card claims is what comes out."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

import maskery
from maskery.core.card import CARD_NAME
from maskery.core.card_facts import Quality
from maskery.core.labels import VOC
from maskery.core.picture import decode
from maskery.evaluation.measure import measure
from maskery.evaluation.measurement import EvaluationOptions
from maskery.evaluation.objects_measure import measure_objects
from maskery.evaluation.prompts import PromptOptions, measure_prompts
from maskery.inference.pipeline import Model
from maskery.inference.prompts.prompt_model import PromptModel
from maskery.models.card_toml import load_card
from maskery.models.catalog import builtin
from maskery.serving.runtime.model_pool import check
from tests.material import ROOT, photo, shared


@pytest.fixture(scope="module")
def everyday():  # type: ignore[no-untyped-def]
    return maskery.load("everyday")


@pytest.mark.parametrize("name", sorted(builtin()))
def test_the_file_is_the_cards_and_small(name: str) -> None:
    card = load_card(builtin()[name] / CARD_NAME)
    for network in card.networks:
        data = (builtin()[name] / network.file).read_bytes()
        assert hashlib.sha256(data).hexdigest() == network.sha256
        assert len(data) == network.bytes <= 8_000_000
        assert b".py" not in data  # the exporter notes source files, with the folders of the machine that trained


def test_all_weights_together_are_small() -> None:
    assert sum(path.stat().st_size for folder in builtin().values() for path in folder.glob("*.onnx")) <= 45_000_000


@pytest.mark.parametrize("name", sorted(builtin()))
def test_it_gives_its_stored_answer(name: str) -> None:
    model = maskery.load(name).model
    assert model.card.check is not None
    assert check(model) == "ok"


@pytest.mark.parametrize(("name", "label", "least"), [("astronaut", "person", 0.35), ("chelsea", "cat", 0.6)])
def test_sample_photographs(everyday, name: str, label: str, least: float) -> None:  # type: ignore[no-untyped-def]
    found = everyday.segment(photo(name)).class_map
    assert (found == VOC.index(label)).mean() > least
    assert (found[found != 0] == VOC.index(label)).mean() > 0.8


@pytest.fixture
def face_finder_data(tmp_path: Path) -> Path:
    """The val split that the recipe's script makes of the shared data, with the teacher from the shared mirror."""
    env = dict(os.environ, MASKERY_CACHE=str(tmp_path / "cache"), MASKERY_MIRROR=str(shared("models")))
    made = tmp_path / "face-finder-data"
    for command in (
        ["-m", "maskery", "models", "pull", "blazeface-full-range-192"],
        [str(ROOT / "recipes" / "face_finder_data.py"), str(shared("data")), str(made), "--split", "val"],
    ):
        subprocess.run([sys.executable, *command], env=env, check=True, capture_output=True)
    return made


MEASURED = [
    pytest.param(name, number, id=f"{name}-{stated.data}")
    for name, folder in sorted(builtin().items())
    for number, stated in enumerate(load_card(folder / CARD_NAME).measured)
]
"""Each figure of each card, one test for each data set: they take minutes, and workers share them."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number"), MEASURED)
def test_evaluate_reproduces_every_number_of_every_card(name: str, number: int, request: pytest.FixtureRequest) -> None:
    """To three digits; cards from before boundary F and its like have fewer numbers."""
    model = maskery.load(name).model
    stated = model.card.measured[number]
    if stated.prompts:
        _expect_prompts(model, stated)
        return
    if stated.objects:
        _expect_objects(model, stated)
        return
    options = EvaluationOptions(overrides=stated.overrides)
    made = stated.data == "face-finder-data"
    root = request.getfixturevalue("face_finder_data") if made else shared(f"data/{stated.data}")
    found = measure(model, root, stated.split, options).for_card(stated.data)
    assert stated.pictures in (None, found.pictures)
    assert found.images == stated.images
    for key, value in msgspec.to_builtins(stated).items():
        if isinstance(value, float):
            assert getattr(found, key) == pytest.approx(value, abs=5e-4), (stated.data, key)
    for key in ("iou", "accuracy"):
        for label, value in getattr(stated, key).items():
            assert getattr(found, key)[label] == pytest.approx(value, abs=2e-3), (stated.data, label)


def _expect_objects(model: Model, stated: Quality) -> None:
    assert stated.objects is not None
    numbered = stated.data == "penn-fudan"
    options = EvaluationOptions(format="numbered", labels=("person",)) if numbered else EvaluationOptions()
    found = measure_objects(model, shared(f"data/{stated.data}"), stated.split, options).for_card(stated.data)
    assert (found.pictures, found.images) == (stated.pictures, stated.images)
    assert found.objects is not None
    assert found.objects.objects == stated.objects.objects
    for name in ("mask_ap", "mask_ap50", "mask_ap75", "box_ap", "box_ap50", "box_ap75", "pq"):
        assert getattr(found.objects, name) == pytest.approx(getattr(stated.objects, name), abs=5e-3), name


def _expect_prompts(model: Model, stated: Quality) -> None:
    assert isinstance(model, PromptModel)
    assert stated.prompts is not None
    options = PromptOptions(least_area=stated.prompts.least_area)
    found = measure_prompts(model, shared(f"data/{stated.data}"), stated.split, options).for_card(stated.data)
    assert found.pictures == stated.pictures
    assert found.prompts is not None
    assert found.prompts.objects == stated.prompts.objects
    assert found.prompts.iou_box == pytest.approx(stated.prompts.iou_box, abs=2e-3)
    assert found.prompts.iou_clicks == pytest.approx(stated.prompts.iou_clicks, abs=5e-3)
    assert found.prompts.noc_85 == pytest.approx(stated.prompts.noc_85, abs=0.1)


def test_clicks_and_boxes_cut_out_things_and_corrections_help() -> None:
    """A floor on some pictures that it was not trained on; the card has the numbers of all."""
    model = maskery.load("prompt").model
    assert isinstance(model, PromptModel)
    found = [
        measure_prompts(model, shared(f"data/{data}"), split, PromptOptions(limit=12, most=5)).scores
        for data, split in (("penn-fudan", "val"), ("interactive/coco-mval", "val"), ("interactive/grabcut", ""))
    ]
    assert np.concatenate([scores.box for scores in found]).mean() > 0.72
    clicks = np.concatenate([scores.clicks for scores in found])
    mean = clicks.mean(0)
    assert mean[0] > 0.45
    assert mean[2] > mean[0] + 0.05, "the third click is better than the first"
    assert (np.diff(mean) > -0.01).all(), "a corrective click does not lower the mean IoU"
    for scores in found:
        assert scores.clicks[:, 2].mean() > scores.clicks[:, 0].mean()


def test_motorbikes_boats_birds_and_cars_are_found(everyday) -> None:  # type: ignore[no-untyped-def]
    """On pictures that it was trained on: a floor, not a measure. The rare classes of VOC alone stayed at zero."""
    from maskery.datasets.formats import open_dataset

    data = open_dataset(shared("data/voc-extra"), "train", VOC)
    for label in ("motorbike", "boat", "bird", "car"):
        i = VOC.index(label)
        hits = 0
        for index in [k for k in range(len(data)) if (data.mask(k) == i).any()][:10]:
            picture = decode.open_picture(data.image_path(index), max_bytes=1 << 24, max_pixels=1 << 24)
            found, truth = everyday.model.run(picture).class_map == i, data.mask(index) == i
            hits += np.logical_and(found, truth).sum() > 0.5 * truth.sum()
        assert hits >= 7, label

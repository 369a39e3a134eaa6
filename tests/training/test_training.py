"""Training as a user does it: a recipe in, a served model out; killed and resumed; wrong recipes refused."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import maskery
from maskery.core.errors import ConfigError, DataError
from maskery.models.card_toml import load_card
from maskery.models.catalog import builtin
from maskery.training.losses import cross_entropy, dice_loss, total_loss
from maskery.training.recipe import LossSpec, load_recipe
from maskery.training.tasks import open_job


def test_a_recipe_becomes_a_served_model(trained: Path, recipe: Path) -> None:
    folder = trained / "model"
    card = load_card(folder / "model.toml")
    assert (folder / "recipe.toml").read_text() == recipe.read_text()
    assert card.quality is not None
    assert card.quality.images["aeroplane"] == 2
    assert card.training["parity_torch_onnx"] < 1e-3
    answer = maskery.load(str(folder)).segment(np.full((80, 96, 3), 120, np.uint8))
    assert answer.class_map.shape == (80, 96)
    done = subprocess.run(
        [sys.executable, "-m", "maskery", "evaluate", str(folder), str(recipe.parent / "squares"), "--json"],
        capture_output=True,
        check=True,
    )
    import json

    measured = json.loads(done.stdout)
    assert measured["miou"] == pytest.approx(card.quality.miou, abs=5e-4)
    assert measured["iou"]["bicycle"] == pytest.approx(card.quality.iou["bicycle"], abs=5e-4)
    assert measured["images"]["bicycle"] == 2


def test_the_exported_net_doubles_its_maps_by_constant_scales(trained: Path) -> None:
    """ONNX Runtime can then melt what is around them together; that the outputs are torch's, the export has proven."""
    import onnx

    (path,) = (trained / "model").glob("*.onnx")
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert kinds.count("Resize") == 3
    assert not {"Shape", "Concat"} & set(kinds)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("crop = 64", "corp = 64"), "unknown key 'data.corp'. Did you mean 'crop'"),
        (("crop = 64", "crop = 65"), "multiple of 32"),
        (("scale = [0.8, 1.25]", "scale = [2.0, 1.0]"), "low <= high"),
        (('name = "light_decoder"', 'name = "heavy"'), "network.name"),
        (("\nepochs = 2", "\nepochs = 'two'"), "optimiser.epochs"),
        (("crop = 64", "crop = 64\ncut_mix = 0.5"), "data.cut_mix and network.mirror are for classifiers. Take"),
    ],
)
def test_wrong_recipes(recipe: Path, tmp_path: Path, change: tuple[str, str], says: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(recipe.read_text().replace(*change))
    with pytest.raises(ConfigError) as caught:
        load_recipe(path)
    assert says in str(caught.value)


def test_losses() -> None:
    target = torch.tensor([[[0, 1], [1, 255]]], dtype=torch.uint8)
    right = torch.full((1, 3, 2, 2), -20.0)
    right[0, 0, 0, 0] = right[0, 1, 0, 1] = right[0, 1, 1, 0] = 20
    assert total_loss(right, target, LossSpec(dice=1.0)) == pytest.approx(0, abs=1e-5)
    flat = torch.zeros(1, 3, 2, 2)
    assert total_loss(flat, target, LossSpec()) == pytest.approx(np.log(3), abs=1e-5)
    # Class 0: overlap 1/3, sizes 1 and 3/3; class 1: overlap 2/3, sizes 2 and 1.
    assert dice_loss(flat.log_softmax(1), target.long()) == pytest.approx(1 - (2 / 3 / 2 + 4 / 3 / 3) / 2, abs=1e-5)
    assert total_loss(flat, torch.full_like(target, 255), LossSpec(dice=1.0)).isfinite()


def test_the_loss_of_a_picture_of_two_classes_is_that_of_both_by_their_shares() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5]])
    each = [total_loss(logits, torch.tensor([i]), LossSpec(smoothing=0.1)).item() for i in range(3)]
    shares = torch.tensor([[0.25, 0.0, 0.75]])
    assert total_loss(logits, shares, LossSpec(smoothing=0.1)) == pytest.approx(0.25 * each[0] + 0.75 * each[2])


def test_only_hard_pixels_count_with_ohem_and_never_fewer_than_a_sixteenth() -> None:
    target = torch.zeros(1, 8, 8, dtype=torch.int64)
    logits = torch.zeros(1, 2, 8, 8)
    logits[0, 0] = 4.0
    logits[0, 0, 0] = -4.0  # eight pixels are wrong
    each = torch.nn.functional.cross_entropy(logits, target, reduction="none")
    assert cross_entropy(logits.log_softmax(1), target, ohem=0.7) == pytest.approx(each[0, 0].mean().item())
    sure = torch.zeros(1, 2, 8, 8)
    sure[0, 0] = torch.linspace(4, 8, 64).reshape(8, 8)
    each = torch.nn.functional.cross_entropy(sure, target, reduction="none").flatten()
    assert cross_entropy(sure.log_softmax(1), target, ohem=0.7) == pytest.approx(each[:4].mean().item())


@pytest.mark.parametrize("ignored", [0, 20])
def test_losses_are_torchs_where_torch_has_them(ignored: int) -> None:
    torch.manual_seed(1)
    logits, target = torch.randn(2, 5, 6, 7), torch.randint(0, 5, (2, 6, 7))
    target.view(-1)[:ignored] = 255
    ours = cross_entropy(logits.log_softmax(1), target, smoothing=0.1)
    theirs = torch.nn.functional.cross_entropy(logits, target, ignore_index=255, label_smoothing=0.1)
    assert ours == pytest.approx(theirs.item(), rel=1e-5)


@pytest.mark.parametrize("name", sorted(builtin()))
def test_the_shipped_recipe_is_the_one_that_made_the_weights(name: str) -> None:
    folder = builtin()[name]
    recipe = Path(__file__).parents[2] / "recipes" / f"{name}.toml"
    assert recipe.read_text() == (folder / "recipe.toml").read_text()
    made = name == tomllib.loads(recipe.read_text())["name"] == load_card(folder / "model.toml").name
    assert made
    if name != "objects":  # its recipe is of another task: tests/training/detection
        assert load_recipe(folder / "recipe.toml").name == name


def test_a_picture_beside_the_mask_of_another_size(recipe: Path, trained: Path, tmp_path: Path) -> None:
    from maskery.core.errors import DataError
    from maskery.evaluation.measure import measure

    for kind, size in (("images", (40, 30)), ("masks", (41, 30))):
        (tmp_path / kind / "val").mkdir(parents=True)
        Image.new("RGB" if kind == "images" else "L", size).save(tmp_path / kind / "val" / "a.png")
    with pytest.raises(DataError, match=r"mask of .*a\.png is 41 x 30 pixels, its picture 40 x 30"):
        measure(maskery.load(str(trained / "model")).model, tmp_path, "val")


@pytest.mark.parametrize(("value", "says"), [(255, "give the class value = 255"), (0, "See how the masks store")])
def test_masks_of_one_class_are_refused_before_the_first_step(
    recipe: Path, tmp_path: Path, value: int, says: str
) -> None:
    settings = load_recipe(recipe)
    root = tmp_path / "squares"
    shutil.copytree(Path(settings.data.root) / "squares", root)
    for path in (root / "masks").rglob("*.png"):
        Image.fromarray(np.asarray(Image.open(path)).astype(bool).astype(np.uint8) * np.uint8(value)).save(path)
    with pytest.raises(DataError, match="masks to train on have only background") as caught:
        open_job(settings, tmp_path)
    assert says in caught.value.cure

"""``maskery export``: a run's folder in, a model's folder out; whatever goes wrong is one clear error."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

import maskery
from maskery.cli.main import cli
from maskery.core.errors import ConfigError, MaskeryError, OutputError, TrainingError
from maskery.models.card_toml import load_card
from maskery.training import checkpoint
from maskery.training.checkpoint import CHECKPOINT_NAME, RECIPE_NAME, open_folder
from maskery.training.loop import TrainingRun
from maskery.training.networks.base import Net
from maskery.training.networks.build import build_network
from maskery.training.onnx_export import export_onnx
from maskery.training.recipe import load_recipe
from maskery.training.run_export import model_folder


def export(*words: str | Path) -> str:
    done = CliRunner().invoke(cli, ["export", *map(str, words)], standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.stdout


@pytest.fixture(scope="module")
def run(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run whose only checkpoint is that of its first, random weights."""
    folder = tmp_path_factory.mktemp("runs") / "squares"
    settings = load_recipe(recipe)
    open_folder(folder, recipe)
    fresh = TrainingRun(settings, Path(settings.data.root), folder, lambda text: None, "cpu")
    checkpoint.save(folder / CHECKPOINT_NAME, fresh.state())
    return folder


@pytest.fixture(scope="module")
def exported(run: Path) -> Path:
    assert export(run, "--no-half") == f"{run / 'model'}\n"
    return run / "model"


def test_a_run_becomes_a_model_with_its_proof(run: Path, exported: Path) -> None:
    card = load_card(exported / "model.toml")
    assert card.training["parity_torch_onnx"] == card.training["parity_after_half_storage"] < 1e-3
    parameters = sum(p.numel() for p in build_network(load_recipe(run / RECIPE_NAME).network, 21).parameters())
    assert 3.9 * parameters < card.bytes < 4.2 * parameters
    assert card.training["epochs"] == 0  # that were run, whatever the recipe has in mind
    assert card.quality is not None
    assert sorted(path.name for path in exported.iterdir()) == ["model.toml", "recipe.toml", "squares.onnx"]
    assert not list(run.glob(".*"))
    answer = maskery.load(str(exported)).segment(np.full((80, 96, 3), 120, np.uint8))
    assert answer.class_map.shape == (80, 96)


def test_a_model_that_is_there_is_kept_unless_forced(run: Path, exported: Path, tmp_path: Path) -> None:
    before = (exported / "model.toml").read_bytes()
    with pytest.raises(ConfigError, match=r"holds a model already\. Add --force"):
        export(run)
    assert (exported / "model.toml").read_bytes() == before
    for force, text in ((False, "first"), (True, "second")):
        with model_folder(tmp_path / "m", force) as partial:
            (partial / "model.toml").write_text(text)
        assert (tmp_path / "m" / "model.toml").read_text() == text


def test_a_folder_of_other_things_is_never_replaced(run: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="something else than a model"):
        export(run, "-o", tmp_path, "--force")
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_folders_that_are_no_runs(run: Path, tmp_path: Path) -> None:
    (tmp_path / "young").mkdir()
    (tmp_path / "young" / RECIPE_NAME).write_bytes((run / RECIPE_NAME).read_bytes())
    for folder, says in (
        (tmp_path / "nowhere", "not the folder of a training run: it has no recipe.toml"),
        (tmp_path, "it has no recipe.toml. maskery train RECIPE --out FOLDER makes one"),
        (tmp_path / "young", "it has no checkpoint.pt"),
    ):
        with pytest.raises(ConfigError) as caught:
            export(folder, "-o", tmp_path / "m")
        assert says in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["young"]


def test_a_damaged_or_foreign_checkpoint(run: Path, tmp_path: Path) -> None:
    recipe = (run / RECIPE_NAME).read_text()
    (tmp_path / RECIPE_NAME).write_text(recipe)
    (tmp_path / CHECKPOINT_NAME).write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match="not a usable checkpoint"):
        export(tmp_path)
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / CHECKPOINT_NAME)
    with pytest.raises(TrainingError, match="does not hold this run's network: 'recipe'"):
        export(tmp_path)
    (tmp_path / RECIPE_NAME).write_text(recipe.replace("seed = 3", "seed = 4"))
    (tmp_path / CHECKPOINT_NAME).write_bytes((run / CHECKPOINT_NAME).read_bytes())
    with pytest.raises(TrainingError, match="another recipe"):
        export(tmp_path)
    assert not (tmp_path / "model").exists()


class OneLayer(Net):
    stride = multiple = 8

    def __init__(self) -> None:
        super().__init__()
        self.classify = nn.Conv2d(3, 100, 8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.classify(x))


def write_network(partial: Path) -> None:
    (partial / "net.onnx").symlink_to("/dev/full")
    export_onnx(OneLayer(), partial / "net.onnx")


def write_card(partial: Path) -> None:
    (partial / "model.toml").symlink_to("/dev/full")
    (partial / "model.toml").write_text("card")


@pytest.mark.parametrize("write", [write_network, write_card])
def test_a_full_disk_leaves_nothing(tmp_path: Path, write: Callable[[Path], None]) -> None:
    def fill() -> None:
        with model_folder(tmp_path / "m", force=False) as partial:
            write(partial)

    with pytest.raises(OutputError, match=r"could not be written.*No space left on device.*Free some disk space"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MaskeryError, match=r"file/m could not be written: Not a directory"):
        export(run, "-o", tmp_path / "file" / "m")


def test_parity_is_measured_in_units_of_the_largest_logit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = OneLayer()
    for parameter in net.parameters():
        parameter.data *= 3000  # logits of thousands, whose last bits are worth more than a thousandth
    proof = export_onnx(net, tmp_path / "net.onnx", half=False)
    assert proof.changed == 0.0
    with pytest.raises(TrainingError, match=r"in logits of up to .*, by more than -1 of them; 0\.00% of the positions"):
        export_onnx(net, tmp_path / "net.onnx", half=False, tolerance=-1.0)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('name = "squares"', 'name = "My Squares"', "The recipe makes no model: name 'My Squares' must be of a-z"),
        ("side = 64", "side = 64\n[publish.check]\nunicorn = 0.5", "check names 'unicorn', which is no label"),
    ],
)
def test_a_card_that_could_not_be_written_is_refused_before_the_first_step(
    recipe: Path, tmp_path: Path, old: str, new: str, says: str
) -> None:
    changed = tmp_path / "r.toml"
    changed.write_text(recipe.read_text().replace(old, new))
    done = CliRunner().invoke(cli, ["train", str(changed), "-o", str(tmp_path / "run")], standalone_mode=False)
    assert isinstance(done.exception, ConfigError)
    assert says in str(done.exception)
    assert not (tmp_path / "run").exists()


def test_what_lies_in_the_models_place_is_refused_before_the_first_step(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "model" / "notes.txt").write_text("mine")
    done = CliRunner().invoke(cli, ["train", str(recipe), "-o", str(tmp_path / "run")], standalone_mode=False)
    assert "something else than a model" in str(done.exception)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["model"]

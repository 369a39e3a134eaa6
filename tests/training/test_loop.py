"""The loop under adversity: killed, interrupted, resumed with another recipe, numbers that are not finite."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from maskery.cli import main
from maskery.cli.progress import ProgressDisplay
from maskery.core.errors import TrainingError
from maskery.training import checkpoint, log
from maskery.training.loop import TrainingRun
from maskery.training.recipe import load_recipe
from tests.training.conftest import Finished

KILLED = """
import os, signal, sys
from pathlib import Path
from maskery.training.loop import TrainingRun
from maskery.training.recipe import load_recipe

def update(text):
    if text.startswith(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

recipe = load_recipe(Path(sys.argv[1]))
TrainingRun(recipe, Path(recipe.data.root), Path(sys.argv[2]), print, "cpu", update).train()
"""


def run_of(recipe: Path, out: Path) -> TrainingRun:
    settings = load_recipe(recipe)
    return TrainingRun(settings, Path(settings.data.root), out, lambda text: None, "cpu")


def kill(recipe: Path, out: Path, at: str) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, recipe, out, at], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def resumed(recipe: Path, out: Path) -> Path:
    run = run_of(recipe, out)
    assert run.resume()
    assert run.epoch == 1
    run.train()
    return out


def same_weights(one: Path, other: Path) -> bool:
    a, b = (checkpoint.load(folder / "checkpoint.pt") for folder in (one, other))
    assert a["net"].keys() == b["net"].keys()
    return all(torch.equal(a[part][name], b[part][name]) for part in ("net", "average") for name in a[part])


def test_killed_in_an_epoch_and_resumed_it_ends_with_the_same_weights(
    finished: Finished, recipe: Path, tmp_path: Path
) -> None:
    kill(recipe, tmp_path, "epoch 2/3, step 2/")
    assert same_weights(finished.run.out, resumed(recipe, tmp_path))
    assert [entry["epoch"] for entry in log.epochs(tmp_path)] == [1, 2, 3]


def test_so_does_a_classifier_in_mixed_precision(classifier: Path, tmp_path: Path) -> None:
    run = run_of(classifier, tmp_path / "whole")
    assert run.mixed
    run.train()
    kill(classifier, tmp_path / "killed", "epoch 2/2, step 3/")
    assert same_weights(tmp_path / "whole", resumed(classifier, tmp_path / "killed"))
    assert log.epochs(tmp_path / "killed")[-1]["accuracy"] == log.epochs(tmp_path / "whole")[-1]["accuracy"]


def test_killed_between_checkpoint_and_log_the_line_is_written_on_resume(classifier: Path, tmp_path: Path) -> None:
    run = run_of(classifier, tmp_path)
    run.train()
    lines = log.epochs(tmp_path)
    (tmp_path / "log.jsonl").write_text('{"epoch": 1, "loss": 1.0}\n{"epoch": 2, "lo')
    again = run_of(classifier, tmp_path)
    assert again.resume()
    again.train()
    assert log.epochs(tmp_path)[-1] == lines[-1]


@pytest.fixture
def default_signals() -> Iterator[None]:
    """As a process in the foreground has them; one in the background of a shell ignores Ctrl-C."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("default_signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_with_a_word_on_how_to_go_on(
    classifier: Path,
    tmp_path: Path,
    number: signal.Signals,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def update(self: object, text: str) -> None:
        if text.startswith("epoch 2/2"):
            os.kill(os.getpid(), number)

    monkeypatch.setattr(ProgressDisplay, "update", update)
    monkeypatch.setattr(sys, "argv", ["maskery", "train", str(classifier), "--out", str(tmp_path), "--no-export"])
    with pytest.raises(SystemExit) as caught:
        main.main()
    assert caught.value.code == 130
    said = capsys.readouterr().err
    assert "stopped in epoch 2: epoch 1 of 2 is kept; the same command goes on from there" in said
    assert "Traceback" not in said
    assert checkpoint.load(tmp_path / "checkpoint.pt")["epoch"] == 1


def test_a_checkpoint_of_another_recipe_is_refused_with_the_keys(
    finished: Finished, recipe: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.toml"
    text = recipe.read_text().replace("rate = 4e-3", "rate = 5e-3").replace('split = "train"', 'split = "val"')
    other.write_text(text)
    with pytest.raises(TrainingError) as caught:
        run_of(other, finished.run.out).resume()
    assert "data.train[0].split was train and is val, optimiser.rate was 0.004 and is 0.005." in caught.value.message


def test_weights_that_are_not_finite_are_named(recipe: Path, tmp_path: Path) -> None:
    run = run_of(recipe, tmp_path)
    with torch.no_grad():
        run.net.classify.weight.fill_(float("nan"))
    with pytest.raises(TrainingError) as caught:
        run.train()
    said = str(caught.value)
    assert "The loss became nan in epoch 1 at the rate" in said
    assert "weights were not finite before this step, the first is classify.weight" in said
    run.job.stream.start_epoch(0)
    assert f"In the batch: {', '.join(run.job.stream.name(i) for i in range(4))}." in said
    assert "there is no checkpoint yet" in said
    assert not (tmp_path / "checkpoint.pt").exists()


def test_so_are_the_input_the_layer_and_the_gradient(recipe: Path, tmp_path: Path) -> None:
    run = run_of(recipe, tmp_path)
    images, targets = torch.zeros(2, 3, 64, 64, dtype=torch.uint8), torch.zeros(2, 32, 32, dtype=torch.uint8)
    weights = {name: parameter.detach().clone() for name, parameter in run.net.named_parameters()}

    hook = run.net.mix8.register_forward_hook(lambda module, inputs, output: output * float("inf"))
    with pytest.raises(TrainingError, match=r"the network's output was not; the first layer is reduce\.0"):
        run.step(images, [targets], [0, 1])
    hook.remove()

    mean = run.net.backbone.pixel_mean
    run.net.backbone.pixel_mean = (float("nan"),) * 3
    with pytest.raises(TrainingError, match="the network's input was not finite"):
        run.step(images, [targets], [0, 1])
    run.net.backbone.pixel_mean = mean

    for module in run.net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
    run.net.classify.bias.register_hook(lambda grad: grad * float("inf"))
    with pytest.raises(TrainingError, match=r"The gradient became .* of 1 parameters, the last of them classify\.bias"):
        run.step(images, [targets], [0, 1])
    assert all(torch.equal(parameter, weights[name]) for name, parameter in run.net.named_parameters())

"""Two processes under torchrun do what one does alone."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from maskery.core.errors import ConfigError
from maskery.training import checkpoint, distributed, log
from maskery.training.loop import TrainingRun
from maskery.training.recipe import load_recipe

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
# One step an epoch, so that the log has the loss of every step; no dropout, whose draws differ; batch norms of the
# decoder alone, because training all of them at this size makes one percent of a gradient from its last bits.
CHANGES = (
    ("batch = 4", "batch = 12"),
    ("repeat_threshold = 0.3", ""),
    ("frozen_blocks = 1", "dropout = 0.0\nfrozen_norm = true"),
    ("dice = 0.2", "dice = 0.2\nohem = 0.7\nsmoothing = 0.1"),
    ("hold_epochs = 1", "hold_epochs = 2"),
    ("rate = 4e-3", 'name = "sgd"\nrate = 0.05'),
)


def test_two_processes_reach_the_loss_of_one_at_every_step(recipe: Path, tmp_path: Path) -> None:
    text = recipe.read_text()
    for old, new in CHANGES:
        assert old in text
        text = text.replace(old, new)
    path, two = tmp_path / "recipe.toml", tmp_path / "two"
    path.write_text(text)
    done = subprocess.run(
        [*TORCHRUN, "-m", "maskery", "train", path, "--out", two, "--device", "cpu", "--threads", "1", "--no-export"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(two)  # said once
    assert done.stderr.count("2 processes") == 1

    settings = load_recipe(path)
    run = TrainingRun(settings, Path(settings.data.root), tmp_path / "one", lambda text: None, "cpu")
    run.train()
    losses = [[entry["loss"] for entry in log.epochs(folder)] for folder in (tmp_path / "one", two)]
    assert len(losses[0]) == 4
    assert losses[1] == pytest.approx(losses[0], abs=1e-4)
    assert losses[0][-1] < losses[0][0]

    ours, theirs = (checkpoint.load(folder / "checkpoint.pt")["net"] for folder in (tmp_path / "one", two))
    assert ours.keys() == theirs.keys()
    moved = build_fresh(settings.seed, run)
    drift = max(float((ours[name] - theirs[name]).abs().max()) for name in ours if ours[name].is_floating_point())
    learnt = max(float((ours[name] - moved[name]).abs().max()) for name in ours if ours[name].is_floating_point())
    assert drift < learnt / 10


def build_fresh(seed: int, run: TrainingRun) -> dict[str, torch.Tensor]:
    """The weights that ``run`` began with."""
    from maskery.training.networks.build import build_network

    torch.manual_seed(seed)
    return build_network(run.recipe.network, len(run.labels)).state_dict()


GRADIENTS = """
import sys, torch
from maskery.training import distributed
from maskery.training.losses import total_loss
from maskery.training.networks.build import build_network
from maskery.training.recipe import LossSpec, NetworkSpec

def gradients():
    torch.manual_seed(0)
    net = build_network(NetworkSpec(name="light_decoder", width=16, dropout=0.0), 5).double().train()
    images, targets = torch.randn(4, 3, 64, 64).double(), torch.randint(0, 5, (4, 32, 32))
    targets[0, :20] = 255  # the processes judge unlike numbers of pixels
    distributed.share_norms(net)
    mine = distributed.shares(4, 4)[0]
    in_step = distributed.in_step(net)
    loss = total_loss(in_step(images[mine]), targets[mine], LossSpec(dice=0.3, ohem=0.7, smoothing=0.1))
    loss.backward()
    return loss.item(), torch.cat([p.grad.flatten() for p in net.parameters()])

if __name__ == "__main__":
    with distributed.joined(torch.device("cpu")):
        result = gradients()
        if distributed.rank() == 0:
            torch.save(result, sys.argv[1])
"""


def test_with_trained_norms_and_every_loss_the_gradient_is_that_of_one_process(tmp_path: Path) -> None:
    """In float64, but for the losses: what remains are the roundings of float32 there."""
    program = tmp_path / "gradients.py"
    program.write_text(GRADIENTS)
    done = subprocess.run([*TORCHRUN, program, tmp_path / "two.pt"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    scope: dict[str, Any] = {"__name__": "gradients"}
    exec(GRADIENTS, scope)
    loss, gradient = scope["gradients"]()
    theirs = torch.load(tmp_path / "two.pt")
    assert theirs[0] == pytest.approx(loss, rel=1e-6)
    assert (theirs[1] - gradient).norm() < 1e-6 * gradient.norm()


def test_the_shared_norm_of_one_process_is_torchs() -> None:
    torch.manual_seed(0)
    ours, theirs = nn.BatchNorm2d(3, momentum=0.3), nn.BatchNorm2d(3, momentum=0.3)
    ours.__class__ = distributed._SharedNorm
    x = torch.randn(4, 3, 5, 6) * 3 + 7
    results = []
    for norm in (ours, theirs):
        norm.weight.data = torch.tensor([1.0, 2.0, 0.5])
        y = x.clone().requires_grad_()
        (norm(y) ** 3).sum().backward()
        results.append([y.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-3)
    assert ours.num_batches_tracked == 1


def test_shares_leave_nothing_out_and_take_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert distributed.shares(10, 4) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    monkeypatch.setattr(distributed, "count", lambda: 2)
    taken = []
    for number in (0, 1):
        monkeypatch.setattr(distributed, "rank", lambda number=number: number)
        taken.append(distributed.shares(10, 4))
    assert taken == [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]
    with pytest.raises(ConfigError, match="A batch of 5 cannot be shared by 2 processes"):
        distributed.shares(10, 5)

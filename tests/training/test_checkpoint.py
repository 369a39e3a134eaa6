"""Checkpoints and folders where the disk refuses."""

from pathlib import Path

import pytest
import torch

from maskery.core.errors import OutputError, TrainingError
from maskery.training import checkpoint, log
from maskery.training.checkpoint import open_folder
from maskery.training.loop import TrainingRun
from maskery.training.recipe import load_recipe


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_one_clear_error_and_the_last_checkpoint_stays(tmp_path: Path) -> None:
    """The system itself says that there is no space: what is written lands in /dev/full."""
    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, {"weights": torch.ones(3)})
    (tmp_path / "checkpoint.pt.partial").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"checkpoint.pt could not be written: No space left on device"):
        checkpoint.save(path, {"weights": torch.zeros(100_000)})
    assert checkpoint.load(path)["weights"].tolist() == [1, 1, 1]
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]
    (tmp_path / "log.jsonl").symlink_to("/dev/full")
    with pytest.raises(OutputError, match=r"log.jsonl could not be written: No space left on device"):
        log.append(tmp_path, {"epoch": 1})


def test_a_folder_that_cannot_be_made_stops_the_run_before_it_trains(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "run"
    settings = load_recipe(recipe)
    said: list[str] = []
    run = TrainingRun(settings, Path(settings.data.root), out, said.append, "cpu", said.append)
    for attempt in (run.train, lambda: open_folder(out, recipe)):
        with pytest.raises(OutputError, match="could not be written: Not a directory") as caught:
            attempt()
        assert "choose another --out" in caught.value.cure
    assert said == []


def test_a_damaged_checkpoint_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match="not a usable checkpoint"):
        checkpoint.load(tmp_path / "checkpoint.pt")


def test_the_size_of_a_checkpoint_is_known_without_writing_it(tmp_path: Path) -> None:
    state = {"weights": torch.ones(1000), "epoch": 3}
    checkpoint.save(tmp_path / "checkpoint.pt", state)
    assert checkpoint.size(state) == (tmp_path / "checkpoint.pt").stat().st_size


def test_a_torn_line_of_the_log_is_left_out_and_does_not_harm_the_next(tmp_path: Path) -> None:
    log.append(tmp_path, {"epoch": 1})
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"epoch": 2, "lo')
    log.append(tmp_path, {"epoch": 2})
    assert log.epochs(tmp_path) == [{"epoch": 1}, {"epoch": 2}]

"""How the benchmarks weigh the answers and the memory: the arithmetic, not the times."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks import answers, sizes
from benchmarks.models import Candidate, candidates
from benchmarks.pictures import SMALL, samples
from benchmarks.rounds import Plan
from benchmarks.sizes import FLASK, MASKERY, Held

ONCE = Plan(rounds=1, repeats=1, small_repeats=1)


@pytest.fixture
def built_in(tmp_path: Path) -> Candidate:
    (model,) = candidates("", tmp_path)
    return model


def test_lists_are_compared_with_those_of_json_and_noise_has_no_limit() -> None:
    calm, noise = np.zeros((256, 513), np.uint8), np.random.default_rng(0).integers(0, 21, (256, 513), np.uint8)
    calm[100:, 200:] = 15
    table, (check,) = answers._lists(ONCE, {"calm": calm, answers.NOISE: noise})
    assert [row[0] for row in table.rows] == ["calm", answers.NOISE]
    assert check.at_least
    assert check.value == pytest.approx(float(table.rows[0][3].split()[0]), abs=0.5)


def test_lists_that_differ_from_those_of_json_stop_the_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "encode_map", lambda ids: b"[[0]]")
    with pytest.raises(RuntimeError, match="calm"):
        answers._lists(ONCE, {"calm": np.ones((2, 2), np.uint8)})


def test_a_summary_is_timed_up_to_the_run_and_after_it(built_in: Candidate) -> None:
    (sample,) = (sample for sample in samples() if sample.name == SMALL)
    call = answers._summary(built_in, sample)
    assert call.run > 0
    assert call.after > 0
    assert answers._shares([[2, 4, 9]], [[2, 2, 2]]) == [2]


def test_a_map_for_max_has_its_size(built_in: Candidate) -> None:
    ids = answers._class_map(built_in, "astronaut")
    assert ids.shape == (256, 513)
    assert len(np.unique(ids)) > 1


def test_pictures_of_every_size_are_the_same_in_every_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizes, "SIZES", 3)
    monkeypatch.setattr(sizes, "LARGE_WH", (100, 80))
    monkeypatch.setattr(sizes, "enlarged", lambda _: Image.new("RGB", (50, 50)))
    found = [[_size(Path(file)) for file, _ in sizes._pictures(tmp_path)] for _ in range(2)]
    assert found[0] == found[1]
    assert len(set(found[0])) == 3
    assert all(64 <= width <= 100 and 64 <= height <= 80 for width, height in found[0])


def test_peaks_are_set_beside_those_of_flask_with_as_many_clients() -> None:
    held = {
        (MASKERY, 1): Held(100, 150, 140, 20),
        (FLASK, 1): Held(90, 200, 190, 10),
        (MASKERY, 8): Held(100, 200, 150, 30),
        (FLASK, 8): Held(90, 800, 500, 10),
    }
    assert [row[5] for row in sizes._held_table(held).rows] == ["0.75", "1.00", "0.25", "1.00"]


def _size(file: Path) -> tuple[int, int]:
    with Image.open(file) as picture:
        return picture.size

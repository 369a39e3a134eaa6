"""What ONNX Runtime's memory does from run to run: seen from outside, in processes of their own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from maskery.core.card_tensors import Input
from maskery.core.process_memory import reset_peak
from maskery.inference.runtimes.onnx import multiplies_bytes, usual_pixels

RUNS = """
import json, resource, sys
import numpy as np
from maskery.inference.runtimes.registry import open_session
from maskery.core.card import CARD_NAME
from maskery.core.process_memory import give_back, resident_bytes
from maskery.models.card_toml import load_card
from maskery.models.catalog import builtin
from maskery.serving.runtime.memory_budget import settle_allocator
settle_allocator()
folder = builtin()["everyday"]
card = load_card(folder / CARD_NAME)
session = open_session(card, folder / card.file, "cpu", 1)
found = []
for side, pictures, keep in json.loads(sys.argv[1]):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    session.run({"image": np.zeros((pictures, 3, side, side), np.float32)}, keep)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    give_back()
    found.append((faults, resident_bytes()))
print(json.dumps(found))
"""


def after(runs: list[tuple[int, int, bool]]) -> list[tuple[int, int]]:
    """(page faults of it, resident bytes after it) of each run: (side, pictures, keep)."""
    command = [sys.executable, "-c", RUNS, json.dumps(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [(faults, pooled) for faults, pooled in json.loads(done.stdout)]


@pytest.mark.parametrize("side", [384, 416])
def test_a_usual_run_finds_the_memory_of_the_one_before(side: int) -> None:
    """416: what a square picture becomes, for its side of 400 is rounded to a multiple of 32."""
    faults = [faults for faults, _ in after([(side, 1, True)] * 6)]
    assert min(faults[3:]) < 1000, "it maps and clears some 4000 pages anew in each run"


@pytest.mark.parametrize(
    ("unusual", "at_most_mb"), [((1024, 1, True), 80), ((384, 6, True), 80), ((384, 1, False), 15)]
)
def test_an_unusual_run_gives_its_memory_back(unusual: tuple[int, int, bool], at_most_mb: int) -> None:
    if not reset_peak():
        pytest.skip("memory is not measured here")
    (_, before), (_, largest) = after([(32, 1, True), unusual])
    assert largest - before < at_most_mb << 20, "it would keep 166, 146 or 29 MB"


@pytest.mark.parametrize(
    ("spec", "pixels"),
    [
        ({"resize": "letterbox", "size": (64, 32)}, 64 * 32),
        ({"resize": "longest-side", "side": 384}, 384 * 384),
        ({"resize": "longest-side", "side": 400, "multiple": 32}, 416 * 416),
        ({"resize": "shortest-side", "side": 100}, 2 * 100 * 100),
        ({"resize": "multiple"}, 512 * 512),
    ],
)
def test_usual_pixels(spec: dict[str, object], pixels: int) -> None:
    assert usual_pixels(Input(tensor="x", layout="NCHW", **spec)) == pixels  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("flags", "has"), [("flags : fpu avx512_vnni sse", True), ("flags : avx2 avx512f", False), (None, False)]
)
def test_whether_the_processor_multiplies_bytes(tmp_path: Path, flags: str | None, has: bool) -> None:
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(flags)
    assert multiplies_bytes(tmp_path / "cpuinfo") is has

"""What the benchmarks compute and write; nothing is timed."""

import io
import platform
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import install, machine
from benchmarks.naive import Naive
from benchmarks.report import Check, Section, Table, failure, render, updated
from benchmarks.rounds import Spread, interleaved, of_rounds, p95, ratio
from maskery.core.settings import load_settings
from maskery.models.segmenter import open_segmenter
from maskery.models.store import Store

ROOT = Path(__file__).parents[1]


def test_a_spread_is_the_median_between_the_least_and_the_greatest() -> None:
    assert Spread.of([3, 1, 10, 2]) == Spread(2.5, 1, 10)
    assert Spread(1234.5, 0.25, 2000).text(1) == "1,234.5 (0.2 to 2,000.0)"
    with pytest.raises(ValueError, match="no value"):
        Spread.of([])


def test_rounds_count_as_one_number_each() -> None:
    assert of_rounds([[1, 2, 90], [4, 4, 4]]) == Spread(3, 2, 4)


def test_a_ratio_is_taken_inside_each_round() -> None:
    slow_second_round = ratio([[2, 2], [20, 20]], [[1, 1], [10, 10]])
    assert slow_second_round == Spread(2, 2, 2)
    with pytest.raises(ValueError, match="zip"):
        ratio([[1]], [[1], [2]])


def test_p95_pools_all_repeats() -> None:
    assert p95([list(range(50)), list(range(50, 101))]) == 95


def test_every_round_runs_every_variant_and_the_order_alternates() -> None:
    seen: list[str] = []

    def variant(name: str) -> str:
        seen.append(name)
        return name.upper()

    variants = {"a": lambda: variant("a"), "b": lambda: variant("b")}
    outcomes = interleaved(variants, 2, lambda name: 2 if name == "b" else 1)
    assert "".join(seen) == "ab" + "abb" + "bba"
    assert outcomes == {"a": [["A"], ["A"]], "b": [["B", "B"], ["B", "B"]]}


def test_without_warm_up_nothing_runs_uncounted() -> None:
    calls: list[int] = []
    interleaved({"a": lambda: calls.append(1)}, 3, warm_up=False)
    assert len(calls) == 3


def test_the_report_holds_facts_tables_and_verdicts() -> None:
    section = Section(
        "Weight",
        "Weighed.",
        [("By kind:", Table(("what", "MB"), [("wheel", "7"), ("tyre", "9")]))],
        [Check("wheel", 7, 10, "MB"), Check("car", 1234, 10.5, "MB"), Check("edge", 10, 10, "MB")],
        ["A note."],
    )
    text = render([("processor", "abacus")], [section], "make bench", ["Beware."])
    assert "Written by `make bench`" in text
    assert "**Beware.**" in text
    assert "| processor | abacus |" in text
    assert "| wheel | 7.00 | 10 | MB | met |" in text
    assert "| car | 1,234 | 10.5 | MB | **missed** |" in text
    assert "| edge | 10 | 10 | MB | met |" in text
    assert "## Weight\n\nWeighed.\n\nBy kind:\n\n| what | MB |\n| --- | ---: |\n| wheel | 7 |\n| tyre | 9 |" in text
    assert text.endswith("included.\n")
    assert text.index("A note.") > text.index("| tyre | 9 |")


def test_parts_are_measured_anew_and_the_rest_of_the_report_stays() -> None:
    first, second = (Section(name, "How.", [], [Check(name, 1, 2, "s")], ["Old."]) for name in ("First", "Second"))
    document = render([("processor", "abacus")], [first, second], "make bench", ["Beware."])
    assert updated(document, [], "") == document
    again = updated(document, [Section("Second", "Anew.", [], [Check("Second", 3, 2, "s")])], "Of Monday.")
    assert "## First\n\nHow.\n\nOld.\n\n## Second\n\nAnew.\n\nOf Monday.\n\n## What" in again
    assert "| Second | 3.00 | 2 | s | **missed** |" in again
    assert "| Second | 1.00" not in again
    assert "| First | 1.00 | 2 | s | met |" in again
    third = updated(document, [Section("Third", "New.", [], [Check("Third", 1, 2, "s")])], "Of Monday.")
    assert "| Second | 1.00 | 2 | s | met |\n| Third | 1.00 | 2 | s | met |\n\n## Where" in third
    assert third.index("## Second") < third.index("## Third") < third.index("## What this does not say")
    assert updated(third, [], "") == third


def test_a_table_with_a_ragged_row_is_refused() -> None:
    with pytest.raises(ValueError, match="1 cells, expected 2"):
        Table(("a", "b"), [("1",)])


def test_a_part_that_broke_is_named_without_its_words() -> None:
    section = failure("Install", OSError("/somewhere/private"))
    text = render([], [section], "make bench")
    assert section.failed
    assert "**Not measured: OSError.**" in text
    assert "private" not in text
    assert "No part with a limit was measured." in text


def test_an_installation_is_weighed_without_pip_and_setuptools(tmp_path: Path) -> None:
    for name in ("numpy/core.so", "numpy.libs/blas.so", "numpy-2.0.dist-info/RECORD", "pip/main.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(bytes(1_000_000))
    for name in ("distutils-precedence.pth", "pip-26.dist-info", "six.py"):
        (tmp_path / name).write_bytes(bytes(1_000_000))
    sizes = install.sizes_mb(tmp_path)
    assert set(sizes) == {"numpy", "six"}
    assert sizes["numpy"] == pytest.approx(3 * sizes["six"])


@pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks read /proc")
def test_the_facts_name_the_software_but_not_the_machine() -> None:
    settings = load_settings()
    facts = dict(machine.facts(Store(settings).locate("everyday").card))
    assert platform.python_version() in facts["Python"]
    assert "onnxruntime" in facts["packages"]
    assert "cores" in facts["processor"]
    assert str(ROOT) not in str(facts)
    assert "load average at the start" in facts


def test_the_smooth_naive_way_gives_the_mask_that_maskery_gives() -> None:
    settings = load_settings()
    located, segmenter = Store(settings).locate("everyday"), open_segmenter("everyday", settings)
    naive, file = Naive.load(located.card, located.path), io.BytesIO()
    pixels = np.asarray(Image.open(ROOT / "src" / "maskery" / "models" / "check.jpg").convert("RGB"))
    Image.fromarray(pixels).resize((301, 207)).save(file, "PNG")
    ours, theirs, stairs = (
        np.asarray(Image.open(io.BytesIO(png)))
        for png in (
            segmenter.segment(file.getvalue()).encode("mask"),
            naive.smooth(file.getvalue()),
            naive.stairs(file.getvalue()),
        )
    )
    assert ours.shape == theirs.shape == stairs.shape == (207, 301)
    assert len(np.unique(ours)) > 1
    assert np.mean(ours != theirs) < 1e-3  # float rounding at ties
    assert 1e-3 < np.mean(ours != stairs) < 0.1

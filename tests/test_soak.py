"""The soak: its table, what it takes for wrong, and one minute of it."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.soak import material as materials
from benchmarks.soak.__main__ import soak
from benchmarks.soak.callers import CROWD, Book
from benchmarks.soak.material import File, Material, material
from benchmarks.soak.traffic import KINDS, Kind, Shot, served, unless_busy, without_times
from benchmarks.soak.verdict import judged, report
from benchmarks.soak.watch import Calm, Growth, Sample, growth
from maskery.core.errors import InputError
from maskery.core.picture import decode

MINUTES = 1.0
MASK = next(kind for kind in KINDS if kind.name == "mask")
STILL, CALM = Growth(0, 0, 0, 600), Calm(200, 10, 9, 2)


@pytest.fixture(scope="module")
def small() -> Material:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(materials, "LARGE_WH", (120, 90))
        return material()


def test_good_pictures_open_and_broken_files_do_not(small: Material) -> None:
    assert len({file.name for file in small.good}) == len(small.good) == 17
    assert small.largest.pixels == 120 * 90
    for file in small.good:
        picture = decode.open_picture(file.data, max_bytes=1 << 25, max_pixels=1 << 25)
        assert picture.size_wh[0] * picture.size_wh[1] == file.pixels
        assert picture.rgb().any()
    for file in small.broken:
        with pytest.raises(InputError):
            decode.open_picture(file.data, max_bytes=1 << 25, max_pixels=1 << 25).rgb()


def test_the_traffic_is_what_the_server_has_paths_for() -> None:
    here, missing = served(["/v1/segment", "/v2/models/{model_name}/infer", "/unknown"], ["everyday"])
    assert {kind.route for kind in here} == {"/v1/segment", "/v2/models/{name}/infer"}
    assert len(here) + len(missing) == len(KINDS)
    assert all(kind.model in ("", "everyday") for kind in here)


def test_names_are_unique_and_every_kind_makes_a_request_of_each_of_its_files(small: Material) -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        for file in kind.choices(small):
            shot = kind.make(file)
            assert shot.path.startswith(kind.route.split("{")[0])
            assert not shot.about or len(shot.body) >= len(file.data)
            if shot.headers.get("Content-Type") == "application/json":
                json.loads(shot.body)


def test_answers_that_grow_with_the_picture_are_asked_for_small_ones() -> None:
    files = tuple(File(str(pixels), "", pixels, b"") for pixels in (100, 999_999, 2_000_000))
    kind = Kind("", "", 1, lambda file: Shot(file.name, ""), files="small")
    assert [file.pixels for file in kind.choices(Material(files, ()))] == [100, 999_999]


def test_neither_times_nor_a_busy_moment_are_part_of_an_answer() -> None:
    assert unless_busy(b'{"results":[{"status":200}]}') == b'{"results":[{"status":200}]}'
    assert unless_busy(b'{"results":[{"status":200},{"status":503}]}') is None
    assert without_times(b'{"a":1,"timings_ms":{"run":1.5},"b":2}') == b'{"a":1,,"b":2}'


@pytest.mark.parametrize(
    ("status", "headers", "wrong"),
    [
        (200, {}, False),
        (503, {"Retry-After": "1"}, False),
        (503, {"retry-after": "1"}, False),
        (503, {}, True),
        (500, {}, True),
        (400, {}, True),
    ],
)
def test_a_status_is_right_or_wrong(status: int, headers: dict[str, str], wrong: bool) -> None:
    book = Book()
    book.check(MASK, Shot("a", "/"), status, headers, b"x", 1.0)
    assert bool(book.wrong) is wrong
    assert book.statuses["mask"] == {status: 1}


def test_the_same_request_must_be_answered_the_same() -> None:
    book = Book()
    for about, answer in (("a", b"1"), ("b", b"2"), ("a", b"1"), ("a", b"3"), ("a", b"3")):
        book.check(MASK, Shot(about, "/"), 200, {}, answer, 1.0)
    assert book.wrong == {"mask: another answer than before for a": 2}
    assert len(book.ms["mask"]) == 5


def _samples(leak: float) -> list[Sample]:
    """Ten minutes of a resident memory that jumps between 220 and 260 MB, and grows by ``leak`` MB in all."""
    return [Sample(n * 0.25, 240 + 20 * (-1) ** (n // 7) + leak * n / 2400, 10, 9) for n in range(2400)]


def test_growth_is_told_from_noise() -> None:
    assert not growth(_samples(0)).certain
    assert not growth(_samples(-30)).certain
    found = growth(_samples(30))
    assert found.certain
    assert found.slope == pytest.approx(20 / 240 * 100, rel=0.2)
    with pytest.raises(ValueError, match="17 samples"):
        growth(_samples(0)[:17])


@pytest.mark.parametrize(
    ("after", "found", "words"),
    [
        (Calm(200, 13, 13, 3), STILL, None),
        (Calm(200, 14, 9, 2), STILL, "files: 14 after it, 10 before"),
        (Calm(200, 10, 14, 2), STILL, "threads: 14"),
        (Calm(200, 10, 9, 4), STILL, "tasks: 4"),
        (Calm(225, 10, 9, 2), STILL, None),
        (Calm(235, 10, 9, 2), STILL, "left over 17.5 %"),
        (Calm(235, 10, 9, 2), Growth(0, 0, 0, 60), None),
        (Calm(290, 10, 9, 2), Growth(0, 0, 0, 60), "left over 45.0 %"),
        (Calm(200, 10, 9, 2), Growth(5, 6, 0.1, 600), None),
        (Calm(225, 10, 9, 2), Growth(5, 6, 0.1, 600), "memory grew"),
        (Calm(225, 10, 9, 2), Growth(5, 6, 5.0, 600), None),
        (Calm(225, 10, 9, 2), Growth(5, 6, 0.1, 60), None),
        (Calm(240, 10, 9, 2), Growth(18, 20, 0.1, 60), "memory grew"),
    ],
)
def test_what_is_left_is_judged(after: Calm, found: Growth, words: str | None) -> None:
    book = Book()
    book.statuses[CROWD][503] = 1
    faults = judged(book, CALM, after, found)
    assert len(faults) == (words is not None)
    assert not words or words in faults[0]


def test_a_crowd_that_was_no_crowd_is_told() -> None:
    assert judged(Book(), CALM, CALM, STILL) == ["no crowd was larger than the queue: nobody got 503"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the soak reads /proc")
def test_one_minute_of_soak() -> None:
    outcome = soak(MINUTES * 60)
    assert not outcome.faults, report(outcome)
    assert "All was as it should be." in report(outcome)
    unsent = [k.name for k in KINDS if k not in outcome.missing and not outcome.book.statuses[k.name].total()]
    assert len(unsent) <= len(KINDS) / 4, unsent  # by lot, and a machine at other work sends fewer in a minute

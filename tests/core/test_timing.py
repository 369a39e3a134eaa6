"""Stages, also those that come in parts and inside each other."""

import time

import pytest

from maskery.core.timing import Stopwatch


def test_stages_in_their_order() -> None:
    watch = Stopwatch({"queue": 3.0})
    with watch.stage("decode"):
        time.sleep(0.02)
    with watch.stage("run"):
        pass
    assert list(watch.timings_ms) == ["queue", "decode", "run"]
    assert 20 <= watch.timings_ms["decode"] < 2000
    assert watch.timings_ms["run"] < watch.timings_ms["decode"]


def test_parts_are_added_up_and_taken_from_the_rest() -> None:
    watch, bands = Stopwatch(), [1, 2, 3]
    with watch.rest("postprocess"):
        for _ in watch.over("decode", bands):
            with watch.more("run"):
                time.sleep(0.01)
        time.sleep(0.02)
    assert watch.timings_ms["run"] >= 30
    assert watch.timings_ms["decode"] < watch.timings_ms["run"]
    assert 20 <= watch.timings_ms["postprocess"] < watch.timings_ms["run"] + 2000
    assert list(watch.over("decode", bands)) == [1, 2, 3]


def test_a_stage_that_fails_is_noted() -> None:
    watch = Stopwatch()
    with pytest.raises(ZeroDivisionError), watch.stage("run"):
        raise ZeroDivisionError
    assert "run" in watch.timings_ms

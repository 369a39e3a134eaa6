"""Frames ahead of the model and work behind it: order, bounds, errors, ends."""

import threading
import time
from collections.abc import Iterator

import pytest

from maskery.core.errors import BadRequest
from maskery.inference.video.frames import Behind, ReadOptions, VideoFacts, ahead


def test_items_come_in_order_and_not_too_early() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for i in range(20):
            made.append(i)
            yield i

    coming = ahead(items(), depth=2)
    assert next(coming) == 0
    time.sleep(0.05)
    assert len(made) <= 5
    assert list(coming) == list(range(1, 20))


def test_the_error_of_the_other_thread_is_raised_here() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise BadRequest("broken")

    coming = ahead(items())
    assert next(coming) == 1
    with pytest.raises(BadRequest, match="broken"):
        next(coming)


def test_closing_ends_the_thread() -> None:
    before = threading.active_count()
    coming = ahead(iter(range(10**9)))
    next(coming)
    coming.close()
    assert threading.active_count() == before


def test_work_behind_is_done_in_order_and_its_error_comes_with_the_next_call() -> None:
    done: list[int] = []
    behind = Behind(depth=2)
    for i in range(10):
        behind.do(lambda i=i: done.append(i))  # type: ignore[misc]
    behind.wait()
    assert done == list(range(10))

    def fail() -> None:
        raise OSError("full")

    behind.do(fail)
    with pytest.raises(OSError, match="full"):
        behind.wait()
    behind.close()


@pytest.mark.parametrize(
    "wrong",
    [{"start_s": -1.0}, {"start_s": 3.0, "end_s": 3.0}, {"every": 0}, {"rate": 0.0}, {"rate": float("nan")}],
)
def test_what_is_no_part_of_a_video_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadRequest):
        ReadOptions(**wrong)  # type: ignore[arg-type]


def test_how_many_frames_there_will_be() -> None:
    facts = VideoFacts(name="a", rate=10, seconds=20)
    assert facts.frames_of(ReadOptions()) == 200
    assert facts.frames_of(ReadOptions(start_s=5, end_s=10, every=5)) == 10
    assert facts.frames_of(ReadOptions(end_s=100)) == 200
    assert VideoFacts(name="a", rate=10).frames_of(ReadOptions()) is None

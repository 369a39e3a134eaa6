"""Tracks: those of the library trackers, and what a user relies on: numbers, hidden objects, classes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maskery.core.result.instances import Box, Instance
from maskery.inference.video.tracking import Tracker, TrackerOptions, box_overlaps

RECORDED = json.loads((Path(__file__).with_name("reference_tracks.json")).read_text())
"""Boxes of generated scenes with the numbers that ByteTrackTracker of trackers 2.6.1 gave them: -1 = none yet."""
REFERENCE = TrackerOptions(least=0, sure=0.6, begins=0.7, overlap=0.1, confirm_frames=2, lost_frames=30)
NAMES = {
    "lost_track_buffer": "lost_frames",
    "track_activation_threshold": "begins",
    "high_conf_det_threshold": "sure",
    "minimum_iou_threshold": "overlap",
    "minimum_consecutive_frames": "confirm_frames",
}


def instance(box: Box, score: float = 0.9, class_id: int = 0) -> Instance:
    return Instance(id=1, class_id=class_id, score=score, box_xyxy=box)


def numbers(tracker: Tracker, *instances: Instance) -> list[int | None]:
    return [one.track_id if one else None for one in tracker.update(instances)]


@pytest.mark.parametrize("scene", RECORDED["scenes"])
def test_the_tracks_are_those_of_the_reference_library(scene: dict[str, list[list[list[float]]]]) -> None:
    options = replace(REFERENCE, **{NAMES[name]: value for name, value in dict(scene["options"]).items()})  # type: ignore[arg-type]
    tracker, seen = Tracker(options), set[int]()
    for frame, (rows, reference) in enumerate(zip(scene["boxes"], scene["ids"], strict=True)):
        ours = numbers(tracker, *(instance((x0, y0, x1, y1), score) for x0, y0, x1, y1, score in rows))
        for number, theirs in zip(ours, reference, strict=True):
            assert number == (None if theirs is None or theirs < 0 else theirs + 1), f"frame {frame}"
            seen |= {number} if number else set()
    assert seen == set(range(1, len(seen) + 1))
    assert len(seen) >= 6


def test_numbers_are_given_at_confirmation_and_have_no_gaps() -> None:
    tracker = Tracker(TrackerOptions())
    assert numbers(tracker, instance((0, 0, 10, 10))) == [None]
    assert numbers(tracker, instance((300, 0, 310, 10))) == [None]  # the first one came once: no number is spent on it
    assert numbers(tracker, instance((300, 0, 310, 10)), instance((50, 50, 90, 90))) == [1, None]
    assert numbers(tracker, instance((300, 0, 310, 10)), instance((50, 50, 90, 90))) == [1, 2]


def test_a_hidden_object_keeps_its_number_only_as_long_as_asked() -> None:
    def after(hidden: int) -> int | None:
        tracker = Tracker(TrackerOptions(lost_frames=10))
        for step in range(8):
            numbers(tracker, instance((4.0 * step, 0, 4.0 * step + 40, 40)))
        for _ in range(hidden):
            numbers(tracker)
        at = 4.0 * (8 + hidden)
        numbers(tracker, instance((at, 0, at + 40, 40)))
        return numbers(tracker, instance((at + 4, 0, at + 44, 40)))[0]

    assert after(9) == 1
    assert after(10) == 2


def test_an_unsure_box_continues_a_track_but_begins_none() -> None:
    tracker = Tracker(TrackerOptions())
    for _ in range(3):
        numbers(tracker, instance((0, 0, 50, 50)))
    found = tracker.update([instance((1, 0, 51, 50), 0.35), instance((200, 0, 240, 50), 0.35)])
    assert found[0] is not None
    assert found[0].track_id == 1
    assert found[1] is None
    assert tracker.update([instance((1, 0, 51, 50), 0.2)]) == [None]  # too unsure for anything


def test_the_class_is_that_of_most_frames() -> None:
    tracker, seen = Tracker(TrackerOptions()), []
    for class_id in (2, 2, 7, 2, 7, 7, 7):
        found = tracker.update([instance((0, 0, 50, 50), class_id=class_id)])[0]
        assert found is not None
        seen.append(found.class_id)
    assert seen == [2, 2, 2, 2, 2, 2, 7]


def test_overlaps_of_boxes() -> None:
    one, other = (
        np.array([[0.0, 0, 10, 10]]),
        np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [3, 3, 3, 3]]),
    )
    assert box_overlaps(one, other)[0] == pytest.approx([1, 50 / 150, 0, 0])
    assert box_overlaps(np.zeros((1, 4)), np.zeros((1, 4)))[0, 0] == 0


def test_objects_that_pass_each_other_keep_their_class() -> None:
    tracker = Tracker(TrackerOptions())
    for step in range(4):
        numbers(
            tracker, instance((step, 0, step + 40, 40), class_id=1), instance((30 - step, 0, 70 - step, 40), class_id=2)
        )
    found = tracker.update([instance((16, 0, 56, 40), class_id=1), instance((14, 0, 54, 40), class_id=2)])
    assert [(one.track_id, one.class_id) for one in found if one] == [(1, 1), (2, 2)]

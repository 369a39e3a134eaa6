"""Lines and tables of what was found: every digit in the lines, and tables that other programs read."""

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_masks

from maskery.inference.video.following import Follower, FollowOptions
from maskery.inference.video.frames import VideoFrame
from maskery.jobs.counting import CountOptions, ObjectCounter
from maskery.jobs.records import (
    FrameRecord,
    Table,
    VideoRecord,
    line_of,
    read_records,
    record_of,
    tracks_of,
    write_coco,
    write_csv,
    write_jsonl,
    write_mot,
    write_track_csv,
)
from tests.films import places, scene, see_classes, see_objects, square_masks

# pycocotools 2.0.11 with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
FRAMES = 20
VIDEO = VideoRecord(
    source="clip.mp4",
    size=(96, 64),
    rate=25,
    model="squares@1",
    task="instance",
    labels=("background", "red", "blue"),
    palette=((0, 0, 0), (200, 30, 30), (30, 30, 200)),
    scale=25.0,
)


def recorded(see: object = see_objects, masks: bool = True) -> list[FrameRecord]:
    follower, counter, found = Follower(see, FollowOptions()), ObjectCounter(CountOptions(), (96, 64)), []  # type: ignore[arg-type]
    for i in range(FRAMES):
        frame = VideoFrame(i, i / 25, scene(i))
        followed = follower.look(frame.pixels)
        shown = [one for one in followed.shown if one is not None]
        counter.see(frame.time_s, shown, VIDEO.labels)
        found.append(record_of(frame, followed, counter, masks))
    return found


RECORDS = recorded()


def written(table: Table, records: Iterable[FrameRecord] = RECORDS, video: VideoRecord = VIDEO) -> str:
    file = io.StringIO()
    table(video, records, file)
    return file.getvalue()


def test_lines_keep_every_digit(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(map(line_of, RECORDS)))
    assert list(read_records([path])) == RECORDS


def test_jsonl_has_null_before_a_number_and_speeds_in_pixels_and_metres() -> None:
    lines = [json.loads(line) for line in written(write_jsonl).splitlines()]
    assert [one["track_id"] for one in lines[1]["objects"]] != [None, None]
    assert [one["track_id"] for one in lines[0]["objects"]] == [None] * len(lines[0]["objects"])
    last = lines[-1]["objects"][0]
    assert last["speed"] == pytest.approx(50, abs=2)  # two pixels a frame
    assert last["metres_a_second"] == pytest.approx(2, abs=0.1)
    (left, top), _ = places(FRAMES - 1)
    assert last["box"] == [left, top, left + 16, top + 16]


def test_csv_has_as_many_cells_in_each_row() -> None:
    for see in (see_objects, see_classes):
        rows = list(csv.reader(io.StringIO(written(write_csv, recorded(see)))))
        assert {len(row) for row in rows} == {len(rows[0])}
        assert {row[3] for row in rows[1:]} <= {"red", "blue", "background"}
        assert len(rows) > FRAMES


def test_tracks() -> None:
    tracks = tracks_of(VIDEO, RECORDS)
    assert [(one.track, one.class_name) for one in tracks] == [(1, "blue"), (2, "red")] or [
        (one.track, one.class_name) for one in tracks
    ] == [(1, "red"), (2, "blue")]
    red = next(one for one in tracks if one.class_name == "red")
    assert red.way == pytest.approx(2 * (red.frames - 1), abs=8)
    assert red.last_s == pytest.approx((FRAMES - 1) / 25)
    assert len(written(write_track_csv).splitlines()) == 3


def test_mot_rows_are_those_of_the_challenge() -> None:
    rows = [line.split(",") for line in written(write_mot).splitlines()]
    assert {len(row) for row in rows} == {10}
    assert rows[0][0] == "2"
    frame, number, left, top, width, height = map(float, rows[-1][:6])
    assert (frame, number) == (FRAMES, 2)
    assert (width, height) == (16, 16)
    assert [(left, top)] == [place for place in places(FRAMES - 1) if place[0] == left]


def test_coco_is_read_by_pycocotools() -> None:
    coco = json.loads(written(write_coco))
    assert [image["id"] for image in coco["images"]] == list(range(1, FRAMES + 1))
    assert len({one["id"] for one in coco["annotations"]}) == len(coco["annotations"])
    for one in coco["annotations"][-2:]:
        mask = coco_masks.decode(one["segmentation"])
        truth = square_masks(scene(one["image_id"] - 1))[one["category_id"] - 1]
        assert (mask.astype(np.bool_) == truth).all()
        assert one["area"] == int(truth.sum())
    assert json.loads(written(write_coco, recorded(masks=False)))["annotations"][0]["segmentation"] == []


def test_of_no_objects_there_are_whole_files() -> None:
    empty = [FrameRecord(index=0, time_s=0.0)]
    assert json.loads(written(write_coco, empty))["annotations"] == []
    assert written(write_mot, empty) == ""

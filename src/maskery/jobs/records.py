"""What was found in each frame, as one line of JSON a frame, and the tables that are made of these lines.

The lines are what a run is continued from, so they hold all that the tracker was given, with every digit. Tables are
written from them at the end, line by line: nothing of a video is kept in memory.
"""

import csv
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import msgspec

from maskery.core.result.capabilities import HasClasses, HasInstances, HasScores, capable
from maskery.core.result.instances import Box, Instance
from maskery.encode.annotations.coco import mask_rle
from maskery.encode.provenance import SOFTWARE
from maskery.inference.video.following import FollowedResult
from maskery.inference.video.frames import VideoFrame
from maskery.jobs.counting import ObjectCounter


class ObjectRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One object in one frame.

    Attributes:
        box: Left, top, right, bottom in pixels of the frame.
        score: 0..1.
        seen_class: The class that the model gave it in this frame.
        class_id: That of its track, by vote; None where it is not shown.
        track: Its number; None until it is confirmed.
        area: Pixels of its mask, or of its box.
        speed: Pixels a second; None where it is not known.
        mask: COCO's compressed text of its mask, where it has one and a format needs it.
    """

    box: Box
    score: float
    seen_class: int
    class_id: int | None = None
    track: int | None = None
    area: int = 0
    speed: float | None = None
    mask: str = ""

    def instance(self, number: int) -> Instance:
        """As the model gave it, without its mask; ``number``: from 1, within the frame."""
        return Instance(id=number, class_id=self.seen_class, score=self.score, box_xyxy=self.box)


class FrameRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One frame.

    Attributes:
        index: From 0, of the frames read.
        time_s: Seconds from the video's start.
        objects: All that the model gave, unsure ones too.
        classes: By id its share of the frame, 0..1, of a class map.
        top: The likeliest classes with their probabilities, of a classification.
        faces: Boxes of the faces that were looked at.
    """

    index: int
    time_s: float
    objects: tuple[ObjectRecord, ...] = ()
    classes: dict[int, float] = {}
    top: tuple[tuple[str, float], ...] = ()
    faces: tuple[Box, ...] = ()

    def shown(self) -> list[ObjectRecord]:
        """The objects that the result has."""
        return [one for one in self.objects if one.class_id is not None]


class VideoRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What all frames have in common.

    Attributes:
        source: The video's name.
        size: Width and height of a frame in pixels.
        rate: Frames a second.
        model: NAME@VERSION.
        task: Of the model.
        labels: Names by class id.
        palette: Colours by class id.
        scale: Pixels a metre; None = not known.
    """

    source: str
    size: tuple[int, int]
    rate: float
    model: str
    task: str
    labels: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    scale: float | None = None

    def metres(self, speed: float | None) -> float | None:
        """Pixels a second -> metres a second, where that is known."""
        return None if self.scale is None or speed is None else round(speed / self.scale, 3)


def record_of(frame: VideoFrame, followed: FollowedResult, counter: ObjectCounter | None, masks: bool) -> FrameRecord:
    """``masks``: whether the masks of objects are kept."""
    result = followed.result
    mapped = None if capable(result, HasInstances) else capable(result, HasClasses)
    scored, faces = capable(result, HasScores), result.meta.faces
    pairs = zip(followed.seen, followed.shown, strict=True)
    return FrameRecord(
        index=frame.index,
        time_s=frame.time_s,
        objects=tuple(_object(seen, shown, frame.size_wh, counter, masks) for seen, shown in pairs),
        classes={share.id: round(share.share, 6) for share in mapped.classes} if mapped else {},
        top=tuple(scored.top(5)) if scored else (),
        faces=tuple(face.box_xyxy for face in faces.seen) if faces else (),
    )


def _object(
    seen: Instance, shown: Instance | None, size_wh: tuple[int, int], counter: ObjectCounter | None, masks: bool
) -> ObjectRecord:
    tracked = shown.track_id if shown else None
    return ObjectRecord(
        box=seen.box_xyxy,
        score=seen.score,
        seen_class=seen.class_id,
        class_id=shown.class_id if shown else None,
        track=tracked,
        area=seen.area,
        speed=counter.speed(tracked) if counter and tracked is not None else None,
        mask=mask_rle(seen.mask.placed(size_wh))["counts"] if masks and shown and seen.mask else "",
    )


def read_records(paths: Iterable[Path]) -> Iterator[FrameRecord]:
    """The lines of files of records, one after another."""
    decoder = msgspec.json.Decoder(FrameRecord)
    for path in paths:
        with path.open("rb") as file:
            for line in file:
                yield decoder.decode(line)


def line_of(record: FrameRecord) -> bytes:
    return msgspec.json.encode(record) + b"\n"


class TrackRecord(msgspec.Struct, kw_only=True):
    """One object through the video.

    Attributes:
        track: Its number.
        class_name: Its class, by vote.
        first_s: When it was first seen with its number.
        last_s: When it was last seen.
        frames: In how many frames.
        score: Mean.
        way: Pixels from middle to middle of its boxes.
        first_box: Where it began.
        last_box: Where it ended.
    """

    track: int
    class_name: str
    first_s: float
    last_s: float
    frames: int
    score: float
    way: float
    first_box: Box
    last_box: Box

    def extend(self, one: ObjectRecord, time_s: float, class_name: str) -> None:
        """Seen once more."""
        dx, dy = ((one.box[i] + one.box[i + 2] - self.last_box[i] - self.last_box[i + 2]) / 2 for i in range(2))
        self.way += (dx * dx + dy * dy) ** 0.5
        self.score += (one.score - self.score) / (self.frames + 1)
        self.frames += 1
        self.class_name, self.last_s, self.last_box = class_name, time_s, one.box


def tracks_of(video: VideoRecord, records: Iterable[FrameRecord]) -> list[TrackRecord]:
    """The objects with a number, by number."""
    found: dict[int, TrackRecord] = {}
    for record in records:
        for one in record.shown():
            if one.track is None or one.class_id is None:
                continue
            name = video.labels[one.class_id]
            if one.track in found:
                found[one.track].extend(one, record.time_s, name)
            else:
                found[one.track] = TrackRecord(
                    track=one.track,
                    class_name=name,
                    first_s=record.time_s,
                    last_s=record.time_s,
                    frames=1,
                    score=one.score,
                    way=0.0,
                    first_box=one.box,
                    last_box=one.box,
                )
    return [found[number] for number in sorted(found)]


def frame_document(video: VideoRecord, record: FrameRecord) -> dict[str, Any]:
    """A frame as plain data: what a line of the JSONL says."""
    document: dict[str, Any] = {"frame": record.index, "time": round(record.time_s, 4)}
    if record.objects:
        document["objects"] = [_object_document(video, one) for one in record.shown()]
    if record.classes:
        shares = {video.labels[number]: share for number, share in record.classes.items()}
        document["classes"] = shares
    if record.top:
        document["top"] = [{"name": name, "score": score} for name, score in record.top]
    if record.faces:
        document["faces"] = [[round(value, 1) for value in box] for box in record.faces]
    return document


def _object_document(video: VideoRecord, one: ObjectRecord) -> dict[str, Any]:
    assert one.class_id is not None
    metres = video.metres(one.speed)
    return {
        "track_id": one.track,
        "name": video.labels[one.class_id],
        "class_id": one.class_id,
        "score": round(one.score, 4),
        "box": [round(value, 1) for value in one.box],
        "pixels": one.area,
        **({} if one.speed is None else {"speed": round(one.speed, 1)}),
        **({} if metres is None else {"metres_a_second": metres}),
    }


Table = Callable[[VideoRecord, Iterable[FrameRecord], TextIO], None]


def write_jsonl(video: VideoRecord, records: Iterable[FrameRecord], file: TextIO) -> None:
    """A line a frame."""
    for record in records:
        file.write(msgspec.json.encode(frame_document(video, record)).decode() + "\n")


def write_track_jsonl(video: VideoRecord, records: Iterable[FrameRecord], file: TextIO) -> None:
    """A line a track."""
    for track in tracks_of(video, records):
        file.write(msgspec.json.encode(track_document(track)).decode() + "\n")


def track_document(track: TrackRecord) -> dict[str, Any]:
    """A track as plain data."""
    return {
        "track_id": track.track,
        "name": track.class_name,
        "first": round(track.first_s, 4),
        "last": round(track.last_s, 4),
        "frames": track.frames,
        "score": round(track.score, 4),
        "way": round(track.way, 1),
        "first_box": [round(value, 1) for value in track.first_box],
        "last_box": [round(value, 1) for value in track.last_box],
    }


FRAME_COLUMNS = (
    "frame", "time", "track_id", "class", "score", "left", "top", "right", "bottom", "pixels", "speed",
    "metres_a_second", "share",
)  # fmt: skip
TRACK_COLUMNS = ("track_id", "class", "first", "last", "frames", "score", "way")


def write_csv(video: VideoRecord, records: Iterable[FrameRecord], file: TextIO) -> None:
    """A row for each object in each frame; of a class map one for each class, with its share of the frame."""
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(FRAME_COLUMNS)
    for record in records:
        start: list[Any] = [record.index, f"{record.time_s:.4f}"]
        for one in record.shown():
            assert one.class_id is not None
            box = [f"{value:.1f}" for value in one.box]
            number, speed = "" if one.track is None else one.track, "" if one.speed is None else f"{one.speed:.1f}"
            name = video.labels[one.class_id]
            rows.writerow(
                [*start, number, name, f"{one.score:.4f}", *box, one.area, speed, video.metres(one.speed), ""]
            )
        for number, share in record.classes.items():
            pixels = round(share * video.size[0] * video.size[1])
            rows.writerow([*start, "", video.labels[number], *[""] * 5, pixels, "", "", share])
        for name, score in record.top:
            rows.writerow([*start, "", name, f"{score:.4f}", *[""] * 8])


def write_track_csv(video: VideoRecord, records: Iterable[FrameRecord], file: TextIO) -> None:
    """A row a track."""
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(TRACK_COLUMNS)
    for track in tracks_of(video, records):
        document = track_document(track)
        names = ("track_id", "name", "first", "last", "frames", "score", "way")
        rows.writerow([document[name] for name in names])


def write_mot(video: VideoRecord, records: Iterable[FrameRecord], file: TextIO) -> None:
    """Text of the MOT challenge: frame from 1, id, left, top, width, height, score, -1, -1, -1; numbered ones only."""
    for record in records:
        for one in record.shown():
            if one.track is not None:
                left, top, right, bottom = one.box
                box = f"{left:.2f},{top:.2f},{right - left:.2f},{bottom - top:.2f}"
                file.write(f"{record.index + 1},{one.track},{box},{one.score:.4f},-1,-1,-1\n")


def write_coco(video: VideoRecord, records: Iterable[FrameRecord], file: TextIO) -> None:
    """A COCO file: a picture a frame, an annotation for each object in it with ``track_id``, null before it has one."""
    width, height = video.size
    info = {"description": f"Objects of {video.source} by {video.model}", "contributor": SOFTWARE}
    categories = [{"id": number, "name": name, "supercategory": ""} for number, name in enumerate(video.labels)]
    file.write(f'{{"info":{_json(info)},"licenses":[],"categories":{_json(categories)},"images":[')
    number, first = 0, True
    with tempfile.TemporaryFile("w+", encoding="utf-8") as annotations:
        for record in records:
            image = {"id": record.index + 1, "file_name": f"frame-{record.index + 1:06}.png"}
            image |= {"width": width, "height": height, "time": round(record.time_s, 4)}
            file.write(("" if first else ",\n") + _json(image))
            first = False
            for one in record.shown():
                number += 1
                text = _json(_annotation(one, record.index + 1, number, video.size))
                annotations.write(text if number == 1 else f",\n{text}")
        file.write('],"annotations":[')
        annotations.seek(0)
        shutil.copyfileobj(annotations, file)
    file.write("]}\n")


def _annotation(one: ObjectRecord, image: int, number: int, size_wh: tuple[int, int]) -> dict[str, Any]:
    left, top, right, bottom = one.box
    return {
        "id": number,
        "image_id": image,
        "category_id": one.class_id,
        "track_id": one.track,
        "segmentation": {"size": [size_wh[1], size_wh[0]], "counts": one.mask} if one.mask else [],
        "area": one.area,
        "bbox": [round(value, 2) for value in (left, top, right - left, bottom - top)],
        "score": round(one.score, 4),
        "iscrowd": 0,
    }


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


TABLES: Mapping[str, Sequence[tuple[str, Table]]] = {
    "jsonl": ((".jsonl", write_jsonl), ("-tracks.jsonl", write_track_jsonl)),
    "csv": ((".csv", write_csv), ("-tracks.csv", write_track_csv)),
    "mot": ((".mot.txt", write_mot),),
    "coco": ((".coco.json", write_coco),),
}
"""Format -> its files: the end of the name, and the writer. Files of tracks are written where objects are followed."""

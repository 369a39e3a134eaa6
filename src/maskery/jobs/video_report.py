"""A page about a video: objects and classes over time, who was seen, and where. It fetches nothing."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from maskery.core.arrays import Doubles, Pixels
from maskery.core.picture.data_url import jpeg_url
from maskery.core.result.meta import Colour
from maskery.evaluation.report import html
from maskery.jobs.records import FrameRecord, TrackRecord, VideoRecord, tracks_of

BINS, MOST_TRACKS, MOST_CLASSES = 120, 120, 8
WIDTH, HEIGHT = 900, 220
THUMBNAIL, GROWTH = 120, 1.4
HEAT_COLUMNS = 64
FRAME_NAME = "frame.jpg"
Records = Callable[[], Iterable[FrameRecord]]


class Thumbnails:
    """A small picture of each object with a number, where it was largest, and of the first frame."""

    def __init__(self, folder: Path, wanted: bool) -> None:
        self.folder, self._wanted = folder, wanted
        self._areas: dict[int, float] = {}

    def see(self, record: FrameRecord, pixels: Pixels | None) -> None:
        """``pixels``: of the frame; None of one that an earlier run has seen."""
        if not self._wanted:
            return
        if pixels is not None and not (self.folder / FRAME_NAME).exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            self._save(Image.fromarray(pixels), FRAME_NAME, 480)
        for one in record.shown():
            if one.track is None or one.track > MOST_TRACKS:
                continue
            left, top, right, bottom = one.box
            area = (right - left) * (bottom - top)
            if area > GROWTH * self._areas.get(one.track, 0.0):
                self._areas[one.track] = area
                if pixels is not None:
                    height, width = pixels.shape[:2]
                    x0, y0 = min(max(0, math.floor(left)), width - 1), min(max(0, math.floor(top)), height - 1)
                    x1, y1 = max(x0 + 1, min(width, math.ceil(right))), max(y0 + 1, min(height, math.ceil(bottom)))
                    self._save(Image.fromarray(pixels[y0:y1, x0:x1]), f"{one.track}.jpg", THUMBNAIL)

    def _save(self, image: Image.Image, name: str, side: int) -> None:
        image.thumbnail((side, side))
        image.save(self.folder / name, "JPEG", quality=82)

    def url(self, name: str) -> str:
        """As a data URL; empty where there is none."""
        path = self.folder / name
        if not path.is_file():
            return ""
        with Image.open(path) as image:
            return jpeg_url(image.convert("RGB"))


@dataclass
class _Bin:
    """Some seconds of the video."""

    frames: int = 0
    objects: Counter[str] = field(default_factory=Counter)
    shares: dict[int, float] = field(default_factory=dict)


def video_page(video: VideoRecord, records: Records, counts: Mapping[str, Any], thumbnails: Thumbnails) -> str:
    """The whole page, HTML. ``records`` is called several times, each time for all frames."""
    last, frames = 0.0, 0
    for record in records():
        last, frames = record.time_s, frames + 1
    width_s = max(1 / video.rate, (last + 1 / video.rate) / BINS)
    bins = _binned(video, records(), width_s)
    tracks = tracks_of(video, records())
    parts = [
        html.section("Result", html.tiles(_headline(frames, last, counts))),
        html.section("Lines", _lines(counts), hint=LINES_HINT),
        html.section("Zones", _zones(counts), hint="Dwell: seconds inside, of all that were inside."),
        html.section("Objects over time", _objects_chart(video, bins, width_s), hint="Mean number in a frame."),
        html.section("Classes over time", _shares_chart(video, bins, width_s), hint="Share of the frame."),
        html.section("Where", _heat(video, records(), thumbnails), hint="How often the middle of an object was there."),
        html.section("Who", _who(tracks, thumbnails)),
        html.section("How", html.facts(_how(video, last))),
    ]
    return html.document(video.source, f"{video.model}, {frames} frames", parts)


LINES_HINT = "In: from the left to the right, as one sees it who looks from the first point of the line to the second."


def _binned(video: VideoRecord, records: Iterable[FrameRecord], width_s: float) -> list[_Bin]:
    bins: list[_Bin] = []
    for record in records:
        place = int(record.time_s / width_s)
        while len(bins) <= place:
            bins.append(_Bin())
        bins[place].frames += 1
        bins[place].objects.update(video.labels[one.class_id] for one in record.shown() if one.class_id is not None)
        for number, share in record.classes.items():
            bins[place].shares[number] = bins[place].shares.get(number, 0.0) + share
    return bins


def _headline(frames: int, last: float, counts: Mapping[str, Any]) -> list[tuple[str, str]]:
    objects = counts.get("objects", {"count": 0, "classes": {}})
    found = [("objects", str(objects["count"]))] if objects["count"] else []
    found += [(name, str(count)) for name, count in sorted(objects["classes"].items(), key=lambda item: -item[1])[:6]]
    return [*found, ("frames", str(frames)), ("seconds", f"{last:.1f}")]


def _lines(counts: Mapping[str, Any]) -> str:
    rows = [
        [html.escaped(name), way, str(sum(classes.values())), html.escaped(_named(classes))]
        for name, ways in counts.get("lines", {}).items()
        for way, classes in ways.items()
    ]
    return html.table(["Line", "Direction", "Objects", "Classes"], rows) if rows else ""


def _zones(counts: Mapping[str, Any]) -> str:
    rows = []
    for name, zone in counts.get("zones", {}).items():
        dwell = zone["dwell_s"] or {"mean": None, "max": None}
        times = [html.number(dwell[key], 1) for key in ("mean", "max")]
        rows.append([html.escaped(name), *(str(zone[key]) for key in ("now", "entered", "left")), *times])
    return html.table(["Zone", "At the end", "Entered", "Left", "Dwell, mean", "longest"], rows) if rows else ""


def _named(classes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in classes.items())


def _objects_chart(video: VideoRecord, bins: Sequence[_Bin], width_s: float) -> str:
    totals: Counter[str] = sum((one.objects for one in bins), Counter())
    colours = dict(zip(video.labels, video.palette, strict=True))
    series = {
        name: (colours[name], [one.objects[name] / one.frames if one.frames else 0.0 for one in bins])
        for name, _ in totals.most_common(MOST_CLASSES)
    }
    return chart(series, width_s) if series else ""


def _shares_chart(video: VideoRecord, bins: Sequence[_Bin], width_s: float) -> str:
    totals = {number: sum(one.shares.get(number, 0.0) for one in bins) for number in range(len(video.labels))}
    largest = sorted((n for n, share in totals.items() if share), key=lambda n: -totals[n])[:MOST_CLASSES]
    series = {
        video.labels[number]: (
            video.palette[number],
            [one.shares.get(number, 0.0) / one.frames if one.frames else 0.0 for one in bins],
        )
        for number in largest
    }
    return chart(series, width_s) if series else ""


def chart(series: Mapping[str, tuple[Colour, Sequence[float]]], width_s: float) -> str:
    """Lines over time as SVG, with a legend; ``width_s``: seconds from a value to the next."""
    highest = max((max(values) for _, values in series.values()), default=0.0) or 1.0
    count = max(len(values) for _, values in series.values())
    left, right, foot = 42, WIDTH - 10, HEIGHT - 24
    lines = [_axis(highest * share, foot - share * (foot - 10), left, right) for share in (0.0, 0.5, 1.0)]
    for colour, values in series.values():
        step = (right - left) / max(1, count - 1)
        points = " ".join(f"{left + i * step:.1f},{foot - v / highest * (foot - 10):.1f}" for i, v in enumerate(values))
        lines.append(f'<polyline points="{points}" fill="none" stroke="rgb{colour}" stroke-width="2"/>')
    end = f"{count * width_s:.1f} s"
    lines.append(f'<text x="{left}" y="{HEIGHT - 6}">0 s</text><text x="{right - 50}" y="{HEIGHT - 6}">{end}</text>')
    style = "font:12px sans-serif;fill:currentColor;width:100%;height:auto"
    legend = " ".join(f"<span>{html.swatch(colour)}{html.escaped(name)}</span>" for name, (colour, _) in series.items())
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" style="{style}">{"".join(lines)}</svg><p>{legend}</p>'


def _axis(value: float, y: float, left: int, right: int) -> str:
    line = f'<line x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="currentColor" stroke-opacity="0.2"/>'
    return f'{line}<text x="2" y="{y + 4:.1f}">{value:.3g}</text>'


def heat_of(video: VideoRecord, records: Iterable[FrameRecord]) -> Doubles:
    """(h, w): in how many frames the middle of an object was in each cell; ``HEAT_COLUMNS`` cells across."""
    width, height = video.size
    rows = max(1, round(HEAT_COLUMNS * height / width))
    heat = np.zeros((rows, HEAT_COLUMNS))
    for record in records:
        for one in record.shown():
            x, y = (one.box[0] + one.box[2]) / 2 / width, (one.box[1] + one.box[3]) / 2 / height
            if 0 <= x < 1 and 0 <= y < 1:
                heat[int(y * rows), int(x * HEAT_COLUMNS)] += 1
    return heat


def _heat(video: VideoRecord, records: Iterable[FrameRecord], thumbnails: Thumbnails) -> str:
    """The first frame, grey, with the heat over it."""
    heat = heat_of(video, records)
    path = thumbnails.folder / FRAME_NAME
    if not heat.any() or not path.is_file():
        return ""
    with Image.open(path) as image:
        grey = np.asarray(image.convert("L").convert("RGB"), np.float64)
    level = np.sqrt(heat / heat.max())
    wide = Image.fromarray((255 * level).astype(np.uint8)).resize(
        (grey.shape[1], grey.shape[0]), Image.Resampling.BICUBIC
    )
    part = np.asarray(wide, np.float64)[:, :, None] / 255
    hot = np.concatenate([np.full_like(part, 255), 230 * (1 - part), np.zeros_like(part)], 2)
    mixed = grey * (1 - 0.85 * part) + hot * 0.85 * part
    return html.figure(jpeg_url(Image.fromarray(mixed.astype(np.uint8))), "bright yellow: seldom, red: often")


def _who(tracks: Sequence[TrackRecord], thumbnails: Thumbnails) -> str:
    figures = [
        html.figure(url, f"{one.class_name} {one.track}: {one.first_s:.1f} to {one.last_s:.1f} s")
        for one in tracks[:MOST_TRACKS]
        if (url := thumbnails.url(f"{one.track}.jpg"))
    ]
    return f'<div class="gallery">{"".join(figures)}</div>' if figures else ""


def _how(video: VideoRecord, last: float) -> list[tuple[str, str]]:
    width, height = video.size
    return [
        ("model", video.model),
        ("task", video.task),
        ("frames", f"{width} x {height} pixels, {video.rate:.3g} a second"),
        ("end", f"{last:.2f} s"),
    ]

"""What a caller asks of a video, in the words of the command line and of JSON."""

from collections.abc import Mapping
from typing import Any

import msgspec

from maskery.core.errors import BadRequest, nearest
from maskery.core.plan import RunOptions
from maskery.encode.options import from_text
from maskery.inference.video.following import FollowOptions
from maskery.inference.video.frames import ReadOptions
from maskery.inference.video.tracking import TrackerOptions
from maskery.jobs.counting import CountOptions, parse_line, parse_zone
from maskery.jobs.drawing import DrawOptions, style_of
from maskery.jobs.video_options import VideoOptions


class VideoRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The options of ``maskery video``: plain data, which JSON carries.

    Attributes:
        model: Its name; None = the settings' first one.
        formats: What to write, docs/video.md.
        codec: Of WebM and MP4; None = each format's own.
        style: How frames are drawn.
        color: Behind a cutout, or what replaces, ``#rrggbb``.
        strength: Pixels of a block of blur; 0 = by the frame's size.
        classes: Only these, by name; empty = all.
        max_side: Longest side of what the model sees, in pixels.
        start: Second at which to begin.
        end: Second at which to end; None = at the video's end.
        every: Only each N-th frame.
        rate: Frames a second of a folder of pictures.
        track: Whether objects get numbers that they keep.
        sure: Least score, 0..1, of boxes that begin a track; None = the tracker's own.
        lost: Seconds for which a hidden object keeps its number.
        smooth: Whether classes are kept from flickering.
        lines: ``NAME=x1,y1,x2,y2`` each, in pixels.
        zones: ``NAME=x1,y1,x2,y2,x3,y3,...`` each.
        scale: Pixels a metre.
        audio: Whether the sound is kept.
        report: Whether a page about the video is written.
    """

    model: str | None = None
    formats: tuple[str, ...] = ("webm",)
    codec: str | None = None
    style: str = "masks"
    color: str = "#000000"
    strength: int = 0
    classes: tuple[str, ...] = ()
    max_side: int | None = None
    start: float = 0.0
    end: float | None = None
    every: int = 1
    rate: float = 25.0
    track: bool = True
    sure: float | None = None
    lost: float = 2.0
    smooth: bool = True
    lines: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    scale: float | None = None
    audio: bool = True
    report: bool = False

    def options(self, max_pixels: int) -> VideoOptions:
        """Checked. Raises ``BadRequest`` for what cannot be done."""
        if self.sure is not None and not 0 < self.sure <= 1:
            raise BadRequest(f"The least score is {self.sure}.", "Give a number above 0, up to 1.")
        tracker = (
            TrackerOptions()
            if self.sure is None
            else TrackerOptions(least=min(0.3, self.sure), sure=self.sure, begins=self.sure)
        )
        read = ReadOptions(start_s=self.start, end_s=self.end, every=self.every, rate=self.rate, max_pixels=max_pixels)
        color = from_text({"color": self.color}).color
        return VideoOptions(
            formats=self.formats,
            codec=self.codec,
            read=read,
            run=RunOptions(classes=self.classes, max_side=self.max_side),
            follow=FollowOptions(track=self.track, smooth=self.smooth, tracker=tracker),
            lost_s=self.lost,
            count=CountOptions(tuple(map(parse_line, self.lines)), tuple(map(parse_zone, self.zones)), self.scale),
            draw=DrawOptions(style=style_of(self.style), color=color, strength=self.strength),
            audio=self.audio,
            report=self.report,
        )


def request_from(document: Mapping[str, Any]) -> VideoRequest:
    """A request from JSON's plain data. Raises ``BadRequest`` naming the nearest known option."""
    for name in document:
        if name not in VideoRequest.__struct_fields__:
            raise BadRequest(f"A video has no option {name!r}.", nearest(name, VideoRequest.__struct_fields__))
    try:
        return msgspec.convert(document, VideoRequest)
    except msgspec.ValidationError as error:
        raise BadRequest(f"The options of the video cannot be read: {error}.", "See docs/video.md.") from error

"""What is asked of the work on a video: data only, so that it can be stored and sent."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from maskery.core.errors import BadRequest, nearest
from maskery.core.plan import RunOptions
from maskery.inference.video.following import FollowOptions
from maskery.inference.video.frames import ReadOptions
from maskery.jobs.counting import CountOptions
from maskery.jobs.drawing import DrawOptions
from maskery.jobs.records import TABLES
from maskery.jobs.video_writer import check_codec

VIDEOS = {"webm": "vp9", "mp4": "h264"}
"""Format -> its codec where none is named."""
PICTURES = ("gif", "png")
FORMATS = (*VIDEOS, *PICTURES, *TABLES)
SUFFIXES = {
    ".webm": "webm", ".mp4": "mp4", ".gif": "gif", ".png": "png", ".jsonl": "jsonl", ".csv": "csv", ".txt": "mot",
    ".json": "coco",
}  # fmt: skip
PART_FRAMES = 200


@dataclass(frozen=True, kw_only=True)
class VideoOptions:
    """All that decides the result, beside the video and the model. Raises ``BadRequest`` for what cannot be done.

    Attributes:
        formats: Some of ``FORMATS``, written in one pass.
        codec: Of WebM and MP4; None = each format's own.
        read: Which frames.
        run: How the model looks at them.
        follow: What is followed from frame to frame.
        lost_s: For how many seconds an object may be hidden and still keep its number.
        count: What is counted.
        draw: How frames are drawn.
        audio: Whether the sound is kept.
        report: Whether a page about the video is written.
        part_frames: After how many frames a part is whole; the same for all runs of one job.
    """

    formats: tuple[str, ...] = ("webm",)
    codec: str | None = None
    read: ReadOptions = field(default_factory=ReadOptions)
    run: RunOptions = field(default_factory=RunOptions)
    follow: FollowOptions = field(default_factory=FollowOptions)
    lost_s: float = 2.0
    count: CountOptions = field(default_factory=CountOptions)
    draw: DrawOptions = field(default_factory=DrawOptions)
    audio: bool = True
    report: bool = False
    part_frames: int = PART_FRAMES

    def __post_init__(self) -> None:
        if not self.formats:
            raise BadRequest("No format was asked for.", f"Known: {', '.join(FORMATS)}.")
        for name in self.formats:
            if name not in FORMATS:
                raise BadRequest(f"There is no format {name!r}.", nearest(name, FORMATS))
            if self.formats.count(name) > 1:
                raise BadRequest(f"The format {name} was asked for twice.", "Name it once.")
            if self.codec and name in VIDEOS:
                check_codec(name, self.codec)
        if self.codec and not set(self.formats) & VIDEOS.keys():
            raise BadRequest("A codec was named, but no format is a video.", "Add webm or mp4, or leave it out.")
        if (self.count.lines or self.count.zones) and not self.follow.track:
            raise BadRequest("Lines and zones count objects that are followed.", "Leave --no-track out.")
        if not 0 <= self.lost_s <= 3600:
            raise BadRequest(f"Objects may be hidden for {self.lost_s} seconds.", "Give seconds from 0 to 3600.")
        if self.part_frames < 1:
            raise BadRequest(f"A part of {self.part_frames} frames was asked for.", "Give a number from 1.")

    def following(self, rate: float) -> FollowOptions:
        """``follow`` for a video of ``rate`` frames a second."""
        lost = max(1, round(self.lost_s * rate / self.read.every))
        return replace(self.follow, tracker=replace(self.follow.tracker, lost_frames=lost))

    def codecs(self) -> dict[str, str]:
        """Codec -> the format whose parts are encoded with it; a GIF alone is made from frames without loss."""
        found = {self.codec or VIDEOS[name]: name for name in self.formats if name in VIDEOS}
        if "gif" in self.formats and not found:
            found["lossless"] = "gif"
        return found


@dataclass(frozen=True)
class OutputPaths:
    """Where the files go. ``target``: a file for one format; for several, what their names begin with."""

    target: Path
    formats: tuple[str, ...]

    @property
    def base(self) -> Path:
        """The target without the suffix of a format."""
        target = self.target
        if target.suffix.lower() in SUFFIXES:
            target = target.with_suffix("")
            if target.suffix in (".mot", ".coco"):
                target = target.with_suffix("")
        return target

    @property
    def parts(self) -> Path:
        """The folder of an unfinished run."""
        return self.base.with_name(f"{self.base.name}.parts")

    def ending(self, text: str) -> Path:
        return self.base.with_name(f"{self.base.name}{text}")

    def of(self, format: str) -> Path:
        """The file of a format; of ``png`` a folder."""
        if format == "png":
            return self.ending("-frames")
        if len(self.formats) == 1 and SUFFIXES.get(self.target.suffix.lower(), format) == format and self.target.suffix:
            return self.target
        return self.ending(TABLES[format][0][0] if format in TABLES else f".{format}")

    def tracks_of(self, format: str) -> Path | None:
        """The file of the tracks, beside that of the frames."""
        tables = TABLES[format]
        return self.ending(tables[1][0]) if len(tables) > 1 else None


def formats_of(names: str | None, target: Path) -> tuple[str, ...]:
    """``A,B``, or what the target's suffix says. Raises ``BadRequest`` for a suffix that says nothing."""
    if names:
        found = tuple(name.strip() for name in names.split(",") if name.strip())
        said = SUFFIXES.get(target.suffix.lower())
        if len(found) == 1 and said and said != found[0]:
            raise BadRequest(f"{target} has the suffix of {said}, but --format says {found[0]}.", "Say it once.")
        return found
    if target.suffix.lower() not in SUFFIXES:
        raise BadRequest(f"No format has the suffix {target.suffix!r}.", f"Name it by --format: {', '.join(FORMATS)}.")
    return (SUFFIXES[target.suffix.lower()],)

r"""A video through a model: decoded, looked at and encoded at the same time, in parts that survive an interruption.

    frames --ahead--> Follower.look --> records of a part
                               \--Behind--> drawn --> encoded part
    parts --join--> video files          records --> tables, report

The same frames give the same result whether the run was interrupted or not: parts end at the same frames, and what is
known from frame to frame is brought back from the records (tracker, counts) or from a file (smoothing).
"""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from PIL import Image

from maskery.core.errors import BadRequest, OutputError, first_line
from maskery.core.files import partial_of, put_in_place, writing
from maskery.core.result.capabilities import HasInstances, Result, capable
from maskery.inference.video.following import Follower, Look
from maskery.inference.video.frames import Behind, FrameSource, VideoFrame, ahead
from maskery.inference.video.sources import VideoInput, open_source
from maskery.jobs.counting import CountsView, ObjectCounter
from maskery.jobs.drawing import drawn_frame, over_colour
from maskery.jobs.parts import THUMBNAILS, PartStore, identity_of
from maskery.jobs.records import TABLES, VideoRecord, line_of, read_records, record_of
from maskery.jobs.video_options import VIDEOS, OutputPaths, VideoOptions
from maskery.jobs.video_report import Thumbnails, video_page
from maskery.jobs.video_writer import CODINGS, PartWriter, SoundTrack, join, write_gif

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
GIF_SIDE = 480


@dataclass(frozen=True, kw_only=True)
class VideoProgress:
    """Where a run stands.

    Attributes:
        done: Frames so far, those of earlier runs too.
        total: About how many there are; None where nobody knows.
        rate: Frames a second of this run.
        left_s: About how many seconds are left.
        counts: As ``ObjectCounter.document`` has them.
    """

    done: int
    total: int | None
    rate: float
    left_s: float | None
    counts: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class VideoSummary:
    """What came of a run.

    Attributes:
        frames: How many were looked at, in earlier runs too.
        seconds: How long this run took.
        rate: Frames a second of this run.
        finished: False where it was stopped before the end of the video; it can be resumed then.
        files: What was written.
        counts: As ``ObjectCounter.document`` has them.
        notes: What a user should know.
    """

    frames: int
    seconds: float
    rate: float
    finished: bool
    files: tuple[Path, ...]
    counts: Mapping[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class VideoJob:
    """What is worked on, and where to.

    Attributes:
        video: What ``open_source`` takes; only a file or a folder can be resumed.
        model: NAME@VERSION with the digest of its files: what a resumed run must have too.
        paths: Where the results go.
        options: All that decides them.
        resume: Whether to go on where an earlier run stopped; from the start where there was none.
        sound: The file that has the sound, where it is not ``video`` itself.
    """

    video: VideoInput
    model: str
    paths: OutputPaths
    options: VideoOptions
    resume: bool = False
    sound: Path | None = None


class _Part:
    """The part that is being made: an encoder by codec, and lines of records."""

    def __init__(self, number: int, writers: Mapping[str, PartWriter]) -> None:
        self.number, self.writers = number, writers
        self.lines: list[bytes] = []


class VideoRun:
    """One run. ``stop`` may be called from another thread or a signal handler: what was done becomes whole files."""

    def __init__(self, job: VideoJob, look: Look, progress: Callable[[VideoProgress], None] = lambda at: None) -> None:
        """``progress`` is called after each frame."""
        self._job, self._options, self._paths = job, job.options, job.paths
        self._look, self._progress = look, progress
        self._stopped = threading.Event()
        self._store = PartStore(job.paths.parts)
        self._thumbnails = Thumbnails(self._store.folder / THUMBNAILS, wanted=job.options.report)
        self._follower = Follower(look, job.options.follow)
        self._counter: ObjectCounter | None = None
        self._part: _Part | None = None
        self._whole: list[int] = []
        self._done = self._begun_at = 0
        self._last_s = 0.0
        self._ended = False
        self._notes: list[str] = []
        self._started = time.perf_counter()

    def stop(self) -> None:
        """End after the present frame."""
        self._stopped.set()

    def run(self) -> VideoSummary:
        """Raises ``BadRequest``, ``VideoError``, ``TooLarge`` and what the model raises; ``OutputError`` where the
        result cannot be written. With a full disk the frames so far are a whole file, and the error says so.
        """
        self._expect_other_file()
        with writing(self._paths.base, "Choose another -o."):
            self._paths.parts.parent.mkdir(parents=True, exist_ok=True)
        with self._store.locked():
            self._whole = self._store.open(self._identity(), self._job.resume)
            skip = len(self._whole) * self._options.part_frames
            source = open_source(self._job.video, replace(self._options.read, skip=skip))
            with closing(source):
                try:
                    files = self._work(source)
                except OSError as error:
                    raise self._unwritten(error, source.facts.rate) from error
                except BaseException:
                    self._abandon(keep=bool(self._whole))
                    raise
            self._store.drop_from(len(self._whole))
            finished = self._ended or source.facts.live
            if finished or not self._whole:
                self._store.remove()
        seconds = time.perf_counter() - self._started
        return VideoSummary(
            frames=self._done,
            seconds=seconds,
            rate=(self._done - self._begun_at) / seconds,
            finished=finished,
            files=tuple(files),
            counts=self._counter.document() if self._counter else {},
            notes=(*self._notes, *source.notes.sentences()),
        )

    def _expect_other_file(self) -> None:
        path = self._job.video
        for name in self._options.formats:
            target = self._paths.of(name)
            if isinstance(path, str | os.PathLike) and target.exists() and target.samefile(path):
                raise BadRequest(f"{target} is the video itself.", "Choose another -o.")

    def _identity(self) -> str:
        video = self._job.video
        if not isinstance(video, str | os.PathLike) or not Path(video).exists():
            if self._job.resume:
                raise BadRequest("Only a file or a folder of pictures can be resumed.", "Leave --resume out.")
            return ""
        path = Path(video)
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
        return identity_of({"video": stats, "model": self._job.model, "options": asdict(self._options)})

    def _work(self, source: FrameSource) -> list[Path]:
        """The frames, and at the end the files."""
        rate = source.facts.rate
        self._follower = Follower(self._look, self._options.following(rate))
        self._replay()
        behind = Behind()
        try:
            with closing(ahead(source.frames())) as frames:
                for frame in frames:
                    if self._stopped.is_set():
                        break
                    self._step(frame, source, behind)
                else:
                    self._ended = True
            behind.wait()
        finally:
            behind.close()
        partial_records = self._close_part(whole=self._ended)
        return self._written(partial_records, self._sound(source), rate)

    def _replay(self) -> None:
        """Bring back what an earlier run knew at the end of its last part."""
        video = self._store.job.video
        if not self._whole or video is None:
            return
        self._counter = ObjectCounter(self._options.count, video.size)
        for record in read_records(map(self._store.records, self._whole)):
            seen = [one.instance(i) for i, one in enumerate(record.objects, 1)]
            shown = [one for one in self._follower.follow(seen) if one is not None]
            self._counter.see(record.time_s, shown, video.labels)
            self._thumbnails.see(record, None)
            self._done, self._last_s = self._done + 1, record.time_s
        self._begun_at = self._done
        self._follower.remember(self._store.memory(self._whole[-1]))
        self._notes.append(f"Went on after the first {self._done} frames.")

    def _step(self, frame: VideoFrame, source: FrameSource, behind: Behind) -> None:
        """One frame: looked at here, drawn and encoded by the other thread."""
        followed = self._follower.look(frame.pixels)
        result = followed.result
        if self._counter is None:
            self._counter = ObjectCounter(self._options.count, frame.size_wh)
        if self._store.job.video is None:
            self._store.begin(_video_record(frame, source, result, self._job))
            if note := result.meta.note:
                self._notes.append(note)
        objects = capable(result, HasInstances)
        instances = objects.instances if objects else ()
        self._counter.see(frame.time_s, instances, result.meta.labels)
        record = record_of(frame, followed, self._counter, masks="coco" in self._options.formats)
        part = self._part = self._part or self._new_part(frame, source.facts.rate)
        part.lines.append(line_of(record))
        self._thumbnails.see(record, frame.pixels)
        if part.writers or "png" in self._options.formats:
            behind.do(partial(self._draw, part, frame, result, self._counter.view(instances)))
        self._done, self._last_s = self._done + 1, frame.time_s
        if len(part.lines) == self._options.part_frames:
            behind.wait()
            self._close_part(whole=True)
        self._progress(self._stand(source))

    def _new_part(self, frame: VideoFrame, rate: float) -> _Part:
        number = len(self._whole)
        writers = {
            codec: PartWriter(
                self._store.frames(number, codec), CODINGS[codec], frame.size_wh, rate / self._options.read.every
            )
            for codec in self._options.codecs()
        }
        return _Part(number, writers)

    def _draw(self, part: _Part, frame: VideoFrame, result: Result, counts: CountsView) -> None:
        """Draw the frame and hand it to the encoders; runs in the other thread, in the order of the frames."""
        options = self._options
        drawn = drawn_frame(result, frame.pixels, options.draw, counts)
        flat = over_colour(drawn, options.draw.color)
        for writer in part.writers.values():
            writer.add(flat, frame.time_s - options.read.start_s)
        if "png" in options.formats:
            folder = self._paths.of("png")
            folder.mkdir(exist_ok=True)
            Image.fromarray(drawn).save(folder / f"frame-{frame.index + 1:06}.png", compress_level=1)

    def _close_part(self, whole: bool) -> list[Path]:
        """Make the present part whole; of one that was stopped before its end the file of its records."""
        part = self._part
        if part is None:
            return []
        for writer in part.writers.values():
            writer.close()
        self._part = None
        if whole:
            self._store.finish_part(part.number, b"".join(part.lines), self._follower.memory())
            self._whole.append(part.number)
            return []
        return [self._store.stopped_records(part.number, b"".join(part.lines))]

    def _stand(self, source: FrameSource) -> VideoProgress:
        total = source.facts.frames_of(self._options.read)
        rate = (self._done - self._begun_at) / max(1e-6, time.perf_counter() - self._started)
        left = None if total is None else max(0.0, (total - self._done) / rate)
        counts = self._counter.document() if self._counter else {}
        return VideoProgress(done=self._done, total=total, rate=rate, left_s=left, counts=counts)

    def _sound(self, source: FrameSource) -> SoundTrack | None:
        video = self._job.sound or self._job.video
        if not (self._options.audio and source.facts.audio and isinstance(video, str | os.PathLike)):
            return None
        start = self._options.read.start_s
        return SoundTrack(path=Path(video), start_s=start, end_s=self._last_s + 1 / source.facts.rate)

    def _written(self, stopped: list[Path], sound: SoundTrack | None, rate: float) -> list[Path]:
        """The files of all formats, each whole or not at all."""
        if not self._whole and not stopped:
            return []
        count, files = len(self._whole) + len(stopped), list[Path]()
        codecs, options = self._options.codecs(), self._options
        for format in options.formats:
            target = self._paths.of(format)
            if format in VIDEOS:
                parts = self._parts(options.codec or VIDEOS[format], count)
                with _in_place(target) as path:
                    join(parts, path, format, rate, sound)
            elif format == "gif":
                with _in_place(target) as path:
                    write_gif(self._parts(next(iter(codecs)), count), path, GIF_SIDE)
            files.append(target)
        records = [*map(self._store.records, self._whole), *stopped]
        return files + self._tables(records)

    def _tables(self, records: Sequence[Path]) -> list[Path]:
        """Tables and the report; the tables of tracks where objects are followed."""
        video, files = self._store.job.video, list[Path]()
        assert video is not None
        for format in self._options.formats:
            for i, (ending, write) in enumerate(TABLES.get(format, ())):
                if i and not (self._options.follow.track and self._has_tracks):
                    continue
                target = self._paths.ending(ending) if i else self._paths.of(format)
                with _in_place(target) as path, path.open("w", encoding="utf-8", newline="") as file:
                    write(video, read_records(records), file)
                files += [target] if i else []
        if self._options.report:
            target = self._paths.ending("-report.html")
            counts = self._counter.document() if self._counter else {}
            with _in_place(target) as path:
                page = video_page(video, lambda: read_records(records), counts, self._thumbnails)
                path.write_text(page, encoding="utf-8")
            files.append(target)
        return files

    @property
    def _has_tracks(self) -> bool:
        return bool(self._counter and self._counter.document()["objects"]["count"])

    def _parts(self, codec: str, count: int) -> list[Path]:
        """The files with the frames of one codec, in order."""
        job = self._store.job
        if job.joined is None:
            return [self._store.frames(part, codec) for part in range(count)]
        joined = self._paths.base.with_name(job.joined_to[codec])
        return [joined, *(self._store.frames(part, codec) for part in range(job.joined + 1, count))]

    def _abandon(self, keep: bool) -> None:
        """Let go of the part that was being made; without ``keep`` nothing is left."""
        if self._part is not None:
            for writer in self._part.writers.values():
                writer.abandon()
            self._part = None
        self._store.drop_from(len(self._whole))
        if not keep:
            self._store.remove()

    def _unwritten(self, error: OSError, rate: float) -> OutputError:
        """What to raise where the disk is full: first, what was done is made a file that plays."""
        self._abandon(keep=bool(self._whole))
        reason = error.strerror or first_line(error)
        target = self._paths.base
        if error.errno not in FULL or not self._whole:
            return OutputError(f"{target} could not be written: {reason}.", "Choose another -o.")
        again = "Free some disk space and go on with --resume."
        if self._store.job.joined is None:
            with suppress(OSError):
                self._rescue(rate)
        return OutputError(
            f"{target} could not be written to its end: {reason}. What was done until then plays.", again
        )

    def _rescue(self, rate: float) -> None:
        """Join the parts without space for a copy: each is removed when it was read."""
        moved = dict[str, str]()
        for codec, format in self._options.codecs().items():
            if format in VIDEOS:
                parts = self._parts(codec, len(self._whole))
                with _in_place(self._paths.of(format)) as path:
                    join(parts, path, format, rate, None, consume=True)
                moved[codec] = self._paths.of(format).name
        if moved:
            joined = self._whole[-1]
            self._store.save(msgspec.structs.replace(self._store.job, joined=joined, joined_to=moved))


def _video_record(frame: VideoFrame, source: FrameSource, result: Result, job: VideoJob) -> VideoRecord:
    meta = result.meta
    return VideoRecord(
        source=source.facts.name,
        size=frame.size_wh,
        rate=source.facts.rate,
        model=job.model.partition(" ")[0],
        task=meta.task,
        labels=meta.labels,
        palette=meta.palette,
        scale=job.options.count.scale,
    )


@contextmanager
def _in_place(target: Path) -> Iterator[Path]:
    """A neighbour to write to, which becomes ``target`` at the end."""
    path = partial_of(target)
    try:
        yield path
        put_in_place(path, target)
    finally:
        path.unlink(missing_ok=True)

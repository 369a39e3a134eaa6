"""Frames of a file, a pipe, a camera or a stream, decoded by FFmpeg's libraries (PyAV, extra ``video``).

Traps that this file is there for:

- FFmpeg opens what a file names: playlists, concatenations and sets of pictures lead to other files and hosts. So the
  formats are listed here, and no protocol is allowed but the one that brings the video itself.
- Pixels may be oblong, frames may be stored on their side, and half of their lines may be 20 ms older than the rest.
- Times may be missing, run backwards or jump; a frame's size may change in the middle.
- A header's length may be wrong; nothing but the display of progress believes it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from PIL import Image

from maskery.core.arrays import Pixels
from maskery.core.errors import MissingExtra, TooLarge, VideoError, first_line
from maskery.inference.video.frames import ReadNotes, ReadOptions, VideoFacts, VideoFrame

if TYPE_CHECKING:
    import av
    from av.container import InputContainer
    from av.video.frame import VideoFrame as AvFrame
    from av.video.stream import VideoStream

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,ogg,flv,asf,gif,ivf,nut,m4v,h264,hevc,av1,obu,"
    "mjpeg,yuv4mpegpipe,rm,dv,mxf,swf,apng"
)
LIVE_FORMATS = f"{FORMATS},rtsp,rtp,sdp,v4l2,video4linux2,avfoundation,dshow"
LIVE_PROTOCOLS = "rtsp,rtsps,rtp,rtcp,udp,tcp,tls,crypto"
JUMP_S, TICK_S = 60.0, 0.001
BACK_S = 1.0
ANSWER_SECONDS = 10.0
_SAVE = "Check that it plays, or convert it to MP4 or WebM."


def load_av() -> Any:
    """The module ``av``. Raises ``MissingExtra``."""
    try:
        import av
    except ModuleNotFoundError as error:
        raise MissingExtra("Videos need the package av.", "Run: pip install 'maskery[video]'") from error
    return av


@dataclass(frozen=True)
class VideoStreamInput:
    """``target``: an open file, or the address of a live video. ``format``: FFmpeg's name of it, where it is known.
    ``owned``: whether the file is closed with the video.
    """

    target: BinaryIO | str
    name: str
    format: str | None = None
    owned: bool = False

    @property
    def live(self) -> bool:
        return isinstance(self.target, str)

    @property
    def again(self) -> bool:
        """Whether it can be read twice."""
        return not isinstance(self.target, str) and self.target.seekable()


def open_container(source: VideoStreamInput) -> "InputContainer":
    """Raises ``VideoError`` for what is no video, ``MissingExtra``."""
    av = load_av()
    # With a file no protocol is needed, so none is allowed: "none" is not the name of one.
    options = {"format_whitelist": FORMATS, "protocol_whitelist": "none"}
    if source.live:
        options = {"format_whitelist": LIVE_FORMATS, "protocol_whitelist": LIVE_PROTOCOLS}
        if source.format is None:
            options["rtsp_transport"] = "tcp"
    try:
        container: InputContainer = av.open(
            source.target if source.live else _Nameless(source.target),
            format=source.format,
            options=options,
            timeout=ANSWER_SECONDS if source.live else None,
        )
    except (av.FFmpegError, ValueError, OSError) as error:
        what = f"{source.name} cannot be read as a video: {_reason(error)}."
        cure = "Check the address." if source.live else _SAVE
        raise VideoError(what, cure) from error
    return container


class _Nameless:
    """A file without its name, which FFmpeg would take for a hint of what it is."""

    def __init__(self, file: Any) -> None:
        self.read, self.close = file.read, file.close
        if file.seekable():
            self.seek, self.tell = file.seek, file.tell


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or first_line(error)
    return text.removesuffix(".")


class AvSource:
    """A video as FFmpeg reads it, frame by frame."""

    def __init__(self, source: VideoStreamInput, options: ReadOptions) -> None:
        """Raises ``VideoError``, ``TooLarge``, ``MissingExtra``."""
        self._options, self._name, self._source = options, source.name, source
        self._container = open_container(source)
        self.notes = ReadNotes()
        try:
            self._stream = self._video_stream()
            rate = float(self._stream.average_rate or self._stream.guessed_rate or 25)
            self._rate = rate if 0 < rate <= 1000 else 25.0
            self._origin = (self._container.start_time or 0) / 1e6
            self.facts = VideoFacts(
                name=source.name,
                rate=self._rate,
                seconds=self._seconds(),
                audio=bool(self._container.streams.audio),
                live=source.live,
                again=source.again,
            )
        except BaseException:
            self._container.close()
            raise
        self._clock = FrameClock(self._rate, self.notes)
        self._size_wh: tuple[int, int] | None = None

    def _video_stream(self) -> "VideoStream":
        streams = [s for s in self._container.streams.video if s.codec_context is not None and not _is_cover(s)]
        if not streams:
            raise VideoError(f"{self._name} has no video in it.", "Choose a file with moving pictures.")
        stream = streams[0]
        self._check_pixels(stream.codec_context.width, stream.codec_context.height)
        stream.thread_type, stream.codec_context.thread_count = "AUTO", 2
        stream.codec_context.options = {"max_pixels": str(self._options.max_pixels)}
        return stream

    def _check_pixels(self, width: int, height: int) -> None:
        if width * height > self._options.max_pixels:
            raise TooLarge(
                f"The video's frames have {width} x {height} pixels, the limit is {self._options.max_pixels:,}.",
                "Scale the video down, or raise max_pixels (MASKERY_MAX_PIXELS).",
            )

    def _seconds(self) -> float | None:
        if self._container.duration:
            return float(self._container.duration) / 1e6
        if self._stream.duration and self._stream.time_base:
            return float(self._stream.duration * self._stream.time_base)
        return float(self._stream.frames) / self._rate if self._stream.frames else None

    def close(self) -> None:
        self._container.close()
        if self._source.owned and not isinstance(self._source.target, str):
            self._source.target.close()

    def frames(self) -> Iterator[VideoFrame]:
        """All of them, once. Raises ``VideoError`` where there is none, ``TooLarge``."""
        options, seen, index, last = self._options, False, -1, 0.0
        if options.start_s and self.facts.again:
            self._seek(options.start_s)
        for frame in self._decoded():
            seen, time_s = True, self._clock.time_of(None if frame.time is None else frame.time - self._origin)
            last = time_s
            if time_s < options.start_s - TICK_S:
                continue
            if options.end_s is not None and time_s >= options.end_s - TICK_S:
                return
            index += 1
            if index % options.every == 0 and (index == 0 or index // options.every >= options.skip):
                pixels = self._pixels(frame)  # of the first one always, for it says the size
                if index // options.every >= options.skip:
                    yield VideoFrame(index, time_s, pixels)
        if not seen:
            raise VideoError(f"{self._name} has no frame that can be decoded.", _SAVE)
        if index < 0:
            raise VideoError(
                f"{self._name} ends at {last:.2f} s, before the part asked for.", "Choose an earlier start."
            )
        end = self.facts.seconds
        if end is not None and options.end_s is None and last < end - max(1.0, 3 / self._rate):
            self.notes.cut_s = last

    def _seek(self, start_s: float) -> None:
        """To the key frame before; where that cannot be done all frames before are decoded."""
        av = load_av()
        try:
            self._container.seek(max(0, int((start_s + self._origin - 1) * 1e6)))
        except av.FFmpegError:
            self._container.seek(0)

    def _decoded(self) -> Iterator["AvFrame"]:
        """Frames as they are shown, made of whole pictures where they came as half ones."""
        lines: _Deinterlacer | None = None
        for frame in self._raw():
            if lines is None and frame.interlaced_frame:
                lines = _Deinterlacer(self._stream)
            if lines is None:
                yield frame
            else:
                yield from lines.feed(frame)
        if lines is not None:
            yield from lines.feed(None)

    def _raw(self) -> Iterator["AvFrame"]:
        av, packets = load_av(), self._packets()
        for packet in packets:
            try:
                for frame in packet.decode():
                    self._check_pixels(frame.width, frame.height)
                    yield frame
            except av.EOFError:
                return
            except av.FFmpegError:
                self.notes.damaged += 1

    def _packets(self) -> Iterator["av.Packet[VideoStream]"]:
        av = load_av()
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError as error:
                if self.facts.live:
                    raise VideoError(f"{self._name} broke off: {_reason(error)}.", "Check the stream.") from error
                self.notes.damaged += 1
                return
            yield packet

    def _pixels(self, frame: "AvFrame") -> Pixels:
        """(H, W, 3) uint8 RGB, upright, of the first frame's size."""
        aspect = self._stream.sample_aspect_ratio
        width = frame.width
        if aspect and 0.1 < aspect < 10 and aspect != 1:
            width = max(1, round(frame.width * aspect))
            self._check_pixels(width, frame.height)
        pixels = cast(Pixels, frame.reformat(width=width, height=frame.height, format="rgb24").to_ndarray())
        turns = round(frame.rotation / 90) % 4
        if turns:
            pixels = np.ascontiguousarray(np.rot90(pixels, turns))
        size_wh = (pixels.shape[1], pixels.shape[0])
        if self._size_wh is None:
            self._size_wh = size_wh
        if size_wh != self._size_wh:
            self.notes.resized += 1
            return fitted_within(pixels, self._size_wh)
        return pixels


def _is_cover(stream: "VideoStream") -> bool:
    """Whether it is a still picture beside the sound."""
    return bool(stream.disposition & type(stream.disposition).attached_pic)


class FrameClock:
    """Times that never run backwards, whatever the file says."""

    def __init__(self, rate: float, notes: ReadNotes) -> None:
        self._step, self._notes = 1 / rate, notes
        self._last: float | None = None
        self._moved = 0.0  # what is added to the times of the file since they jumped

    def time_of(self, given: float | None) -> float:
        """Seconds of the next frame; ``given``: what the file says, None = nothing."""
        if self._last is None:
            self._last = max(0.0, given if given is not None and math.isfinite(given) else 0.0)
            return self._last
        time_s = self._last + self._step
        if given is not None and math.isfinite(given):
            moved = given + self._moved
            if not self._last - BACK_S < moved < self._last + JUMP_S:
                self._moved, moved = time_s - given, time_s
                self._notes.retimed += 1
            if moved <= self._last:
                moved = self._last + TICK_S
                self._notes.retimed += 1
            time_s = moved
        else:
            self._notes.retimed += 1
        self._last = time_s
        return time_s


def fitted_within(pixels: Pixels, size_wh: tuple[int, int]) -> Pixels:
    """The picture as large as it fits into ``size_wh``, black around it."""
    height, width = pixels.shape[:2]
    scale = min(size_wh[0] / width, size_wh[1] / height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    left, top = (size_wh[0] - inner[0]) // 2, (size_wh[1] - inner[1]) // 2
    whole = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    small = Image.fromarray(pixels).resize(inner, Image.Resampling.BILINEAR)
    whole[top : top + inner[1], left : left + inner[0]] = np.asarray(small)
    return whole


class _Deinterlacer:
    """FFmpeg's yadif on the frames that are marked as interlaced; it is one frame late."""

    def __init__(self, stream: "VideoStream") -> None:
        av = load_av()
        self._av = av
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(template=stream)
        middle = self._graph.add("yadif", "mode=send_frame:deint=interlaced")
        sink = self._graph.add("buffersink")
        source.link_to(middle)
        middle.link_to(sink)
        self._graph.configure()

    def feed(self, frame: "AvFrame | None") -> Iterator["AvFrame"]:
        """Frames that are ready; None = there are no more to come."""
        self._graph.push(frame)
        while True:
            try:
                ready: AvFrame = self._graph.pull()
            except (self._av.BlockingIOError, self._av.EOFError):
                return
            yield ready

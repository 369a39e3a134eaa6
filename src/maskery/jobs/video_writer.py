"""Frames -> a video that browsers play: encoded in parts, which are joined without encoding them again.

Each part is a Matroska file that begins with a key frame, with times from the start of the whole, so parts can be made
by different processes and joined at the end. WebM (VP9 or AV1, both free of patent fees) needs nothing but libvpx and
SVT-AV1, BSD; H.264 is made by x264, which is GPL, and only where it is asked for (docs/video.md).
"""

import heapq
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from maskery.core.arrays import Pixels
from maskery.core.errors import BadRequest, OutputError, TooLarge, first_line
from maskery.inference.video.av_reader import load_av

if TYPE_CHECKING:
    import av
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

MILLISECOND = Fraction(1, 1000)
KEY_FRAMES = 250  # frames between two key frames at most
AUDIO_RATE = 48_000


@dataclass(frozen=True, kw_only=True)
class VideoCoding:
    """How frames are encoded.

    Attributes:
        codec: FFmpeg's name of the encoder.
        options: What it is given.
        even: Whether both sides must be even.
        longest: The longest side that it takes, in pixels.
        colours: FFmpeg's name of the form of the pixels.
    """

    codec: str
    options: tuple[tuple[str, str], ...]
    even: bool = False
    longest: int = 16_384
    colours: str = "yuv420p"


CODINGS = {
    "vp9": VideoCoding(
        codec="libvpx-vp9",
        options=(("crf", "32"), ("b", "0"), ("deadline", "realtime"), ("cpu-used", "8"), ("row-mt", "1")),
        longest=65_535,
    ),
    "av1": VideoCoding(codec="libsvtav1", options=(("crf", "35"), ("preset", "9")), even=True),
    "h264": VideoCoding(codec="libx264", options=(("crf", "23"), ("preset", "veryfast"), ("bf", "0")), even=True),
    "lossless": VideoCoding(codec="ffv1", options=(), colours="bgr0", longest=32_767),
}
CONTAINERS = {  # format -> (FFmpeg's name, codecs of the video, codecs of sound that are kept, the one made otherwise)
    "webm": ("webm", ("vp9", "av1"), ("opus", "vorbis"), "libopus"),
    "mp4": ("mp4", ("h264", "av1"), ("aac", "mp3", "opus", "ac3"), "aac"),
}


def check_codec(format: str, codec: str) -> None:
    """Raises ``BadRequest`` for a codec that the container does not hold."""
    if codec not in CONTAINERS[format][1]:
        fitting = ", ".join(CONTAINERS[format][1])
        raise BadRequest(f"{format} does not hold {codec}.", f"Codecs that it holds: {fitting}.")


class PartWriter:
    """One part. ``close`` makes it whole."""

    def __init__(self, path: Path, coding: VideoCoding, size_wh: tuple[int, int], rate: float) -> None:
        """Raises ``TooLarge`` for frames that the encoder does not take, ``OSError``."""
        if max(size_wh) > coding.longest:
            raise TooLarge(
                f"Frames of {size_wh[0]} x {size_wh[1]} pixels are too long for {coding.codec}.",
                f"It takes {coding.longest} pixels a side; WebM with VP9 takes more.",
            )
        self._av = load_av()
        self._coding, self._file = coding, path.open("wb")
        self._container: OutputContainer = self._av.open(self._file, "w", format="matroska")
        self._stream = self._open_stream(size_wh, rate)
        self._last = -1

    def _open_stream(self, size_wh: tuple[int, int], rate: float) -> "VideoStream":
        frame_rate = Fraction(rate).limit_denominator(1001)
        added = self._container.add_stream(self._coding.codec, rate=frame_rate, options=dict(self._coding.options))
        stream = cast("VideoStream", added)
        step = 2 if self._coding.even else 1
        stream.width, stream.height = (-(-side // step) * step for side in size_wh)
        stream.pix_fmt = self._coding.colours
        stream.codec_context.time_base, stream.codec_context.gop_size = MILLISECOND, KEY_FRAMES
        stream.codec_context.thread_count = 2
        return stream

    def add(self, pixels: Pixels, time_s: float) -> None:
        """The next frame, (H, W, 3) uint8 RGB; ``time_s``: from the start of the whole."""
        right, below = self._stream.width - pixels.shape[1], self._stream.height - pixels.shape[0]
        if right or below:
            pixels = np.pad(pixels, ((0, below), (0, right), (0, 0)), mode="edge")
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        self._last = max(self._last + 1, round(1000 * time_s))
        frame.pts, frame.time_base = self._last, MILLISECOND
        try:
            self._container.mux(self._stream.encode(frame))
        except self._av.FFmpegError as error:
            raise _as_os_error(error) from error

    def close(self) -> None:
        """Flush encoder and file. Raises ``OSError``."""
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._file.flush()
            os.fsync(self._file.fileno())
        except self._av.FFmpegError as error:
            raise _as_os_error(error) from error
        finally:
            self._file.close()

    def abandon(self) -> None:
        """Let go of it without making it whole."""
        try:
            self._container.close()
        except (OSError, self._av.FFmpegError):
            pass
        finally:
            self._file.close()


def _as_os_error(error: Exception) -> OSError:
    if isinstance(error, OSError) and error.errno:
        return OSError(error.errno, os.strerror(error.errno))
    return OSError(first_line(error))


@dataclass(frozen=True, kw_only=True)
class SoundTrack:
    """Sound that is laid beside the frames.

    Attributes:
        path: The file that has it.
        start_s: Where its part begins, in seconds.
        end_s: Where it ends.
    """

    path: Path
    start_s: float
    end_s: float


def join(
    parts: Sequence[Path], target: Path, format: str, rate: float, sound: SoundTrack | None, consume: bool = False
) -> None:
    """Write the parts one after another as a file of ``format``, "webm" or "mp4", with ``sound`` where there is some.

    Nothing is encoded but sound that the format does not hold. A part may be a file of an earlier ``join``. With
    ``consume`` each part is removed when it was read, and nothing is moved at the end. Raises ``OSError``.
    """
    av = load_av()
    options = {"movflags": "faststart"} if format == "mp4" and not consume else {}
    try:
        with ExitStack() as stack:
            container = stack.enter_context(av.open(str(target), "w", format=CONTAINERS[format][0], options=options))
            with av.open(str(parts[0])) as first:
                video = container.add_stream_from_template(first.streams.video[0], opaque=True)
            packets = [_video_packets(parts, video, rate, consume)]
            if sound is not None:
                packets.append(_sound_packets(sound, container, format, stack))
            for _, _, packet in heapq.merge(*packets, key=lambda timed: timed[:2]):
                container.mux(packet)
    except av.FFmpegError as error:
        raise _as_os_error(error) from error


Timed = tuple[float, int, "Packet[Any]"]


def _video_packets(parts: Sequence[Path], video: "VideoStream", rate: float, consume: bool) -> Iterator[Timed]:
    """Packets with their times; each lasts until the next one."""
    held: Packet[Any] | None = None
    for packet in _read_packets(parts, consume):
        if held is not None and held.pts is not None and packet.pts is not None:
            held.duration = max(1, packet.pts - held.pts)
            yield _timed(held, video, 0)
        held = packet
    if held is not None:
        held.duration = max(1, round(1000 / rate))
        yield _timed(held, video, 0)


def _read_packets(parts: Sequence[Path], consume: bool) -> Iterator["Packet[Any]"]:
    """Those of the videos, in milliseconds."""
    av = load_av()
    for part in parts:
        with av.open(str(part)) as container:
            stream = container.streams.video[0]
            for packet in container.demux(stream):
                if packet.pts is not None:
                    scale = packet.time_base / MILLISECOND
                    packet.pts = packet.dts = round(packet.pts * scale)
                    packet.time_base = MILLISECOND
                    yield packet
        if consume:
            part.unlink()


def _timed(packet: "Packet[Any]", stream: "VideoStream | AudioStream", order: int) -> Timed:
    packet.stream = stream
    return float((packet.dts or 0) * packet.time_base), order, packet


def _sound_packets(sound: SoundTrack, container: "OutputContainer", format: str, stack: ExitStack) -> Iterator[Timed]:
    """Copied where the format holds the sound's codec, else encoded anew."""
    av = load_av()
    file = stack.enter_context(sound.path.open("rb"))
    source: InputContainer = stack.enter_context(av.open(file, options={"protocol_whitelist": "none"}))
    stream = source.streams.audio[0]
    _, _, kept, codec = CONTAINERS[format]
    if stream.codec_context.name.removesuffix("float") in kept:
        track = container.add_stream_from_template(stream)
        return _copied(source, stream, track, sound)
    track = cast("AudioStream", container.add_stream(codec, rate=AUDIO_RATE))
    track.layout = "stereo" if stream.codec_context.channels > 1 else "mono"
    return _encoded(source, stream, track, sound)


def _copied(
    source: "InputContainer", stream: "AudioStream", track: "AudioStream", sound: SoundTrack
) -> Iterator[Timed]:
    origin = Fraction(source.start_time or 0, 1_000_000)
    _seek(source, sound)
    for packet in source.demux(stream):
        if packet.pts is None or packet.dts is None:
            continue
        time_s = float(packet.pts * packet.time_base - origin)
        if time_s < sound.start_s:
            continue
        if time_s >= sound.end_s:
            return
        shift = round((origin + Fraction(sound.start_s).limit_denominator(1_000_000)) / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        yield _timed(packet, track, 1)


def _encoded(
    source: "InputContainer", stream: "AudioStream", track: "AudioStream", sound: SoundTrack
) -> Iterator[Timed]:
    av, position, first = load_av(), 0, True
    resampler = av.AudioResampler(format=track.codec_context.format or "fltp", layout=track.layout, rate=AUDIO_RATE)
    for frame in _sound_frames(source, stream, sound):
        if first and frame.time is not None:
            origin = (source.start_time or 0) / 1e6
            position, first = max(0, round((frame.time - origin - sound.start_s) * AUDIO_RATE)), False
        for ready in resampler.resample(frame):
            ready.pts, ready.time_base = position, Fraction(1, AUDIO_RATE)
            position += ready.samples
            yield from (_timed(packet, track, 1) for packet in track.encode(ready))
    yield from (_timed(packet, track, 1) for packet in track.encode(None) if packet.size)


def _sound_frames(source: "InputContainer", stream: "AudioStream", sound: SoundTrack) -> Iterator["AudioFrame"]:
    av, origin = load_av(), (source.start_time or 0) / 1e6
    _seek(source, sound)
    for packet in source.demux(stream):
        try:
            frames = packet.decode()
        except av.FFmpegError:
            continue  # a damaged packet of sound: silence
        for frame in frames:
            time_s = (frame.time or 0.0) - origin
            if time_s >= sound.end_s:
                return
            if time_s >= sound.start_s:
                yield frame


def _seek(source: "InputContainer", sound: SoundTrack) -> None:
    if sound.start_s:
        source.seek(max(0, int(sound.start_s * 1e6) + (source.start_time or 0) - 1_000_000))


def write_gif(parts: Sequence[Path], target: Path, longest: int) -> None:
    """The parts as one GIF, each frame with a palette of its own, its longer side at most ``longest`` pixels.

    Frames nearer together than a fiftieth of a second, which browsers slow down, are left out.
    """
    av = load_av()
    with av.open(str(target), "w", format="gif") as container:
        stream, graph = None, None
        last = -1000
        for frame in _part_frames(parts):
            pts = round((frame.time or 0.0) * 100)
            if pts - last < 2:
                continue
            last = pts
            if stream is None:
                scale = min(1.0, longest / max(frame.width, frame.height))
                width, height = (max(1, round(side * scale)) for side in (frame.width, frame.height))
                stream = container.add_stream("gif", rate=50)
                stream.width, stream.height, stream.pix_fmt = width, height, "pal8"
                stream.codec_context.time_base = Fraction(1, 100)
                graph = _Palettes(width, height)
            assert graph is not None
            small = graph.shown(frame)
            small.pts, small.time_base = pts, Fraction(1, 100)
            container.mux(stream.encode(small))
        if stream is None:
            raise OutputError("There is no frame to write.", "Choose another part of the video.")
        container.mux(stream.encode(None))


def _part_frames(parts: Sequence[Path]) -> Iterator["av.VideoFrame"]:
    av = load_av()
    for part in parts:
        with av.open(str(part)) as container:
            yield from container.decode(video=0)


class _Palettes:
    """FFmpeg's palettegen and paletteuse, a frame at a time."""

    def __init__(self, width: int, height: int) -> None:
        av = load_av()
        self._size = (width, height)
        graph = av.filter.Graph()
        source = graph.add_buffer(width=width, height=height, format="bgra", time_base=Fraction(1, 100))
        split, make = graph.add("split"), graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
        use, sink = graph.add("paletteuse", "new=1:dither=bayer"), graph.add("buffersink")
        source.link_to(split)
        split.link_to(make, 0, 0)
        split.link_to(use, 1, 0)
        make.link_to(use, 0, 1)
        use.link_to(sink)
        graph.configure()
        self._graph = graph

    def shown(self, frame: "av.VideoFrame") -> "av.VideoFrame":
        small = frame.reformat(width=self._size[0], height=self._size[1], format="bgra")
        small.pts, small.time_base = frame.pts, frame.time_base
        self._graph.push(small)
        ready: av.VideoFrame = self._graph.pull()
        return ready

"""From what a user names to an opened video: a file, folder of pictures, pipe, camera, stream or frames in memory."""

import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from maskery.core.arrays import Pixels
from maskery.core.errors import BadRequest, PictureError, VideoError
from maskery.core.picture.decode import open_picture
from maskery.inference.video.av_reader import AvSource, VideoStreamInput, fitted_within
from maskery.inference.video.frames import FrameSource, ReadNotes, ReadOptions, VideoFacts, VideoFrame

VideoInput = str | os.PathLike[str] | BinaryIO | bytes | Iterable[Pixels]
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".avif")
MOST_BYTES = 1 << 30  # of one picture of a folder
CAMERA = re.compile(r"/dev/video\d+")
STREAM = re.compile(r"rtsps?://\S+")
NEEDS_SEEKING = (b"ftyp", b"moov", b"mdat", b"free", b"wide")  # at byte 4 of MP4 and QuickTime files


def open_source(video: VideoInput, options: ReadOptions) -> FrameSource:
    """A path, folder of pictures, ``rtsp://`` address, camera (``/dev/video0``), open binary file, bytes, or frames,
    (H, W, 3) uint8 RGB.

    Raises ``BadRequest`` for what is not there, ``VideoError`` for what is no video, ``TooLarge``, ``MissingExtra``.
    """
    if isinstance(video, bytes):
        return AvSource(VideoStreamInput(io.BytesIO(video), "the video"), options)
    if isinstance(video, str | os.PathLike):
        return _named(os.fspath(video), options)
    if hasattr(video, "read"):
        file = _seekable(cast(BinaryIO, video))
        return AvSource(VideoStreamInput(file, "the video", owned=file is not video), options)
    return PictureFrames(list_name="the frames", pictures=video, options=options)


def _named(text: str, options: ReadOptions) -> FrameSource:
    if STREAM.fullmatch(text):
        return AvSource(VideoStreamInput(text, _without_password(text)), options)
    if CAMERA.fullmatch(text):
        return AvSource(VideoStreamInput(text, text, "v4l2"), options)
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://", text):
        raise BadRequest(f"{_without_password(text)} is no address of a video.", "Give a file, a folder, or rtsp://...")
    path = Path(text)
    if path.is_dir():
        return PictureFrames(list_name=path.name, pictures=_pictures_of(path), options=options)
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadRequest(f"{path} cannot be read: {error.strerror}.", "Give the path of a video.") from error
    try:
        return AvSource(VideoStreamInput(file, path.name, owned=True), options)
    except BaseException:
        file.close()
        raise


def _without_password(address: str) -> str:
    return re.sub(r"//[^/@]*@", "//", address)


def _pictures_of(folder: Path) -> list[Path]:
    found = [path for path in folder.iterdir() if path.suffix.lower() in PICTURES and path.is_file()]
    if not found:
        raise BadRequest(f"{folder} holds no pictures.", f"Looked for {', '.join(PICTURES)}.")
    return sorted(found, key=lambda path: [int(t) if t.isdigit() else t for t in re.split(r"(\d+)", path.name)])


def _seekable(file: BinaryIO) -> BinaryIO:
    """The file, or a copy of it on the disk where it is a pipe of a format that is not read from start to end."""
    if file.seekable():
        return file
    peeked = _Peeked(file)
    if peeked.start[4:8] not in NEEDS_SEEKING:
        return peeked  # type: ignore[return-value]
    copy = tempfile.TemporaryFile()  # noqa: SIM115
    shutil.copyfileobj(peeked, copy, 1 << 20)
    copy.seek(0)
    return copy


class _Peeked:
    """A pipe whose first bytes were looked at."""

    def __init__(self, file: BinaryIO) -> None:
        self.start = self._left = file.read(12)
        self._file = file
        self.close = file.close

    def seekable(self) -> bool:
        return False

    def read(self, count: int = -1) -> bytes:
        if not self._left:
            return self._file.read(count)
        head = self._left if count < 0 else self._left[:count]
        self._left = self._left[len(head) :]
        return head


class PictureFrames:
    """Pictures, one after another, as the frames of a video."""

    def __init__(self, *, list_name: str, pictures: Iterable[Path | Pixels], options: ReadOptions) -> None:
        self._pictures: Iterable[Path | Pixels] = pictures
        self._options = options
        count = len(pictures) if isinstance(pictures, list) else None
        seconds = None if count is None else count / options.rate
        again = isinstance(pictures, list)
        self.facts = VideoFacts(name=list_name, rate=options.rate, seconds=seconds, again=again)
        self.notes = ReadNotes()

    def close(self) -> None:
        """Nothing is held."""

    def frames(self) -> Iterator[VideoFrame]:
        """Raises ``PictureError`` naming the file, ``TooLarge``; ``VideoError`` where there is no frame."""
        options, index, size_wh = self._options, -1, None
        for number, picture in enumerate(self._pictures):
            time_s = number / options.rate
            if time_s < options.start_s:
                continue
            if options.end_s is not None and time_s >= options.end_s:
                break
            index += 1
            if index % options.every or (0 < index // options.every < options.skip):
                continue
            pixels = self._read(picture)
            size_wh = size_wh or (pixels.shape[1], pixels.shape[0])
            if (pixels.shape[1], pixels.shape[0]) != size_wh:
                self.notes.resized += 1
                pixels = fitted_within(pixels, size_wh)
            if index // options.every >= options.skip:
                yield VideoFrame(index, time_s, pixels)
        if index < 0:
            raise VideoError(f"{self.facts.name} has no frame.", "Give at least one picture.")

    def _read(self, picture: Path | Pixels) -> Pixels:
        try:
            return open_picture(picture, max_bytes=MOST_BYTES, max_pixels=self._options.max_pixels).rgb()
        except PictureError as error:
            name = picture.name if isinstance(picture, Path) else "a frame"
            raise PictureError(f"{name}: {error.message}", error.cure) from error

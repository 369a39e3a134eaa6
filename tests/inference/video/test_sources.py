"""What a user may name as a video: bytes, pipes, folders, frames; and what is refused."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskery.core.errors import BadRequest, PictureError, VideoError
from maskery.inference.video.frames import ReadOptions, VideoFrame
from maskery.inference.video.sources import VideoInput, open_source
from tests.films import film, scene


def read(video: VideoInput, options: ReadOptions | None = None) -> list[VideoFrame]:
    source = open_source(video, options or ReadOptions())
    frames = list(source.frames())
    source.close()
    return frames


class Pipe(io.RawIOBase):
    """Bytes that come once, some at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 1000) if size > 0 else size)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_bytes_files_and_pipes_give_the_same_frames(tmp_path: Path, suffix: str) -> None:
    codec = "mpeg2video" if suffix == "ts" else "mpeg4"
    path = film(tmp_path / f"a.{suffix}", (scene(i) for i in range(6)), codec=codec)
    data = path.read_bytes()
    expected = read(path)
    with path.open("rb") as file:
        others = [read(data), read(str(path)), read(file), read(Pipe(data))]  # type: ignore[arg-type]
    for frames in others:
        assert len(frames) == 6
        assert all((a.pixels == b.pixels).all() for a, b in zip(frames, expected, strict=True))


def test_a_folder_of_pictures(tmp_path: Path) -> None:
    for i in (1, 2, 10, 11):
        Image.fromarray(scene(i)).save(tmp_path / f"picture{i}.png")
    (tmp_path / "notes.txt").write_text("no picture")
    source = open_source(tmp_path, ReadOptions(rate=10))
    frames = list(source.frames())
    assert [frame.time_s for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert [(frame.pixels == scene(i)).all() for i, frame in zip((1, 2, 10, 11), frames, strict=True)] == [True] * 4
    assert source.facts.frames_of(ReadOptions()) == 4
    later = read(tmp_path, ReadOptions(rate=10, start_s=0.1, every=2, skip=1))
    assert [(frame.index, frame.time_s) for frame in later] == [(2, pytest.approx(0.3))]


def test_pictures_of_other_sizes_are_fitted(tmp_path: Path) -> None:
    frames = read([scene(0), scene(0, (192, 64))])
    assert {frame.size_wh for frame in frames} == {(96, 64)}


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    Image.fromarray(scene(0)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"b\.png"):
        read(tmp_path)


def test_frames_in_memory() -> None:
    frames = read(scene(i) for i in range(3))
    assert [frame.index for frame in frames] == [0, 1, 2]
    with pytest.raises(VideoError, match="no frame"):
        read([])
    with pytest.raises(BadRequest, match="dtype"):
        read([np.zeros((4, 4, 3), np.float32)])  # type: ignore[list-item]


@pytest.mark.parametrize(
    "name", ["missing.mp4", "ftp://host/a.mp4", "concat:a|b", "pipe:0", "file:/etc/passwd", "lavfi://x"]
)
def test_what_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(BadRequest):
        read(name)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no pictures"):
        read(tmp_path)


def test_a_stream_that_is_not_there_is_one_error() -> None:
    with pytest.raises(VideoError, match=r"rtsp://127\.0\.0\.1:9/a") as raised:
        read("rtsp://user:secret@127.0.0.1:9/a")
    assert "secret" not in str(raised.value)
    with pytest.raises(VideoError, match="/dev/video87"):
        read("/dev/video87")

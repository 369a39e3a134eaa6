"""Videos in every form: upright, square pixels, right times; and bad ones, each with one clear error."""

import io
import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from maskery.core.errors import MaskeryError, MissingExtra, TooLarge, VideoError
from maskery.inference.video import av_reader
from maskery.inference.video.av_reader import FrameClock, fitted_within
from maskery.inference.video.frames import ReadNotes, ReadOptions, VideoFrame
from maskery.inference.video.sources import open_source
from tests.films import RED, film, scene


def read(path: Path, options: ReadOptions | None = None) -> tuple[list[VideoFrame], ReadNotes]:
    source = open_source(path, options or ReadOptions())
    try:
        return list(source.frames()), source.notes
    finally:
        source.close()


def near(pixels: np.ndarray[Any, Any], expected: np.ndarray[Any, Any]) -> bool:
    return pixels.shape == expected.shape and float(np.abs(pixels.astype(int) - expected).mean()) < 6


def test_frames_times_and_facts(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", (scene(i) for i in range(20)), sound=True)
    source = open_source(path, ReadOptions())
    frames = list(source.frames())
    source.close()
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.time_s for frame in frames] == pytest.approx([i / 25 for i in range(20)], abs=1e-3)
    assert all(near(frame.pixels, scene(i)) for i, frame in enumerate(frames))
    facts = source.facts
    assert (facts.rate, facts.audio, facts.live, facts.frames_of(ReadOptions())) == (25, True, False, 20)
    assert source.notes.sentences() == []


@pytest.mark.parametrize("suffix", ["webm", "mkv", "avi", "mov", "gif"])
def test_containers(tmp_path: Path, suffix: str) -> None:
    codec, form = {"webm": ("libvpx-vp9", "yuv420p"), "gif": ("gif", "rgb8")}.get(suffix, ("mpeg4", "yuv420p"))
    frames, _ = read(film(tmp_path / f"a.{suffix}", (scene(i) for i in range(5)), codec=codec, form=form))
    assert len(frames) == 5
    assert frames[4].size_wh == (96, 64)


def test_start_end_every_and_skip(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", (scene(i, (192, 64)) for i in range(60)), options={"g": "12"})
    whole, _ = read(path)
    some, _ = read(path, ReadOptions(start_s=1.0, end_s=2.0, every=5))
    assert [frame.index for frame in some] == [0, 5, 10, 15, 20]
    assert [frame.time_s for frame in some] == pytest.approx([1.0, 1.2, 1.4, 1.6, 1.8], abs=1e-3)
    assert all((frame.pixels == whole[25 + 5 * i].pixels).all() for i, frame in enumerate(some))
    later, _ = read(path, ReadOptions(start_s=1.0, end_s=2.0, every=5, skip=2))
    assert [frame.index for frame in later] == [10, 15, 20]
    assert (later[0].pixels == some[2].pixels).all()
    with pytest.raises(VideoError, match=r"ends at 2\.36 s"):
        read(path, ReadOptions(start_s=50))


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (-90, 3), (180, 2)])
def test_rotation(tmp_path: Path, degrees: int, turns: int) -> None:
    path = film(tmp_path / "a.mp4", [scene(9)] * 3, adjust=lambda stream: stream.set_display_rotation(degrees))
    frames, _ = read(path)
    assert near(frames[0].pixels, np.rot90(scene(9), turns))


def test_oblong_pixels_become_square(tmp_path: Path) -> None:
    def oblong(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = 2

    frames, _ = read(film(tmp_path / "a.mp4", [scene(9)] * 3, adjust=oblong))
    assert frames[0].size_wh == (192, 64)
    assert near(frames[0].pixels[:, ::2], scene(9))


def test_odd_sizes_and_ten_bits(tmp_path: Path) -> None:
    small = scene(9)[:63, :95]
    odd, _ = read(film(tmp_path / "odd.webm", [small] * 2, codec="libvpx-vp9"))
    deep, _ = read(film(tmp_path / "deep.mkv", [scene(9)] * 2, codec="libx265", form="yuv420p10le"))
    assert near(odd[0].pixels, small)
    assert near(deep[0].pixels, scene(9))


def test_variable_frame_rate(tmp_path: Path) -> None:
    frames, notes = read(film(tmp_path / "a.mkv", [scene(i) for i in range(6)], times=[0, 1, 2, 10, 11, 40]))
    assert [round(frame.time_s * 25) for frame in frames] == [0, 1, 2, 10, 11, 40]
    assert notes.sentences() == []


def test_interlaced_lines_become_whole_pictures(tmp_path: Path) -> None:
    """Odd lines show the square 8 pixels further right: woven together its edge is a comb, afterwards it is not."""
    woven = []
    for i in range(8):
        early, late = scene(4 * i, (192, 64)), scene(4 * i + 4, (192, 64))
        early[1::2] = late[1::2]
        woven.append(early)

    def interlaced(stream: Any) -> None:
        stream.codec_context.flags |= 1 << 18 | 1 << 29  # AV_CODEC_FLAG_INTERLACED_DCT, _ME

    path = film(tmp_path / "a.mkv", woven, codec="mpeg2video", adjust=interlaced)
    frames, _ = read(path)

    def comb(pixels: np.ndarray[Any, Any]) -> float:
        red = pixels[10:22, :, 0].astype(int) - pixels[10:22, :, 2]
        return float(np.abs(np.diff(red, axis=0)).mean())

    with av.open(str(path)) as container:
        raw = list(container.decode(video=0))
    assert raw[3].interlaced_frame
    assert len(frames) == len(raw)
    assert comb(frames[3].pixels) < 0.4 * comb(raw[3].to_ndarray(format="rgb24"))


def test_a_changing_size_is_shown_at_the_first_one(tmp_path: Path) -> None:
    one, two = (
        film(tmp_path / f"{n}.ts", [scene(9, size)] * 4, codec="mpeg2video")
        for n, size in enumerate([(96, 64), (192, 64)])
    )
    both = tmp_path / "both.ts"
    both.write_bytes(one.read_bytes() + two.read_bytes())
    frames, notes = read(both)
    assert {frame.size_wh for frame in frames} == {(96, 64)}
    assert len(frames) >= 7
    assert notes.resized >= 3
    assert "another size" in " ".join(notes.sentences())


def test_pictures_are_fitted_with_black_around() -> None:
    fitted = fitted_within(np.full((10, 40, 3), 255, np.uint8), (20, 20))
    assert fitted.shape == (20, 20, 3)
    assert fitted[:7].max() == 0
    assert fitted[8:12].min() == 255


@pytest.mark.parametrize(
    ("given", "expected", "retimed"),
    [
        ([0, 0.1, 0.2, 5.0], [0, 0.1, 0.2, 5.0], 0),
        ([None, None, None], [0, 0.1, 0.2], 2),
        ([0, 0.1, 0.1, 0.2], [0, 0.1, 0.101, 0.2], 1),
        ([0, 0.2, 0.1, 0.3], [0, 0.2, 0.201, 0.3], 1),
        ([8, 8.1, 0.0, 0.1], [8, 8.1, 8.2, 8.3], 1),
        ([0, 0.1, 1e6, 1e6 + 0.1], [0, 0.1, 0.2, 0.3], 1),
        ([float("nan"), 0.1], [0, 0.1], 0),
    ],
)
def test_times_never_run_backwards(given: list[float | None], expected: list[float], retimed: int) -> None:
    notes = ReadNotes()
    clock = FrameClock(10, notes)
    assert [clock.time_of(time_s) for time_s in given] == pytest.approx(expected)
    assert notes.retimed == retimed


def bad(tmp_path: Path, kind: str) -> Path:
    path = tmp_path / f"{kind}.mp4"
    whole = film(tmp_path / "whole.mp4", (scene(i) for i in range(20))).read_bytes()
    if kind == "no-index":
        path.write_bytes(whole[: len(whole) // 2])
    if kind == "text":
        path.write_text("This is no film. " * 500)
    if kind == "empty":
        path.write_bytes(b"")
    if kind == "zeros":
        path.write_bytes(bytes(5000))
    if kind == "noise":
        path.write_bytes(np.random.default_rng(1).bytes(50_000))
    if kind == "sound-only":
        with av.open(str(path), "w") as container:
            track = container.add_stream("aac", rate=48_000)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 48_000
            container.mux([*track.encode(frame), *track.encode(None)])
    if kind == "no-frames":
        start = whole.index(b"mdat")
        length = struct.unpack(">I", whole[start - 4 : start])[0]
        path.write_bytes(whole[: start + 4] + bytes(length - 8) + whole[start - 4 + length :])
    return path


@pytest.mark.parametrize("kind", ["no-index", "text", "empty", "zeros", "noise", "sound-only", "no-frames"])
def test_what_is_no_video_is_one_clear_error(tmp_path: Path, kind: str) -> None:
    with pytest.raises(VideoError) as raised:
        read(bad(tmp_path, kind))
    assert raised.value.cure
    assert raised.value.code == "damaged-video"
    assert kind in raised.value.message


def test_a_playlist_leads_nowhere(tmp_path: Path) -> None:
    """Formats that open other files are not read, whatever they name and whatever they are called."""
    secret = film(tmp_path / "secret.mp4", [scene(0)] * 3)
    ts = film(tmp_path / "secret.ts", [scene(0)] * 3, codec="mpeg2video")
    lists = {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{ts}\n#EXT-X-ENDLIST\n",
        "hls-http": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:1/a.ts\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{secret}'\n",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
        "a=rtpmap:96 H264/90000\n",
        "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet '
        f'mimeType="video/mp4"><Representation id="1"><BaseURL>{secret}</BaseURL></Representation></AdaptationSet>'
        "</Period></MPD>",
    }
    for name, text in lists.items():
        for suffix in (".mp4", ".m3u8"):
            path = tmp_path / f"{name}{suffix}"
            path.write_text(text)
            with pytest.raises(VideoError):
                read(path)


def test_a_truncated_film_gives_what_is_there_and_says_so(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", (scene(i, (192, 64)) for i in range(80)), options={"movflags": "faststart"})
    with (
        av.open(str(tmp_path / "fast.mp4"), "w", options={"movflags": "faststart"}) as out,
        av.open(str(path)) as source,
    ):
        stream = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    data = (tmp_path / "fast.mp4").read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    frames, notes = read(path)
    assert 10 < len(frames) < 78
    assert notes.cut_s is not None
    assert any("before the end" in text for text in notes.sentences())


def test_one_frame(tmp_path: Path) -> None:
    frames, notes = read(film(tmp_path / "a.mp4", [scene(3)]))
    assert len(frames) == 1
    assert notes.sentences() == []


def test_a_header_that_lies_about_its_length(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", (scene(i) for i in range(20)))
    data = bytearray(path.read_bytes())
    for atom, offset in ((b"mvhd", 20), (b"mdhd", 20)):
        at = data.index(atom) + offset
        data[at : at + 4] = struct.pack(">I", 2**31)
    path.write_bytes(bytes(data))
    frames, _ = read(path)
    assert len(frames) == 20


def test_large_frames_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [scene(0)] * 2)
    with pytest.raises(TooLarge, match="96 x 64"):
        read(path, ReadOptions(max_pixels=96 * 64 - 1))


def test_very_long_frames(tmp_path: Path) -> None:
    wide = np.zeros((16, 20_000, 3), np.uint8)
    wide[:, :100] = RED
    frames, _ = read(film(tmp_path / "a.mkv", [wide] * 2, codec="ffv1", form="bgr0"))
    assert frames[0].size_wh == (20_000, 16)
    assert (frames[1].pixels == wide).all()


def test_no_file_stays_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    read(film(tmp_path / "a.mp4", [scene(0)] * 2))
    with pytest.raises(MaskeryError):
        read(bad(tmp_path, "text"))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingExtra("Videos need the package av.", "Run: pip install 'maskery[video]'")

    monkeypatch.setattr(av_reader, "load_av", missing)
    with pytest.raises(MissingExtra, match=r"maskery\[video\]"):
        open_source(io.BytesIO(b""), ReadOptions())

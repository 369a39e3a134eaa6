"""Whole runs on generated videos with a model that sees colours: results, interruptions, full disks, sound."""

import errno
import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from maskery.core.errors import BadRequest, ConfigError, ModelError, OutputError, TooLarge, VideoError
from maskery.core.result.capabilities import Result
from maskery.inference.video.frames import ReadOptions
from maskery.jobs.counting import CountOptions, parse_line
from maskery.jobs.drawing import DrawOptions
from maskery.jobs.video import VideoJob, VideoProgress, VideoRun, VideoSummary
from maskery.jobs.video_options import OutputPaths, VideoOptions
from maskery.jobs.video_writer import PartWriter
from tests.films import Pixels, decoded, film, scene, see_classes, see_objects, times_of

FRAMES = 30
OPTIONS = VideoOptions(
    formats=("webm", "csv", "mot"), part_frames=8, count=CountOptions((parse_line("gate=48,0,48,64"),))
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("clip") / "clip.mp4", (scene(i) for i in range(FRAMES)), sound=True)


def job(clip: Path, folder: Path, options: VideoOptions = OPTIONS, *, resume: bool = False) -> VideoJob:
    paths = OutputPaths(folder / "out.webm", options.formats)
    return VideoJob(video=str(clip), model="squares@1", paths=paths, options=options, resume=resume)


def run(job: VideoJob, look: Any = see_objects) -> VideoSummary:
    return VideoRun(job, look).run()


def stopped_after(job: VideoJob, count: int, look: Any = see_objects) -> VideoSummary:
    def progress(at: VideoProgress) -> None:
        if at.done == count:
            video.stop()

    video = VideoRun(job, look, progress)
    return video.run()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_run(clip: Path, tmp_path: Path) -> None:
    seen: list[VideoProgress] = []
    summary = VideoRun(job(clip, tmp_path), see_objects, seen.append).run()
    assert names(tmp_path) == ["out-tracks.csv", "out.csv", "out.mot.txt", "out.webm"]
    assert (summary.frames, summary.finished, summary.notes) == (FRAMES, True, ())
    assert summary.counts["lines"] == {"gate": {"in": {"blue": 1}, "out": {"red": 1}}}
    assert summary.counts["objects"] == {"count": 2, "classes": {"blue": 1, "red": 1}}
    assert [at.done for at in seen] == list(range(1, FRAMES + 1))
    assert seen[9].total == FRAMES
    frames = decoded(tmp_path / "out.webm")
    assert len(frames) == FRAMES
    assert times_of(tmp_path / "out.webm") == pytest.approx([i / 25 for i in range(FRAMES)], abs=2e-3)
    rows = (tmp_path / "out.mot.txt").read_text().splitlines()
    assert rows[0].startswith("2,1,")
    assert len({row.split(",")[1] for row in rows}) == 2


def test_the_sound_is_there_in_every_container(clip: Path, tmp_path: Path) -> None:
    for formats, codecs in ((("webm",), ["vp9", "opus"]), (("mp4",), ["h264", "aac"])):
        options = replace(OPTIONS, formats=formats)
        run(job(clip, tmp_path, options))
        with av.open(str(OutputPaths(tmp_path / "out.webm", formats).of(formats[0]))) as container:
            assert [stream.codec_context.name.removeprefix("lib") for stream in container.streams] == codecs
            heard = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])
            assert 0.9 < len(heard) / 48_000 / (FRAMES / 25) < 1.15
            assert float(np.abs(heard[4800:-4800]).mean()) > 0.3
    run(job(clip, tmp_path, replace(OPTIONS, audio=False)))
    with av.open(str(tmp_path / "out.webm")) as container:
        assert not container.streams.audio


def test_an_mp4_begins_with_its_index_and_has_the_pixels_that_browsers_show(clip: Path, tmp_path: Path) -> None:
    run(job(clip, tmp_path, replace(OPTIONS, formats=("mp4", "jsonl"))))
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"


@pytest.mark.parametrize("after", [3, 8, 21])
def test_a_resumed_run_gives_what_an_undisturbed_one_gives(clip: Path, tmp_path: Path, after: int) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    run(job(clip, tmp_path / "one"))
    early = stopped_after(job(clip, tmp_path / "two"), after)
    assert not early.finished
    assert early.frames == after
    assert len(decoded(tmp_path / "two" / "out.webm")) == after  # it plays
    looked: list[int] = []

    def look(pixels: Pixels) -> Result:
        looked.append(1)
        return see_objects(pixels)

    late = run(job(clip, tmp_path / "two", resume=True), look)
    assert late.finished
    assert len(looked) == FRAMES - after // 8 * 8
    assert names(tmp_path / "one") == names(tmp_path / "two")
    for name in ("out.csv", "out-tracks.csv", "out.mot.txt"):
        assert (tmp_path / "one" / name).read_text() == (tmp_path / "two" / name).read_text()
    pairs = zip(decoded(tmp_path / "one" / "out.webm"), decoded(tmp_path / "two" / "out.webm"), strict=True)
    assert all((one == two).all() for one, two in pairs)
    assert times_of(tmp_path / "one" / "out.webm") == times_of(tmp_path / "two" / "out.webm")


def test_the_smoothing_goes_on_where_it_was(clip: Path, tmp_path: Path) -> None:
    def flickers(pixels: Pixels) -> Any:
        result = see_classes(pixels)
        if int(pixels.sum()) % 3 == 0:
            result.class_map[50:60, 10:20] = 2
        return result

    options = replace(OPTIONS, formats=("jsonl",), count=CountOptions())
    texts = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        if name == "two":
            stopped_after(job(clip, folder, options), 19, flickers)
        run(job(clip, folder, options, resume=name == "two"), flickers)
        texts.append((folder / "out.jsonl").read_text())
    assert texts[0] == texts[1]
    assert len(texts[0].splitlines()) == FRAMES


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from maskery.jobs.video import VideoRun
    from tests.films import see_objects
    from tests.jobs.test_video import job

    def progress(at):
        if at.done == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)

    VideoRun(job(Path(sys.argv[1]), Path(sys.argv[2])), see_objects, progress).run()
"""


def test_a_killed_run_is_resumed(clip: Path, tmp_path: Path) -> None:
    for name, after in (("one", 0), ("two", 19)):
        (tmp_path / name).mkdir()
        if after:
            arguments = [sys.executable, "-c", textwrap.dedent(KILLED), str(clip), str(tmp_path / name), str(after)]
            assert subprocess.run(arguments, env=os.environ | {"PYTHONPATH": "."}, check=False).returncode == -9
            assert not (tmp_path / name / "out.webm").exists()
        run(job(clip, tmp_path / name, resume=bool(after)))
    assert (tmp_path / "one" / "out.csv").read_text() == (tmp_path / "two" / "out.csv").read_text()
    pairs = zip(decoded(tmp_path / "one" / "out.webm"), decoded(tmp_path / "two" / "out.webm"), strict=True)
    assert all((one == two).all() for one, two in pairs)


MEASURED = """
    import resource, sys
    from pathlib import Path
    from dataclasses import replace
    from maskery.jobs.video import VideoRun
    from tests.films import scene, see_objects
    from tests.jobs.test_video import OPTIONS, job

    frames = (scene(i % 40, (192, 128)) for i in range(int(sys.argv[2])))
    options = replace(OPTIONS, part_frames=100)
    VideoRun(replace(job(Path("x"), Path(sys.argv[1]), options), video=frames), see_objects).run()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    peaks = []
    for count in (150, 1000):
        arguments = [sys.executable, "-c", textwrap.dedent(MEASURED), str(tmp_path), str(count)]
        environment = os.environ | {"PYTHONPATH": ".", "MALLOC_ARENA_MAX": "2"}
        done = subprocess.run(arguments, env=environment, check=True, capture_output=True)
        peaks.append(int(done.stdout) / 1024)
    assert peaks[1] < peaks[0] + 15, f"MB: {peaks}"


def test_a_full_disk_leaves_a_video_that_plays_and_can_be_resumed(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, written = PartWriter.add, [0]

    def full(self: PartWriter, pixels: Pixels, time_s: float) -> None:
        written[0] += 1
        if written[0] == 20:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        add(self, pixels, time_s)

    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    run(job(clip, tmp_path / "one"))
    monkeypatch.setattr(PartWriter, "add", full)
    with pytest.raises(OutputError, match="No space left") as raised:
        run(job(clip, tmp_path / "two"))
    assert "--resume" in raised.value.cure
    assert len(decoded(tmp_path / "two" / "out.webm")) == 16
    assert not list((tmp_path / "two" / "out.parts").glob("*.mkv"))
    assert run(job(clip, tmp_path / "two", resume=True)).finished
    assert names(tmp_path / "one") == names(tmp_path / "two")
    pairs = zip(decoded(tmp_path / "one" / "out.webm"), decoded(tmp_path / "two" / "out.webm"), strict=True)
    assert all((one == two).all() for one, two in pairs)


def test_a_failure_before_the_first_part_leaves_nothing(clip: Path, tmp_path: Path) -> None:
    def broken(pixels: Pixels) -> Result:
        raise ModelError("The model broke.")

    with pytest.raises(ModelError):
        run(job(clip, tmp_path), broken)
    text = tmp_path / "text.mp4"
    text.write_text("no film " * 100)
    with pytest.raises(VideoError):
        run(job(text, tmp_path))
    assert names(tmp_path) == ["text.mp4"]


def test_an_interrupted_run_is_not_overwritten_nor_mixed(clip: Path, tmp_path: Path) -> None:
    stopped_after(job(clip, tmp_path), 12)
    with pytest.raises(BadRequest, match="--resume"):
        run(job(clip, tmp_path))
    with pytest.raises(ConfigError, match="other options"):
        run(job(clip, tmp_path, replace(OPTIONS, draw=DrawOptions(style="boxes")), resume=True))
    assert run(job(clip, tmp_path, resume=True)).finished


def test_the_video_itself_is_not_overwritten(clip: Path) -> None:
    options = replace(OPTIONS, formats=("mp4",))
    with pytest.raises(BadRequest, match="is the video itself"):
        run(VideoJob(video=clip, model="", paths=OutputPaths(clip, ("mp4",)), options=options))


@pytest.mark.parametrize("formats", [("gif",), ("png",), ("webm", "gif", "png", "coco", "jsonl")])
def test_other_formats(clip: Path, tmp_path: Path, formats: tuple[str, ...]) -> None:
    options = replace(OPTIONS, formats=formats, read=ReadOptions(start_s=0.4, end_s=0.8), report=True)
    summary = run(job(clip, tmp_path, options))
    assert summary.frames == 10
    assert all(path.exists() for path in summary.files)
    if "gif" in formats:
        frames = decoded(tmp_path / "out.gif")
        assert frames[0].shape == (64, 96, 3)
        assert len(frames) == 10
    if "png" in formats:
        assert len(names(tmp_path / "out-frames")) == 10
    if "coco" in formats:
        coco = json.loads((tmp_path / "out.coco.json").read_text())
        assert {one["track_id"] for one in coco["annotations"]} == {None, 1, 2}
        assert len(coco["images"]) == 10
    page = (tmp_path / "out-report.html").read_text()
    assert "gate" in page
    assert "http" not in page.replace("http-equiv", "")


def test_every_second_frame_plays_as_long(clip: Path, tmp_path: Path) -> None:
    run(job(clip, tmp_path, replace(OPTIONS, read=ReadOptions(every=2))))
    assert times_of(tmp_path / "out.webm") == pytest.approx([i / 12.5 for i in range(15)], abs=2e-3)


def test_two_runs_at_once_are_refused(clip: Path, tmp_path: Path) -> None:
    def progress(at: VideoProgress) -> None:
        if at.done == 3:
            with pytest.raises(ConfigError, match="Another process"):
                run(job(clip, tmp_path))

    assert VideoRun(job(clip, tmp_path), see_objects, progress).run().finished


def test_very_long_frames_are_written_or_refused_and_nothing_is_left(tmp_path: Path) -> None:
    wide = np.full((16, 20_000, 3), 90, np.uint8)
    wide[:, 200:216] = (200, 30, 30)
    clip = film(tmp_path / "wide.mkv", [wide] * 2, codec="ffv1", form="bgr0")
    assert run(job(clip, tmp_path, replace(OPTIONS, formats=("webm",)))).frames == 2
    assert decoded(tmp_path / "out.webm")[1].shape == wide.shape
    with pytest.raises(TooLarge, match="VP9"):
        run(job(clip, tmp_path, replace(OPTIONS, formats=("mp4",))))
    assert names(tmp_path) == ["out.webm", "wide.mkv"]


def test_odd_sizes_are_padded_where_the_codec_needs_even_ones(tmp_path: Path) -> None:
    clip = film(tmp_path / "odd.mkv", (scene(i)[:63, :95] for i in range(4)), codec="ffv1", form="bgr0")
    for format, shape in (("webm", (63, 95, 3)), ("mp4", (64, 96, 3))):
        run(job(clip, tmp_path, replace(OPTIONS, formats=(format,), audio=False)))
        assert decoded(tmp_path / f"out.{format}")[0].shape == shape

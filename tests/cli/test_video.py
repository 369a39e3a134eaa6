"""``maskery video``: files, exit codes, what is said; and the call in Python."""

import json
import signal
import subprocess
import sys
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

import maskery
from maskery.core.errors import BadRequest
from tests.cli.test_main import run
from tests.films import decoded, film
from tests.material import photo


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cat of the pictures, pushed to the right by a pixel a frame."""
    cat = np.asarray(Image.fromarray(photo("chelsea")).resize((96, 64)))
    frames = [np.roll(cat, i, axis=1) for i in range(6)]
    return film(tmp_path_factory.mktemp("cat") / "cat.mp4", frames, sound=True)


def test_a_video_with_its_tables_and_summary(clip: Path, tmp_path: Path) -> None:
    done = run(
        "video", clip, "-o", tmp_path / "out", "--format", "webm,jsonl", "--max-side", "96", "--json", "--report"
    )
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["frames"], summary["finished"]) == (6, True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out-report.html", "out.jsonl", "out.webm"]
    assert len(decoded(tmp_path / "out.webm")) == 6
    with av.open(str(tmp_path / "out.webm")) as container:
        assert container.streams.audio
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(6))
    assert "cat" in lines[3]["classes"]
    assert b"6 frames" in done.stderr


def test_faces_are_blurred_in_one_command(tmp_path: Path) -> None:
    face = np.asarray(Image.fromarray(photo("astronaut")).resize((256, 256)))
    clip = film(tmp_path / "face.mkv", [face] * 2, codec="ffv1", form="bgr0")
    done = run("video", clip, "-o", tmp_path / "out.png", "--model", "faces", "--style", "blur")
    assert done.returncode == 0, done.stderr
    blurred = np.asarray(Image.open(tmp_path / "out-frames" / "frame-000001.png").convert("RGB")).astype(int)
    changed = np.abs(blurred - face).max(axis=2) > 8
    assert changed[40:110, 90:140].mean() > 0.5  # the face
    assert changed[:, :40].mean() < 0.1


def test_ctrl_c_leaves_a_video_that_plays_and_resume_goes_on(tmp_path: Path) -> None:
    cat = np.asarray(Image.fromarray(photo("chelsea")).resize((96, 64)))
    clip = film(tmp_path / "long.mp4", [np.roll(cat, i, axis=1) for i in range(450)])
    command = ["video", str(clip), "-o", str(tmp_path / "out.webm"), "--max-side", "64"]
    running = subprocess.Popen([sys.executable, "-m", "maskery", *command], stderr=subprocess.PIPE)
    end = time.monotonic() + 120
    while not (tmp_path / "out.parts" / "000000.jsonl").exists() and time.monotonic() < end:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=60)[1]
    assert running.returncode == 130, said
    assert b"go on with --resume" in said
    assert 200 <= len(decoded(tmp_path / "out.webm")) < 450
    done = run(*command, "--resume")
    assert done.returncode == 0, done.stderr
    assert b"Went on after the first" in done.stderr
    assert len(decoded(tmp_path / "out.webm")) == 450
    assert sorted(path.name for path in tmp_path.iterdir()) == ["long.mp4", "out.webm"]


def test_standard_input_and_a_folder(clip: Path, tmp_path: Path) -> None:
    done = run("video", "-", "-o", tmp_path / "out.csv", "--max-side", "96", stdin=clip.read_bytes())
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, pixels in enumerate(decoded(clip)):
        Image.fromarray(pixels).save(folder / f"{i}.png")
    again = run("video", folder, "-o", tmp_path / "two.csv", "--max-side", "96", "--rate", "25")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "out.csv").read_text().splitlines()[1] == (tmp_path / "two.csv").read_text().splitlines()[1]


def test_a_video_by_url(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given, directory=str(clip.parent))

        def log_message(self, format: str, *given: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("MASKERY_URL_ALLOW", f"127.0.0.1:{server.server_port}")
        url = f"http://127.0.0.1:{server.server_port}/cat.mp4?a=1"
        done = run("video", url, "--format", "csv", "--max-side", "96", cwd=tmp_path)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["cat-maskery.csv"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("missing.mp4",), 2, "cannot be read"),
        (("CLIP", "--style", "blurr"), 2, "Did you mean 'blur'?"),
        (("CLIP", "-o", "out.xyz"), 2, "No format has the suffix"),
        (("CLIP", "-o", "out.webm", "--format", "mp4"), 2, "Say it once"),
        (("CLIP", "--codec", "h264"), 2, "webm does not hold h264"),
        (("CLIP", "--format", "csv", "--codec", "vp9"), 2, "no format is a video"),
        (("CLIP", "--line", "gate=1"), 2, "NAME="),
        (("CLIP", "--line", "gate=1,2,3,4", "--no-track"), 2, "followed"),
        (("CLIP", "--classes", "catt"), 2, "Did you mean 'cat'?"),
        (("http://127.0.0.1/a.mp4",), 2, "not a public host"),
        (("https://example.org/a.mp4", "--resume"), 2, "Save it as a file"),
        (("TEXT",), 3, "cannot be read as a video"),
    ],
)
def test_mistakes(clip: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no film")
    named = [{"CLIP": str(clip), "TEXT": str(text)}.get(word, word) for word in arguments]
    output = [] if "-o" in named or "--format" in named else ["-o", str(tmp_path / "out.webm")]
    done = run("video", *named, *output, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert words in done.stderr.decode()
    assert [path.name for path in tmp_path.iterdir()] == ["text.mp4"]


def test_in_python_frames_come_one_by_one(clip: Path) -> None:
    frames = maskery.load("everyday").video(clip, max_side=96)
    first = next(frames)
    assert (first.index, first.time_s) == (0, 0.0)
    assert first.class_map.shape == (64, 96)
    assert [frame.index for frame in frames] == [1, 2, 3, 4, 5]
    with pytest.raises(BadRequest):
        next(maskery.load("everyday").video(clip, classes=("catt",)))

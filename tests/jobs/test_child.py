"""The work of a job's own process, here in this one; its end with its parent."""

import json
import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from maskery.core.errors import BadRequest
from maskery.core.settings import Settings
from maskery.jobs.child import work
from maskery.jobs.job_request import parse_request, write_job_file
from tests.material import encoded, photo
from tests.serving.protocols.other_model import quick


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(quick(tmp_path_factory.mktemp("model")))


def job(folder: Path, model: str, text: str = "", **files: bytes) -> Path:
    (folder / "in").mkdir()
    for name, data in files.items():
        (folder / "in" / name.replace("_", ".")).write_bytes(data)
    write_job_file(folder, parse_request(text.encode()), model, Settings())
    return folder


def test_pictures(model: str, tmp_path: Path) -> None:
    said: list[dict[str, Any]] = []
    cat = encoded(photo("chelsea"), "JPEG", (60, 40))
    work(job(tmp_path, model, '{"options":{"collect":"coco"}}', cat_jpg=cat, bad_png=b"x"), said.append)
    assert said[-1] == {"done": 2, "failed": 1, "total": 2, "left_s": 0.0}
    lines = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines] == ["failed", "ok"]
    assert len(json.loads((tmp_path / "out" / "coco.json").read_text())["images"]) == 1
    before = (tmp_path / "out" / "results.jsonl").read_bytes()
    work(tmp_path, said.append)  # once more, as after a kill
    assert (tmp_path / "out" / "results.jsonl").read_bytes() == before


def test_a_zip_of_pictures(model: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as packed:
        packed.writestr("deep/cat.jpg", encoded(photo("chelsea"), "JPEG", (60, 40)))
        packed.writestr("__MACOSX/._cat.jpg", b"x")
    folder = tmp_path / "job"
    folder.mkdir()
    work(job(folder, model, p_zip=(tmp_path / "p.zip").read_bytes()), lambda line: None)
    with Image.open(folder / "out" / "deep" / "cat-mask.png") as mask:
        assert mask.size == (60, 40)


def test_a_member_of_a_zip_that_is_too_large_is_not_unpacked(model: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "p.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("bomb.png", bytes(Settings().max_bytes + 1))
    folder = tmp_path / "job"
    folder.mkdir()
    work(job(folder, model, p_zip=(tmp_path / "p.zip").read_bytes()), lambda line: None)
    (line,) = (folder / "out" / "results.jsonl").read_text().splitlines()
    assert json.loads(line)["code"] == "too-large"


@pytest.mark.parametrize("files", [{"notes_txt": b"x"}, {"p_zip": b"no zip"}])
def test_no_picture_is_an_error(model: str, tmp_path: Path, files: dict[str, bytes]) -> None:
    with pytest.raises(Exception, match=r"no picture|cannot be read") as caught:
        work(job(tmp_path, model, **files), lambda line: None)
    assert getattr(caught.value, "cure", "")


def test_two_videos_are_refused(model: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="2 files"):
        work(job(tmp_path, model, '{"kind":"video"}', a_mp4=b"x", b_mp4=b"y"), lambda line: None)


def test_the_process_ends_with_its_parent(model: str, tmp_path: Path) -> None:
    folder = job(tmp_path, model, cat_jpg=encoded(photo("chelsea"), "JPEG", (60, 40)))
    lock = subprocess.Popen(  # holds the lock, so that the job's process waits
        [sys.executable, "-c", f"import filelock, time; filelock.FileLock({str(folder / 'lock')!r}).acquire(); "
         "print('held', flush=True); time.sleep(60)"],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert lock.stdout is not None
    lock.stdout.readline()
    child = subprocess.Popen([sys.executable, "-m", "maskery.jobs.child", str(folder)], stdin=subprocess.PIPE)
    assert child.stdin is not None
    try:
        time.sleep(0.5)
        assert child.poll() is None
        child.stdin.close()
        assert child.wait(20) == 1
    finally:
        child.kill()
        lock.kill()
        lock.wait()
        lock.stdout.close()


def test_a_job_that_fails_says_why(model: str, tmp_path: Path) -> None:
    folder = job(tmp_path, model, notes_txt=b"x")
    done = subprocess.run(
        [sys.executable, "-m", "maskery.jobs.child", str(folder)],
        stdin=_open_pipe(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["problem"]["code"] == "bad-request"


def _open_pipe() -> int:
    """A pipe that stays open, as that of a living parent."""
    return os.pipe()[0]

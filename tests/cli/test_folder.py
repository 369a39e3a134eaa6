"""``maskery folder`` as a user calls it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.test_main import run
from tests.jobs.folder.s3_server import s3
from tests.material import encoded, photo
from tests.serving.protocols.other_model import quick


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(quick(tmp_path_factory.mktemp("model")))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    (folder / "cat.jpg").write_bytes(encoded(photo("chelsea"), "JPEG", (60, 40)))
    (folder / "deep" / "astronaut.png").write_bytes(encoded(photo("astronaut"), "PNG", (30, 30)))
    (folder / "._cat.jpg").write_bytes(b"what a Mac leaves")
    return folder


def lines(folder: Path, name: str = "results.jsonl") -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_a_folder(model: str, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = run("folder", str(pictures), str(out), "--model", model, "--collect", "coco", "--collect", "coco")
    assert done.returncode == 0, done.stderr
    assert b"2 of 2 pictures segmented, 0 failed" in done.stderr
    assert [line["picture"] for line in lines(out)] == ["cat.jpg", "deep/astronaut.png"]
    with Image.open(out / "deep/astronaut-mask.png") as mask:
        assert mask.size == (30, 30)
    assert len(json.loads((out / "coco.json").read_text())["images"]) == 2
    again = run("folder", str(pictures), str(out), "--model", model, "--collect", "coco")
    assert b"0 of 0 pictures segmented, 0 failed, 2 were done before" in again.stderr


def test_failures_are_listed_and_counted(model: str, pictures: Path, tmp_path: Path) -> None:
    (pictures / "broken.jpg").write_bytes(b"x")
    command = ("folder", str(pictures), str(tmp_path / "out"), "--model", model)
    done = run(*command)
    assert done.returncode == 1
    assert b"failed: broken.jpg: The bytes are no picture" in done.stderr
    assert b"2 of 3 pictures segmented, 1 failed" in done.stderr
    assert run(*command).returncode == 1  # it is still one that failed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--shard", "2/2"), b"0/4"),
        (("--shard", "one"), b"0/4"),
        (("--since", "yesterday"), b"7d"),
        (("--option", "tolerance"), b"KEY=VALUE"),
        (("--option", "tolerance=1"), b"tolerance"),
        (("--format", "nonsense"), b"nonsense"),
        (("--classes", "dragon"), b"dragon"),
        (("--collect", "coco", "--shard", "0/2"), b"--shard"),
    ],
)
def test_mistakes_are_refused_before_any_work(
    model: str, pictures: Path, tmp_path: Path, arguments: tuple[str, ...], says: bytes
) -> None:
    done = run("folder", str(pictures), str(tmp_path / "out"), "--model", model, *arguments)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert not (tmp_path / "out" / "results.jsonl").exists()


def test_other_options_for_the_same_folder_are_refused(model: str, pictures: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    assert run("folder", str(pictures), out, "--model", model).returncode == 0
    done = run("folder", str(pictures), out, "--model", model, "--max-side", "64")
    assert done.returncode == 2
    assert b"max_side was None, is 64" in done.stderr


def test_from_and_to_an_object_store(
    model: str, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("s3fs")
    (tmp_path / "bucket").mkdir()
    local = tmp_path / "local"
    assert run("folder", str(pictures), str(local), "--model", model).returncode == 0
    pictures.rename(tmp_path / "bucket" / "in")
    with s3(tmp_path) as address:
        for name, value in (("ENDPOINT_URL", address), ("ACCESS_KEY_ID", "key"), ("SECRET_ACCESS_KEY", "secret")):
            monkeypatch.setenv(f"AWS_{name}", value)
        command = ("folder", "s3://bucket/in", "s3://bucket/out", "--model", model)
        done = run(*command)
        assert done.returncode == 0, done.stderr
        assert b"2 were done before" in run(*command).stderr
    remote = tmp_path / "bucket" / "out"
    for name in ("cat-mask.png", "deep/astronaut-mask.png"):
        assert (remote / name).read_bytes() == (local / name).read_bytes()
    (first, second), parts = lines(local), lines(remote / "results", "00000000.jsonl")
    assert [line["classes"] for line in parts] == [first["classes"], second["classes"]]


def test_watching_goes_on_until_it_is_interrupted(model: str, pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [str(Path(sys.executable).with_name("maskery")), "folder", str(pictures), str(out)]
    process = subprocess.Popen([*command, "--model", model, "--watch", "0.1"], stderr=subprocess.PIPE, env=os.environ)
    try:
        for name in ("cat-mask.png", "late-mask.png"):
            ends = time.monotonic() + 60
            while not (out / name).exists() and time.monotonic() < ends:
                time.sleep(0.05)
            assert (out / name).exists()
            if name == "cat-mask.png":  # whole at once, as a program that is watched should write
                (pictures / "late.part").write_bytes(encoded(photo("coffee"), "PNG", (20, 20)))
                (pictures / "late.part").rename(pictures / "late.png")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130)
    finally:
        process.kill()
        process.communicate()
    assert [line["picture"] for line in lines(out)][-1] == "late.png"

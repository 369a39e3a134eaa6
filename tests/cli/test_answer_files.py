"""Where pictures come from and answers go: names of every kind, folders, standard output, full disks, second runs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from maskery.cli.answer_files import FileJob, expand, is_folder, target_of, without_answers
from maskery.cli.main import cli
from tests.material import decoded, encoded, photo

SMALL = encoded(photo("chelsea"), "JPEG", (96, 64))
NAMES = (
    "Screenshot 2024-01-05 at 10.30.15\u202fAM.jpg",
    "\u3000wide\u3000.jpg",
    "soft\u00adhyphen.jpg",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467.jpg",
    "\u202ertl\u200f.jpg",
    "nbsp\u00a0.jpg",
    "comma, 'quote' \"double\" & <tag>.jpg",
    "new\nline\tand tab.jpg",
    "caf\udce9.jpg",
    "e\u0301.jpg",
    "-dash.jpg",
    "a." + "b" * 200 + ".jpg",
    "\u00e9" * 120 + ".jpg",
    "100%[1]*?.jpg",
    "back\\slash.jpg",
)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["segment", *map(str, arguments)], standalone_mode=False)


def process(*arguments: str | Path, **more: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "maskery", "segment", *map(str, arguments)]
    return subprocess.run(command, text=True, check=False, stderr=subprocess.PIPE, **more)  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures under every name that is a file's."""
    root = tmp_path_factory.mktemp("names")
    for name in NAMES:
        (root / name).write_bytes(SMALL)
    return root


@pytest.mark.parametrize("format", ["json", "summary", "polygons", "coco-rle"])
def test_lines_of_every_name(folder: Path, format: str) -> None:
    done = run(folder, "--format", format)
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(NAMES)
    files = {line["file"].rpartition("/")[2] for line in lines}
    assert {"caf\\xe9.jpg", "new\\x0aline\\x09and tab.jpg", NAMES[0], NAMES[3]} <= files


@pytest.mark.parametrize("format", ["coco", "labelme", "cvat", "label-studio", "yolo", "mask"])
def test_files_of_every_name(folder: Path, tmp_path: Path, format: str) -> None:
    done = run(folder, "--format", format, "-o", tmp_path / "out")
    assert done.exit_code == 0, (done.output, done.exception)
    written = list((tmp_path / "out").iterdir())
    assert len(written) == len(NAMES)
    if format == "labelme":
        named = json.loads((tmp_path / "out" / f"{Path(NAMES[0]).stem}.json").read_text())
        assert named["imagePath"] == NAMES[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_by_its_name(folder: Path, tmp_path: Path, name: str) -> None:
    done = run("--format", "coco", "-o", tmp_path / "out.json", "--", folder / name)
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "out.json").read_text())["images"][0]["file_name"].endswith(".jpg")


def test_hidden_and_system_files_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(SMALL)
    for name in (".hidden.jpg", "._a.jpg", "@eaDir/a.jpg", "__MACOSX/b.jpg", ".ipynb_checkpoints/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\5\26\7")
    assert [job.source.name for job in expand((str(tmp_path),))] == ["a.jpg"]


def test_pictures_of_every_suffix_count_and_what_cannot_be_read_fails(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jfif", "c.jpe", "d.JPEG"):
        (tmp_path / name).write_bytes(SMALL)
    (tmp_path / "e.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    done = run(tmp_path, "-o", tmp_path / "out")
    assert done.exit_code == 1
    assert "4 of 5 pictures segmented" in done.stderr
    assert "failed" in done.stderr
    assert "e.HEIC" in done.stderr


@pytest.mark.parametrize("place", ["", "out"])
def test_answers_are_no_pictures_of_a_second_run(tmp_path: Path, place: str) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jpg").write_bytes(SMALL)
    for format in ("mask", "overlay", "mask", "mask"):
        assert run(tmp_path, "--format", format, "-o", tmp_path / place).exit_code == 0
    answers = {path.name for path in (tmp_path / place).iterdir()} - {"a.jpg", "b.jpg", "out"}
    assert answers == {"a-mask.png", "b-mask.png", "a-overlay.png", "b-overlay.png"}
    lone = [FileJob(tmp_path / "c-mask.png", Path("c-mask")), FileJob(tmp_path / "d.jpg", Path("d"))]
    assert without_answers(lone, tmp_path) == lone  # a picture of its own


@pytest.mark.parametrize(
    ("output", "several", "folder"),
    [
        ("run-0.5/", False, True),
        ("run-0.5", False, True),
        ("run", False, True),
        ("run/", False, True),
        ("mask.png", False, False),
        ("mask.tif", False, False),
        ("masks.png", True, True),
        ("/dev/null", False, False),
        ("/dev/stdout", False, False),
        ("/tmp", False, True),
        ("-", False, False),
    ],
)
def test_what_is_a_folder(output: str, several: bool, folder: bool) -> None:
    assert is_folder(output, several) == folder


def test_a_folder_with_a_dot_and_standard_output(tmp_path: Path) -> None:
    picture = tmp_path / "a.jpg"
    picture.write_bytes(SMALL)
    assert run(picture, "-o", f"{tmp_path}/run-0.5/").exit_code == 0
    assert (tmp_path / "run-0.5" / "a-mask.png").is_file()
    expected = (tmp_path / "run-0.5" / "a-mask.png").read_bytes()
    assert run(picture, "-o", "-").stdout_bytes == expected
    command = [sys.executable, "-m", "maskery", "segment", str(picture), "-o", "/dev/stdout"]
    assert decoded(subprocess.run(command, capture_output=True, check=True).stdout).shape == (64, 96)
    lines = run(picture, picture, "--format", "json", "-o", "-")
    assert len(lines.stdout.splitlines()) == 2
    assert "cannot go to standard output" in str(run(picture, picture, "-o", "-").exception)


def test_full_disks_and_closed_pipes_are_words(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(SMALL)
    with Path("/dev/full").open("wb") as full:
        done = process(tmp_path / "a.jpg", stdout=full)
    assert done.returncode == 2
    assert done.stderr.startswith("maskery: standard output could not be written: No space left on device.")
    assert "Traceback" not in done.stderr
    read, written = os.pipe()
    os.close(read)
    done = process(tmp_path / "a.jpg", stdout=written)
    os.close(written)
    assert (done.returncode, done.stderr) == (1, "")
    closed = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m maskery segment {tmp_path / 'a.jpg'} >&-"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Standard output is closed" in closed.stderr
    assert closed.returncode == 2


def test_names_that_are_too_long_for_an_answer_are_cut_and_stay_distinct() -> None:
    stems = [Path("d") / ("é" * 126 + end) for end in ("a", "b")]
    targets = [target_of(stem, "overlay", ".png") for stem in stems]
    assert len(set(targets)) == 2
    assert all(len(os.fsencode(target.name)) <= 240 for target in targets)
    assert target_of(Path("d/short"), "mask", ".png") == Path("d/short-mask.png")

"""The command line as users meet it: whole processes."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskery.cli.main import EXIT_CODES, exit_code
from maskery.core import errors
from tests.material import decoded, encoded, photo


def run(*arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "maskery", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, cwd=cwd, check=False)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "cat.jpg").write_bytes(encoded(photo("chelsea"), "JPEG", (120, 80)))
    (folder / "deep").mkdir()
    (folder / "deep" / "astronaut.png").write_bytes(encoded(photo("astronaut"), "PNG", (90, 90)))
    (folder / "broken.jpg").write_bytes(encoded(photo("coffee"), "JPEG", (90, 90))[:700])
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_help_names_every_verb() -> None:
    done = run("--help")
    assert done.returncode == 0
    for verb in ("segment", "serve", "models", "evaluate", "train"):
        assert verb in done.stdout.decode()


def test_one_picture_to_stdout_file_and_from_stdin(pictures: Path, tmp_path: Path) -> None:
    by_path = run("segment", pictures / "cat.jpg")
    assert by_path.returncode == 0
    assert by_path.stderr == b""
    mask = Image.open(io.BytesIO(by_path.stdout))
    assert (mask.mode, mask.size) == ("P", (120, 80))
    by_stdin = run("segment", "-", stdin=(pictures / "cat.jpg").read_bytes())
    assert by_stdin.stdout == by_path.stdout
    assert run("segment", pictures / "cat.jpg", "-o", tmp_path / "new" / "m.png").returncode == 0
    assert (tmp_path / "new" / "m.png").read_bytes() == by_path.stdout
    assert run("segment", pictures / "cat.jpg", "-o", tmp_path / "m.npy").returncode == 0
    assert np.array_equal(np.load(tmp_path / "m.npy"), decoded(by_path.stdout))
    entropy = run("segment", pictures / "cat.jpg", "--format", "entropy", "--option", "depth=16")
    assert Image.open(io.BytesIO(entropy.stdout)).mode == "I;16"


def test_a_folder_goes_on_after_a_broken_picture(pictures: Path, tmp_path: Path) -> None:
    done = run("segment", pictures, "--format", "overlay", "-o", tmp_path)
    assert done.returncode == 1
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.png")) == [
        "cat-overlay.png",
        "deep/astronaut-overlay.png",
    ]
    words = done.stderr.decode()
    assert "failed: " in words
    assert "broken.jpg" in words
    assert "2 of 3 pictures segmented" in words


def test_json_lines_and_globs(pictures: Path) -> None:
    done = run("segment", pictures / "*.jpg", "--format", "json", "--classes", "cat", "--max-side", "128")
    assert done.returncode == 1
    (line,) = done.stdout.decode().splitlines()
    answer = json.loads(line)
    assert answer["file"].endswith("cat.jpg")
    assert {item["name"] for item in answer["classes"]} <= {"background", "cat"}
    assert answer["frame"]["working"]["width"] == 128


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("segment",), 2, "Missing argument"),
        (("segment", "nowhere.jpg"), 2, "does not exist"),
        (("segment", "{p}", "--format", "gif"), 2, "gif"),
        (("segment", "{p}/cat.jpg", "--format", "oevrlay"), 2, "Did you mean 'overlay'?"),
        (("segment", "{p}/cat.jpg", "--option", "depth=16"), 2, "mask has no option 'depth'"),
        (("segment", "{p}/cat.jpg", "--format", "entropy", "--option", "depth=9"), 2, "depth=8 or depth=16"),
        (("segment", "{p}/cat.jpg", "--format", "entropy", "--option", "depth"), 2, "KEY=VALUE"),
        (("segment", "{p}"), 2, "-o FOLDER"),
        (("segment", "{p}/cat.jpg", "-o", "x.gif"), 2, "suffix"),
        (("segment", "{p}/cat.jpg", "--classes", "cta"), 2, "Did you mean 'cat'?"),
        (("segment", "{p}/cat.jpg", "--max-side", "9"), 2, "max_side"),
        (("segment", "{p}/broken.jpg"), 3, "damaged"),
        (("segment", "{p}/notes.txt"), 3, "picture"),
        (("segment", "{p}/cat.jpg", "--model", "everday"), 4, "Did you mean 'everyday'?"),
        (("segment", "{p}/cat.jpg", "--model", "selfie-256"), 4, "maskery models pull selfie-256"),
        (("segment", "{p}/cat.jpg", "--device", "cuda"), 4, "--device cpu"),
        (("serve", "--model", "nothing-like-it"), 4, "There is no model"),
        (("serve", "--port", "70000"), 2, "out of range"),
        (("serve", "--host", "256.1.1.1"), 2, "Cannot listen"),
        (("evaluate", "everyday", "{p}"), 5, "known data set"),
        (("evaluate", "everyday", "{p}/nowhere"), 2, "not a folder"),
        (("frobnicate",), 2, "No such command"),
    ],
)
def test_errors_have_exit_codes_and_cures(
    pictures: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = run(*(a.replace("{p}", str(pictures)) for a in arguments), cwd=tmp_path)
    assert done.returncode == code, done.stderr.decode()
    assert says in done.stderr.decode()
    assert done.stdout == b""
    assert b"Traceback" not in done.stderr


def test_the_picture_itself_is_never_overwritten(pictures: Path) -> None:
    before = (pictures / "deep" / "astronaut.png").read_bytes()
    done = run("segment", pictures / "deep" / "astronaut.png", "-o", pictures / "deep" / "astronaut.png")
    assert done.returncode == 2
    assert (pictures / "deep" / "astronaut.png").read_bytes() == before


def test_two_pictures_of_one_name_do_not_overwrite_each_other(pictures: Path, tmp_path: Path) -> None:
    other = tmp_path / "cat.jpg"
    other.write_bytes((pictures / "cat.jpg").read_bytes())
    done = run("segment", pictures / "cat.jpg", other, "-o", tmp_path / "out")
    assert done.returncode == 1
    assert b"already the answer" in done.stderr


def test_every_error_has_an_exit_code() -> None:
    def all_of(kind: type[errors.MaskeryError]) -> list[type[errors.MaskeryError]]:
        return [kind, *(e for sub in kind.__subclasses__() for e in all_of(sub))]

    codes = {kind: exit_code(kind("x")) for kind in all_of(errors.MaskeryError)}
    assert set(codes.values()) == {code for _, code in EXIT_CODES}
    assert codes[errors.TooLarge] == 3
    assert codes[errors.LicenceError] == 4


def test_importing_maskery_is_light() -> None:
    code = "import sys, maskery, maskery.cli.main; print([m for m in {} if m in sys.modules])"
    heavy = ("numpy", "PIL", "onnxruntime", "starlette", "msgspec", "torch")
    done = subprocess.run([sys.executable, "-c", code.format(heavy)], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_formats_that_name_their_picture(pictures: Path, tmp_path: Path) -> None:
    done = run("segment", pictures / "cat.jpg", "--format", "coco", "--option", "min_area=5")
    assert json.loads(done.stdout)["images"][0] == {"id": 1, "file_name": "cat.jpg", "width": 120, "height": 80}
    done = run("segment", pictures / "cat.jpg", "--format", "coco", "--option", "file_name=a/b.jpg")
    assert json.loads(done.stdout)["images"][0]["file_name"] == "a/b.jpg"
    assert run("segment", pictures / "deep", "--format", "yolo", "-o", tmp_path).returncode == 0
    assert (tmp_path / "astronaut.txt").exists()

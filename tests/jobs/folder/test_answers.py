"""One picture's answers are those of every other entry point; what fails is said in its line."""

import json
from pathlib import Path

import pytest

from maskery.core.errors import BadRequest
from maskery.core.settings import Settings
from maskery.jobs.folder.answer_options import AnswerOptions
from maskery.jobs.folder.answers import PictureAnswerer, output_name
from maskery.jobs.folder.listing import ListedPicture
from maskery.jobs.folder.places import LocalPlace, StoredFile
from maskery.models.segmenter import load
from tests.material import encoded, photo


def answerer(folder: Path, formats: tuple[str, ...], **options: str) -> PictureAnswerer:
    asked = AnswerOptions(model="everyday", formats=formats, options=options, coco="coco" in formats)
    return PictureAnswerer(Settings(threads=1), asked, LocalPlace(folder), LocalPlace(folder / "out"))


def listed(name: str, twin: str = "") -> ListedPicture:
    return ListedPicture(StoredFile(name, 5, 6), twin)


def test_the_mask_is_that_of_the_call_in_python(tmp_path: Path) -> None:
    data = encoded(photo("chelsea"), "JPEG", (90, 60))
    (tmp_path / "cat.jpg").write_bytes(data)
    line = answerer(tmp_path, ("mask", "overlay", "coco", "labelme")).line(listed("cat.jpg"))
    assert line["outputs"] == ["cat-mask.png", "cat-overlay.png", "cat-coco.json", "cat.json"]
    result = load("everyday", threads=1).segment(data)
    assert (tmp_path / "out/cat-mask.png").read_bytes() == result.encode("mask")
    assert (tmp_path / "out/cat-overlay.png").read_bytes() == result.encode("overlay")
    assert {one["name"]: one["pixels"] for one in line["classes"]} == {
        one["name"]: one["pixels"] for one in result.summary()["classes"]
    }
    assert (line["picture"], line["bytes"], line["modified"], line["status"]) == ("cat.jpg", 5, 6, "ok")
    assert (line["width"], line["height"]) == (90, 60)
    assert line["annotations"]
    assert json.loads((tmp_path / "out/cat.json").read_text())["imagePath"] == "cat.jpg"
    assert json.loads((tmp_path / "out/cat-coco.json").read_text())["images"][0]["file_name"] == "cat.jpg"


def test_what_fails_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"x")
    made = answerer(tmp_path, ("mask",))
    bad, missing, twin = made.line(listed("bad.jpg")), made.line(listed("no.jpg")), made.line(listed("a.png", "a.jpg"))
    assert [one["status"] for one in (bad, missing, twin)] == ["failed"] * 3
    assert bad["code"] == "unsupported-picture"
    assert "no.jpg cannot be read" in missing["error"]
    assert "a.jpg" in twin["error"]
    assert all(one["cure"] for one in (bad, missing, twin))

    def fault(name: str) -> bytes:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(made, "_answered", fault)
    assert made.line(listed("bad.jpg"))["code"] == "internal-error"


def test_options_go_to_the_formats_that_have_them(tmp_path: Path) -> None:
    answerer(tmp_path, ("mask", "polygons"), tolerance="2")
    with pytest.raises(BadRequest, match="tolerance"):
        answerer(tmp_path, ("mask",), tolerance="2")
    with pytest.raises(BadRequest, match="nonsense"):
        answerer(tmp_path, ("nonsense",))


@pytest.mark.parametrize(
    ("name", "format", "expected"),
    [("a/b.jpg", "mask", "a/b-mask.png"), ("a.b.jpg", "json", "a.b-json.json"), ("x.png", "yolo", "x.txt")],
)
def test_names_of_answers(name: str, format: str, expected: str) -> None:
    assert output_name(name, format) == expected

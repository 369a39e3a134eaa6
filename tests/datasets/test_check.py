"""Everything that is wrong with a data set is found, all of it, and nothing else."""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from PIL import ExifTags, Image

from maskery.cli.data import data as command
from maskery.core.errors import BadRequest, ConfigError
from maskery.datasets.check import check
from maskery.datasets.report import Report, text
from maskery.datasets.sheet import ContactSheet
from tests.material import photo, shared


def scene(seed: int) -> NDArray[np.uint8]:
    """A picture of its own, (24, 32, 3)."""
    grains = np.random.default_rng(seed).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(grains).resize((32, 24), Image.Resampling.BICUBIC))


def add(root: Path, split: str, name: str, pixels: NDArray[np.uint8], mask: object = None) -> None:
    for kind in ("images", "masks"):
        (root / kind / split).mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(root / "images" / split / f"{name}.png")
    ids = np.zeros(pixels.shape[:2], np.uint8)
    ids[:6] = 1
    Image.fromarray(ids if mask is None else np.asarray(mask, np.uint8)).save(root / "masks" / split / f"{name}.png")


@pytest.fixture
def good(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    for i in range(6):
        add(root, "val" if i > 3 else "train", f"{i}", scene(i))
    (root / "classes.txt").write_text("ground\nsky 10 20 30\n".replace("ground", "ground 200 100 0"))
    return root


def kinds(report: Report) -> list[tuple[str, str]]:
    return sorted((finding.kind, finding.file.rpartition("/")[2]) for finding in report.problems)


def test_a_good_set(good: Path) -> None:
    report = check(good)
    assert (report.format, report.splits, report.fine) == ("mask-folder", {"train": 4, "val": 2}, True)
    assert report.sizes
    assert (report.sizes.smallest, report.sizes.largest) == ((32, 24), (32, 24))
    assert [(c.name, c.pixels, c.share, c.pictures) for c in report.classes] == [
        ("ground", 6 * 18 * 32, 0.75, 6),
        ("sky", 6 * 6 * 32, 0.25, 6),
    ]
    assert (report.problems, report.warnings, report.notes, report.ignored_share) == ([], [], [], 0.0)
    assert "problems: none; warnings: none" in text(report)


def test_all_that_is_wrong_is_found_at_once(good: Path) -> None:
    images, masks = good / "images" / "train", good / "masks" / "train"
    add(good, "train", "size", scene(20), np.zeros((24, 31)))
    add(good, "train", "mode", scene(21), np.zeros((24, 32, 4)))
    add(good, "train", "id", scene(22), np.full((24, 32), 7))
    add(good, "train", "void", scene(23), np.full((24, 32), 255))
    add(good, "train", "broken", scene(24))
    (masks / "broken.png").write_bytes((masks / "broken.png").read_bytes()[:40])
    add(good, "train", "cut", scene(25))
    (images / "cut.png").write_bytes((images / "cut.png").read_bytes()[:300])
    add(good, "train", "bomb", scene(26))
    bomb = bytearray((images / "bomb.png").read_bytes())
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    (images / "bomb.png").write_bytes(bomb)
    add(good, "train", "alone", scene(27))
    (masks / "alone.png").unlink()
    add(good, "train", "orphan", scene(28))
    (images / "orphan.png").unlink()
    add(good, "val", "leak", scene(0))
    report = check(good)
    assert kinds(report) == [
        ("leak", "leak.png"),
        ("mask", "broken.png"),
        ("mask", "id.png"),
        ("mask", "mode.png"),
        ("mask", "size.png"),
        ("missing", "alone.png"),
        ("missing", "orphan.png"),
        ("picture", "bomb.png"),
        ("picture", "cut.png"),
    ]
    assert [(w.kind, w.file) for w in report.warnings] == [("empty", "images/train/void.png")]
    assert all(finding.message and finding.cure for finding in report.problems)
    words = text(report)
    assert "problems: 2 missing, 2 picture, 4 mask, 1 leak; warnings: 1 empty" in words
    assert "leak.png has the same pixels as images/train/0.png. Leave it in one split only" in words
    assert "id.png has the value 7" not in words
    assert "id.png has class id 7, but there are only 2 classes" in words


def test_twins_within_a_split_and_near_ones_between(good: Path) -> None:
    cat = photo("chelsea")[:, :440]
    add(good, "train", "again", scene(1))
    add(good, "train", "cat", cat)
    brighter = np.clip(cat.astype(np.int16) + 2, 0, 255).astype(np.uint8)
    add(good, "val", "cat2", np.asarray(Image.fromarray(brighter).resize((300, 204))))
    report = check(good)
    assert report.fine
    assert sorted((w.kind, w.file) for w in report.warnings) == [
        ("duplicate", "images/train/again.png"),
        ("near", "images/val/cat2.png"),
    ]


def test_flat_pictures_are_not_taken_for_twins(tmp_path: Path) -> None:
    for i in range(4):
        add(tmp_path, "val" if i else "train", f"{i}", np.full((24, 32, 3), 60 * i, np.uint8))
    assert check(tmp_path, labels=("a", "b")).warnings == []


def test_pictures_turned_by_exif_are_pointed_out(good: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(scene(40)).save(good / "images" / "val" / "turned.jpg", exif=exif)
    Image.new("L", (24, 32)).save(good / "masks" / "val" / "turned.png")
    report = check(good)
    assert report.fine
    assert [(w.kind, w.file) for w in report.warnings] == [("turned", "images/val/turned.jpg")]


def test_a_set_that_names_no_classes_shows_ids_and_says_so(good: Path) -> None:
    (good / "classes.txt").unlink()
    report = check(good)
    assert [c.name for c in report.classes] == ["0", "1"]
    assert "does not name its classes" in report.notes[0]
    assert [c.name for c in check(good, labels=("earth", "sky")).classes] == ["earth", "sky"]


def test_labels_for_a_set_that_names_its_own_are_compared(good: Path) -> None:
    notes = check(good, labels=("sky", "sea")).notes
    assert "ignored, for the model has no such class: ground" in notes


def test_a_set_without_splits_says_how_it_is_parted(tmp_path: Path) -> None:
    for i in range(5):
        add(tmp_path, "", f"{i}", scene(i))
    report = check(tmp_path)
    assert report.splits == {"train": 4, "val": 1}
    assert any("every fifth picture by name is val" in note for note in report.notes)


def test_a_list_that_cannot_be_read_is_a_problem_and_the_other_splits_are_checked(tmp_path: Path) -> None:
    lists = tmp_path / "ImageSets" / "Segmentation"
    for folder in (lists, tmp_path / "JPEGImages", tmp_path / "SegmentationClass"):
        folder.mkdir(parents=True)
    (lists / "train.txt").write_text("")
    (lists / "val.txt").write_text("a\nb\n")
    Image.fromarray(scene(0)).save(tmp_path / "JPEGImages" / "a.jpg")
    Image.new("L", (32, 24)).save(tmp_path / "SegmentationClass" / "a.png")
    report = check(tmp_path)
    assert report.splits == {"val": 1}
    assert [p.message.rpartition("/")[2] for p in report.problems] == [
        "train.txt is empty.",
        "val.txt, is missing.",
    ]


def test_class_folders_in_a_zip_file(tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(6):
            file = io.BytesIO()
            Image.fromarray(scene(i % 5)).save(file, "PNG")
            split = "test" if i == 5 else "train"
            archive.writestr(
                f"{split}/{'cat' if i % 2 else 'dog'}/{i}.png", b"no picture" if i == 4 else file.getvalue()
            )
    report = check(path)
    assert (report.format, report.splits) == ("class-folder", {"test": 1, "train": 5})
    assert [(c.name, c.pixels, c.pictures) for c in report.classes] == [("cat", None, 3), ("dog", None, 2)]
    assert sorted((p.kind, p.file) for p in report.problems) == [
        ("leak", "train/dog/0.png"),
        ("picture", "train/dog/4.png"),
    ]


def test_more_classes_than_a_mask_could_hold(tmp_path: Path) -> None:
    for i in range(300):
        (tmp_path / f"class{i:03}").mkdir()
        Image.new("RGB", (1, 1), (i % 256, i // 256, 0)).save(tmp_path / f"class{i:03}" / "a.png")
    report = check(tmp_path)
    assert [c.pictures for c in report.classes] == [1] * 300
    assert report.fine


def test_the_sheet_needs_nothing_else_and_escapes_names(good: Path) -> None:
    (good / "classes.txt").write_text("<b>ground</b> 200 100 0\nsky 0 0 200\n")
    sheet = ContactSheet(2)
    page = sheet.html(check(good, viewer=sheet))
    assert page.count("<figure>") == 4
    assert page.count("data:image/jpeg;base64,") == 8
    assert "&lt;b&gt;ground&lt;/b&gt; 75.00%" in page
    assert "<b>" not in page
    assert "rgb(200, 100, 0)" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page


def test_the_command(good: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke(command, ["check", str(good), "--sheet", str(tmp_path / "sheet.html")])
    assert (run.exit_code, "ground" in run.stdout) == (0, True)
    assert (tmp_path / "sheet.html").read_text().startswith("<!doctype html>")
    add(good, "val", "leak", scene(0))
    run = CliRunner().invoke(command, ["check", str(good), "--json"])
    assert run.exit_code == 1
    assert json.loads(run.stdout)["problems"][0]["kind"] == "leak"


def test_the_command_names_what_it_was_given(good: Path) -> None:
    run = CliRunner().invoke(command, ["check", str(good), "--labels", "vock"])
    assert isinstance(run.exception, ConfigError)
    assert "Did you mean 'voc'" in str(run.exception)
    run = CliRunner().invoke(command, ["check", str(good), "--format", "mask-foldr"])
    assert isinstance(run.exception, BadRequest)
    assert "Did you mean 'mask-folder'" in str(run.exception)
    run = CliRunner().invoke(command, ["check", str(good), "--sheet", "/proc/nothing/sheet.html"])
    assert "could not be written" in str(run.exception)


def test_the_real_coco() -> None:
    report = check(shared("data/coco2017-part"), labels=("background", "person", "car"))
    assert (report.format, report.splits, report.fine) == ("coco-panoptic", {"train2017": 100, "val2017": 100}, True)
    assert {c.name: c.pictures for c in report.classes}["person"] > 50


def test_masks_of_0_and_255_and_classes_that_no_mask_has_are_warned_of(good: Path) -> None:
    for path in (good / "masks").glob("*/*"):
        Image.fromarray(np.asarray(Image.open(path)) * np.uint8(255)).save(path)
    (good / "classes.txt").write_text("background\nperson\n")
    report = check(good)
    (warning,) = report.warnings
    assert (warning.kind, warning.message) == ("absent", "No mask has a pixel of the class 'person'.")
    assert "value = 255" in warning.cure
    (good / "classes.txt").unlink()
    black, white = '[[classes]]\nname="b"\nvalue=0\n', '[[classes]]\nname="p"\nvalue=255\n'
    (good / "classes.toml").write_text(black + white)
    assert check(good).warnings == []
    (good / "classes.toml").write_text(black + '[[classes]]\nname="q"\n' + white)
    assert [warning.message for warning in check(good).warnings] == ["No mask has a pixel of the class 'q'."]


def test_twelve_bits_in_sixteen_are_warned_of(good: Path) -> None:
    grey = np.asarray(Image.open(good / "images" / "train" / "0.png").convert("L")).astype(np.uint16)
    Image.fromarray(grey * 16).save(good / "images" / "train" / "0.png")
    assert [(w.kind, w.file) for w in check(good).warnings] == [("dark", "images/train/0.png")]
    Image.fromarray(grey * 257).save(good / "images" / "train" / "0.png")
    assert check(good).warnings == []

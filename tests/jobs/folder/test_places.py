"""Folders, archives and object stores: the same files by the same names."""

import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from maskery.core.errors import ConfigError, MissingExtra, OutputError, PictureError
from maskery.jobs.folder.places import LocalPlace, Place, open_source, open_target
from tests.jobs.folder.s3_server import s3

CONTENT = {"a.jpg": b"1", "deep/er/b.jpg": b"22", "deep/ä ö.png": b"333"}


def fill(folder: Path) -> Path:
    for name, data in CONTENT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def expect_content(place: Place) -> None:
    assert {file.name: file.bytes for file in place.files()} == {name: len(data) for name, data in CONTENT.items()}
    assert {name: place.read(name) for name in CONTENT} == CONTENT
    with pytest.raises(PictureError, match=r"nothing\.jpg"):
        place.read("nothing.jpg")


def test_a_folder(tmp_path: Path) -> None:
    place = open_source(str(fill(tmp_path)), "elsewhere")
    expect_content(place)
    assert all(file.modified > 1_000_000_000 for file in place.files())


@pytest.mark.parametrize("suffix", [".zip", ".tar", ".tar.gz", ".tar.xz"])
def test_an_archive(tmp_path: Path, suffix: str) -> None:
    folder, archive = fill(tmp_path / "in"), tmp_path / f"pictures{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for name in CONTENT:
                packed.write(folder / name, name)
    else:
        with tarfile.open(archive, f"w:{suffix[5:]}") as tar:
            tar.add(folder, "")
    place = open_source(str(archive), "elsewhere")
    expect_content(place)
    assert all(file.modified > 1_000_000_000 for file in place.files())
    with pytest.raises(OutputError, match="archive"):
        place.write("x.png", b"")


def test_an_object_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("s3fs")
    fill(tmp_path / "bucket" / "in")
    with s3(tmp_path) as address:
        for name, value in (("AWS_ENDPOINT_URL", address), ("AWS_ACCESS_KEY_ID", "key")):
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        expect_content(open_source("s3://bucket/in", "s3://bucket/out"))
        target = open_target("s3://bucket/in/out")
        assert not target.exists("m/x.png")
        target.write("m/x.png", b"mask")
        assert target.exists("m/x.png")
        assert (tmp_path / "bucket/in/out/m/x.png").read_bytes() == b"mask"
        expect_content(open_source("s3://bucket/in", "s3://bucket/in/out"))  # answers are no pictures
        with pytest.raises(ConfigError, match="s3://nowhere"):
            list(open_source("s3://nowhere/in", "x").files())


def test_answers_below_the_pictures_are_no_pictures(tmp_path: Path) -> None:
    place = open_source(str(fill(tmp_path)), str(tmp_path / "out"))
    open_target(str(tmp_path / "out")).write("a-mask.png", b"x")
    expect_content(place)


def test_an_answer_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = LocalPlace(tmp_path)
    place.write("a.png", b"before")

    def fail(path: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OutputError, match="No space left"):
        place.write("a.png", b"after")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == b"before"


def test_what_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    for address in (str(tmp_path / "a.jpg"), str(tmp_path / "nowhere")):
        with pytest.raises(ConfigError, match="folder"):
            list(open_source(address, "x").files())
    with pytest.raises(ConfigError, match="file"):
        open_target(str(tmp_path / "a.jpg"))
    with pytest.raises(ConfigError, match="nosuch"):
        open_source("nosuch://x", "y")


def test_without_fsspec_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtra, match=r"maskery\[folder\]"):
        open_source("memory://x", "y")

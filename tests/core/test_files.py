"""Files and folders appear whole or not at all."""

from pathlib import Path

import pytest

from maskery.core.errors import OutputError
from maskery.core.files import partial_of, whole_file, whole_folder, write_whole, writing


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    with whole_file(path) as file:
        file.write(b"name")
        assert not path.exists()
        assert partial_of(path).exists()
    assert path.read_bytes() == b"name"
    assert list(tmp_path.iterdir()) == [path]


def test_after_an_error_the_old_file_stays_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_whole(path, "ä\n")
    with pytest.raises(ZeroDivisionError), whole_file(path) as file:
        file.write(bytes([1 // 0]))
    assert path.read_bytes() == b"\xc3\xa4\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_an_error_with_a_cure(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    partial_of(path).symlink_to("/dev/full")
    with (
        pytest.raises(OutputError, match=r"a\.json could not be written: No space left on device\. Free"),
        writing(path),
    ):
        write_whole(path, "x" * 100_000)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_takes_the_place_of_another_one_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").touch()
    (tmp_path / ".model.partial").mkdir()
    (tmp_path / ".model.partial" / "left by a kill").touch()
    with whole_folder(folder) as partial:
        assert list(partial.iterdir()) == []
        (partial / "new").touch()
        assert [path.name for path in folder.iterdir()] == ["old"]
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [folder]


def test_after_an_error_the_old_folder_stays(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(ZeroDivisionError), whole_folder(folder) as partial:
        (partial / str(1 // 0)).touch()
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [folder]

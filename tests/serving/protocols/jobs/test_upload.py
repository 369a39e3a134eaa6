"""Files of a job: their names made sound, straight to the disk."""

from pathlib import Path

import pytest

from maskery.core.errors import TooLarge
from maskery.serving.protocols.jobs.upload import UploadFolder, sound_name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cat.jpg", "cat.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\films\\a.mp4", "a.mp4"),
        (".hidden.jpg", "hidden.jpg"),
        ("..", "file-1"),
        ("", "file-1"),
        ("a\0b\n.jpg", "a_b_.jpg"),
        ("ä \u202f猫.jpg", "ä \u202f猫.jpg"),
        ("x" * 500 + ".jpg", "x" * 196 + ".jpg"),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert sound_name(name, 1) == expected


def test_equal_names_get_numbers_and_the_digest_is_of_all(tmp_path: Path) -> None:
    digests = []
    for last in (b"3", b"4"):
        folder = tmp_path / last.decode()
        folder.mkdir()
        upload = UploadFolder(folder, 100)
        for data in (b"1", b"2", last):
            upload.begin("a.jpg")
            upload.write(data)
            upload.end()
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
            "a.jpg": b"1", "a-2.jpg": b"2", "a-3.jpg": last,
        }  # fmt: skip
        assert (upload.bytes, upload.files) == (3, 3)
        digests.append(upload.digest)
    assert digests[0] != digests[1]


def test_too_much_is_refused_while_it_comes(tmp_path: Path) -> None:
    upload = UploadFolder(tmp_path, 10)
    upload.begin("a")
    upload.write(bytes(10))
    with pytest.raises(TooLarge, match="MASKERY_JOB_BYTES"):
        upload.write(b"1")
    upload.end()

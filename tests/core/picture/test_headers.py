"""Which files are opened without leaving the event loop."""

import io
import struct
import zlib

import pytest
from PIL import Image

from maskery.core.picture.headers import BRIEF_BLOCKS, BRIEF_BYTES, is_brief


def file_of(format: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(file, format)
    return file.getvalue()


def chunk(name: bytes) -> bytes:
    return struct.pack(">I", 0) + name + struct.pack(">I", zlib.crc32(name))


JPEG, PNG = file_of("JPEG"), file_of("PNG")


@pytest.mark.parametrize("data", [JPEG, PNG, JPEG[:40]])
def test_small_files_of_few_blocks_are_brief(data: bytes) -> None:
    assert is_brief(data)


@pytest.mark.parametrize(
    "data",
    [
        file_of("GIF"),
        b"",
        JPEG + bytes(BRIEF_BYTES),
        JPEG[:2] + b"\xff\xe5\x00\x02" * (BRIEF_BLOCKS + 1) + JPEG[2:],
        JPEG[:2] + b"\xff" * (BRIEF_BLOCKS + 1) + JPEG[2:],
        PNG[:33] + chunk(b"abCd") * (BRIEF_BLOCKS + 1) + PNG[33:],
    ],
    ids=["another kind", "empty", "large", "segments", "filling", "chunks"],
)
def test_what_may_take_long_is_not(data: bytes) -> None:
    assert not is_brief(data)

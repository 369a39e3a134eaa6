"""Huge pictures through a real server: 144 megapixels in the memory of twelve, and damaged ones as any other."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskery.core.labels import VOC
from maskery.encode.raster import png
from tests.material import photo
from tests.serving.live import Server

SIDE = 12_000
MIB = 1 << 20


def enlarged(times: int = 24) -> bytes:
    """A PNG of SIDE x SIDE pixels: the astronaut, each pixel a square."""
    wide = np.repeat(photo("astronaut"), times, axis=1)[:, :SIDE]
    bands = (np.repeat(wide[top // times][None], times, axis=0) for top in range(0, SIDE, times))
    return png.photo(bands, (SIDE, SIDE), channels=3)


@pytest.fixture(scope="module")
def picture() -> bytes:
    return enlarged()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(
        "--memory", "500MB", MASKERY_MAX_PIXELS="200000000", MASKERY_MAX_BYTES="60000000", MASKERY_TIMEOUT="300"
    )
    yield server
    server.stop()


def memory(server: Server, field: str) -> int:
    """Bytes of VmHWM (the peak) or VmRSS (now)."""
    status = Path(f"/proc/{server.process.pid}/status")
    if not status.exists():
        pytest.skip("the memory of a process is not known here")
    line = next(line for line in status.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize("query", ["?format=mask&tile=3000", "?format=json&tile=0"])
def test_144_megapixels_take_little_memory(server: Server, picture: bytes, query: str) -> None:
    before = memory(server, "VmRSS")
    status, body = server.post(picture, query, patience=240)
    assert status == 200, body[:300]
    # As a whole it would be 576 MB decoded, and 144 of the map.
    assert memory(server, "VmHWM") - before < len(picture) * 2 + 260 * MIB
    assert memory(server, "VmHWM") < 500_000_000
    if "json" in query:
        found = json.loads(body)
        assert found["frame"]["original"] == {"width": SIDE, "height": SIDE}
        assert sum(one["pixels"] for one in found["classes"]) == SIDE * SIDE
        assert found["plan"]["decode"] == "bands"
        return
    Image.MAX_IMAGE_PIXELS, limit = None, Image.MAX_IMAGE_PIXELS
    try:
        with Image.open(io.BytesIO(body)) as mask:
            assert (mask.size, mask.mode) == ((SIDE, SIDE), "P")
            assert (np.asarray(mask)[::16, ::16] == VOC.index("person")).mean() > 0.02
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def test_a_damaged_one_is_a_400_and_the_server_lives_on(server: Server, picture: bytes) -> None:
    for broken in (picture[: len(picture) // 2], _with_wrong_checksum(picture)):
        status, body = server.post(broken, "?format=mask&tile=6000", patience=240)
        assert (status, json.loads(body)["code"]) == (400, "damaged-picture")
    assert server.post(picture[:1000])[0] == 400


def _with_wrong_checksum(picture: bytes) -> bytes:
    """One byte of the pixels is another, in the middle."""
    middle = len(picture) // 2
    return picture[:middle] + bytes([picture[middle] ^ 0xFF]) + picture[middle + 1 :]

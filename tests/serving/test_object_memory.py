"""A server of objects with 256 MB answers large photographs with json, coco and overlay, and stays within that."""

import io
import json
import sys
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from tests.material import photo
from tests.serving.live import Server
from tests.serving.object_model import object_cache

MODEL = "nanodet-m-coco"
LIMIT = 256_000_000
SIZE = (3600, 2700)


def large_photo() -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo("astronaut")).resize(SIZE).save(file, "JPEG", quality=85)
    return file.getvalue()


def peak_bytes(pid: int) -> int:
    """The most that the process has had in memory."""
    text = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(text.partition("VmHWM:")[2].split()[0])


@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read in /proc")
def test_ten_megapixels_within_256_megabytes(tmp_path: Path) -> None:
    cache = object_cache(tmp_path, MODEL)
    server = Server(MASKERY_CACHE=str(cache), MASKERY_MODEL=MODEL, MASKERY_MEMORY="256MB")
    try:
        data, address = large_photo(), f"http://127.0.0.1:{server.port}/v1/segment"
        for format in ("json", "coco", "overlay"):
            answer = httpx2.post(address, params={"format": format}, content=data, timeout=60)
            assert answer.status_code == 200, f"{format}: {answer.text[:300]}"
            if format == "json":
                assert "person" in [one["class"] for one in json.loads(answer.content)["objects"]]
            if format == "overlay":
                assert Image.open(io.BytesIO(answer.content)).size == SIZE
        assert peak_bytes(server.process.pid) < LIMIT
    finally:
        server.stop()

"""Damaged JPEG, PNG, WebP and TIFF files: 200 or 4xx with a problem body, never 5xx, and the server lives on."""

import numpy as np
from starlette.testclient import TestClient

from tests.material import encoded, photo

FORMATS = ("JPEG", "PNG", "WEBP")
CASES = 2_000


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """One of: cut off, bytes changed, a part repeated, a part removed, zeros written over."""
    kind, at = rng.integers(5), int(rng.integers(1, len(data)))
    length = int(rng.integers(1, 64))
    if kind == 0:
        return data[:at]
    if kind == 1:
        changed = bytearray(data)
        for place in rng.integers(0, len(data), int(rng.integers(1, 20))):
            changed[place] = int(rng.integers(256))
        return bytes(changed)
    if kind == 2:
        return data[:at] + data[at : at + length] * 2 + data[at + length :]
    if kind == 3:
        return data[:at] + data[at + length :]
    return data[:at] + bytes(length) + data[at + length :]


def test_damaged_pictures_never_hurt(quick_client: TestClient) -> None:
    rng = np.random.default_rng(11)
    good = [encoded(photo("astronaut"), format, (96, 80)) for format in FORMATS]
    statuses: dict[int, int] = {}
    for i in range(CASES):
        response = quick_client.post("/v1/segment?format=mask&max_side=32", content=damaged(good[i % len(good)], rng))
        statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
        assert response.status_code in (200, 400, 413, 415), (i, response.text)
        if response.status_code != 200:
            assert response.json()["code"] in ("damaged-picture", "unsupported-picture", "too-large")
            assert response.json()["cure"]
    assert statuses[200] > 100
    assert statuses[400] > 500
    assert quick_client.post("/v1/segment", content=good[0]).status_code == 200


def test_damaged_pictures_never_hurt_when_they_are_read_in_bands(quick_client: TestClient) -> None:
    rng = np.random.default_rng(12)
    good = [encoded(photo("astronaut"), format, (96, 80)) for format in ("JPEG", "PNG", "TIFF")]
    statuses: dict[int, int] = {}
    for i in range(300):
        query = f"format={('mask', 'overlay')[i % 2]}&max_side=32&tile=64"
        response = quick_client.post(f"/v1/segment?{query}", content=damaged(good[i % len(good)], rng))
        statuses[response.status_code] = statuses.get(response.status_code, 0) + 1
        assert response.status_code in (200, 400, 413, 415), (i, response.text)
        assert response.status_code == 200 or response.json()["cure"]
    assert statuses[200] > 10
    assert statuses[400] > 100
    assert quick_client.post("/v1/segment?tile=64", content=good[0]).json()["plan"]["decode"] == "bands"

"""What every protocol must stand: damaged, huge and wrong bytes get a 4xx in its envelope, and the server lives on."""

import logging
import struct

import numpy as np
import pytest
from starlette.testclient import TestClient

from maskery.serving.protocols.registry import PROTOCOLS
from tests.material import encoded, photo
from tests.serving.protocols.entry_points import ENTRY_POINTS, EntryPoint
from tests.serving.test_app import huge_png
from tests.serving.test_damaged import damaged

entry_points = pytest.mark.parametrize("entry_point", ENTRY_POINTS, ids=lambda entry_point: entry_point.name)
GOOD = {format: encoded(photo("astronaut"), format, (96, 80)) for format in ("JPEG", "PNG", "WEBP")}
NO_PICTURES = {
    "empty": b"",
    "one byte": b"\xff",
    "text": b"this is not a picture",
    "json": b'{"inputs": "x"}',
    "html": b"<!doctype html><title>x</title>",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "pdf": b"%PDF-1.7 not a picture",
    "zip": b"PK\x03\x04" + bytes(100),
    "heic": b"\0\0\0\x18ftypheic" + bytes(100),
    "zeros": bytes(10_000),
    "png without pixels": GOOD["PNG"][:33],
    "png of no size": huge_png(0, 10),
    "half a jpeg": GOOD["JPEG"][: len(GOOD["JPEG"]) // 2],
    "half a png": GOOD["PNG"][: len(GOOD["PNG"]) // 2],
    "huge png": huge_png(30_000, 30_000),
    "huge gif": b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + bytes(30),
    "too many bytes": GOOD["PNG"] + bytes(4_000_001),
}


@entry_points
def test_a_good_picture_is_answered(client: TestClient, entry_point: EntryPoint) -> None:
    for format, data in GOOD.items():
        assert entry_point.answered(entry_point.send(client, data)), format


@entry_points
@pytest.mark.parametrize("kind", NO_PICTURES)
def test_what_is_no_picture_is_refused(client: TestClient, entry_point: EntryPoint, kind: str) -> None:
    response = entry_point.send(client, NO_PICTURES[kind])
    entry_point.refusal(response)
    assert not entry_point.answered(response)
    if kind in ("too many bytes", "huge png", "huge gif") and 200 not in entry_point.statuses:
        assert response.status_code == 413


@entry_points
def test_damaged_pictures_never_hurt(quick_client: TestClient, entry_point: EntryPoint) -> None:
    rng = np.random.default_rng(5)
    refused = 0
    for i in range(150):
        response = entry_point.send(quick_client, damaged(list(GOOD.values())[i % 3], rng))
        if not entry_point.answered(response):
            entry_point.refusal(response)
            refused += 1
    assert 30 < refused < 150
    assert entry_point.answered(entry_point.send(quick_client, GOOD["JPEG"]))


@entry_points
def test_the_log_says_protocol_and_problem(
    client: TestClient, entry_point: EntryPoint, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "maskery.access"):
        response = entry_point.send(client, b"no picture")
    (line,) = [record.msg for record in caplog.records if record.name == "maskery.access"]
    assert line.protocol in PROTOCOLS
    assert entry_point.name.startswith(line.protocol)
    # Where one call has several pictures, each has its own refusal, and the call itself is answered.
    assert line.problem == ("" if response.status_code == 200 else "unsupported-picture")


@pytest.mark.parametrize("path", ["/model/predict", "/api/remove"])
def test_the_log_says_that_a_form_lacks_its_picture(
    client: TestClient, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "maskery.access"):
        assert client.post(path, files={"other": b"x"}).status_code in (400, 422)
    (line,) = [record.msg for record in caplog.records if record.name == "maskery.access"]
    assert line.problem == "bad-request"

"""The native API: what it answers, what it refuses, and that a mask is the same through every entry point."""

import base64
import io
import struct
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import httpx2
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import maskery
from maskery.core.labels import VOC
from maskery.models.catalog import builtin
from tests.material import decoded, encoded, photo

PNG = {"accept": "image/png"}


def problem(response: httpx2.Response, status: int, code: str) -> dict[str, str]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["detail"]
    assert body["cure"]
    return body


@pytest.mark.parametrize(("name", "label"), [("astronaut", "person"), ("chelsea", "cat")])
def test_the_same_mask_through_every_entry_point(client: TestClient, tmp_path: Path, name: str, label: str) -> None:
    data = encoded(photo(name), "JPEG")
    file = tmp_path / f"{name}.jpg"
    file.write_bytes(data)
    by_http = decoded(client.post("/v1/segment?format=mask", content=data).content)
    by_json = client.post("/v1/segment", content=data).json()
    by_form = decoded(client.post("/v1/segment", files={"image": data}, headers=PNG).content)
    by_python = maskery.load().segment(file).class_map
    command = [sys.executable, "-m", "maskery", "segment", str(file), "--format", "mask"]
    by_cli = decoded(subprocess.run(command, capture_output=True, check=True).stdout)
    for other in (by_form, by_python, by_cli, decoded(base64.b64decode(by_json["mask"]["base64"]))):
        assert np.array_equal(by_http, other)
    assert by_http.shape == photo(name).shape[:2]
    assert (by_http[by_http != 0] == VOC.index(label)).mean() > 0.8


def test_every_format(client: TestClient) -> None:
    data = encoded(photo("chelsea"), "JPEG")

    def post(format: str) -> httpx2.Response:
        response = client.post(f"/v1/segment?format={format}", content=data)
        assert response.status_code == 200
        return response

    mask = decoded(post("mask").content)
    colours = np.array(maskery.load().card.colours, np.uint8)
    assert np.array_equal(decoded(post("color").content), colours[mask])
    cutout = decoded(post("cutout").content)
    assert cutout.shape == (*mask.shape, 4)
    assert np.array_equal(cutout[..., 3] == 255, mask != 0)
    overlay = decoded(post("overlay").content)
    pixels = decoded(data)
    assert np.array_equal(overlay[mask == 0], pixels[mask == 0])
    assert (overlay[mask != 0] != pixels[mask != 0]).any()
    assert np.array_equal(np.load(io.BytesIO(post("npy").content)), mask)
    summary = post("json").json()
    assert summary["model"]["name"] == "everyday"
    assert summary["frame"]["original"] == {"width": 451, "height": 300}
    counted = {item["id"]: item["pixels"] for item in summary["classes"]}
    assert counted == {int(i): int((mask == i).sum()) for i in np.unique(mask)}
    assert set(summary["timings_ms"]) == {"queue", "decode", "preprocess", "run", "postprocess"}


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/json", "application/json"),
        ("image/png", "image/png"),
        ("image/png;format=cutout", "image/png"),
        ("image/jpeg", "image/jpeg"),
        ("application/x-npy", "application/x-npy"),
        ("*/*", "application/json"),
        ("text/html, image/png;q=0.5, application/json;q=0.4", "image/png"),
    ],
)
def test_accept_chooses_the_format(client: TestClient, accept: str, media_type: str) -> None:
    response = client.post("/v1/segment?max_side=64", content=encoded(photo("coffee")), headers={"accept": accept})
    assert response.status_code == 200
    assert response.headers["content-type"] == media_type
    if "cutout" in accept:
        assert decoded(response.content).shape[2] == 4


def test_an_accept_that_nothing_satisfies(client: TestClient) -> None:
    body = problem(client.post("/v1/segment", content=b"x", headers={"accept": "text/csv"}), 406, "not-acceptable")
    assert "image/png" in body["cure"]


def test_classes_and_max_side(client: TestClient) -> None:
    data = encoded(photo("astronaut"))
    kept = decoded(client.post("/v1/segment?format=mask&classes=person,dog", content=data).content)
    assert set(np.unique(kept)) <= {0, VOC.index("person"), VOC.index("dog")}
    answer = client.post("/v1/segment?max_side=128", content=data).json()
    assert answer["frame"]["working"] == {"width": 128, "height": 128}
    assert answer["frame"]["original"] == {"width": 512, "height": 512}
    body = problem(client.post("/v1/segment?classes=persn", content=data), 400, "bad-request")
    assert body["cure"] == "Did you mean 'person'?"
    problem(client.post("/v1/segment?max_side=99999", content=data), 400, "bad-request")
    problem(client.post("/v1/segment?max_side=-3", content=data), 400, "bad-request")


def test_an_upright_answer_for_a_turned_photograph(client: TestClient) -> None:
    image, exif = Image.fromarray(photo("chelsea")).transpose(Image.Transpose.ROTATE_90), Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the viewer must turn clockwise
    file = io.BytesIO()
    image.save(file, "PNG", exif=exif)
    upright = client.post("/v1/segment?format=mask", content=encoded(photo("chelsea")))
    turned = client.post("/v1/segment?format=mask", content=file.getvalue())
    assert np.array_equal(decoded(turned.content), decoded(upright.content))


def test_wrong_requests_get_a_problem_with_a_cure(client: TestClient) -> None:
    good = encoded(photo("coffee"))
    body = problem(client.post("/v1/segment?formt=mask", content=good), 400, "bad-request")
    assert body["cure"] == "Did you mean 'format'?"
    problem(client.post("/v1/segment?format=mask&format=json", content=good), 400, "bad-request")
    problem(client.post("/v1/segment?format=maks", content=good), 400, "bad-request")
    body = problem(client.post("/v1/segment?model=everday", content=good), 404, "unknown-model")
    assert "everyday" in body["cure"]
    body = problem(client.post("/v1/segment?model=selfie-256", content=good), 409, "model-not-pulled")
    assert "maskery models pull selfie-256" in body["cure"]
    problem(client.post("/v1/segment?model=/etc/passwd.toml", content=good), 404, "unknown-model")
    problem(client.post("/v1/segment?model=../../x", content=good), 404, "unknown-model")
    problem(client.post("/v1/segment", content=b""), 400, "bad-request")
    body = problem(client.post("/v1/segment", files={"picture": good}), 400, "bad-request")
    assert "'picture'" in body["detail"]
    problem(client.post("/v1/segment", data={"image": "text"}, files={"other": b"x"}), 400, "bad-request")
    broken = {"content-type": "multipart/form-data; boundary=x"}
    problem(client.post("/v1/segment", content=b"--y\r\nnonsense", headers=broken), 400, "bad-request")
    problem(
        client.post("/v1/segment", content=b"--x", headers={"content-type": "multipart/form-data"}), 400, "bad-request"
    )
    problem(client.post("/v1/segment", content=b"%PDF-1.7 not a picture"), 415, "unsupported-picture")
    problem(client.post("/v1/segment", content=good[: len(good) // 2]), 400, "damaged-picture")
    problem(client.put("/v1/segment"), 405, "method-not-allowed")
    problem(client.get("/nowhere"), 404, "not-found")


def huge_png(width: int, height: int) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def test_too_many_pixels_or_bytes(client: TestClient) -> None:
    body = problem(client.post("/v1/segment", content=huge_png(30_000, 30_000)), 413, "too-large")
    assert "30000 x 30000" in body["detail"]
    problem(client.post("/v1/segment", content=bytes(4_000_001)), 413, "too-large")
    problem(client.post("/v1/segment", content=iter([bytes(1_000_000)] * 9)), 413, "too-large")
    problem(client.post("/v1/segment", files={"image": bytes(4_000_001)}), 413, "too-large")


def test_models(client: TestClient) -> None:
    listed = client.get("/v1/models").json()
    assert listed["default"] == "everyday"
    assert listed["models"][0]["name"] == "everyday"
    assert listed["models"][0]["palette"][15] == "#c08080"
    assert "file" not in listed["models"][0]
    assert client.get("/v1/models/everyday").json()["labels"] == list(VOC)
    problem(client.get("/v1/models/nothing"), 404, "unknown-model")


def test_a_broken_card_in_the_cache_hides_no_other_model(client: TestClient) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]
    broken = Path(service.settings.cache) / "models" / "broken"
    broken.mkdir(parents=True)
    (broken / "model.toml").write_text("nonsense = ")
    assert sorted(model["name"] for model in client.get("/v1/models").json()["models"]) == list(builtin())
    problem(client.get("/v1/models/broken"), 404, "unknown-model")
    (broken / "model.toml").unlink()


def test_health_and_headers(client: TestClient) -> None:
    assert client.get("/livez").json() == {"live": True}
    devices = {"everyday@1.0.0": {"asked": "cpu", "used": "cpu"}}
    assert client.get("/readyz").json() == {"ready": True, "models": {"everyday": "ok"}, "devices": devices}
    for path in ("/", "/docs", "/static/app.js", "/v1/models", "/nowhere"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_not_ready_when_the_stored_answer_differs(client: TestClient) -> None:
    pool = client.app.state.service.pool  # type: ignore[attr-defined]
    pooled = pool.views()[0]
    pooled.state, pooled.reason = "wrong", "person covers 0.1, expected 0.5"
    try:
        response = client.get("/readyz")
        assert response.status_code == 503
        assert response.json()["ready"] is False
        assert response.json()["models"] == {"everyday": "person covers 0.1, expected 0.5"}
    finally:
        pooled.state, pooled.reason = "ready", ""


def test_many_callers_each_get_their_own_answer(client: TestClient) -> None:
    pictures = [
        encoded(photo(name), "PNG", size) for name in ("astronaut", "chelsea") for size in ((90, 60), (64, 200))
    ]
    expected = [client.post("/v1/segment?format=mask", content=p).content for p in pictures]
    wrong: list[int] = []

    def caller(i: int) -> None:
        for _ in range(3):
            broken = client.post("/v1/segment", content=pictures[i][:50])
            good = client.post("/v1/segment?format=mask", content=pictures[i])
            if broken.status_code != 400 or good.content != expected[i]:
                wrong.append(i)

    threads = [threading.Thread(target=caller, args=(i % 4,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong

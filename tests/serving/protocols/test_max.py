"""What the tests of MAX-Image-Segmenter ask of its server, asked of ours; and what ours answers where it is better.

The original's pictures are not here. Ours is the upper half of scikit-image's astronaut, twice as wide as high as well:
a person in the middle, the upper left corner empty.
"""

import http.client
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

import maskery
from maskery.core.errors import BadRequest, ConfigError, NotPulled
from maskery.core.labels import VOC
from maskery.core.picture import decode
from maskery.core.plan import RunOptions
from maskery.core.settings import Settings, load_settings, max_variables
from maskery.serving.app import create_app
from maskery.serving.protocols.max import map_size, masked
from tests.material import ROOT, encoded, photo, shared
from tests.recipes import block, python, shell
from tests.serving.live import Server
from tests.serving.protocols.other_model import other_labels

PICTURE = photo("astronaut")[:256]
FULL = "deeplabv3-mobilenetv2-voc-513"
MISSING = {
    "errors": {"image": "An image file (encoded as PNG or JPG/JPEG) Missing required parameter in an uploaded file"},
    "message": "Input payload validation failed",
}


def call(server: Server, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any, bytes]:
    """(status, headers, body); a client that sends no header of its own accord but Host and Content-Length."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, path, body or None, {k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def upload(data: bytes, field: str = "image", filename: str = "tests/stc.jpg", type: str = "image/jpg") -> bytes:
    """A form as requests would write it, with the boundary "x"."""
    disposition = f'Content-Disposition: form-data; name="{field}"; filename="{filename}"'
    return f"--x\r\n{disposition}\r\nContent-Type: {type}\r\n\r\n".encode() + data + b"\r\n--x--\r\n"


def predict(server: Server, data: bytes, **headers: str) -> tuple[int, Any]:
    form = {"Content_Type": "multipart/form-data; boundary=x"}
    status, _, body = call(server, "POST", "/model/predict", upload(data), **form, **headers)
    return status, json.loads(body)


# The original's matrix of .travis.yml: environment, the size that counts, what the log must say.
MATRIX = [
    ({"MODEL_TYPE": "mobile"}, 513, ""),
    ({"MODEL_TYPE": "mobile", "IMAGE_SIZE": "333"}, 333, ""),
    ({"MODEL_TYPE": "full"}, 513, ""),
    ({"MODEL_TYPE": "full", "IMAGE_SIZE": "333"}, 333, ""),
    ({"MODEL_TYPE": "vacuum"}, 513, "MODEL_TYPE='vacuum' is neither mobile nor full"),
    ({"IMAGE_SIZE": "9999999"}, 513, "IMAGE_SIZE='9999999' is not a whole number from 16 to 1024"),
    ({"IMAGE_SIZE": "talk-big"}, 513, "IMAGE_SIZE='talk-big' is not a whole number from 16 to 1024"),
]


@pytest.fixture(scope="module", params=MATRIX, ids=lambda row: ",".join(row[0].values()))
def matrix(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int]]:
    variables, size, remark = request.param
    cache = str(tmp_path_factory.mktemp("cache"))
    if variables.get("MODEL_TYPE") == "full":
        mirror = {"MASKERY_CACHE": cache, "MASKERY_MIRROR": str(shared(f"models/{FULL}.tflite").parent)}
        command = [sys.executable, "-m", "maskery", "models", "pull", FULL]
        subprocess.run(command, check=True, capture_output=True, env=os.environ | mirror)
    server = Server("--max", MASKERY_CACHE=cache, **variables)
    assert remark in "".join(server.lines)
    assert bool(remark) == any("WARNING" in line for line in server.lines)
    yield server, size
    server.stop()


def test_what_the_original_asserts(matrix: tuple[Server, int]) -> None:
    server, size = matrix
    status, headers, body = call(server, "GET", "/swagger.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body)["swagger"] == "2.0"
    assert json.loads(body)["info"]["title"] == "MAX Image Segmenter"

    status, _, body = call(server, "GET", "/model/metadata")
    metadata = json.loads(body)
    assert status == 200
    assert list(metadata) == ["id", "name", "description", "type", "source", "license"]
    assert metadata["id"] == "max-image-segmenter"
    assert metadata["name"] == "MAX Image Segmenter"
    assert metadata["description"] == "DeepLab TensorFlow model for semantic image segmentation, trained on VOCO 2012"
    assert metadata["type"] == "Object Detection"
    assert metadata["license"] == "Apache v2"
    assert "max-image-segmenter" in metadata["source"]

    status, _, body = call(server, "GET", "/model/labels")
    labels = json.loads(body)
    assert status == 200
    assert labels == [{"id": i, "name": name} for i, name in enumerate(VOC)]
    assert labels[3] == {"id": 3, "name": "bird"}

    for format in ("JPEG", "PNG"):
        status, answer = predict(server, encoded(PICTURE, format))
        assert status == 200
        assert list(answer) == ["status", "image_size", "seg_map"]
        assert answer["status"] == "ok"
        assert answer["image_size"] == [size, size // 2]
        assert len(answer["seg_map"]) == answer["image_size"][1]
        assert {len(row) for row in answer["seg_map"]} == {size}
        assert answer["seg_map"][0][0] == 0
        assert answer["seg_map"][size // 5][size * 11 // 25] == 15


@pytest.fixture(scope="module")
def drop_in() -> Iterator[Server]:
    server = Server("--max", CORS_ENABLE="true")
    yield server
    server.stop()


def test_the_map_is_decided_on_its_own_grid_from_the_stored_pixels(drop_in: Server) -> None:
    data = encoded(PICTURE[:, :200])
    segmenter = maskery.load("everyday")
    picture = decode.open_picture(data, max_bytes=1 << 24, max_pixels=1 << 24)
    size = map_size((200, 256), 513)
    assert size == (400, 513)
    expected = segmenter.model.run(picture, RunOptions(answer_wh=size)).class_map
    assert predict(drop_in, data)[1]["seg_map"] == expected.tolist()


def test_exif_orientation_is_ignored(drop_in: Server) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for format in ("PNG", "JPEG"):
        turned, plain = io.BytesIO(), io.BytesIO()
        Image.fromarray(PICTURE).save(turned, format, exif=exif)
        Image.fromarray(PICTURE).save(plain, format)
        answer = predict(drop_in, turned.getvalue())[1]
        assert answer["image_size"] == [513, 256]
        assert answer == predict(drop_in, plain.getvalue())[1]


@pytest.mark.parametrize(
    ("size_wh", "side", "expected"),
    [
        ((640, 480), 513, (513, 384)),  # 384.75 is cut off
        ((480, 640), 513, (384, 513)),
        ((10, 10), 513, (513, 513)),
        ((4000, 3), 16, (16, 1)),  # the original fails here
        ((1000, 999), 1024, (1024, 1022)),
    ],
)
def test_map_size(size_wh: tuple[int, int], side: int, expected: tuple[int, int]) -> None:
    assert map_size(size_wh, side) == expected


def test_refusals_in_the_original_words(drop_in: Server) -> None:
    form = {"Content_Type": "multipart/form-data; boundary=x"}
    good = encoded(PICTURE, "JPEG")
    for body in (upload(good, field="picture"), b"--x--\r\n"):
        status, headers, answer = call(drop_in, "POST", "/model/predict", body, **form)
        assert (status, headers["content-type"]) == (400, "application/json")
        assert json.loads(answer) == MISSING
    for body in (b"", good):
        status, _, answer = call(drop_in, "POST", "/model/predict", body)
        assert (status, json.loads(answer)) == (400, MISSING)
    for data in (b"no picture", good[: len(good) // 2], good[:100], b""):
        assert predict(drop_in, data) == (400, {"message": "The provided input is not a valid image."})


def test_verbs(drop_in: Server) -> None:
    for path, allowed in (("/model/predict", "POST"), ("/model/labels", "GET"), ("/swagger.json", "GET")):
        status, headers, body = call(drop_in, "OPTIONS", path)
        assert (status, body) == (200, b"")
        assert allowed in headers["allow"]
        status, headers, body = call(drop_in, "DELETE", path)
        assert status == 405
        assert json.loads(body) == {"message": "The method is not allowed for the requested URL."}
        assert allowed in headers["allow"]
    status, headers, body = call(drop_in, "HEAD", "/model/labels")
    assert (status, body) == (200, b"")
    assert int(headers["content-length"]) > 400
    assert call(drop_in, "GET", "/model/predict")[0] == 405


def test_fields(drop_in: Server) -> None:
    status, _, body = call(drop_in, "GET", "/model/metadata", X_Fields="{id,name}")
    assert (status, json.loads(body)) == (200, {"id": "max-image-segmenter", "name": "MAX Image Segmenter"})
    assert predict(drop_in, encoded(PICTURE), X_Fields="image_size") == (200, {"image_size": [513, 256]})
    status, answer = predict(drop_in, encoded(PICTURE), X_Fields="{status")
    assert status == 400
    assert answer["message"].startswith("Mask parse error: Missing closing bracket")


def test_cors(drop_in: Server) -> None:
    _, headers, _ = call(drop_in, "GET", "/model/labels", Origin="https://a.example")
    assert headers["access-control-allow-origin"] == "*"
    asks = {"Origin": "https://a.example", "Access_Control_Request_Method": "POST"}
    status, headers, _ = call(drop_in, "OPTIONS", "/model/predict", **asks)
    assert (status, headers["access-control-allow-origin"]) == (200, "*")


# Without --max: the same API, about the server's own model.


def test_a_server_that_stands_in_for_nobody_says_its_own_name(client: TestClient) -> None:
    metadata = client.get("/model/metadata").json()
    assert metadata["id"] == "everyday"
    assert metadata["type"] == "Semantic Segmentation"
    assert metadata["license"] == maskery.load("everyday").card.licence.name
    assert len(client.get("/model/labels").json()) == 21
    response = client.post("/model/predict", files={"image": encoded(PICTURE)})
    assert response.json()["image_size"] == [513, 256]
    assert (
        "access-control-allow-origin"
        not in client.get("/model/labels", headers={"Origin": "https://a.example"}).headers
    )


def test_the_variables_of_max_count_only_in_its_mode() -> None:
    variables = {"MODEL_TYPE": "full", "IMAGE_SIZE": "333", "CORS_ENABLE": "true"}
    assert load_settings({}, variables) == Settings()
    settings = load_settings({"drop_in": "max"}, variables)
    assert settings == Settings(drop_in="max", port=5000, model=(FULL,), map_side=333, cors=("*",))
    assert settings.host == "127.0.0.1"
    assert load_settings({}, variables | {"MASKERY_DROP_IN": "max"}) == settings
    assert max_variables(variables)[1] == []
    assert load_settings({"drop_in": "max", "port": 80, "model": ("a",)}, variables).port == 80
    assert load_settings({"drop_in": "max", "model": ("a",)}, variables).model == ("a",)
    assert load_settings({"drop_in": "max"}, variables | {"MASKERY_MAP_SIDE": "64"}).map_side == 64


@pytest.mark.parametrize("text", ["15", "1025", "-20", "", "5e2", "²³³", "9" * 5000])
def test_sizes_that_max_ignores(text: str) -> None:
    values, remarks = max_variables({"IMAGE_SIZE": text})
    assert values["map_side"] == 513
    assert len(remarks) == 1


def test_the_file_of_settings_lies_below_the_variables(tmp_path: Path) -> None:
    config = tmp_path / "m.toml"
    config.write_text('drop_in = "max"\nport = 8000\nmap_side = 100\n')
    assert load_settings({}, {}, config).map_side == 100
    assert load_settings({}, {}, config).port == 8000
    assert load_settings({}, {"IMAGE_SIZE": "200"}, config).map_side == 200


def test_standing_in_for_max_needs_its_labels(tmp_path: Path) -> None:
    folder = other_labels(tmp_path)
    settings = Settings(cache=str(tmp_path), model=(str(folder),), drop_in="max")
    with pytest.raises(ConfigError, match="21 classes of MAX-Image-Segmenter"):
        create_app(settings)
    with TestClient(create_app(Settings(cache=str(tmp_path), model=(str(folder),)))) as client:
        response = client.post("/model/predict", files={"image": encoded(PICTURE)})
        assert response.json()["image_size"] == [513, 256]
        assert {"id": 15, "name": "human"} in client.get("/model/labels").json()


def test_the_full_model_must_be_pulled_first(tmp_path: Path) -> None:
    settings = load_settings({"drop_in": "max", "cache": str(tmp_path)}, {"MODEL_TYPE": "full"})
    with pytest.raises(NotPulled, match=f"maskery models pull {FULL}"):
        create_app(settings)
    command, full = [sys.executable, "-m", "maskery", "serve", "--max"], {"MODEL_TYPE": "full"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | full)
    assert done.returncode == 4
    assert f"Run: maskery models pull {FULL}" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_page_as_it_stands(drop_in: Server, tmp_path: Path) -> None:
    page = ROOT / "docs" / "protocols" / "max.md"
    (tmp_path / "photo.jpg").write_bytes(encoded(PICTURE, "JPEG"))
    script = block(page, "sh", "curl").replace("http://127.0.0.1:5000", f"http://127.0.0.1:{drop_in.port}")
    printed = shell(script, tmp_path)
    assert '{"id":15,"name":"person"}' in printed
    assert printed.endswith('{"id":"max-image-segmenter","name":"MAX Image Segmenter"}')
    assert python(block(page, "python", "seg_map"), tmp_path) == "ok class in the middle: 15\n"


FIELDS = {"id": 1, "name": "n", "type": "t"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, FIELDS),
        ("", FIELDS),
        ("  ", FIELDS),
        ("{id,name}", {"id": 1, "name": "n"}),
        ("name,id", {"name": "n", "id": 1}),
        ("{ name }", {"name": "n"}),
        ("*", FIELDS),
        ("{type,*}", {"type": "t", "id": 1, "name": "n"}),
        ("{id,nothing}", {"id": 1}),
        ("id,", {"id": 1}),
        ("{}", {}),
    ],
)
def test_fields_are_chosen(text: str | None, expected: dict[str, object]) -> None:
    chosen = masked(FIELDS, text)
    assert chosen == expected
    assert list(chosen) == list(expected)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{id", "Mask parse error: Missing closing bracket"),
        (",id", "Mask parse error: Unexpected comma"),
        ("id,,name", "Mask parse error: Unexpected comma"),
        ("{id{x}}", "Mask error: Mask is inconsistent with model"),
        ("id}", "Mask error"),
    ],
)
def test_broken_masks_are_errors(text: str, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        masked(FIELDS, text)

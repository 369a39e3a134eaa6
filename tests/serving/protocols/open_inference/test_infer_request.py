"""Inference over the wire: what can be sent, what comes back, what is refused."""

import base64
import gzip
import json
import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

from tests.material import decoded, encoded, photo
from tests.serving.protocols.open_inference.wire import (
    HEADER,
    Json,
    elements,
    infer,
    infer_bytes,
    infer_raw,
    tensor,
    tensors,
)

BINARY = {"binary_data_output": True}


def native(client: TestClient, picture: bytes, query: str = "") -> NDArray[np.uint8]:
    """The mask of the native API."""
    return decoded(client.post(f"/v1/segment?format=mask{query}", content=picture).content)


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    return encoded(photo("chelsea"), "JPEG")


def test_encoded_and_raw_pictures_in_every_form(client: TestClient, jpeg: bytes) -> None:
    expected = native(client, jpeg)
    pixels = decoded(jpeg)
    small = pixels[::6, ::6]
    text = base64.b64encode(jpeg).decode()
    named = {"name": "image", "datatype": "BYTES", "shape": [1]}
    found = [
        infer_bytes(client, jpeg),
        infer_bytes(client, jpeg, parameters=BINARY),
        infer(client, {"inputs": [named | {"data": [text]}]}),
        infer(client, {"inputs": [named | {"shape": [1, 1], "data": [[text]]}], "parameters": BINARY}),
    ]
    for response in found:
        class_map = tensors(response)["class_map"]
        assert class_map.dtype == np.uint8
        assert np.array_equal(class_map, expected[None])
    # A whole JPEG is decoded reduced, raw pixels are not: compare those with the PNG of the same pixels.
    exact = native(client, encoded(small))
    for shape in ([*small.shape], [1, *small.shape]):
        named = {"name": "image", "datatype": "UINT8", "shape": shape}
        raw = infer(client, {"inputs": [tensor(small.tobytes(), shape, "UINT8")]}, small.tobytes())
        flat = infer(client, {"inputs": [named | {"data": small.reshape(-1).tolist()}], "parameters": BINARY})
        nested = infer(client, {"inputs": [named | {"data": small.reshape(shape).tolist()}]})
        for response in (raw, flat, nested):
            assert np.array_equal(tensors(response)["class_map"], exact[None])


def test_the_envelope_of_an_answer(client: TestClient, jpeg: bytes) -> None:
    answer = infer_bytes(client, jpeg, id="number 7", outputs=[{"name": "summary"}]).json()
    assert answer["id"] == "number 7"
    assert (answer["model_name"], answer["model_version"]) == ("everyday", "1.0.0")
    assert [(o["name"], o["datatype"], o["shape"]) for o in answer["outputs"]] == [("summary", "BYTES", [1])]
    assert "id" not in infer_bytes(client, jpeg).json()
    versioned = client.post("/v2/models/everyday/versions/1.0.0/infer", content=jpeg, headers={HEADER: "0"})
    assert versioned.status_code == 200


def test_only_what_was_asked_for_in_its_order_and_form(client: TestClient, jpeg: bytes) -> None:
    wanted = ["summary", "confidence", "mask_png", "entropy", "class_map", "margin"]
    outputs: list[Json] = [{"name": name} for name in wanted]
    outputs[1]["parameters"] = outputs[2]["parameters"] = {"binary_data": True}
    mixed = infer_bytes(client, jpeg, outputs=outputs)
    found = tensors(mixed)
    assert list(found) == wanted
    ids = native(client, jpeg)
    assert np.array_equal(found["class_map"], ids[None])
    assert np.array_equal(decoded(found["mask_png"][0]), ids)
    assert json.loads(found["summary"][0])["classes"][0]["name"] == "cat"
    assert found["confidence"].dtype == np.float32
    assert found["confidence"].shape == (1, *ids.shape)
    assert 0 < found["confidence"].min() <= found["confidence"].max() <= 1
    for one in outputs:
        one["parameters"] = {"binary_data": not one.get("parameters")}
    other = infer_bytes(client, jpeg, outputs=outputs, parameters={"binary_data_output": True})
    again = tensors(other)
    for name in ("confidence", "entropy", "margin", "class_map"):
        assert np.array_equal(found[name], again[name])
    assert base64.b64decode(again["mask_png"][0]) == found["mask_png"][0]
    kinds = {o["name"]: o.get("parameters") for o in json.loads(other.content[: int(other.headers[HEADER])])["outputs"]}
    assert kinds["mask_png"] == {"content_type": "image/png;base64"}


def test_several_pictures(client: TestClient) -> None:
    cat, coffee = (encoded(photo(name), "PNG", (120, 90)) for name in ("chelsea", "coffee"))
    wide = encoded(photo("astronaut"), "PNG", (150, 80))
    found = tensors(infer_bytes(client, cat, coffee, parameters=BINARY))["class_map"]
    assert np.array_equal(found, np.stack([native(client, cat), native(client, coffee)]))
    pixels = np.stack([decoded(cat), decoded(coffee)])
    raw = infer(client, {"inputs": [tensor(pixels.tobytes(), [2, 90, 120, 3], "UINT8")]}, pixels.tobytes())
    assert np.array_equal(tensors(raw)["class_map"], found)
    refused = infer_bytes(client, cat, wide)
    assert refused.status_code == 400
    assert "(120, 90) and (150, 80)" in refused.json()["error"]
    assert "mask_png" in refused.json()["error"]
    masks = tensors(infer_bytes(client, cat, wide, outputs=[{"name": "mask_png"}], parameters=BINARY))["mask_png"]
    assert [decoded(mask).shape for mask in masks] == [(90, 120), (80, 150)]
    bad = infer_bytes(client, cat, cat[:200])
    assert bad.status_code == 400
    assert bad.json()["error"].startswith("Picture 2 of 2: ")
    many = infer_bytes(client, *[cat] * 17)
    assert (many.status_code, "at most 16" in many.json()["error"]) == (413, True)


def test_pixels_of_all_pictures_count_together(client: TestClient) -> None:
    flat = encoded(np.zeros((2000, 2000, 3), np.uint8))  # three times 4 of 13 megapixels
    outputs = [{"name": "summary"}]
    assert infer_bytes(client, *[flat] * 3, outputs=outputs).status_code == 200
    refused = infer_bytes(client, *[flat] * 4, outputs=outputs)
    assert refused.status_code == 413
    assert "16,000,000 pixels together" in refused.json()["error"]


def test_numbers_in_json_have_a_limit_and_binary_ones_do_not(client: TestClient) -> None:
    flat = encoded(np.zeros((3000, 3000, 3), np.uint8))
    outputs = [{"name": "class_map"}, {"name": "confidence"}]
    refused = infer_bytes(client, flat, outputs=outputs)
    assert refused.status_code == 413
    assert '"binary_data_output": true' in refused.json()["error"]
    assert infer_bytes(client, flat, outputs=outputs, parameters=BINARY).status_code == 200


def test_a_raw_request_is_the_picture_itself(client: TestClient, jpeg: bytes) -> None:
    response = infer_raw(client, jpeg)
    assert int(response.headers[HEADER]) > 0
    assert np.array_equal(tensors(response)["class_map"][0], native(client, jpeg))
    assert infer_raw(client, b"").status_code == 400


def test_parameters(client: TestClient, jpeg: bytes) -> None:
    found = tensors(infer_bytes(client, jpeg, parameters={"max_side": 128, "classes": "person, dog"}))["class_map"]
    assert np.array_equal(found[0], native(client, jpeg, "&max_side=128&classes=person,dog"))
    for parameters, says in (
        ({"max_sid": 3}, "Did you mean 'max_side'"),
        ({"max_side": "3"}, "whole number"),
        ({"max_side": True}, "whole number"),
        ({"max_side": 0}, "whole number"),
        ({"classes": 5}, "names separated"),
        ({"classes": "cta"}, "Did you mean 'cat'"),
        ({"binary_data_output": "yes"}, "true or false"),
        ({"timeouts": 5}, "Unknown parameter 'timeouts'"),
    ):
        response = infer_bytes(client, jpeg, parameters=parameters)
        assert response.status_code == 400
        assert says in response.json()["error"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_compressed_bodies(client: TestClient, jpeg: bytes, encoding: str) -> None:
    data = elements(jpeg)
    text = json.dumps({"inputs": [tensor(data, [1])]}).encode()
    pack = {"gzip": gzip.compress, "deflate": zlib.compress}[encoding]
    headers = {HEADER: str(len(text)), "content-encoding": encoding}
    response = client.post("/v2/models/everyday/infer", content=pack(text + data), headers=headers)
    assert np.array_equal(tensors(response)["class_map"][0], native(client, jpeg))
    bomb = client.post("/v2/models/everyday/infer", content=pack(bytes(50_000_000)), headers=headers)
    assert bomb.status_code == 413
    assert "4,000,000" in bomb.json()["error"]


def one(**changes: Any) -> Json:
    return {"inputs": [{"name": "image", "shape": [2, 2, 3], "datatype": "UINT8", "data": [0] * 12} | changes]}


WRONG: list[tuple[str, Any, str]] = [
    ("no JSON", "nonsense", "not an inference request"),
    ("no inputs", {}, "inputs"),
    ("an unknown key", one() | {"input": []}, "unknown field `input`"),
    ("another model", one() | {"model_name": "x"}, "The path"),
    ("no input", {"inputs": []}, "the model has one: 'image'"),
    ("two inputs", {"inputs": one()["inputs"] * 2}, "the model has one"),
    ("another name", one(name="img"), "the model has one"),
    ("another type", one(datatype="FP32"), "holds no pictures"),
    ("FP16 in JSON", one(datatype="FP16"), "FP16 has no JSON form"),
    ("two axes", one(shape=[4, 3]), "holds no pictures"),
    ("four channels", one(shape=[1, 3, 4]), "holds no pictures"),
    ("a negative axis", one(shape=[-2, -2, 3]), "at least 1"),
    ("no axis", one(shape=[]), "at least 1"),
    ("a huge axis", one(shape=[1 << 62, 1 << 62, 3]), "has 12 elements"),
    ("an axis beyond numbers", one(shape=[10**30, 2, 3]), "has 12 elements"),
    ("too few numbers", one(data=[0] * 11), "has 11 elements"),
    ("none", one(data=[]), "elements"),
    ("nested otherwise", one(data=[[0] * 6, [0] * 6]), "not of shape [2, 2, 3]"),
    ("ragged", one(data=[[[0, 0, 0], [0, 0, 0, 0]], [[0, 0, 0], [0, 0]]]), "not of shape"),
    ("too large a number", one(data=[300] * 12), "no UINT8"),
    ("a negative number", one(data=[-1] * 12), "no UINT8"),
    ("a fraction", one(data=[0.5] * 12), "no UINT8"),
    ("truth", one(data=[True] * 12), "no UINT8"),
    ("text", one(data=["0"] * 12), "no UINT8"),
    ("a number, not a list", one(data=5), "elements"),
    ("data twice", one(parameters={"binary_data_size": 12}), "either 'data' or"),
    ("no data", {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES"}]}, "either 'data' or"),
    ("binary without the header", {"inputs": [tensor(bytes(12), [2, 2, 3], "UINT8")]}, "0 bytes follow"),
    ("an unknown parameter of the input", one(parameters={"shared_memory_region": "x"}), "Unknown parameter"),
    ("no base64", one(datatype="BYTES", shape=[1], data=["*"]), "not base64"),
    ("base64 beyond ASCII", one(datatype="BYTES", shape=[1], data=["é"]), "not base64"),
    ("numbers as BYTES", one(datatype="BYTES", shape=[1], data=[5]), "not base64"),
    ("no elements", one(datatype="BYTES", shape=[1], data=[]), "has 0 elements"),
    ("two texts for one", one(datatype="BYTES", shape=[1], data=["", ""]), "has 2 elements"),
    ("an empty picture", one(datatype="BYTES", shape=[1], data=[""]), "empty"),
    ("no outputs", one() | {"outputs": []}, "Name each"),
    ("an output twice", one() | {"outputs": [{"name": "summary"}] * 2}, "Name each"),
    ("an unknown output", one() | {"outputs": [{"name": "class_mp"}]}, "Did you mean 'class_map'"),
    ("another task's output", one() | {"outputs": [{"name": "scores"}]}, "no output 'scores'"),
    ("a wrong flag", one() | {"outputs": [{"name": "class_map", "parameters": {"binary_data": 1}}]}, "true or false"),
    ("classification", one() | {"outputs": [{"name": "class_map", "parameters": {"classification": 3}}]}, "Unknown"),
    ("id is no text", one() | {"id": 5}, "id"),
]


@pytest.mark.parametrize(("message", "says"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_wrong_messages(client: TestClient, message: Any, says: str) -> None:
    response = infer(client, message)
    assert response.status_code == 400, response.text
    assert set(response.json()) == {"error"}
    assert says.lower() in response.json()["error"].lower()


@pytest.mark.parametrize(
    ("data", "shape", "says"),
    [
        (elements(b"x") + b"\1\0", [1], "cut off"),
        (elements(b"x")[:-1], [1], "cut off"),
        (b"\xff\xff\xff\xff" + b"x", [1], "cut off"),
        (elements(b"x", b"y"), [1], "other than 1"),
        (elements(b"x"), [2], "1 elements, its shape says 2"),
        (elements(b"GIF89a"), [1], "damaged"),
    ],
)
def test_wrong_elements(client: TestClient, data: bytes, shape: list[int], says: str) -> None:
    response = infer(client, {"inputs": [tensor(data, shape)]}, data)
    assert (response.status_code, says in response.json()["error"]) == (400, True), response.text


@pytest.mark.parametrize("length", ["-1", "x", "9" * 30, "1e3", "5 ", "10000"])
def test_a_wrong_header(client: TestClient, length: str) -> None:
    response = infer(client, one(), **{HEADER: length})
    assert response.status_code == 400
    assert "error" in response.json()


def test_a_length_that_cuts_the_json(client: TestClient) -> None:
    assert infer(client, one(), **{HEADER: "20"}).status_code == 400
    response = infer(client, {"inputs": [tensor(bytes(12), [2, 2, 3], "UINT8")]}, bytes(13))
    assert "binary_data_size is 12, 13 bytes follow" in response.json()["error"]
    trailing = infer(client, one(), b"more")
    assert trailing.status_code == 400


def test_models_that_are_not_here(client: TestClient) -> None:
    assert infer(client, one(), model="everyda").status_code == 404
    assert client.post("/v2/models/everyday/versions/7/infer", content=b"{}").status_code == 404
    pull = infer(client, one(), model="selfie-256")
    assert (pull.status_code, "maskery models pull" in pull.json()["error"]) == (409, True)


def test_statuses_are_those_of_the_error(client: TestClient) -> None:
    assert infer_bytes(client, b"%PDF-1.7 this is none").status_code == 415
    assert infer_bytes(client, bytes(6_000_000)).status_code == 413
    assert client.get("/v2/models/everyday/infer").status_code == 405
    assert "error" in client.get("/v2/models/everyday/infer").json()


@pytest.mark.parametrize(
    "change",
    [
        {"parameters": None},
        {"parameters": {"content_type": "np", "headers": {"x": "y"}, "max_side": None}},
        {
            "parameters": {
                "priority": 1,
                "timeout": 9,
                "sequence_id": "a",
                "sequence_start": True,
                "sequence_end": False,
            }
        },
    ],
)
@pytest.mark.parametrize("shape", [[1], [1, 1]])
@pytest.mark.parametrize("nested", [False, True])
def test_what_clients_add_by_themselves(
    client: TestClient, jpeg: bytes, change: dict[str, Json], shape: list[int], nested: bool
) -> None:
    text = base64.b64encode(jpeg).decode()
    given = {"name": "image", "datatype": "BYTES", "shape": shape, "data": [[text]] if nested else [text]}
    body: dict[str, Json] = {"inputs": [given | {"parameters": {"content_type": "base64"}}]} | change
    response = client.post("/v2/models/everyday/infer", json=body)
    assert response.status_code == 200, response.text
    body["outputs"] = [{"name": "class_map", "parameters": None}]
    assert client.post("/v2/models/everyday/infer", json=body).status_code == 200

"""The official client, tritonclient, against a real server."""

import base64
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.material import ROOT, decoded, encoded, photo
from tests.recipes import block, python, shell
from tests.serving.live import Server

triton = pytest.importorskip("tritonclient.http")
InferenceServerException = triton.InferenceServerException


@pytest.fixture
def server(plain_server: Server) -> Server:
    return plain_server


@pytest.fixture
def client(server: Server) -> Iterator["triton.InferenceServerClient"]:
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}", concurrency=4) as client:
        yield client


def encoded_input(*pictures: bytes, binary: bool = True) -> "triton.InferInput":
    """BYTES; as base64 where it is not binary, for JSON has no bytes."""
    values = pictures if binary else [base64.b64encode(picture) for picture in pictures]
    tensor = triton.InferInput("image", [len(pictures)], "BYTES")
    tensor.set_data_from_numpy(np.array(values, np.object_), binary_data=binary)
    return tensor


def test_health_and_metadata(client: "triton.InferenceServerClient") -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("everyday")
    assert client.is_model_ready("everyday", "1.0.0")
    assert not client.is_model_ready("nothing")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("everyday", "1.0.0")
    assert metadata["outputs"][0] == {"name": "class_map", "datatype": "UINT8", "shape": [-1, -1, -1]}


def test_infer(client: "triton.InferenceServerClient", server: Server) -> None:
    jpeg = encoded(photo("chelsea"), "JPEG")
    expected = decoded(server.post(jpeg, "?format=mask")[1])
    for binary in (True, False):
        wanted = [
            triton.InferRequestedOutput("class_map", binary_data=binary),
            triton.InferRequestedOutput("summary", binary_data=not binary),
            triton.InferRequestedOutput("confidence", binary_data=binary),
            triton.InferRequestedOutput("mask_png", binary_data=True),
        ]
        found = client.infer("everyday", [encoded_input(jpeg, binary=binary)], outputs=wanted, request_id="7")
        assert found.get_response()["id"] == "7"
        class_map = found.as_numpy("class_map")
        assert class_map.dtype == np.uint8
        assert np.array_equal(class_map[0], expected)
        assert np.array_equal(decoded(found.as_numpy("mask_png")[0]), expected)
        assert found.as_numpy("confidence").shape == class_map.shape
        assert '"name":"cat"' in str(found.as_numpy("summary")[0])


def test_infer_pixels_and_async(client: "triton.InferenceServerClient", server: Server) -> None:
    pixels = photo("chelsea")[::2, ::2]
    expected = decoded(server.post(encoded(np.ascontiguousarray(pixels)), "?format=mask")[1])
    pending = []
    for shape in (pixels.shape, (1, *pixels.shape), (2, *pixels.shape)):
        tensor = triton.InferInput("image", list(shape), "UINT8")
        tensor.set_data_from_numpy(np.broadcast_to(pixels, shape).copy())
        pending.append(client.async_infer("everyday", [tensor], parameters={"classes": "cat"}))
        packed = client.infer("everyday", [tensor], request_compression_algorithm="gzip")
        assert np.array_equal(packed.as_numpy("class_map")[-1], expected)
    for one in pending:
        for ids in one.get_result().as_numpy("class_map"):
            assert np.array_equal(ids == 8, expected == 8)


def test_repository(client: "triton.InferenceServerClient") -> None:
    def states() -> list[str]:
        index = client.get_model_repository_index()
        return [model["state"] for model in index if model["name"] == "everyday"]

    assert states() == ["READY"]
    client.unload_model("everyday")
    assert states() == ["UNAVAILABLE"]
    assert not client.is_model_ready("everyday")
    client.load_model("everyday")
    assert client.is_model_ready("everyday")


def test_errors(client: "triton.InferenceServerClient") -> None:
    good = encoded_input(encoded(photo("chelsea"), "JPEG"))
    with pytest.raises(InferenceServerException, match=r"\[404\].*Did you mean 'everyday'"):
        client.infer("everydya", [good])
    with pytest.raises(InferenceServerException, match=r"\[400\] The picture is damaged"):
        client.infer("everyday", [encoded_input(encoded(photo("chelsea"), "JPEG")[:3000])])
    with pytest.raises(InferenceServerException, match=r"\[400\].*Did you mean 'class_map'"):
        client.infer("everyday", [good], outputs=[triton.InferRequestedOutput("class_mop")])
    with pytest.raises(InferenceServerException, match=r"\[400\].*config of load are not supported"):
        client.load_model("everyday", config='{"backend": "onnxruntime"}')


def test_what_the_client_adds_says_nothing_here(client: "triton.InferenceServerClient") -> None:
    jpeg = encoded(photo("chelsea"), "JPEG")
    plain = client.infer("everyday", [encoded_input(jpeg)]).as_numpy("class_map")
    options = {"priority": 3, "timeout": 5_000_000, "sequence_id": 7, "sequence_start": True}
    found = client.infer("everyday", [encoded_input(jpeg)], **options).as_numpy("class_map")
    assert (found == plain).all()
    for shape in ([1], [1, 1]):  # with the elements in the JSON, which the client writes flat
        picture = triton.InferInput("image", shape, "BYTES")
        picture.set_data_from_numpy(np.array([base64.b64encode(jpeg)], np.object_).reshape(shape), binary_data=False)
        assert (client.infer("everyday", [picture]).as_numpy("class_map") == plain).all()


def test_the_best_classes_of_a_classifier(client: "triton.InferenceServerClient") -> None:
    asked = [triton.InferRequestedOutput("scores", binary_data=binary, class_count=3) for binary in (True, False)]
    jpeg = encoded(photo("chelsea"), "JPEG", (32, 32))
    found = [client.infer("cifar10", [encoded_input(jpeg)], outputs=[one]).as_numpy("scores") for one in asked]
    scores = client.infer("cifar10", [encoded_input(jpeg)]).as_numpy("scores")[0]
    assert found[0].shape == (1, 3)
    words = [text.decode() if isinstance(text, bytes) else text for text in found[0][0]]
    assert words == [text.decode() if isinstance(text, bytes) else text for text in found[1][0]]
    best = [int(word.split(":")[1]) for word in words]
    assert best == np.argsort(-scores, kind="stable")[:3].tolist()
    assert words[0] == f"{scores[best[0]]:f}:{best[0]}:cat"
    wrong = triton.InferRequestedOutput("class_map", class_count=3)
    with pytest.raises(InferenceServerException, match="Unknown parameter 'classification'"):
        client.infer("everyday", [encoded_input(jpeg)], outputs=[wrong])


def test_the_examples_of_the_page(server: Server, tmp_path: Path) -> None:
    jpeg = encoded(photo("chelsea"), "JPEG")
    (tmp_path / "photo.jpg").write_bytes(jpeg)
    page, here = ROOT / "docs" / "protocols" / "open-inference.md", f"127.0.0.1:{server.port}"
    program = block(page, "python", "tritonclient").replace("127.0.0.1:8000", here)
    assert python(program, tmp_path) == "(1, 300, 451) [0 8]\n"
    if shutil.which("base64") is None:
        pytest.skip("base64 is not installed")
    printed = shell(block(page, "sh", "curl").replace("127.0.0.1:8000", here), tmp_path)
    assert '"platform":"onnx_onnxv1"' in printed
    (mask,) = json.loads((tmp_path / "answer.json").read_text())["outputs"][0]["data"]
    assert np.array_equal(decoded(base64.b64decode(mask)), decoded(server.post(jpeg, "?format=mask")[1]))

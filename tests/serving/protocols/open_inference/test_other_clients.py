"""What MLServer's and KServe's own codecs write is answered as it comes, by their own classes read again."""

import base64

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.material import decoded, encoded, photo


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    return encoded(photo("chelsea"), "JPEG")


def class_map(client: TestClient, picture: bytes) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return decoded(client.post("/v1/segment?format=mask", content=picture).content)


def test_the_codecs_of_mlserver(client: TestClient, jpeg: bytes) -> None:
    codecs = pytest.importorskip("mlserver.codecs")
    types = pytest.importorskip("mlserver.types")
    small = decoded(jpeg)[::4, ::4]
    for picture, payload in (
        (jpeg, codecs.Base64Codec.encode_input("image", [jpeg], use_bytes=False)),
        (encoded(small), codecs.NumpyCodec.encode_input("image", small[None])),
    ):
        asked = types.InferenceRequest(inputs=[payload])
        response = client.post("/v2/models/everyday/infer", content=asked.model_dump_json().encode())
        assert response.status_code == 200, response.text
        answer = types.InferenceResponse.model_validate_json(response.content)
        assert (codecs.NumpyCodec.decode_output(answer.outputs[0])[0] == class_map(client, picture)).all()


@pytest.mark.parametrize("binary", [True, False])
def test_the_requests_of_kserve(client: TestClient, jpeg: bytes, binary: bool) -> None:
    kserve = pytest.importorskip("kserve")

    picture = kserve.InferInput("image", [1, 1], "BYTES")
    content = jpeg if binary else base64.b64encode(jpeg)
    picture.set_data_from_numpy(np.array([[content]], np.object_), binary_data=binary)
    body, length = kserve.InferRequest(model_name="everyday", infer_inputs=[picture]).to_rest()
    headers = {"Inference-Header-Content-Length": str(length)} if binary else {}
    sent = {"content": body} if binary else {"json": body}
    response = client.post("/v2/models/everyday/infer", headers=headers, **sent)
    assert response.status_code == 200, response.text
    answer = kserve.InferResponse.from_rest(response.json())
    assert (answer.outputs[0].as_numpy()[0] == class_map(client, jpeg)).all()

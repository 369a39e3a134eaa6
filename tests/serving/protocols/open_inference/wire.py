"""The protocol's messages, written and read without the code that is tested."""

import base64
import json
import struct
from typing import Any

import httpx2
import numpy as np
from numpy.typing import NDArray
from starlette.testclient import TestClient

HEADER = "Inference-Header-Content-Length"
TYPES = {"UINT8": "u1", "UINT16": "<u2", "FP32": "<f4"}

Json = dict[str, Any]


def elements(*values: bytes) -> bytes:
    """BYTES elements: length and content of each."""
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def tensor(data: bytes, shape: list[int], datatype: str = "BYTES") -> Json:
    """The input ``image`` whose data follows the JSON."""
    return {"name": "image", "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": len(data)}}


def infer(
    client: TestClient, message: Json, tail: bytes = b"", model: str = "everyday", **headers: str
) -> httpx2.Response:
    """Post a message; with ``tail`` as one that has binary data."""
    text = json.dumps(message).encode()
    extra = {HEADER: str(len(text))} if tail else {}
    return client.post(f"/v2/models/{model}/infer", content=text + tail, headers=extra | headers)


def infer_bytes(client: TestClient, *pictures: bytes, model: str = "everyday", **message: Any) -> httpx2.Response:
    """Post encoded pictures as binary BYTES."""
    data = elements(*pictures)
    return infer(client, {"inputs": [tensor(data, [len(pictures)])], **message}, data, model)


def infer_base64(client: TestClient, picture: bytes) -> httpx2.Response:
    """Post an encoded picture as JSON."""
    text = base64.b64encode(picture).decode()
    return infer(client, {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": [text]}]})


def infer_raw(client: TestClient, picture: bytes) -> httpx2.Response:
    """Post an encoded picture and nothing else."""
    return client.post("/v2/models/everyday/infer", content=picture, headers={HEADER: "0"})


def tensors(response: httpx2.Response) -> dict[str, Any]:
    """Output name -> array, or list of bytes or text, of a good answer; checks sizes and lengths."""
    assert response.status_code == 200, response.text
    length = int(response.headers.get(HEADER, len(response.content)))
    assert (HEADER in response.headers) == (response.headers["content-type"] == "application/octet-stream")
    message, place = json.loads(response.content[:length]), length
    found: dict[str, Any] = {}
    for output in message["outputs"]:
        if "data" in output:
            found[output["name"]] = _from_json(output)
            continue
        size = output["parameters"]["binary_data_size"]
        found[output["name"]] = _from_binary(output, response.content[place : place + size])
        place += size
    assert place == len(response.content)
    return found


def _from_json(output: Json) -> NDArray[np.generic] | list[str]:
    if output["datatype"] == "BYTES":
        assert len(output["data"]) == output["shape"][0]
        texts: list[str] = output["data"]
        return texts
    return np.array(output["data"], TYPES[output["datatype"]]).reshape(output["shape"])


def _from_binary(output: Json, data: bytes) -> NDArray[np.generic] | list[bytes]:
    if output["datatype"] != "BYTES":
        return np.frombuffer(data, TYPES[output["datatype"]]).reshape(output["shape"])
    found = []
    while data:
        (size,) = struct.unpack_from("<I", data)
        found.append(data[4 : 4 + size])
        assert len(found[-1]) == size
        data = data[4 + size :]
    assert [len(found)] == output["shape"]
    return found

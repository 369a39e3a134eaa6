"""Every protocol's way in, as a table: how a picture is sent, and what its errors look like."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
from starlette.testclient import TestClient

from tests.serving.protocols.label_studio.requests import predict_one
from tests.serving.protocols.open_inference.wire import infer_base64, infer_bytes, infer_raw

Send = Callable[[TestClient, bytes], httpx2.Response]


@dataclass(frozen=True)
class EntryPoint:
    """``send``: a picture's bytes -> the answer. ``message``: the text out of an error's JSON; fails for a wrong one.

    ``statuses``: what bytes that are no picture may get. ``answered``: whether the picture was; by the status, or by
    what is inside where one request has many pictures and each fails alone.
    """

    name: str
    send: Send
    message: Callable[[Any], str]
    statuses: tuple[int, ...] = (400, 413, 415)
    answered: Callable[[httpx2.Response], bool] = lambda response: response.status_code == 200

    def refusal(self, response: httpx2.Response) -> str:
        """The error's text; the response must be a refusal in this protocol's own envelope."""
        assert response.status_code in self.statuses, f"{self.name}: {response.status_code} {response.text[:300]}"
        assert response.headers["content-type"] == "application/json", self.name
        text = self.message(response.json())
        assert isinstance(text, str)
        assert len(text) > 10, f"{self.name}: {response.text}"
        return text


def _key(name: str) -> Callable[[Any], str]:
    """The text of an envelope that has this key and no other."""

    def text(body: Any) -> str:
        assert list(body) == [name], body
        value: str = body[name]
        return value

    return text


def _post_form(path: str, field: str) -> Send:
    return lambda client, data: client.post(path, files={field: ("photo.jpg", data, "image/jpg")})


def _post_body(path: str) -> Send:
    return lambda client, data: client.post(path, content=data)


def _post_base64(path: str) -> Send:
    return lambda client, data: client.post(path, json={"inputs": base64.b64encode(data).decode()})


def _cvat(client: TestClient, data: bytes) -> httpx2.Response:
    headers = {"x-nuclio-function-name": "everyday"}
    body = {"image": base64.b64encode(data).decode()}
    return client.post("/api/function_invocations", json=body, headers=headers)


def _get_by_url(path: str) -> Send:
    def send(client: TestClient, data: bytes) -> httpx2.Response:
        service = client.app.state.service  # type: ignore[attr-defined]

        async def fetched(_: str) -> bytes:
            return data

        before, service.fetcher = service.fetcher, fetched
        try:
            return client.get(path, params={"url": "https://photos.example/photo.jpg"})
        finally:
            service.fetcher = before

    return send


def _task_error(body: Any) -> str:
    """Of Label Studio's only task, or of its whole request."""
    if "results" not in body:
        assert list(body) == ["status", "detail"], body
        return str(body["detail"])
    (prediction,) = body["results"]
    assert prediction["result"] == []
    return str(prediction["error"])


def _task_answered(response: httpx2.Response) -> bool:
    return response.status_code == 200 and "error" not in response.json()["results"][0]


# A protocol that takes pictures adds its entry points here.
ENTRY_POINTS = [
    EntryPoint("max", _post_form("/model/predict", "image"), _key("message")),
    EntryPoint("open-inference", infer_bytes, _key("error")),
    EntryPoint("open-inference JSON", infer_base64, _key("error")),
    EntryPoint("open-inference raw", infer_raw, _key("error")),
    EntryPoint("hugging-face", _post_body("/hf/everyday"), _key("error")),
    EntryPoint("hugging-face, base64", _post_base64("/hf/everyday"), _key("error")),
    EntryPoint("rembg", _post_form("/api/remove", "file"), _key("detail")),
    EntryPoint("rembg, URL", _get_by_url("/api/remove"), _key("detail")),
    EntryPoint("cvat", _cvat, _key("error")),
    EntryPoint("detect", _post_form("/detect", "file"), _key("error")),
    EntryPoint("detect, URL", _get_by_url("/detect"), _key("error")),
    EntryPoint("label-studio", predict_one, _task_error, (200, 413), _task_answered),
]

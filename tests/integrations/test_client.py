"""The client against a real server: the answers of the local call, pixel for pixel, and its errors."""

import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import anyio
import numpy as np
import pytest
from PIL import Image

import maskery
from maskery.core import errors
from maskery.core.settings import load_settings
from maskery.encode.options import Options
from maskery.integrations.client import AsyncClient, Client, SegmentQuery
from maskery.models.segmented_picture import Segmentation
from maskery.models.store import Store
from tests.material import encoded, photo, shared
from tests.serving.live import Server

KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = Server("--model", "everyday", MASKERY_API_KEYS=f"test:{KEY}")
    yield f"http://127.0.0.1:{server.port}"
    server.stop()


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, KEY) as client:
        yield client


def expect_same(mine: Segmentation, other: Segmentation) -> None:
    """All but the milliseconds and the memory that was there for each."""
    one, two = mine.result, other.result
    assert type(one) is type(two)
    assert (one.meta.labels, one.meta.palette) == (two.meta.labels, two.meta.palette)
    assert (one.meta.frame, one.meta.model, one.meta.faces) == (two.meta.frame, two.meta.model, two.meta.faces)
    assert one.meta.plan is not None
    assert two.meta.plan is not None
    assert (one.meta.plan.working_wh, one.meta.plan.tiles) == (two.meta.plan.working_wh, two.meta.plan.tiles)
    assert {"decode", "run"} <= set(one.meta.timings_ms)
    for name in ("class_map", "alpha", "scores"):
        assert np.array_equal(getattr(one, name, None), getattr(two, name, None))
    assert np.array_equal(mine.picture.rgb(), other.picture.rgb())


@pytest.mark.parametrize("model", ["everyday", "faces", "cifar10"])
def test_the_answer_is_that_of_the_local_call(client: Client, model: str) -> None:
    picture = encoded(photo("astronaut"), "JPEG")
    mine, other = client.segment(picture, model=model), maskery.load(model).segment(picture)
    expect_same(mine, other)
    assert mine.summary()["model"] == other.summary()["model"]
    if model != "cifar10":
        assert mine.encode("mask") == other.encode("mask")
        assert mine.encode("overlay") == other.encode("overlay")


def test_a_soft_mask_comes_whole() -> None:
    Store(load_settings({"mirror": str(shared("models"))})).pull("selfie-256")
    server = Server("--model", "selfie-256")
    try:
        with Client(f"http://127.0.0.1:{server.port}") as client:
            mine = client.segment(photo("astronaut"))
    finally:
        server.stop()
    other = maskery.load("selfie-256").segment(photo("astronaut"))
    expect_same(mine, other)
    assert mine.encode("cutout") == other.encode("cutout")


def test_every_kind_of_source_and_every_parameter(client: Client, tmp_path: Path) -> None:
    pixels = photo("chelsea")
    path = tmp_path / "cat.png"
    path.write_bytes(encoded(pixels))
    everyday = maskery.load("everyday")
    for source in (path, str(path), pixels, Image.fromarray(pixels), path.read_bytes()):
        expect_same(client.segment(source), everyday.segment(source))
    chosen = partial(client.segment, path, classes=("cat",))
    expect_same(chosen(max_side=192), everyday.segment(path, classes=("cat",), max_side=192))
    expect_same(chosen(tile=200), everyday.segment(path, classes=("cat",), tile=200))
    mapped, local = (one.segment(path, maps=("entropy",)).result for one in (client, everyday))
    assert np.array_equal(mapped.maps["entropy"], local.maps["entropy"])  # type: ignore[attr-defined]


def test_an_answer_in_a_format_is_the_local_one(client: Client) -> None:
    picture, options = encoded(photo("chelsea")), Options(tolerance=1.5)
    query = SegmentQuery(classes=("cat",), options=options)
    local = maskery.load("everyday").answer(picture, "geojson", classes=("cat",), options=options)
    assert client.answer(picture, "geojson", query) == local
    notes: list[str] = []
    client.answer(picture, "mask", SegmentQuery(model="faces"), notes.append)
    assert notes == ["No face was found: all is background."]


@pytest.mark.parametrize(
    ("source", "parameters", "kind"),
    [
        (b"no picture", {}, errors.UnsupportedPicture),
        ("nowhere.jpg", {}, errors.BadRequest),
        (encoded(photo("coffee"), "JPEG")[:9000], {}, errors.PictureError),
        (photo("coffee"), {"model": "everday"}, errors.UnknownModel),
        (photo("coffee"), {"classes": ("cta",)}, errors.BadRequest),
        (photo("coffee"), {"model": "selfie-256"}, errors.NotPulled),
        (photo("coffee"), {"model": "cifar10", "maps": ("margin",)}, errors.BadRequest),
    ],
)
def test_errors_are_those_of_the_local_call(
    client: Client, source: Any, parameters: dict[str, Any], kind: type[errors.MaskeryError]
) -> None:
    with pytest.raises(kind) as remote:
        client.segment(source, **parameters)
    assert type(remote.value) is kind
    local = dict(parameters)
    with pytest.raises(kind) as own:
        maskery.load(local.pop("model", "everyday")).segment(source, **local)
    assert remote.value.message == own.value.message


def test_several_pictures_keep_their_order_and_each_its_error(client: Client) -> None:
    sources = [photo("chelsea"), b"no picture", photo("astronaut"), photo("coffee")[:50, :60]]
    found = client.segment_many(sources, max_side=128)
    assert [type(one).__name__ for one in found] == ["Segmentation", "UnsupportedPicture", *["Segmentation"] * 2]
    for one, source in zip(found, sources, strict=True):
        if isinstance(one, Segmentation):
            assert np.array_equal(one.picture.rgb(), source)


def test_models_status_and_a_wrong_key(client: Client, url: str) -> None:
    assert client.models()[0]["name"] == "everyday"
    assert client.status()["models"]
    with Client(url) as nobody, pytest.raises(errors.Unauthorized):
        nobody.models()


def test_the_async_twin(url: str) -> None:
    async def work() -> None:
        async with AsyncClient(url, KEY, at_once=2) as client:
            cat, wrong, coffee = await client.segment_many([photo("chelsea"), b"x", photo("coffee")])
            assert isinstance(cat, Segmentation)
            assert isinstance(coffee, Segmentation)
            expect_same(cat, maskery.load("everyday").segment(photo("chelsea")))
            assert isinstance(wrong, errors.UnsupportedPicture)
            assert (await client.segment(photo("coffee"), max_side=128)).result.meta.frame.working_wh[0] == 128
            assert (await client.answer(photo("coffee"), "mask")) == coffee.encode("mask")
            assert (await client.models())[0]["name"] == "everyday"
            assert (await client.status())["models"]
            with pytest.raises(errors.UnknownModel):
                await client.segment(photo("coffee"), model="nothing")

    anyio.run(work)


class Stubborn(BaseHTTPRequestHandler):
    """Busy twice, then what it is asked; keeps the headers that it saw."""

    seen: ClassVar[list[dict[str, str]]] = []

    def do_GET(self) -> None:
        self.seen.append(dict(self.headers.items()))
        busy = len(self.seen) <= 2
        body = b'{"code": "busy", "detail": "Full.", "cure": "Later."}' if busy else b'{"models": [{"name": "a"}]}'
        self.send_response(503 if busy else 200)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_busy_and_unreachable_servers() -> None:
    server = HTTPServer(("127.0.0.1", 0), Stubborn)
    worker = threading.Thread(target=server.serve_forever)
    worker.start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        with Client(url, timeout=30, retries=1) as client, pytest.raises(errors.Busy):
            client.models()
        Stubborn.seen.clear()
        with Client(url, timeout=30) as client:
            assert client.models() == [{"name": "a"}]
        assert len(Stubborn.seen) == 3
        assert 29 < float(Stubborn.seen[-1]["X-Request-Timeout"]) <= 30
    finally:
        server.shutdown()
        server.server_close()
        worker.join()
    with Client(url, timeout=5, retries=1) as client, pytest.raises(errors.RemoteError, match="running"):
        client.models()


def test_wrong_arguments_and_a_missing_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in ({"url": "localhost:8000"}, {"url": "http://x", "at_once": 0}, {"url": "http://x", "key": "\n"}):
        with pytest.raises(errors.BadRequest):
            Client(**arguments)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "httpx2", None)
    for kind in (Client, AsyncClient):
        with pytest.raises(errors.MissingExtra, match=r"maskery\[client\]"):
            kind("http://127.0.0.1:8000")

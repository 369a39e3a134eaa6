"""rembg's API by plain HTTP, as its README asks: what is cut out, what is refused, in which words."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

import maskery
from maskery.core.labels import VOC
from maskery.core.settings import Settings
from maskery.encode.raster.cutout import smoothed
from maskery.models.store import Store
from maskery.serving.app import create_app
from maskery.serving.remote.fetch import Fetcher
from tests.material import ROOT, decoded, encoded, person_and_cat, photo, shared
from tests.models.file_server import FileServer, serving
from tests.recipes import block, shell
from tests.serving.attack_urls import FORMS, NAMES
from tests.serving.live import Server

PHOTO = encoded(photo("chelsea"), "PNG")
PORTRAIT = encoded(photo("astronaut"), "PNG")


def post(client: TestClient, data: bytes = PHOTO, query: str = "", **form: str) -> httpx2.Response:
    return client.post(f"/api/remove{query}", files={"file": data}, data=form)


def pixels(response: httpx2.Response) -> NDArray[np.uint8]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-maskery-model"]
    return decoded(response.content)


def class_map(data: bytes = PHOTO) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = maskery.load("everyday").segment(data).class_map
    return found


def test_every_class_but_background_stays(client: TestClient) -> None:
    response = post(client)
    rgba, kept = pixels(response), class_map() != 0
    assert response.headers["x-maskery-model"] == "everyday"
    assert np.array_equal(rgba[..., 3], np.where(kept, 255, 0))
    assert np.array_equal(rgba[kept][:, :3], photo("chelsea")[kept])
    assert 0.1 < kept.mean() < 0.9


def test_only_the_mask(client: TestClient) -> None:
    mask = pixels(post(client, om="true"))
    assert np.array_equal(mask, np.where(class_map() != 0, 255, 0))
    assert np.array_equal(pixels(post(client, om="true", query="?bgc=1,2,3")), mask)


def test_post_processing(client: TestClient) -> None:
    plain = np.where(class_map() != 0, 255, 0).astype(np.uint8)
    mask = pixels(post(client, om="1", ppm="1"))
    assert np.array_equal(mask, smoothed(plain))
    assert (mask != plain).any()
    assert np.array_equal(pixels(post(client, ppm="yes"))[..., 3], mask)


def test_a_colour_behind(client: TestClient) -> None:
    kept = class_map() != 0
    for text in ("10,200,30", "10,200,30,255", " 10, 200 ,30"):
        rgba = pixels(post(client, query=f"?bgc={text}"))
        assert np.array_equal(rgba[..., :3], np.where(kept[:, :, None], photo("chelsea"), (10, 200, 30)))
        assert (rgba[..., 3] == 255).all()
    rgba = pixels(post(client, query="?bgc=10,200,30,100"))
    assert np.array_equal(rgba[..., 3], np.where(kept, 255, 100))


@pytest.mark.parametrize("extras", ['{"classes": "person,dog"}', '{"classes": ["person", " dog "]}'])
def test_only_some_classes(client: TestClient, extras: str) -> None:
    both = encoded(person_and_cat(), "PNG")
    found = class_map(both)
    assert {VOC.index("person"), VOC.index("cat")} <= set(np.unique(found).tolist())
    response = client.post("/api/remove", params={"extras": extras}, files={"file": both}, data={"om": "on"})
    assert np.array_equal(pixels(response) == 255, np.isin(found, [VOC.index("person"), VOC.index("dog")]))
    assert np.array_equal(pixels(post(client, query="?extras={}")), pixels(post(client)))


def test_an_upright_answer(client: TestClient) -> None:
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = 8
    Image.fromarray(photo("chelsea")).transpose(Image.Transpose.ROTATE_270).save(file, "PNG", exif=exif)
    assert np.array_equal(pixels(post(client, file.getvalue())), pixels(post(client)))


def test_models(client: TestClient) -> None:
    for name in ("u2net", "everyday", ""):
        assert post(client, model=name).headers["x-maskery-model"] == "everyday"
    for name in ("u2net_human_seg", "silueta", "isnet-general-use", "../../etc/passwd"):
        response = post(client, model=name)
        assert response.status_code == 404
        expected = f"There is no model {name!r} here. Leave model out, or name everyday, "
        assert response.json()["detail"].startswith(expected)
    response = post(client, model="selfie-256")
    assert response.status_code == 409
    assert "maskery models pull selfie-256" in response.json()["detail"]


def test_a_foreground_model_gives_a_soft_edge(tmp_path: Path) -> None:
    names = ("selfie-256", "mobilenetv3-small-imagenet-224")
    settings = Settings(cache=str(tmp_path), mirror=str(shared("models")), model=names[:1], alias=("u2net=selfie-256",))
    for name in names:
        Store(settings).pull(name)
    alpha = maskery.models.segmenter.open_segmenter(names[0], settings).segment(PORTRAIT).result.alpha
    with TestClient(create_app(settings)) as client:
        rgba = pixels(post(client, PORTRAIT, model="u2net"))
        classifier = post(client, PORTRAIT, model=names[1])
    assert np.array_equal(rgba[..., 3], alpha)
    assert len(np.unique(alpha)) > 50
    assert np.array_equal(rgba[alpha > 0][:, :3], photo("astronaut")[alpha > 0])
    assert classifier.status_code == 400
    assert "classification" in classifier.json()["detail"]


FAULTS: list[tuple[dict[str, str], dict[str, str], list[str], str]] = [
    ({}, {"om": "maybe"}, ["body", "om"], "bool_parsing"),
    ({}, {"af": "1.5"}, ["body", "af"], "int_parsing"),
    ({}, {"af": "256"}, ["body", "af"], "less_than_equal"),
    ({}, {"ab": "-1"}, ["body", "ab"], "greater_than_equal"),
    ({}, {"ae": "-5"}, ["body", "ae"], "greater_than_equal"),
    ({}, {"ae": "9" * 5000}, ["body", "ae"], "int_parsing"),
    ({}, {"omm": "1"}, ["body", "omm"], "extra_forbidden"),
    ({}, {"bgc": "1,2,3"}, ["body", "bgc"], "extra_forbidden"),
    ({"model": "everyday"}, {}, ["query", "model"], "extra_forbidden"),
    ({"bgcc": "1"}, {}, ["query", "bgcc"], "extra_forbidden"),
    ({"bgc": "red"}, {}, ["query", "bgc"], "value_error"),
    ({"bgc": "1,2"}, {}, ["query", "bgc"], "value_error"),
    ({"bgc": "1,2,3,256"}, {}, ["query", "bgc"], "value_error"),
    ({"bgc": "1,2,3,4,5"}, {}, ["query", "bgc"], "value_error"),
    ({"extras": "person"}, {}, ["query", "extras"], "value_error"),
    ({"extras": "[1]"}, {}, ["query", "extras"], "value_error"),
    ({"extras": "[" * 5000}, {}, ["query", "extras"], "value_error"),
    ({"extras": '{"classes": 3}'}, {}, ["query", "extras"], "value_error"),
    ({"extras": '{"sam_prompt": []}'}, {}, ["query", "extras"], "extra_forbidden"),
]


@pytest.mark.parametrize(("query", "form", "place", "kind"), FAULTS, ids=lambda value: str(value)[:30])
def test_parameters_that_mean_nothing(
    client: TestClient, query: dict[str, str], form: dict[str, str], place: list[str], kind: str
) -> None:
    response = client.post("/api/remove", params=query, files={"file": PHOTO}, data=form)
    assert response.status_code == 422
    (fault,) = response.json()["detail"]
    assert (fault["loc"], fault["type"]) == (place, kind)
    assert len(fault["msg"]) > 10


def test_all_faults_are_told_at_once(client: TestClient) -> None:
    response = client.post("/api/remove?bgc=x&bgc=y", data={"om": "2"})
    assert response.status_code == 422
    faults = {(*fault["loc"], fault["type"]) for fault in response.json()["detail"]}
    assert {("query", "bgc", "value_error"), ("body", "file", "missing")} <= faults


def refused(response: httpx2.Response, says: str, status: int = 400) -> None:
    assert response.status_code == status
    assert list(response.json()) == ["detail"]
    assert says in response.json()["detail"]


def test_refusals(client: TestClient) -> None:
    refused(post(client, a="true"), "This server has no alpha matting. Leave a out")
    assert post(client, a="false", af="200", ab="20", ae="5").status_code == 200
    response = client.post("/api/remove?extras=%7B%22classes%22:%22persn%22%7D", files={"file": PHOTO})
    refused(response, "Did you mean 'person'?")
    broken = {"content-type": "multipart/form-data; boundary=x"}
    refused(client.post("/api/remove", content=b"--y\r\n", headers=broken), "multipart")
    refused(client.put("/api/remove"), "not allowed", 405)
    missing = client.post("/api/remove", content=PHOTO)
    assert missing.status_code == 422
    assert missing.json() == {"detail": [{"loc": ["body", "file"], "msg": "Field required", "type": "missing"}]}
    missing = client.get("/api/remove")
    assert missing.json() == {"detail": [{"loc": ["query", "url"], "msg": "Field required", "type": "missing"}]}


# ------------------------------------------------------------------------------------------ pictures by URL


@pytest.fixture(scope="module")
def files() -> Iterator[FileServer]:
    with serving(FileServer({"/photo.png": PHOTO, "/text.png": b"no picture", "/long.png": PHOTO * 40})) as server:
        server.redirects |= {f"/{i}.png": f"/{i + 1}.png" for i in range(9)}
        yield server


@pytest.fixture(scope="module")
def by_url(files: FileServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server with the real fetcher, which may go to ``files``."""
    cache = str(tmp_path_factory.mktemp("cache"))
    allowed = files.url.removeprefix("http://")
    with TestClient(create_app(Settings(cache=cache, url_allow=(allowed,), max_bytes=4_000_000))) as client:
        yield client


def test_a_picture_by_url(by_url: TestClient, files: FileServer) -> None:
    expected = pixels(post(by_url))
    assert np.array_equal(pixels(by_url.get("/api/remove", params={"url": f"{files.url}/photo.png"})), expected)
    query: dict[str, Any] = {"url": f"{files.url}/photo.png", "om": "true", "model": "u2net", "bgc": "1,2,3"}
    assert np.array_equal(pixels(by_url.get("/api/remove", params=query)), expected[..., 3])


def test_urls_are_refused_in_the_original_words(by_url: TestClient, files: FileServer) -> None:
    def get(url: str) -> httpx2.Response:
        return by_url.get("/api/remove", params={"url": url})

    for url in ("ftp://example.org/x.png", "file:///etc/passwd", "data:image/png;base64,AA==", "photo.png"):
        assert get(url).json() == {"detail": "Only http and https URLs are allowed."}
    for url in ("http://", "https:///x.png", "http://?x"):
        assert get(url).json() == {"detail": "Invalid URL: missing hostname."}
    for url in ("http://127.0.0.1/x.png", "http://169.254.169.254/latest", "http://[::1]/x", "http://localhost/x"):
        response = get(url)
        assert (response.status_code, response.json()) == (
            400,
            {"detail": "Requests to private/internal addresses are not allowed."},
        )
    assert get("http://nowhere.invalid/x.png").json() == {"detail": "Could not resolve hostname."}
    assert get(f"{files.url}/0.png").json() == {"detail": "Too many redirects."}
    assert get(f"{files.url}/long.png").json() == {"detail": "Image exceeds maximum size."}
    refused(get(f"{files.url}/absent.png"), "answered 404")
    refused(get(f"{files.url}/text.png"), "no picture of a known kind", 415)


def test_every_attack_is_refused(client: TestClient) -> None:
    """All URLs of the list, with a name server that answers as an attacker's would, through this entry point."""

    async def resolve(host: str, port: int) -> list[str]:
        return next((addresses for url, (addresses, _) in NAMES.items() if url.split("/")[2] == host), ["127.0.0.1"])

    async def connect(*_: object) -> Any:
        raise AssertionError("nothing may be connected to")

    service = client.app.state.service  # type: ignore[attr-defined]
    before, service.fetcher = service.fetcher, Fetcher(Settings(), resolve, connect).fetch
    try:
        for url in filter(None, [*FORMS, *NAMES]):
            query = quote(url, errors="surrogatepass")
            refused(client.get(f"/api/remove?url={query}"), "")
    finally:
        service.fetcher = before


def test_the_page_as_it_stands(files: FileServer, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(PORTRAIT)
    files.files["/portrait.jpg"] = PORTRAIT
    script = block(ROOT / "docs" / "protocols" / "rembg.md", "sh", "curl")
    server = Server(MASKERY_URL_ALLOW=files.url.removeprefix("http://"))
    try:
        script = script.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{server.port}")
        shell(script.replace("https://example.org/photo.jpg", f"{files.url}/portrait.jpg"), tmp_path)
    finally:
        server.stop()
    answers = {path.stem: decoded(path.read_bytes()) for path in tmp_path.glob("*.png")}
    assert set(answers) == {"output", "by-url", "mask", "on-white", "person"}
    assert np.array_equal(answers["output"], answers["by-url"])
    assert np.array_equal(answers["output"][..., 3], answers["mask"])
    assert (answers["on-white"][..., 3] == 255).all()
    assert 0 < (answers["person"][..., 3] > 0).sum() < (answers["mask"] > 0).sum()

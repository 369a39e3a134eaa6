"""Pictures that Label Studio keeps: fetched with its token, which goes there and nowhere else."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from maskery.core.errors import BadUrl, ConfigError, MaskeryError
from maskery.core.settings import Settings
from maskery.models.loading import ModelLoader
from maskery.serving.app import create_app
from maskery.serving.protocols.label_studio.task_pictures import TaskPictures
from maskery.serving.runtime.service import InferenceService
from tests.serving.raw_server import RawServer, answer, raw_server

PICTURE = b"\xff\xd8\xff a picture, as far as fetching cares"
OK = answer("200 OK", f"Content-Length: {len(PICTURE)}", body=PICTURE)
TOKEN = "Authorization: Token abc123"


def serve(connection: socket.socket, head: bytes) -> None:
    moved = b"/data/moved/" in head
    to = head.decode().partition("to=")[2].partition(" ")[0]
    connection.sendall(answer("302 Found", f"Location: {to}", "Content-Length: 0") if moved else OK)


@pytest.fixture
def studio() -> Iterator[RawServer]:
    with raw_server(serve) as server:
        yield server


@pytest.fixture
def bucket() -> Iterator[RawServer]:
    """Another server, which the token must not reach."""
    with raw_server(serve) as server:
        yield server


def service_of(settings: Settings) -> InferenceService:
    return InferenceService(settings, {}, ModelLoader(settings))


def read(cache: Path, value: str, **settings: Any) -> bytes:
    service = service_of(Settings(cache=str(cache), label_studio_token="abc123", **settings))
    return anyio.run(TaskPictures(service.settings, service.fetch).read, value)


@pytest.mark.parametrize(
    "path",
    [
        "/data/upload/3/cat.jpg",
        "/data/local-files/?d=cats%2Fcat.jpg",
        "/storage-data/uploaded/?filepath=upload/3/cat.jpg",
        "/tasks/17/resolve/?fileuri=czM6Ly9i",
        "/projects/2/presign/?fileuri=czM6Ly9i",
    ],
)
def test_own_pictures_come_with_the_token(tmp_path: Path, studio: RawServer, path: str) -> None:
    home = f"http://127.0.0.1:{studio.port}"
    for value, url in ((path, home), (home + path, home + "/"), (path, home.upper().replace("HTTP", "http"))):
        assert read(tmp_path, value, label_studio_url=url) == PICTURE
    for head in studio.requests:
        assert head.decode().startswith(f"GET {path} HTTP/1.1\r\n")
        assert TOKEN in head.decode()


def test_a_label_studio_below_a_path(tmp_path: Path, studio: RawServer) -> None:
    assert (
        read(tmp_path, "/data/upload/3/my cat.jpg", label_studio_url=f"http://127.0.0.1:{studio.port}/ls/") == PICTURE
    )
    assert studio.requests[0].startswith(b"GET /ls/data/upload/3/my%20cat.jpg ")
    # Its tasks name that path too.
    assert read(tmp_path, "/ls/data/upload/3/cat.jpg", label_studio_url=f"http://127.0.0.1:{studio.port}/ls") == PICTURE
    assert studio.requests[1].startswith(b"GET /ls/data/upload/3/cat.jpg ")


def test_a_redirect_does_not_take_the_token_along(tmp_path: Path, studio: RawServer, bucket: RawServer) -> None:
    home, other = f"http://127.0.0.1:{studio.port}", f"127.0.0.1:{bucket.port}"
    path = f"/data/moved/?to=http://{other}/cat.jpg"
    assert read(tmp_path, path, label_studio_url=home, url_allow=(other,)) == PICTURE
    assert TOKEN in studio.requests[0].decode()
    assert "authorization" not in bucket.requests[0].decode().lower()
    with pytest.raises(BadUrl):
        read(tmp_path, path, label_studio_url=home)


def test_other_pictures_come_without_it(tmp_path: Path, studio: RawServer, bucket: RawServer) -> None:
    home, other = f"http://127.0.0.1:{studio.port}", f"127.0.0.1:{bucket.port}"
    assert read(tmp_path, f"http://{other}/data/cat.jpg", label_studio_url=home, url_allow=(other,)) == PICTURE
    assert "authorization" not in bucket.requests[0].decode().lower()
    assert not studio.requests


@pytest.mark.parametrize(
    "path",
    [
        "/api/users/", "/data/", "/data/../api/current-user/token", "/data/%2e%2e/api/", "/tasks/1/",
        "//evil.example/x", "/user/logout", "/tasks/x/resolve/?a=b", "/data/upload/\r\nX: y",
    ],
)  # fmt: skip
def test_nothing_else_is_asked_with_the_token(tmp_path: Path, studio: RawServer, path: str) -> None:
    home = f"http://127.0.0.1:{studio.port}"
    for value in (path, home + path):
        with pytest.raises(BadUrl):
            read(tmp_path, value, label_studio_url=home)
    assert not studio.requests


def test_only_this_protocol_reaches_a_private_label_studio(tmp_path: Path, studio: RawServer) -> None:
    home = f"http://127.0.0.1:{studio.port}"
    service = service_of(Settings(cache=str(tmp_path), label_studio_url=home))
    with pytest.raises(BadUrl):
        anyio.run(service.fetch, home + "/data/upload/3/cat.jpg")
    assert not studio.requests


def test_pictures_by_url_switched_off(tmp_path: Path, studio: RawServer, bucket: RawServer) -> None:
    home, other = f"http://127.0.0.1:{studio.port}", f"127.0.0.1:{bucket.port}"
    off: dict[str, Any] = {"label_studio_url": home, "url_input": "off", "url_allow": (other,)}
    assert read(tmp_path, "/data/upload/3/cat.jpg", **off) == PICTURE
    for value in (f"http://{other}/cat.jpg", f"/data/moved/?to=http://{other}/cat.jpg"):
        with pytest.raises(BadUrl):
            read(tmp_path, value, **off)
    with pytest.raises(MaskeryError, match="fetches no pictures"):
        read(tmp_path, "/data/upload/3/cat.jpg", label_studio_url=home, offline=True)


def test_wrong_settings_end_the_start(tmp_path: Path) -> None:
    for url in ("nas:8080", "ftp://nas", "http://"):
        with pytest.raises(ConfigError, match="label_studio_url"):
            create_app(Settings(cache=str(tmp_path), label_studio_url=url))


def test_the_token_is_not_shown() -> None:
    assert "abc123" not in repr(Settings(label_studio_token="abc123"))

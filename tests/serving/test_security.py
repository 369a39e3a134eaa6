"""docs/security.md, executed: its commands, its settings, its table of URLs."""

import re
import socket
import ssl
from pathlib import Path
from typing import NoReturn

import anyio
import pytest

from maskery.core.errors import BadUrl
from maskery.core.settings import Settings, load_settings
from maskery.serving.app import create_app
from maskery.serving.remote.fetch import Fetcher
from tests.material import ROOT, decoded, encoded, photo
from tests.recipes import block, shell
from tests.serving.attack_urls import FORMS, NAMES
from tests.serving.live import Server

PAGE = ROOT / "docs" / "security.md"


def test_keys(tmp_path: Path) -> None:
    shell(block(PAGE, "sh", "keys.txt"), tmp_path)
    keys = tmp_path / "keys.txt"
    assert keys.stat().st_mode & 0o077 == 0
    (tmp_path / "photo.jpg").write_bytes(encoded(photo("astronaut"), "JPEG"))
    server = Server(MASKERY_API_KEYS_FILE=str(keys))
    try:
        assert server.post(b"x")[0] == 401
        commands = block(PAGE, "sh", "Bearer").replace("http://127.0.0.1:8000", f"http://127.0.0.1:{server.port}")
        assert shell(commands, tmp_path).count('"default":"everyday"') == 2
    finally:
        server.stop()
    assert decoded((tmp_path / "mask.png").read_bytes()).shape == (512, 512)
    assert keys.read_text().strip().partition(":")[2] not in "".join(server.lines)


def test_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keys.txt").write_text("shop:0123456789abcdef\n")
    (tmp_path / "maskery.toml").write_text(block(PAGE, "toml", "url_allow"))
    monkeypatch.chdir(tmp_path)
    settings = load_settings(environment={}, config=Path("maskery.toml"))
    assert settings.url_input == "allow-list"
    create_app(settings)


def rows() -> list[tuple[str, str]]:
    found = re.findall(r"^\| (`.*`) \| (fetched|refused)", PAGE.read_text(), re.MULTILINE)
    return [(url, verdict) for cell, verdict in found for url in re.findall(r"`([^`]+)`", cell)]


class Connected(Exception):
    pass


@pytest.mark.parametrize(("url", "verdict"), rows())
def test_urls(url: str, verdict: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        if host != "photos.example.org":
            raise socket.gaierror
        return ["93.184.215.14"]

    async def connect(address: str, port: int, context: ssl.SSLContext | None, name: str) -> NoReturn:
        raise Connected

    with pytest.raises(Connected if verdict == "fetched" else BadUrl):
        anyio.run(Fetcher(Settings(), resolve, connect).fetch, url)


def test_counts() -> None:
    assert len(rows()) > 15
    assert f"lists {len(FORMS) + len(NAMES)} URLs" in PAGE.read_text()
    assert f"{len(FORMS) + len(NAMES)} URLs as data" in (ROOT / "docs/adr/0008-picture-by-url.md").read_text()

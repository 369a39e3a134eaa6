"""docs/extending/add-a-protocol.md: the module of the page, as it stands there, is a protocol like the others."""

import sys
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from maskery.core.settings import Settings
from maskery.serving.app import create_app
from maskery.serving.protocols import registry
from tests.material import ROOT, encoded, photo
from tests.recipes import block

PAGE = ROOT / "docs" / "extending" / "add-a-protocol.md"


def test_the_module_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shares_of_the_page.py").write_text(block(PAGE, "python", "def protocol"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(registry.PROTOCOLS, "share", "shares_of_the_page")
    with TestClient(create_app(Settings(cache=str(tmp_path), protocols=("share",)))) as client:
        shares = client.post("/share", content=encoded(photo("chelsea"), "JPEG")).json()["shares"]
        assert shares["cat"] > 0.2
        assert sum(shares.values()) == pytest.approx(1)
        refused = client.post("/share", content=b"no picture")
        assert (refused.status_code, list(refused.json())) == (415, ["error"])
        assert client.get("/share").json() == {"error": "The method is not allowed for the requested URL."}
        document = client.get("/openapi.json").json()
        assert "ShareAnswer" in document["components"]["schemas"]
        assert client.get("/metrics").text.count('protocol="share"') >= 2
    del sys.modules["shares_of_the_page"]


def test_the_page_fits_one_screen_and_names_what_there_is() -> None:
    text = PAGE.read_text()
    assert len(text.splitlines()) <= 100
    for path in ("serving/protocols/registry.py", "core/settings.py", "serving/protocols/base.py"):
        assert path in text
        assert (ROOT / "src" / "maskery" / path).exists()
    for path in (
        "tests/serving/protocols/entry_points.py",
        "tests/serving/runtime/test_executor.py",
        "docs/settings.md",
    ):
        assert path in text
        assert (ROOT / path).exists()

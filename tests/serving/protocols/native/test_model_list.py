"""Loading and unloading by HTTP."""

from pathlib import Path

import msgspec
from starlette.testclient import TestClient

from maskery.core.settings import Settings
from maskery.models.store import Store
from maskery.serving.app import create_app
from tests.material import encoded, photo


def test_load_use_unload(tmp_path: Path) -> None:
    settings = Settings(cache=str(tmp_path))
    store = Store(settings)
    located = store.locate("everyday")
    store.add(located.path, msgspec.structs.replace(located.card, name="mine"))
    picture = encoded(photo("chelsea"), "JPEG")
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        loaded = client.post("/v1/models/mine/load")
        assert loaded.status_code == 200
        body = loaded.json()
        assert (body["name"], body["state"], body["last_change"]["what"]) == ("mine", "ready", "loaded")
        assert body["last_change"]["rss_before"] > 0
        assert client.post("/v1/models/mine@1.0.0/load").json()["last_change"] == body["last_change"]
        assert client.post("/v1/segment?model=mine", content=picture).status_code == 200
        unloaded = client.post("/v1/models/mine/unload").json()
        assert (unloaded["state"], unloaded["last_change"]["what"]) == ("unloaded", "unloaded")
        assert unloaded["last_change"]["rss_after"] < unloaded["last_change"]["rss_before"]
        assert client.post("/v1/segment?model=mine", content=picture).json()["model"]["name"] == "mine"
        assert client.post("/v1/models/nothing/load").status_code == 404
        assert client.post("/v1/models/selfie-256/load").status_code == 409
        assert client.post("/v1/models/mine/load", json={"config": 1}).status_code == 400
        assert client.get("/v1/models/mine/load").status_code == 405
        assert client.get("/readyz").status_code == 200

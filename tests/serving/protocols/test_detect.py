"""The low-memory web app's API: the picture with its objects drawn, by file and by address."""

from collections.abc import Iterator

import numpy as np
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from maskery.cli.main import cli
from maskery.core.errors import ConfigError
from maskery.core.settings import DETECT_PORT, Settings, load_settings
from maskery.models.catalog import catalog
from maskery.models.store import Store
from maskery.serving.app import create_app
from maskery.serving.protocols.detect import working_side
from tests.material import decoded, encoded, photo, shared
from tests.serving.object_model import BOXES, ROAD, object_cache

CAT = encoded(photo("chelsea"), "PNG")


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server whose default model finds no objects, while another one here does."""
    cache = object_cache(tmp_path_factory.mktemp("detect"))
    settings = Settings(cache=str(cache), model=(BOXES,), drop_in="detect", detect_side=320)
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def test_cars_are_drawn_at_the_pictures_own_size(objects: TestClient) -> None:
    road = shared(ROAD).read_bytes()
    response = objects.post("/detect", files={"file": ("road.jpg", road, "image/jpeg")})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-maskery-model"] == BOXES
    drawn, picture = decoded(response.content), decoded(road)
    assert drawn.shape == picture.shape
    changed = (drawn != picture).any(2)
    assert 500 < changed.sum() < 0.2 * changed.size
    assert changed[330, 150:300].any()
    same = objects.post("/v1/segment?task=detection&format=overlay", content=road)
    assert same.headers["maskery-model"] == BOXES
    np.testing.assert_array_equal(decoded(same.content), drawn)


def test_where_the_default_model_finds_no_objects_the_built_in_one_does(client: TestClient) -> None:
    response = client.post("/detect", files={"file": CAT})
    assert response.status_code == 200
    assert response.headers["x-maskery-model"] == "objects"
    expected = client.post("/v1/segment?format=overlay&model=objects", content=CAT)
    assert decoded(response.content).tobytes() == decoded(expected.content).tobytes()


def test_what_is_refused_and_how(client: TestClient) -> None:
    for response in (
        client.post("/detect", files={"image": CAT}),
        client.post("/detect"),
        client.get("/detect"),
        client.get("/detect?url=http://127.0.0.1/cat.jpg"),
        client.post("/detect?render_factor=3", files={"file": CAT}),
        client.post("/detect", files={"file": b"no picture"}),
    ):
        assert 400 <= response.status_code < 500
        assert list(response.json()) == ["error"]
        assert len(response.json()["error"]) > 20
    assert "'file'" in client.post("/detect", files={"image": CAT}).json()["error"]


def test_port_and_render_factor() -> None:
    given = {"drop_in": "detect"}
    plain = load_settings(given, {})
    assert (plain.port, plain.detect_side) == (DETECT_PORT, 0)
    chosen = load_settings(given, {"PORT": "9000", "RENDER_FACTOR": "20"})
    assert (chosen.port, chosen.detect_side) == (9000, 320)
    assert load_settings(given | {"port": 7}, {"PORT": "9000"}).port == 7
    assert load_settings({}, {"PORT": "9000", "RENDER_FACTOR": "20"}) == Settings()
    for variable, text in (("RENDER_FACTOR", "0"), ("RENDER_FACTOR", "257"), ("PORT", "x"), ("PORT", "70000")):
        with pytest.raises(ConfigError, match=variable):
            load_settings(given, {variable: text})


def test_the_render_factor_stays_within_the_models_bounds() -> None:
    assert working_side(catalog()[BOXES], 320) is None
    assert catalog()[BOXES].input.fixed
    free = Store(Settings()).locate("everyday").card
    spec = free.input
    assert [working_side(free, side) for side in (0, 5, 320, 4096)] == [None, spec.min_side, 320, spec.max_side]


def test_two_servers_to_stand_in_for_are_too_many() -> None:
    done = CliRunner().invoke(cli, ["serve", "--max", "--detect"])
    assert done.exit_code == 2
    assert "stand in for two servers" in done.output

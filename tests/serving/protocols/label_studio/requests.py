"""Requests as Label Studio sends them, and readers of what comes back."""

import base64
from typing import Any

import httpx2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from starlette.testclient import TestClient

from tests.encode.brush import decode_brush
from tests.material import decoded

Json = dict[str, Any]

BRUSH = """
<View>
  <Image name="image" value="$image" zoom="true"/>
  <BrushLabels name="tag" toName="image">
    <Label value="person" background="#FFA39E"/>
    <Label value="cat" background="#D4380D"/>
  </BrushLabels>
</View>"""


def config(*controls: str) -> str:
    """A labelling configuration with these controls for the image ``img`` of the column ``photo``."""
    return f'<View><Image name="img" value="$photo"/>{"".join(controls)}</View>'


def data_url(picture: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(picture).decode()


def predict(
    client: TestClient, label_config: str, *data: Json, prefix: str = "/label-studio", context: Json | None = None
) -> httpx2.Response:
    """One task for each ``data``."""
    tasks = [{"id": number, "data": one, "meta": {}, "is_labeled": False} for number, one in enumerate(data, 7)]
    body = {
        "tasks": tasks,
        "model_version": None,
        "project": "5.1763721000",
        "label_config": label_config,
        "params": {"login": None, "password": None, "context": context},
    }
    return client.post(prefix + "/predict", json=body)


def predict_one(client: TestClient, picture: bytes) -> httpx2.Response:
    """A request with one task, whose data has the picture itself."""
    return predict(client, BRUSH, {"image": data_url(picture)})


def results(response: httpx2.Response) -> list[Json]:
    assert response.status_code == 200, response.text
    found: list[Json] = response.json()["results"]
    return found


def ids_of(client: TestClient, picture: bytes, model: str = "everyday") -> NDArray[np.uint8]:
    """The class map of the native API."""
    return decoded(client.post(f"/v1/segment?format=mask&model={model}", content=picture).content)


def drawn(item: Json) -> NDArray[np.bool_]:
    """The mask of a region, (H, W)."""
    width, height = item["original_width"], item["original_height"]
    value = item["value"]
    if item["type"] == "brushlabels":
        return decode_brush(bytes(value["rle"])).reshape(height, width)
    if item["type"] == "rectanglelabels":
        left, top = value["x"] * width / 100, value["y"] * height / 100
        right, bottom = left + value["width"] * width / 100, top + value["height"] * height / 100
        mask = np.zeros((height, width), np.bool_)
        mask[round(top) : round(bottom), round(left) : round(right)] = True
        return mask
    image = Image.new("1", (8 * width, 8 * height))
    points = [(x * width * 8 / 100 - 0.5, y * height * 8 / 100 - 0.5) for x, y in value["points"]]
    ImageDraw.Draw(image).polygon(points, fill=1)
    return np.asarray(image)[4::8, 4::8]

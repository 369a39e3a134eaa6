"""Single objects on the page: in the legend, alone, below the mouse, and cut out each for itself."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect

from tests.browser.conftest import serving
from tests.browser.test_page import RESULT, WAIT, canvas
from tests.material import shared
from tests.serving.object_model import object_cache

MODEL = "yolo11n-seg-coco"
PICTURE = "data/photos/udacity_solidWhiteCurve.jpg"


@pytest.fixture(scope="module")
def objects_url(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = object_cache(tmp_path_factory.mktemp("objects"), MODEL)
    with serving(folder, MODEL=MODEL) as url:
        yield url


@pytest.fixture
def shown(page: Page, objects_url: str) -> Page:
    page.goto(objects_url)
    data = shared(PICTURE).read_bytes()
    page.set_input_files("#file", FilePayload(name="road.jpg", mimeType="image/jpeg", buffer=data))
    page.wait_for_selector(RESULT, timeout=WAIT)
    return page


def test_objects_in_the_legend(shown: Page, tmp_path: Path) -> None:
    rows = shown.locator("#legend li")
    count = rows.count()
    assert count >= 2
    expect(shown.locator("#legend-title")).to_have_text(f"In this picture: {count} objects")
    expect(rows.first.locator(".legend-name")).to_have_text("car 1")
    whole = canvas(shown)
    rows.first.hover()
    shown.get_by_role("button", name="Show only car 1").click()
    alone = canvas(shown)
    expect(rows.nth(1)).to_have_class("is-hidden")
    assert (alone != whole).any()
    expect(shown.locator("#download-scope")).to_have_text("all objects")
    with shown.expect_download() as download:
        shown.get_by_role("button", name="Cut out car 1").click()
    assert download.value.suggested_filename == "road-car 1.png"
    download.value.save_as(tmp_path / "car.png")
    with Image.open(tmp_path / "car.png") as picture:
        alpha = np.asarray(picture.convert("RGBA"))[:, :, 3]
    assert 0.3 < (alpha == 255).mean() < 0.99
    assert set(np.unique(alpha)) == {0, 255}


def test_the_name_below_the_mouse(shown: Page) -> None:
    box = shown.locator("#canvas").bounding_box()
    assert box
    scale = box["width"] / 960
    shown.mouse.move(box["x"] + 230 * scale, box["y"] + 330 * scale)
    expect(shown.locator("#pointer")).to_contain_text("car")
    shown.mouse.move(box["x"] + 480 * scale, box["y"] + 60 * scale)
    expect(shown.locator("#pointer")).to_contain_text("no object")

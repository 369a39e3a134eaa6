"""Smart tools of Label Studio: clicks, rectangles and strokes as it sends them, and what its configuration lacks."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from maskery.core.settings import Settings
from maskery.encode.annotations.label_studio import brush_rle
from maskery.serving.app import create_app
from maskery.serving.protocols.label_studio.config import read_config
from maskery.serving.protocols.label_studio.smart_tools import smart_gaps
from tests.inference.prompts.toy_prompt import scene, write_toy
from tests.material import encoded
from tests.serving.protocols.label_studio.requests import data_url, drawn, predict, results

Json = dict[str, Any]

SIZE_WH, THING = (120, 90), (40, 20, 80, 60)
PICTURE = encoded(scene(SIZE_WH, THING), "PNG")
POINTS = (
    '<KeyPointLabels name="kp" toName="image" smart="true"><Label value="cat"/><Label value="dog"/></KeyPointLabels>'
)
BOXES = (
    '<RectangleLabels name="box" toName="image" smart="true"><Label value="cat"/><Label value="dog"/></RectangleLabels>'
)
MASKS = '<BrushLabels name="tag" toName="image"><Label value="cat"/><Label value="dog"/></BrushLabels>'


def config(*tags: str) -> str:
    return f'<View><Image name="image" value="$image"/>{"".join(tags)}</View>'


SMART = config(POINTS, BOXES, MASKS)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    folder = write_toy(tmp_path_factory.mktemp("toy"), "prompt")
    settings = Settings(cache=str(tmp_path_factory.mktemp("cache")), model=("everyday", str(folder)))
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def item(kind: str, label: str = "cat", positive: int = 1, **value: Any) -> Json:
    return {
        "id": "a1", "from_name": "kp", "to_name": "image", "type": kind, "original_width": 120, "original_height": 90,
        "image_rotation": 0, "is_positive": positive, "value": value | {kind: [label]},
    }  # fmt: skip


def point(x: float, y: float, label: str = "cat", positive: int = 1) -> Json:
    return item("keypointlabels", label, positive, x=100 * x / 120, y=100 * y / 90, width=0.5)


def ask(client: TestClient, *items: Json, xml: str = SMART, prefix: str = "/label-studio") -> Json:
    (found,) = results(
        predict(client, xml, {"image": data_url(PICTURE)}, context={"result": list(items)}, prefix=prefix)
    )
    return found


def mask_of(found: Json) -> np.ndarray:
    (region,) = found["result"]
    return drawn(region)


def test_a_keypoint_is_answered_with_a_mask_of_its_label(client: TestClient) -> None:
    found = ask(client, point(60, 40, "dog"))
    (region,) = found["result"]
    assert (region["from_name"], region["to_name"], region["type"]) == ("tag", "image", "brushlabels")
    assert region["value"]["brushlabels"] == ["dog"]
    assert region["score"] == found["score"] == pytest.approx(0.9)
    assert found["model_version"] == "prompt:1"
    mask = drawn(region)
    assert mask[40, 60]
    assert mask.sum() == pytest.approx(1600, rel=0.1)


def test_all_keypoints_of_the_last_ones_label_count(client: TestClient) -> None:
    alone = mask_of(ask(client, point(60, 40)))
    corrected = mask_of(ask(client, point(60, 40), point(45, 25, positive=0)))
    assert alone[25, 45]
    assert not corrected[25, 45]
    others = mask_of(ask(client, point(45, 25, "dog", positive=0), point(60, 40)))
    np.testing.assert_array_equal(others, alone)


def test_a_rectangle_even_a_turned_one_is_a_box(client: TestClient) -> None:
    plain = item(
        "rectanglelabels", x=100 * 40 / 120, y=100 * 20 / 90, width=100 * 20 / 120, height=100 * 40 / 90, rotation=0
    )
    mask = mask_of(ask(client, plain))
    assert mask.sum() == pytest.approx(800, rel=0.15)
    assert not mask[:, 64:].any()
    # Turned by 90 degrees around its left upper corner at (60, 20): it lies to the left of it.
    turned = item("rectanglelabels", x=50, y=100 * 20 / 90, width=100 * 40 / 120, height=100 * 20 / 90, rotation=90)
    assert mask_of(ask(client, turned)).sum() == pytest.approx(800, rel=0.15)


def test_masks_of_earlier_answers_are_passed_over(client: TestClient) -> None:
    draft = item("brushlabels", format="rle", rle=list(brush_rle(np.ones((90, 120), np.bool_))))
    alone = mask_of(ask(client, point(60, 40)))
    for items in (
        (draft, point(60, 40)),
        (point(60, 40), draft),
        (draft, draft, point(60, 40), {"type": "polygonlabels"}),
    ):
        np.testing.assert_array_equal(mask_of(ask(client, *items)), alone)


def test_a_brush_stroke_is_a_row_of_clicks(client: TestClient) -> None:
    stroke = np.zeros((90, 120), np.bool_)
    stroke[38:42, 50:70] = True
    mask = mask_of(ask(client, item("brushlabels", format="rle", rle=list(brush_rle(stroke)))))
    assert mask.sum() == pytest.approx(1600, rel=0.1)
    broken = ask(client, item("brushlabels", format="rle", rle=[1, 2, 3]))
    assert broken["result"] == []
    assert "stroke" in broken["error"]


def test_without_context_a_model_of_clicks_gives_nothing_and_no_error(client: TestClient) -> None:
    prefix = "/label-studio/models/prompt"
    for context in (None, {"result": []}, {"result": [{"type": "choices"}]}):
        (found,) = results(predict(client, SMART, {"image": data_url(PICTURE)}, prefix=prefix, context=context))
        assert (found["result"], found.get("error")) == ([], None)
    np.testing.assert_array_equal(
        mask_of(ask(client, point(60, 40), prefix=prefix)), mask_of(ask(client, point(60, 40)))
    )


def test_other_models_still_draw_all_without_context(client: TestClient) -> None:
    (found,) = results(predict(client, config(MASKS), {"image": data_url(PICTURE)}))
    assert found["model_version"].startswith("everyday:")


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([point(60, 40, "bird")], "no label 'bird'"),
        ([item("keypointlabels", x="left", y=5)], "no number 'x'"),
        ([item("rectanglelabels", x=1, y=5, width=5)], "no number 'height'"),
        ([item("rectanglelabels", x=1, y=5, width=0, height=0)], "less than a pixel"),
        ([point(60, 40, positive=0)], "No point is on the object"),
    ],
)
def test_what_cannot_be_asked_is_told(client: TestClient, items: list[Json], said: str) -> None:
    body = predict(client, SMART, {"image": data_url(PICTURE)}, context={"result": items})
    text = body.json()["detail"] if body.status_code == 400 else body.json()["results"][0]["error"]
    assert said in text


def test_polygons_take_the_mask_where_there_is_no_brush(client: TestClient) -> None:
    polygons = '<PolygonLabels name="shape" toName="image"><Label value="cat"/></PolygonLabels>'
    (region,) = ask(client, point(60, 40), xml=config(POINTS, polygons))["result"]
    assert (region["type"], region["from_name"]) == ("polygonlabels", "shape")


def test_a_picture_that_is_clicked_at_is_fetched_once(client: TestClient) -> None:
    service, fetched = client.app.state.service, list[str]()  # type: ignore[attr-defined]

    async def fetch(url: str) -> bytes:
        fetched.append(url)
        return PICTURE

    before, service.fetcher = service.fetcher, fetch
    try:
        for count in range(3):
            context = {"result": [point(60 + i, 40) for i in range(count + 1)]}
            assert results(predict(client, SMART, {"image": "https://example.org/a.png"}, context=context))[0]["result"]
        assert fetched == ["https://example.org/a.png"]
    finally:
        service.fetcher = before


@pytest.mark.parametrize(
    ("tags", "gaps"),
    [
        ((POINTS, MASKS), []),
        ((BOXES, MASKS), []),
        ((MASKS,), ["no KeyPointLabels or RectangleLabels"]),
        ((POINTS.replace(' smart="true"', ""), MASKS), ['lacks smart="true"']),
        ((POINTS, BOXES), ["no BrushLabels"]),
        ((POINTS, MASKS.replace("<BrushLabels", '<BrushLabels smart="true"')), ["Label Studio asks nothing"]),
        ((POINTS, MASKS.replace('<Label value="dog"/>', "")), ["label 'dog' of 'kp'"]),
    ],
)
def test_what_a_configuration_lacks_is_said(client: TestClient, tags: tuple[str, ...], gaps: list[str]) -> None:
    xml = config(*tags)
    found = smart_gaps(read_config(xml))
    assert len(found) == len(gaps)
    assert all(gap in text for gap, text in zip(gaps, found, strict=True)), found
    answer = client.post("/label-studio/setup", json={"project": "1.1", "schema": xml}).json()
    assert answer.get("smart_tools", []) == list(found)

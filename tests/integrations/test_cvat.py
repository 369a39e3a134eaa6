"""Functions for CVAT's SDK, called as its command line and its agents call them; with the SDK's own types."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maskery.core.errors import BadRequest, MissingExtra
from maskery.integrations import cvat
from maskery.integrations.cvat import CvatDetector, CvatInteractor, create
from tests.inference.prompts.toy_prompt import scene, write_toy
from tests.material import photo

SIZE_WH, THING = (120, 90), (40, 20, 80, 60)


@pytest.fixture(scope="module")
def sdk() -> Any:
    return pytest.importorskip("cvat_sdk.auto_annotation")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy"))


def context(sdk: Any, polygons: bool = False, threshold: float | None = None) -> Any:
    class Context(sdk.DetectionFunctionContext):  # type: ignore[misc]
        frame_name = "a.jpg"
        conf_threshold = threshold
        conv_mask_to_poly = polygons

    return Context()


def prompts(sdk: Any, positive: Any = (), negative: Any = (), box: Any = None) -> Any:
    class Prompts(sdk.InteractionPrompts):  # type: ignore[misc]
        pos_points, neg_points, bounding_box = positive, negative, box

    return Prompts()


def test_a_detector_gives_shapes_of_the_labels_of_its_spec(sdk: Any) -> None:
    from cvat_sdk.masks import decode_mask

    function = create("everyday")
    assert isinstance(function, CvatDetector)
    assert isinstance(function.spec, sdk.DetectionFunctionSpec)
    names = {label.id: label.name for label in function.spec.labels}
    assert 0 not in names
    image = Image.fromarray(photo("chelsea")).resize((220, 150))
    shapes = function.detect(context(sdk), image)
    result = function._segmenter.segment(image).masks()
    assert {names[shape.label_id] for shape in shapes} == result.keys() - {"background"}
    for shape in shapes:
        assert shape.type.value == "mask"
        mask = decode_mask(shape.points, image_width=220, image_height=150)
        np.testing.assert_array_equal(mask, result[names[shape.label_id]])
    polygons = function.detect(context(sdk, polygons=True), image)
    assert {shape.type.value for shape in polygons} == {"polygon"}
    assert all(len(shape.points) >= 6 for shape in polygons)


def test_an_interactor_looks_once_and_answers_clicks_and_a_box(sdk: Any, folder: Path) -> None:
    from cvat_sdk.masks import decode_mask

    function = create(str(folder))
    assert isinstance(function, CvatInteractor)
    assert isinstance(function.spec, sdk.InteractionFunctionSpec)
    looked = function.preprocess_image(None, Image.fromarray(scene(SIZE_WH, THING)))

    def mask(**what: Any) -> np.ndarray:
        (shape,) = function.detect(None, looked, prompts(sdk, **what))
        assert isinstance(shape, sdk.InteractionResultShape)
        assert shape.attributes[0].spec_id == sdk.InteractionResultAttributes.CONFIDENCE
        assert float(shape.attributes[0].value) == pytest.approx(0.9)
        return decode_mask(shape.points, image_width=120, image_height=90)

    clicked = mask(positive=[(60.0, 40.0)])
    assert clicked.sum() == pytest.approx(1600, rel=0.1)
    assert not mask(positive=[(60.0, 40.0)], negative=[(45.0, 25.0)])[25, 45]
    assert mask(box=((40.0, 20.0), (60.0, 60.0))).sum() == pytest.approx(800, rel=0.15)
    assert function.detect(None, looked, prompts(sdk, box=((0.0, 0.0), (9.0, 9.0)))) == []
    with pytest.raises(BadRequest, match="Nothing was clicked"):
        function.detect(None, looked, prompts(sdk))


def test_a_model_without_masks_is_refused() -> None:
    with pytest.raises(BadRequest, match="no masks"):
        create("cifar10")


def test_without_the_sdk_the_cure_is_said(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "cvat_sdk.auto_annotation", None)
    monkeypatch.setitem(sys.modules, "cvat_sdk", None)
    with pytest.raises(MissingExtra, match="maskery\\[cvat\\]"):
        cvat.create(str(folder))

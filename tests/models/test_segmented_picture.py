"""What can be done with a result in Python: arrays, pictures, plots, other libraries' objects."""

import sys
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maskery.core.errors import BadRequest, MissingExtra
from maskery.core.picture.decode import open_picture
from maskery.core.result.capabilities import Result
from maskery.models.segmented_picture import PREVIEW_SIDE, Segmentation
from tests.encode.results import PALETTE, classification, foreground, halves, instances, opened, photo, semantic


def of(result: Result) -> Segmentation:
    """The result with a picture of its size."""
    width, height = result.meta.frame.size_wh
    return Segmentation(result, open_picture(photo((height, width)), max_bytes=1, max_pixels=10**8))


def test_masks_by_name_are_the_class_map() -> None:
    segmented = of(semantic(halves()))
    masks = segmented.masks()
    assert list(masks) == ["background", "cat", "dog"]
    for name, mask in masks.items():
        assert mask.dtype == np.bool_
        assert np.array_equal(mask, segmented.class_map == segmented.labels.index(name))
    assert sum(mask.astype(int) for mask in masks.values()).min() == 1


def test_masks_leave_out_pixels_of_no_class_and_classes_that_do_not_occur() -> None:
    ids = halves()
    ids[:6] = 255
    assert list(of(semantic(ids)).masks()) == ["cat", "dog"]
    with pytest.raises(BadRequest, match="no class map"):
        of(classification()).masks()


def test_pil_images_of_raster_formats() -> None:
    segmented = of(semantic(halves()))
    mask = segmented.to_pil()
    assert mask.mode == "P"
    assert np.array_equal(np.asarray(mask), segmented.class_map)
    assert tuple(np.asarray(mask.convert("RGB"))[-1, 0]) == PALETTE[1]
    assert segmented.to_pil("cutout").mode == "RGBA"
    assert segmented.to_pil("overlay-jpeg").size == (16, 12)
    for format in ("svg", "json"):
        with pytest.raises(BadRequest, match="Formats that are: overlay, "):
            segmented.to_pil(format)


def test_a_notebook_shows_the_overlay_or_the_photo() -> None:
    segmented = of(semantic(halves()))
    assert np.array_equal(np.asarray(opened(segmented._repr_png_())), np.asarray(segmented.to_pil("overlay")))
    plain = of(classification())
    assert np.array_equal(np.asarray(opened(plain._repr_png_())), plain.picture.rgb())
    large = of(semantic(np.zeros((40, 3 * PREVIEW_SIDE), np.uint8)))
    assert opened(large._repr_png_()).width == PREVIEW_SIDE


def test_show_opens_the_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[int, int]] = []
    monkeypatch.setattr(Image.Image, "show", lambda image: shown.append(image.size))
    of(semantic(halves())).show()
    assert shown == [(16, 12)]


def test_plot_draws_legend_and_title() -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    assert of(semantic(halves())).plot(axes) is axes
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["background 50%", "cat 25%", "dog 25%"]
    assert axes.images[0].get_size() == (12, 16)
    other = Figure().subplots()
    assert of(classification()).plot(other).get_title() == "b 40%, d 20%, f 15%"


def test_plot_without_matplotlib_says_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match="pip install matplotlib"):
        of(semantic(halves())).plot()


@dataclass
class Detections:
    """The fields of ``supervision.Detections`` (0.31), as its documentation lists them."""

    xyxy: Any
    mask: Any = None
    confidence: Any = None
    class_id: Any = None
    tracker_id: Any = None
    data: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(params=["recorded", "installed"])
def supervision(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "recorded":
        library = ModuleType("supervision")
        library.Detections = Detections  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "supervision", library)
    else:
        pytest.importorskip("supervision")


@pytest.mark.filterwarnings("ignore:OpenCV")
@pytest.mark.usefixtures("supervision")
def test_supervision_gets_classes_without_background() -> None:
    found = of(semantic(halves())).to_supervision()
    assert found.xyxy.tolist() == [[0, 6, 8, 12], [8, 6, 16, 12]]
    assert found.class_id is not None
    assert found.class_id.tolist() == [1, 2]
    assert list(found.data["class_name"]) == ["cat", "dog"]
    assert found.confidence is None
    assert np.array_equal(found.mask, np.stack([halves() == 1, halves() == 2]))
    nothing = of(foreground(np.zeros((3, 4), np.uint8))).to_supervision()
    assert nothing.xyxy.shape == (0, 4)
    assert np.asarray(nothing.mask).shape == (0, 3, 4)


@pytest.mark.filterwarnings("ignore:OpenCV")
@pytest.mark.usefixtures("supervision")
def test_supervision_gets_objects_with_their_scores() -> None:
    found = of(instances()).to_supervision()
    assert found.xyxy.tolist() == [[1, 1, 9, 7], [6, 4, 12, 10], [13, 9, 15, 11]]
    assert found.confidence is not None
    assert found.confidence.tolist() == [0.9, 0.75, 0.5]
    assert list(found.data["class_name"]) == ["dog", "cat", "dog"]
    assert found.mask is None  # one object has a box only
    assert found.tracker_id is None  # and two have no track
    objects = of(instances()).objects
    assert [(one.id, one.name, one.class_id, one.score, one.area) for one in objects] == [
        (1, "dog", 2, 0.9, 48),
        (2, "cat", 1, 0.75, 36),
        (3, "dog", 2, 0.5, 4),
    ]
    assert objects[0].box == (1, 1, 9, 7)
    assert objects[0].mask is not None
    assert objects[0].mask.shape == (12, 16)
    assert objects[0].mask.sum() == 48
    assert objects[2].mask is None
    cat = of(replace(instances(), instances=instances().instances[1:2])).to_supervision()
    assert cat.tracker_id is not None
    assert cat.tracker_id.tolist() == [7]
    assert np.asarray(cat.mask).sum() == instances().instances[1].area
    with pytest.raises(BadRequest, match="has no class map"):
        of(classification()).to_supervision()


def test_without_supervision_the_cure_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtra, match="pip install supervision"):
        of(semantic(halves())).to_supervision()

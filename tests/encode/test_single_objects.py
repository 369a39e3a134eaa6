"""Squares that were drawn, read back from every format of single objects, on odd sizes."""

import io
import json
import re
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pycocotools import mask as reference
from pycocotools.coco import COCO

from maskery.core.errors import BadRequest
from maskery.core.result.instances import Instance, InstanceResult, crop_mask
from maskery.encode.options import Options
from maskery.encode.raster.npz import decode_npz
from maskery.encode.registry import encode
from tests.encode.brush import decode_brush
from tests.encode.reference import inside
from tests.encode.results import LABELS, PALETTE, instances, meta, opened, photo, pixels

# pycocotools 2.0.11 with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

Mask = NDArray[np.bool_]


@st.composite
def drawn_squares(draw: st.DrawFn) -> InstanceResult:
    """One to four objects of one or two squares each, which may overlap, and a hole in some, at odd sizes."""
    width, height = draw(st.integers(1, 23)), draw(st.integers(1, 17))
    found = []
    for number in range(draw(st.integers(1, 4))):
        mask = np.zeros((height, width), np.bool_)
        for _ in range(draw(st.integers(1, 2))):
            left, top = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
            side = draw(st.integers(1, 9))
            mask[top : top + side, left : left + side] = True
        if draw(st.booleans()):
            mask[height // 2, width // 2] = False
        if mask.any():
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            box = (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))
            found.append(
                Instance(id=number + 1, class_id=1 + number % 2, score=0.9, box_xyxy=box, mask=crop_mask(mask))
            )
    return InstanceResult(meta("instance", (height, width), LABELS, PALETTE), tuple(found))


def expected(result: InstanceResult) -> list[Mask]:
    return [one.mask.placed(result.meta.frame.size_wh) for one in result.instances if one.mask]


def same(found: list[Mask], result: InstanceResult) -> None:
    masks = expected(result)
    assert len(found) == len(masks)
    for one, other in zip(found, masks, strict=True):
        np.testing.assert_array_equal(one, other)


@settings(deadline=None, max_examples=60)
@given(result=drawn_squares())
def test_run_lengths(result: InstanceResult) -> None:
    size = result.meta.frame.size_wh
    listed = json.loads(encode(result, "json"))["objects"]
    same([reference.decode(one["mask"]).astype(bool) for one in listed], result)
    assert [one["area"] for one in listed] == [int(mask.sum()) for mask in expected(result)]
    alone = json.loads(encode(result, "coco-rle"))["objects"]
    same([reference.decode(one["rle"]).astype(bool) for one in alone], result)
    (task,) = json.loads(encode(result, "label-studio"))
    brushes = [bytes(item["value"]["rle"]) for item in task["predictions"][0]["result"]]
    same([decode_brush(brush).reshape(size[::-1]) for brush in brushes], result)
    same([_cvat(line, size) for line in re.findall(r"<mask .*?>", encode(result, "cvat").decode())], result)


def _cvat(line: str, size_wh: tuple[int, int]) -> Mask:
    value = dict(re.findall(r'(\w+)="([^"]*)"', line))
    lengths = [int(length) for length in value["rle"].split(", ")]
    left, top, width, height = (int(value[name]) for name in ("left", "top", "width", "height"))
    whole = np.zeros(size_wh[::-1], np.bool_)
    part = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(height, width)
    whole[top : top + height, left : left + width] = part
    return whole


@settings(deadline=None, max_examples=40)
@given(result=drawn_squares())
def test_outlines(result: InstanceResult) -> None:
    width, height = result.meta.frame.size_wh
    shape = (height, width)
    listed = json.loads(encode(result, "polygons"))["objects"]
    rings = [[r for piece in one["polygons"] for r in (piece["exterior"], *piece["holes"])] for one in listed]
    same([inside(own, shape) for own in rings], result)
    lines = encode(result, "yolo").decode().splitlines()
    points = [np.array(line.split()[1:], float).reshape(-1, 2) * (width, height) for line in lines]
    same([inside([np.rint(own).astype(np.int64)], shape) for own in points], result)
    assert [int(line.split()[0]) for line in lines] == [one.class_id for one in result.instances]
    (task,) = json.loads(encode(result, "label-studio", options=Options(shape="polygon")))
    regions = [np.array(item["value"]["points"]) * (width, height) / 100 for item in task["predictions"][0]["result"]]
    same([inside([np.rint(own).astype(np.int64)], shape) for own in regions], result)
    groups: dict[int, list[list[list[float]]]] = {}
    for shape_ in json.loads(encode(result, "labelme"))["shapes"]:
        groups.setdefault(shape_["group_id"], []).append(shape_["points"])
    same([inside(own, shape) for own in groups.values()], result)
    features: dict[int, list[list[list[float]]]] = {}
    for feature in json.loads(encode(result, "geojson"))["features"]:
        features.setdefault(feature["properties"]["id"], []).extend(feature["geometry"]["coordinates"])
    same([inside(own, shape) for own in features.values()], result)
    paths = re.findall(r'<path data-id="(\d+)".*? d="M(.*?)z"><title>', encode(result, "svg").decode())
    drawings = {
        int(number): [np.array(ring.split(), int).reshape(-1, 2) for ring in path.split("zM")] for number, path in paths
    }
    same([inside(drawings[one.id], shape) for one in result.instances], result)


@pytest.mark.parametrize("shape", ["mask", "polygon"])
@settings(deadline=None, max_examples=30)
@given(result=drawn_squares())
def test_a_coco_file_that_pycocotools_loads(shape: str, result: InstanceResult) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "coco.json")
        file.write_bytes(encode(result, "coco", options=Options(shape=shape)))
        coco = COCO(str(file))
    found = coco.loadAnns(coco.getAnnIds())
    assert [one["id"] for one in found] == list(range(1, len(found) + 1))
    masks = expected(result)
    for one, mask in zip(found, masks, strict=True):
        assert one["area"] == mask.sum()
        assert one["bbox"] == reference.toBbox(reference.encode(np.asfortranarray(mask))).tolist()
        if shape == "mask" or len(one["segmentation"]) == 1:  # pycocotools unites pieces, which touch by corners only
            np.testing.assert_array_equal(coco.annToMask(one), mask)


@settings(deadline=None, max_examples=40)
@given(result=drawn_squares())
def test_the_panoptic_picture_is_read_as_coco_reads_it(result: InstanceResult) -> None:
    rgb = pixels(encode(result, "panoptic")).astype(np.int64)
    ids = rgb[:, :, 0] + 256 * rgb[:, :, 1] + 65536 * rgb[:, :, 2]
    data = json.loads(encode(result, "panoptic-json", options=Options(file_name="cat.jpg")))
    (annotation,) = data["annotations"]
    assert annotation["file_name"] == "cat.png"
    described = annotation["segments_info"]
    assert sorted(one["id"] for one in described) == [id for id in np.unique(ids).tolist() if id]
    free = np.ones(ids.shape, np.bool_)
    for place, mask in enumerate(expected(result), 1):
        np.testing.assert_array_equal(ids == place, mask & free)
        free &= ~mask
    for one in described:
        own = ids == one["id"]
        assert one["area"] == own.sum()
        assert one["bbox"] == reference.toBbox(reference.encode(np.asfortranarray(own))).tolist()
        assert one["category_id"] == result.instances[one["id"] - 1].class_id
    assert len(data["hidden"]) + len(described) == len(result.instances)
    assert [one["id"] for one in data["categories"]] == [1, 2]


@settings(deadline=None, max_examples=30)
@given(result=drawn_squares())
def test_cut_outs_of_their_own_and_arrays(result: InstanceResult) -> None:
    size = result.meta.frame.size_wh
    picture = photo(size[::-1])
    with zipfile.ZipFile(io.BytesIO(encode(result, "cutouts", picture))) as archive:
        found = [np.asarray(opened(archive.read(name))) for name in archive.namelist()]
        names = archive.namelist()
    assert names == [f"{one.id:03d}-{LABELS[one.class_id]}.png" for one in result.instances]
    for one, rgba, mask in zip(result.instances, found, expected(result), strict=True):
        left, top, right, bottom = (int(edge) for edge in one.box_xyxy)
        np.testing.assert_array_equal(rgba[:, :, 3], mask[top:bottom, left:right] * np.uint8(255))
        np.testing.assert_array_equal(rgba[:, :, :3], picture[top:bottom, left:right] * (rgba[:, :, 3:] > 0))
    back = decode_npz(encode(result, "npz", options=Options(details=True)))
    assert isinstance(back, InstanceResult)
    same(expected(back), result)
    assert back.meta.labels == result.meta.labels


def test_boxes_without_masks() -> None:
    result, options = instances(), Options(shape="polygon")
    assert encode(result, "yolo").decode().splitlines()[-1] == "2 0.875 0.8333333 0.125 0.1666667"
    assert json.loads(encode(result, "labelme"))["shapes"][-1]["shape_type"] == "rectangle"
    assert json.loads(encode(result, "labelme"))["shapes"][-1]["points"] == [[13, 9], [15, 11]]
    box = '<box label="dog" source="auto" occluded="0" xtl="13" ytl="9" xbr="15" ybr="11" z_order="0"></box>'
    assert encode(result, "cvat").decode().count(box) == 1
    assert encode(result, "cvat", options=options).decode().count(box) == 1
    for chosen in (Options(), options):
        (task,) = json.loads(encode(result, "label-studio", options=chosen))
        region = task["predictions"][0]["result"][-1]
        assert region["type"] == "rectanglelabels"
        assert region["score"] == 0.5
        assert region["value"]["x"] == 100 * 13 / 16
    assert json.loads(encode(result, "coco", options=options))["annotations"][-1]["segmentation"] == []
    assert json.loads(encode(result, "coco-rle"))["objects"][-1]["rle"] is None
    back = decode_npz(encode(result, "npz", options=Options(details=True)))
    assert isinstance(back, InstanceResult)
    assert [one.score for one in back.instances] == [0.9, 0.75, 0.5]
    assert [one.track_id for one in back.instances] == [None, 7, None]
    assert back.instances[2].mask is None
    assert back.instances[2].box_xyxy == (13, 9, 15, 11)


def test_objects_have_no_borders_in_common() -> None:
    with pytest.raises(BadRequest, match="may overlap"):
        encode(instances(), "svg", options=Options(gap_free=True))


def test_small_objects_are_left_out_of_outlines() -> None:
    found = json.loads(encode(instances(), "polygons", options=Options(min_area=37)))
    assert [one["id"] for one in found["objects"]] == [1]
    assert found["left_out"] == {"pieces": 2, "pixels": 40}

"""Names and odd places of cut-outs; their pixels are compared in tests/encode/test_single_objects.py."""

import io
import zipfile
from dataclasses import replace

import numpy as np

from maskery.core.result.instances import CropMask, InstanceResult
from maskery.encode.registry import encode
from tests.encode.results import PALETTE, instances, meta, opened, photo


def names(result: InstanceResult) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(encode(result, "cutouts", photo((12, 16))))) as archive:
        return archive.namelist()


def test_a_name_is_no_path() -> None:
    about = meta("instance", (12, 16), ("background", "a/b: c", "..\\x"), PALETTE)
    assert names(InstanceResult(about, instances().instances)) == ["001-..-x.png", "002-a-b--c.png", "003-..-x.png"]


def test_boxes_are_cut_at_the_edge_and_nothing_has_no_picture() -> None:
    one, two, box = instances().instances
    empty = replace(two, mask=CropMask((0, 0), (0, 0), np.zeros(1, np.int64)))
    result = InstanceResult(instances().meta, (one, empty, replace(box, box_xyxy=(14.2, 10.0, 19.0, 14.0))))
    with zipfile.ZipFile(io.BytesIO(encode(result, "cutouts", photo((12, 16))))) as archive:
        assert archive.namelist() == ["001-dog.png", "003-dog.png"]
        assert opened(archive.read("003-dog.png")).size == (2, 2)

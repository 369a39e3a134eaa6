import numpy as np
import pytest
from numpy.typing import NDArray

from maskery.core.boxes import Box, overlap
from maskery.core.card import Detector
from maskery.core.settings import Settings
from maskery.inference.faces.detector import FaceDetector
from maskery.inference.faces.region import whole
from maskery.inference.faces.view import View
from maskery.inference.runtimes.registry import open_session
from maskery.models.store import Store
from tests.material import photo

WANTED = Detector(model="face-finder", marked=0.6, levels=2, min_score=0.8)


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    located = Store(Settings()).locate("face-finder")
    return FaceDetector(WANTED, located.card, open_session(located.card, located.path, "cpu", 1))


def find(detector: FaceDetector, picture: NDArray[np.uint8]) -> list[Box]:
    size_wh = (picture.shape[1], picture.shape[0])
    return detector.find(View(picture, whole(size_wh)), size_wh)


def test_the_built_in_detector_sees_the_astronauts_face(detector: FaceDetector) -> None:
    (box,) = find(detector, photo("astronaut"))
    assert overlap(box.xyxy, (172, 67, 281, 176)) > 0.7
    assert box.score > 0.9


def test_it_sees_a_face_that_fills_the_picture(detector: FaceDetector) -> None:
    (box,) = find(detector, np.ascontiguousarray(photo("astronaut")[60:190, 160:290]))
    assert overlap(box.xyxy, (12, 7, 121, 116)) > 0.5


@pytest.mark.parametrize("name", ["chelsea", "coffee"])
def test_cats_and_cups_have_no_face(detector: FaceDetector, name: str) -> None:
    assert find(detector, photo(name)) == []

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import maskery
from maskery.core.errors import BadRequest, TooLarge
from maskery.core.labels import VOC
from tests.material import decoded, encoded, photo


@pytest.fixture(scope="module")
def everyday() -> "maskery.models.segmenter.Segmenter":  # type: ignore[name-defined]
    return maskery.load("everyday")


def test_every_kind_of_source_gives_the_same_mask(everyday, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pixels = photo("chelsea")
    data = encoded(pixels, "PNG")
    path = tmp_path / "chelsea.png"
    path.write_bytes(data)
    expected = everyday.segment(pixels).class_map
    for source in (data, path, str(path), Image.fromarray(pixels), bytearray(data)):
        assert np.array_equal(everyday.segment(source).class_map, expected)


def test_summary_labels_and_confidence(everyday) -> None:  # type: ignore[no-untyped-def]
    result = everyday.segment(photo("astronaut"), maps=("confidence", "margin"), classes=("person",))
    assert result.labels == VOC
    names = {item["name"]: item for item in result.summary()["classes"]}
    assert set(names) == {"background", "person"}
    assert names["person"]["share"] == pytest.approx((result.class_map == 15).mean())
    confidence = result.result.maps["confidence"]
    assert confidence.shape == (512, 512)
    assert 1 / 21 < confidence.min() <= confidence.max() <= 1.0001
    assert np.abs(decoded(result.encode("confidence")) / 255 - confidence).max() <= 0.5 / 255 + 1e-4
    with pytest.raises(BadRequest, match="no entropy map"):
        result.encode("entropy")


def test_save_by_suffix_and_by_format(everyday, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    result = everyday.segment(photo("coffee"), max_side=64)
    result.save(tmp_path / "mask.png")
    assert np.array_equal(decoded((tmp_path / "mask.png").read_bytes()), result.class_map)
    result.save(tmp_path / "over.jpg")
    assert decoded((tmp_path / "over.jpg").read_bytes()).shape == (400, 600, 3)
    result.save(tmp_path / "cut.png", format="cutout")
    assert decoded((tmp_path / "cut.png").read_bytes()).shape == (400, 600, 4)
    with pytest.raises(BadRequest, match="suffix"):
        result.save(tmp_path / "mask.xyz")
    with pytest.raises(BadRequest, match="Did you mean 'cutout'"):
        result.save(tmp_path / "x.png", format="cutuot")


def test_limits_hold_for_python_too(everyday) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(TooLarge):
        everyday.segment(np.zeros((10_000, 8_001), np.uint8))


def test_answer_is_segment_and_encode_in_one_step(everyday) -> None:  # type: ignore[no-untyped-def]
    segmenter, picture = everyday, photo("chelsea")
    for format in ("mask", "cutout", "npy"):
        whole = segmenter.segment(picture, classes=("cat",), max_side=192).encode(format)
        assert segmenter.answer(picture, format, classes=("cat",), max_side=192) == whole
    tiled = segmenter.segment(picture, tile=150)
    assert tiled.result.meta.plan is not None
    assert tiled.result.meta.plan.tiles is not None
    assert segmenter.answer(picture, "mask", tile=150) == tiled.encode("mask")

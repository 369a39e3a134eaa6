import io
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import maskery
from maskery.core.errors import BadRequest, TooLarge
from maskery.core.labels import VOC
from maskery.models.store import CHECK_PICTURE
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


def test_files_tensors_and_lists_give_it_too(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "a.png"
    pixels = photo("chelsea")[::4, ::4]
    path.write_bytes(encoded(pixels))
    segmenter = maskery.load("everyday")
    expected = segmenter.segment(pixels).class_map
    with path.open("rb") as file:
        sources = [file, io.BytesIO(path.read_bytes()), bytearray(path.read_bytes()), torch.from_numpy(pixels.copy())]
        sources += [pixels.tolist(), pixels.astype(np.uint16) * 256, (pixels.astype(np.uint16) * 256).astype(">u2")]
        for source in sources:
            assert np.array_equal(segmenter.segment(source).class_map, expected), type(source)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (None, "A picture cannot be NoneType"),
        (5, "A picture cannot be int"),
        ({"a": 1}, "A picture cannot be dict"),
        ([[1, 2], [3]], "The list is no array"),
        ([[1.5, 2.0]], "dtype float64"),
        ([[1, 300]], "dtype int64"),
        (io.StringIO("text"), "open as text"),
        (np.zeros((3, 20, 20), np.uint8), "shape"),
    ],
)
def test_other_kinds_are_refused_with_a_cure(source: object, says: str) -> None:
    with pytest.raises(BadRequest, match=says) as caught:
        maskery.load("everyday").segment(source)  # type: ignore[arg-type]
    assert caught.value.cure


def test_wrong_values_are_errors_of_ours() -> None:
    segmenter, pixels = maskery.load("everyday"), photo("chelsea")[::8, ::8]
    for options in ({"max_side": "64"}, {"tile": "a"}, {"max_side": 64.5}, {"max_side": True}, {"classes": [5]}):
        with pytest.raises(BadRequest, match=r"is '64'|is 'a'|is 64\.5|is True|Names are"):
            segmenter.segment(pixels, **options)  # type: ignore[arg-type]
    only = segmenter.segment(pixels, classes="cat").class_map
    assert np.array_equal(only, segmenter.segment(pixels, classes=("cat",)).class_map)
    assert np.array_equal(segmenter.segment(pixels, classes=None).class_map, segmenter.segment(pixels).class_map)
    assert segmenter.segment(pixels, max_side=np.int64(64)).class_map.shape == pixels.shape[:2]


def test_models_by_path_objects_and_pickled_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(CHECK_PICTURE.parent / "builtin" / "everyday", tmp_path / "m")
    segmenter = maskery.load(tmp_path / "m")
    pixels = photo("chelsea")[::8, ::8]
    again = pickle.loads(pickle.dumps(segmenter))
    assert np.array_equal(again.segment(pixels).class_map, segmenter.segment(pixels).class_map)
    monkeypatch.chdir(tmp_path)
    assert maskery.load(Path("m")).card == segmenter.card
    with pytest.raises(BadRequest, match="A model's name cannot be int"):
        maskery.load(5)  # type: ignore[arg-type]

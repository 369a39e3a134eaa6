import dataclasses
import resource
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from maskery.core.card import ModelCard
from maskery.core.errors import ConfigError, DataError, LossAboveLimit, ModelError
from maskery.core.picture.decode import open_picture
from maskery.core.progress import Reporter
from maskery.core.result.types import SemanticResult
from maskery.core.settings import load_settings
from maskery.evaluation.measure import measure
from maskery.inference.pipeline import load_model
from maskery.models.card_toml import load_card
from maskery.models.quantisation.quantise_request import QuantiseRequest
from maskery.models.quantisation.search import quantise
from maskery.models.store import CHECK_PICTURE, Located, Store
from tests.material import shared
from tests.models.quantisation import squares


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where models go, and nothing else."""
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def order(out: Path, data: Path, **more: object) -> QuantiseRequest:
    base = QuantiseRequest(
        folder=out / "small", name="small", validate=data, calibrate=data, pictures=8, keep_float=("first",)
    )
    return dataclasses.replace(base, **more)  # type: ignore[arg-type]


def made(located: Located, wanted: QuantiseRequest) -> ModelCard:
    return quantise(located, wanted, threads=1)


def test_a_published_model_is_served_and_its_card_tells_how_it_was_made(data: Path, tmp_path: Path, out: Path) -> None:
    located = squares.model(tmp_path / "m")
    said: list[str] = []
    steps: set[str] = set()
    watch = Reporter(said.append, lambda what, done, total: steps.add(f"{what} {total}"))
    card = quantise(located, order(out, data), 1, watch)
    assert sorted(p.name for p in (out / "small").iterdir()) == ["model.toml", "small.onnx"]
    assert [p.name for p in out.iterdir()] == ["small"]
    assert load_card(out / "small" / "model.toml") == card
    report = card.quantisation
    assert report is not None
    assert (report.to, report.of, report.of_sha256) == ("int8", "squares@1", located.card.sha256)
    assert "uint8" in report.method
    assert "percentile" in report.method
    assert (report.calibration, report.calibration_pictures) == (f"{data.name} train", 8)
    assert (report.measure, report.data, report.split, report.limit) == ("mIoU", data.name, "val", 0.01)
    assert report.kept_float == ["first"]
    assert report.loss == pytest.approx(report.before - report.after, abs=2e-5)
    assert report.loss <= 0.01
    assert report.speed_ratio > 0
    assert (report.bytes_before, report.bytes_after) == (located.card.bytes, card.bytes)
    assert "cores" in report.machine
    assert "onnxruntime" in report.runtime
    served = Store(load_settings()).locate(f"{out / 'small'}/")
    found = measure(load_model(served.card, served.path), data).scores
    assert card.quality is not None
    assert found.miou == pytest.approx(report.after, abs=1e-5)
    assert card.quality.miou == report.after
    assert card.check is not None
    assert 0.1 < card.check.shares["background"] <= 1
    assert card.training == located.card.training
    assert {f"calibrating on {data.name} train 8", "measuring the float model 4", "measuring int8 4"} <= steps
    assert said[0].startswith("squares@1: mIoU ")


def test_the_gate_is_exact_and_a_refused_model_leaves_nothing_behind(data: Path, tmp_path: Path, out: Path) -> None:
    located = squares.model(tmp_path / "m", loud=squares.LOUD)
    with pytest.raises(LossAboveLimit) as refused:
        made(located, order(out, data))
    loss = refused.value.report["loss"]
    assert isinstance(loss, float)
    assert loss > 0.01
    assert f"small loses {loss:.4f} mIoU on {data.name} val" in refused.value.message
    assert "at most 0.01 is allowed. It is not published. Most: " in refused.value.message
    assert "red" in refused.value.message or "blue" in refused.value.message
    for cure in ("--keep-float auto", "--pictures 16", "--calibration minmax", "--max-loss"):
        assert cure in refused.value.cure
    assert list(out.iterdir()) == []
    with pytest.raises(LossAboveLimit):
        made(located, order(out, data, max_loss=round(loss - 1e-5, 5)))
    assert list(out.iterdir()) == []
    card = made(located, order(out, data, max_loss=loss))
    assert card.quantisation is not None
    assert card.quantisation.loss == loss


def test_auto_keeps_sensitive_layers_in_float_until_the_limit_is_kept(data: Path, tmp_path: Path, out: Path) -> None:
    located = squares.model(tmp_path / "m", loud=squares.LOUD, half=True)
    said: list[str] = []
    card = quantise(located, order(out, data, keep_float=("auto", "middle")), 1, Reporter(said.append))
    assert card.quantisation is not None
    assert card.quantisation.kept_float == ["middle", "first", "final"]
    assert card.quantisation.loss <= 0.01
    assert sum("small@1: mIoU" in text for text in said) == 3


def test_float16_halves_the_bytes_and_needs_no_calibration(data: Path, tmp_path: Path, out: Path) -> None:
    located = squares.model(tmp_path / "m")
    card = made(located, order(out, data, to="fp16", calibrate=None))
    assert card.quantisation is not None
    assert (card.quantisation.to, card.quantisation.calibration, card.quantisation.kept_float) == ("fp16", "", [])
    assert card.quantisation.loss == 0
    halved = squares.model(tmp_path / "h", half=True)
    with pytest.raises(ModelError, match="it is no smaller"):
        made(halved, order(out, data, to="fp16", folder=out / "again"))


def test_class_ids_are_as_good_as_scores(data: Path, tmp_path: Path, out: Path) -> None:
    card = made(squares.model(tmp_path / "m", "class-map"), order(out, data))
    assert card.quantisation is not None
    assert card.quantisation.loss <= 0.01


def test_a_classifier_is_judged_by_its_first_class(tmp_path: Path, out: Path) -> None:
    root = tmp_path / "classes"
    for split, numbers in (("train", range(8)), ("val", range(20, 26))):
        for i in numbers:
            place = root / split / squares.LABELS[1 + i % 2]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(squares.picture(i)[0]).save(place / f"{i}.png")
    card = made(squares.classifier(tmp_path / "m"), order(out, root))
    report = card.quantisation
    assert report is not None
    assert (report.measure, report.before, report.after, report.loss) == ("top-1", 1.0, 1.0, 0.0)
    assert card.quality is not None
    assert card.quality.top1 == 1.0
    assert (card.quality.images["red"], card.quality.images["blue"]) == (3, 3)
    assert card.check is not None
    assert len(card.check.shares) == 1


def test_pictures_that_are_too_few_or_missing(data: Path, tmp_path: Path, out: Path) -> None:
    located = squares.model(tmp_path / "m")
    with pytest.raises(DataError, match="val has 4 pictures; fewer than 8"):
        made(located, order(out, data, calibrate_split="val", split="train"))
    with pytest.raises(DataError, match="no split 'nowhere'"):
        made(located, order(out, data, calibrate_split="nowhere"))
    assert list(out.iterdir()) == []


def test_a_folder_that_is_taken_and_a_full_disk(data: Path, tmp_path: Path, out: Path) -> None:
    located = squares.model(tmp_path / "m")
    (out / "small").mkdir()
    (out / "small" / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match="there already and not empty"):
        made(located, order(out, data))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # no file may grow longer: as a full disk
    try:
        with pytest.raises((ConfigError, ModelError), match=r"could not be written|cannot be prepared"):
            made(located, order(out, data, folder=out / "other"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in out.iterdir()] == ["small"]


def test_everyday_in_int8_gives_nearly_the_same_classes(tmp_path: Path, out: Path) -> None:
    """Eight pictures to calibrate on, two to judge: the real figures are in docs/benchmarks.md."""
    voc = shared("data/voc2012-part")
    few = tmp_path / "few"
    for kind, suffix in (("images", ".jpg"), ("masks", ".png")):
        (few / kind / "val").mkdir(parents=True)
        for path in sorted((voc / "images" / "val").iterdir())[:2]:
            source = (voc / kind / "val" / path.stem).with_suffix(suffix)
            (few / kind / "val" / source.name).symlink_to(source)
    located = Store(load_settings()).locate("everyday")
    card = made(located, order(out, few, calibrate=voc, calibrate_split="train", max_loss=1.0))
    assert card.bytes < 0.7 * located.card.bytes
    picture = open_picture(CHECK_PICTURE, max_bytes=1 << 24, max_pixels=1 << 24)
    before = load_model(located.card, located.path).run(picture)
    after = load_model(card, out / "small" / card.file).run(picture)
    assert isinstance(before, SemanticResult)
    assert isinstance(after, SemanticResult)
    assert np.mean(before.class_map == after.class_map) > 0.9

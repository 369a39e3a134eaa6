"""A toy that finds bright squares, measured by the command: what it prints, writes, and refuses."""

import json
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from maskery.cli.main import cli
from maskery.core.errors import DataError, TooLarge
from maskery.core.plan import RunOptions
from maskery.core.result.instances import InstanceResult
from maskery.core.result.meta import Frame, Meta, ModelInfo
from maskery.core.settings import load_settings
from maskery.evaluation.measurement import EvaluationOptions
from maskery.evaluation.objects_measure import found_objects, measure_objects
from maskery.inference.pipeline import Model
from maskery.models.card_toml import card_text, parse_card
from maskery.models.download import sha256_of
from maskery.models.segmenter import open_segmenter

SIDE = 64
BOXES = [(8, 8, 40, 40), (40, 8, 60, 30)]
"""What the toy says of every picture: a cat and a dog."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Rows of box, score and class, whatever the picture shows."""
    folder = tmp_path_factory.mktemp("toy")
    rows = np.array([[[*BOXES[0], 0.9, 0], [*BOXES[1], 0.6, 1]]], np.float32)
    zero = numpy_helper.from_array(np.zeros(1, np.float32), "zero")
    said = numpy_helper.from_array(rows, "said")
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["said", "nothing"], ["rows"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    out = helper.make_tensor_value_info("rows", TensorProto.FLOAT, [1, 2, 6])
    graph = helper.make_graph(nodes, "toy", [x], [out], [zero, said])
    file = folder / "toy.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), str(file))
    card: dict[str, Any] = {
        "name": "toy-objects",
        "version": "1",
        "task": "detection",
        "description": "a toy",
        "labels": ["cat", "dog", "horse"],
        "licence": {"name": "MIT", "commercial_use": True},
        "networks": [{"file": file.name, "sha256": sha256_of(file), "bytes": file.stat().st_size}],
        "inputs": [{"tensor": "x", "layout": "NCHW", "resize": "letterbox", "size": [SIDE, SIDE]}],
        "outputs": [{"tensor": "rows", "role": "object-rows", "layout": "NC"}],
        "objects": {"reader": "kept-rows"},
    }
    (folder / "model.toml").write_text(card_text(parse_card(card, "toy")))
    return f"{folder}/"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In the first picture both are there, in the second only the cat, which is twice as large in the file's eyes."""
    root = tmp_path_factory.mktemp("data")
    (root / "val").mkdir()
    annotations = []
    for i, boxes in enumerate((BOXES, BOXES[:1])):
        Image.new("RGB", (SIDE, SIDE)).save(root / "val" / f"{i}.png")
        for category, (left, top, right, bottom) in enumerate(boxes):
            polygon = [left, top, right, top, right, bottom, left, bottom]
            number = len(annotations) + 1
            row = {"id": number, "image_id": i, "category_id": category, "segmentation": [polygon]}
            annotations.append(row)
    index = {
        "images": [{"id": i, "file_name": f"{i}.png", "width": SIDE, "height": SIDE} for i in range(2)],
        "annotations": annotations,
        "categories": [{"id": 0, "name": "cat"}, {"id": 1, "name": "puppy"}],
    }
    (root / "instances_val.json").write_text(json.dumps(index))
    return root


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["evaluate", *(str(argument) for argument in arguments)])


def test_numbers_report_and_card(model: str, data: Path, tmp_path: Path) -> None:
    """The dog of the second picture is imagined, but less sure than the one that is there."""
    done = run(model, data, "--map", "puppy=dog", "--json", "--report", tmp_path)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["objects"] == {"cat": 2, "dog": 1}
    assert found["precisions"]["box"]["ap50_of"]["cat"] == pytest.approx(1)
    assert found["precisions"]["box"]["ap50_of"]["dog"] == pytest.approx(1)
    assert found["count"] == {"error": 0.25, "bias": 0.25, "interval": found["count"]["interval"]}
    assert (found["pq"], found["format"], found["pictures"]) == (None, "coco-instances", 2)
    assert [one["name"] for one in found["worst"]] == ["1"]
    assert found["settings"]["overrides"] == {"puppy": ["dog"]}
    assert json.loads((tmp_path / "report.json").read_text()) == found
    page = (tmp_path / "report.html").read_text()
    assert "toy-objects on" in page
    assert page.count("<figure>") == 3
    assert "puppy counts as dog (as asked)" in page


def test_words_for_people(model: str, data: Path) -> None:
    done = run(model, data, "--limit", "1")
    assert done.exit_code == 0, done.output
    head, cat, *_ = done.stdout.splitlines()
    assert head.split() == ["class", "pictures", "objects", "box", "AP", "box", "AP50", "PQ"]
    assert cat.split() == ["cat", "1", "1", "1.000", "1.000", "-"]
    assert "box AP: 1.0000 (1.000 to 1.000)" in done.stdout
    assert "1 of 2 pictures" in done.stdout
    assert "the model has no such class: puppy" in done.stderr


def test_a_card_states_what_was_measured(model: str, data: Path) -> None:
    opened = open_segmenter(model, load_settings()).model
    quality = measure_objects(opened, data, "val", EvaluationOptions(limit=1)).for_card("toys")
    assert quality.objects is not None
    assert (quality.data, quality.pictures, quality.note) == ("toys", 1, "the first 1 of 2 pictures")
    assert (quality.objects.objects, quality.objects.box_ap50, quality.objects.mask_ap50) == (1, 1.0, None)
    assert quality.objects.intervals["box_ap50"] == (1.0, 1.0)
    again = parse_card({**_card_data(opened.card), "quality": _data(quality)}, "toy")
    assert again.quality == quality


def _data(value: Any) -> Any:
    import msgspec

    return msgspec.to_builtins(value)


def _card_data(card: Any) -> dict[str, Any]:
    found: dict[str, Any] = _data(card)
    return {key: value for key, value in found.items() if value not in (None, [], {})}


def test_refused(model: str, data: Path) -> None:
    done = run(model, data, "--boundary", "2")
    assert (done.exit_code, type(done.exception).__name__) == (1, "BadRequest")
    opened = open_segmenter(model, load_settings()).model
    with pytest.raises(DataError, match="names its classes itself"):
        measure_objects(opened, data, "val", EvaluationOptions(labels=("cat",)))


def test_where_masks_do_not_fit_fewer_objects_are_asked_for(data: Path) -> None:
    class Full:
        """Has room for no more than 12 objects."""

        asked: ClassVar[list[int | None]] = []

        def run(self, picture: object, options: RunOptions) -> InstanceResult:
            self.asked.append(options.max_objects)
            if (options.max_objects or 0) > 12:
                raise TooLarge("The masks take too much memory.", "Ask for fewer.")
            meta = Meta(
                task="detection",
                labels=("cat",),
                palette=((0, 0, 0),),
                frame=Frame(
                    original_wh=(SIDE, SIDE),
                    orientation=1,
                    working_wh=(SIDE, SIDE),
                    scale_xy=(1.0, 1.0),
                    padding=(0, 0, 0, 0),
                ),
                model=ModelInfo("toy", "1", "0"),
                timings_ms={"run": 1.0},
            )
            return InstanceResult(meta, ())

    found, timings = found_objects(cast(Model, Full()), data / "val" / "0.png", None)
    assert (found, timings) == ((), {"run": 1.0})
    assert Full.asked == [100, 50, 25, 12]

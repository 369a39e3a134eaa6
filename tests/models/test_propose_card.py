from pathlib import Path

import pytest

from maskery.core.card_tensors import Output
from maskery.core.errors import ConfigError, ModelError
from maskery.core.labels import VOC
from maskery.core.picture import decode
from maskery.core.result.types import ClassificationResult, ForegroundResult, SemanticResult
from maskery.inference.pipeline import load_model
from maskery.models.catalog import catalog
from maskery.models.download import sha256_of
from maskery.models.propose_card import IMAGENET_MEAN, IMAGENET_STD, Proposal, propose_card
from tests.material import photo, shared

pytest.importorskip("onnx")

from tests.models import tiny_nets


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.onnx"


def answer(proposal: Proposal, path: Path) -> object:
    """What the proposed card makes of a real picture: the proof that it is right."""
    picture = decode.open_picture(photo("chelsea"), max_bytes=1, max_pixels=1 << 24)
    return load_model(proposal.card, path, "cpu", 1).run(picture)


def said(proposal: Proposal, *words: str) -> bool:
    assert all(guess.startswith("guessed: ") for guess in proposal.guesses)
    return all(any(word in guess for guess in proposal.guesses) for word in words)


def test_fixed_nchw_logits(path: Path) -> None:
    proposal = propose_card(tiny_nets.nchw(path, 5))
    card = proposal.card
    assert (card.task, card.output) == ("semantic", Output(tensor="y", role="scores", layout="CHW"))
    assert (card.input.tensor, card.input.layout, card.input.dtype) == ("x", "NCHW", "float32")
    assert (card.input.resize, card.input.size) == ("stretch", (48, 32))
    assert (card.input.mean, card.input.std) == (IMAGENET_MEAN, IMAGENET_STD)
    assert card.labels == [f"class {i}" for i in range(5)]
    assert (card.name, card.file, card.bytes) == ("net", "net.onnx", path.stat().st_size)
    assert card.sha256 == sha256_of(path)
    assert said(proposal, "ImageNet", "48 x 32", "RGB", "'class 4'", "licence unknown")
    assert isinstance(answer(proposal, path), SemanticResult)


def test_dynamic_size(path: Path) -> None:
    proposal = propose_card(tiny_nets.nchw(path, 3, shape=("batch", 3, "height", "width")))
    size = proposal.card.input
    assert (size.resize, size.side, size.multiple) == ("longest-side", 512, 32)
    assert said(proposal, "512 pixels")
    assert isinstance(answer(proposal, path), SemanticResult)


def test_nhwc_probabilities(path: Path) -> None:
    proposal = propose_card(tiny_nets.nhwc_probabilities(path, 4))
    assert proposal.card.output == Output(tensor="y", role="scores", values="probabilities", layout="HWC")
    assert proposal.card.input.layout == "NHWC"
    assert proposal.card.input.mean == proposal.card.input.std == (127.5, 127.5, 127.5)
    assert said(proposal, "x / 127.5 - 1")
    assert isinstance(answer(proposal, path), SemanticResult)


def test_output_layout_is_the_outputs_own(path: Path) -> None:
    proposal = propose_card(tiny_nets.nchw_to_nhwc(path, 4))
    assert (proposal.card.input.layout, proposal.card.output.layout) == ("NCHW", "HWC")
    assert isinstance(answer(proposal, path), SemanticResult)
    proposal = propose_card(tiny_nets.uint8_input(path, 4))
    assert (proposal.card.input.layout, proposal.card.output.layout) == ("NHWC", "CHW")


def test_usual_numbers_of_classes(path: Path) -> None:
    voc = propose_card(tiny_nets.nchw(path, 21))
    assert tuple(voc.card.labels) == VOC
    assert said(voc, "Pascal VOC")
    person = propose_card(tiny_nets.nchw(path, 2))
    assert person.card.labels == ["background", "person"]
    assert said(person, "'person'")


@pytest.mark.parametrize("keep", [False, True])
def test_class_map_needs_labels(path: Path, keep: bool) -> None:
    tiny_nets.class_map(path, 3, keep)
    with pytest.raises(ModelError, match="--labels"):
        propose_card(path)
    proposal = propose_card(path, labels=["a", "b", "c"])
    assert proposal.card.labels == ["a", "b", "c"]
    assert proposal.card.output == Output(tensor="y", role="class-map", layout="CHW" if keep else "HW")


def test_class_map_works(path: Path) -> None:
    tiny_nets.class_map(path, 3, keep=False)
    assert isinstance(answer(propose_card(path, labels=["a", "b", "c"]), path), SemanticResult)


@pytest.mark.parametrize(("sigmoid", "values"), [(True, "probabilities"), (False, "logits")])
def test_one_channel_is_foreground(path: Path, sigmoid: bool, values: str) -> None:
    proposal = propose_card(tiny_nets.foreground(path, sigmoid))
    assert (proposal.card.task, proposal.card.output.values) == ("foreground", values)
    assert proposal.card.output.role == "alpha"
    assert proposal.card.labels == ["background", "foreground"]
    assert isinstance(answer(proposal, path), ForegroundResult)


@pytest.mark.parametrize(("last", "values"), [("Softmax", "probabilities"), ("Identity", "logits"), ("Exp", "logits")])
def test_rank_two_is_classification(path: Path, last: str, values: str) -> None:
    proposal = propose_card(tiny_nets.classifier(path, 7, last))
    assert (proposal.card.task, proposal.card.output.values) == ("classification", values)
    assert len(proposal.card.labels) == 7
    result = answer(proposal, path)
    assert isinstance(result, ClassificationResult)
    assert result.scores.sum() == pytest.approx(1)


def test_uint8_input_is_raw(path: Path) -> None:
    proposal = propose_card(tiny_nets.uint8_input(path, 3))
    assert (proposal.card.input.dtype, proposal.card.input.mean, proposal.card.input.std) == (
        "uint8",
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 1.0),
    )
    assert isinstance(answer(proposal, path), SemanticResult)


@pytest.mark.parametrize(
    "names",
    ['["sky", "sea", "land"]', "{0: 'sky', 1: 'sea', 2: 'land'}", '{"2":"land","0":"sky","1":"sea"}', "sky, sea,land"],
)
def test_labels_of_the_file(path: Path, names: str) -> None:
    proposal = propose_card(tiny_nets.nchw(path, 3, metadata={"names": names}))
    assert proposal.card.labels == ["sky", "sea", "land"]
    assert not said(proposal, "labels")


def test_labels_of_the_file_that_do_not_fit_are_left(path: Path) -> None:
    assert propose_card(tiny_nets.nchw(path, 3, metadata={"names": "sky,sea"})).card.labels[0] == "class 0"


def test_normalisation_of_the_file(path: Path) -> None:
    raw = propose_card(tiny_nets.nchw(path, 3, metadata={"mean": "[1, 2, 3]", "std": "[4, 5, 6]"}))
    assert (raw.card.input.mean, raw.card.input.std) == ((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))
    assert not said(raw, "ImageNet")
    unit = propose_card(tiny_nets.nchw(path, 3, metadata={"mean": "[0.5, 0.5, 0.5]", "std": "[0.5, 0.5, 0.2]"}))
    assert unit.card.input.std == (127.5, 127.5, 51.0)
    assert said(unit, "times 255")


def test_users_words_win(path: Path) -> None:
    tiny_nets.nchw(path, 3, metadata={"names": "sky,sea,land"})
    proposal = propose_card(path, "mine", ["a", "b", "c"], "MIT")
    assert (proposal.card.name, proposal.card.labels) == ("mine", ["a", "b", "c"])
    assert not proposal.card.must_accept_licence
    assert not said(proposal, "licence")
    with pytest.raises(ModelError, match="3 classes"):
        propose_card(path, labels=["a", "b"])
    with pytest.raises(ConfigError, match="distinct"):
        propose_card(path, labels=["a", "b", "a"])
    with pytest.raises(ConfigError, match="--name"):
        propose_card(path, "../up")


@pytest.mark.parametrize(
    ("licence", "commercial", "copyleft"),
    [("apache-2.0", True, False), ("AGPL-3.0", True, True), ("CC-BY-NC-4.0", False, False), (None, False, False)],
)
def test_licence(path: Path, licence: str | None, commercial: bool, copyleft: bool) -> None:
    found = propose_card(tiny_nets.nchw(path, 2), licence=licence).card.licence
    assert (found.commercial_use, found.copyleft) == (commercial, copyleft)


def test_name_from_the_file(tmp_path: Path) -> None:
    assert propose_card(tiny_nets.nchw(tmp_path / "My Net (v2)!.onnx", 2)).card.name == "my-net-v2"
    assert propose_card(tiny_nets.nchw(tmp_path / "网.onnx", 2)).card.name == "model"


def test_second_outputs_are_said(path: Path) -> None:
    nodes = [tiny_nets.node("Conv", "x weights", "y"), tiny_nets.node("GlobalAveragePool", "y", "z")]
    tiny_nets.save(path, (1, 3, 32, 48), nodes, 3, [("y", tiny_nets.FLOAT), ("z", tiny_nets.FLOAT)])
    assert said(propose_card(path), "of 2 outputs the first, 'y'")


def test_files_that_are_no_model(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("not a model")
    (tmp_path / "text.tflite").write_text("not a model")
    (tmp_path / "net.pt").write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"cannot load text\.onnx"):
        propose_card(tmp_path / "text.onnx")
    with pytest.raises(ModelError, match=r"Convert it to \.onnx"):
        propose_card(tmp_path / "net.pt")
    with pytest.raises(ModelError, match="no file"):
        propose_card(tmp_path / "absent.onnx")
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(ModelError, match=r"cannot load text\.tflite"):
        propose_card(tmp_path / "text.tflite")


def test_weights_in_a_second_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even where the runtime would find them, in the working folder: only one file is copied into the cache."""
    import onnx

    model = onnx.load(tiny_nets.nchw(path, 512))
    onnx.save_model(model, path, save_as_external_data=True, location="net.onnx.data", size_threshold=0)
    monkeypatch.chdir(path.parent)
    assert Path("net.onnx.data").exists()
    with pytest.raises(ModelError, match="one file"):
        propose_card(path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((4, 3, 32, 48), "one RGB picture"),
        ((1, 1, 32, 48), "one RGB picture"),
        ((1, 3, 32, "width"), "both sides fixed"),
    ],
)
def test_inputs_that_do_not_fit(path: Path, shape: tuple[int | str, ...], message: str) -> None:
    tiny_nets.save(path, shape, [tiny_nets.node("Identity", "x", "y")])
    with pytest.raises(ModelError, match=message):
        propose_card(path)


def test_two_inputs(path: Path) -> None:
    nodes = [tiny_nets.node("Conv", "x weights", "c"), tiny_nets.node("Mul", "c scale", "y")]
    tiny_nets.save(path, (1, 3, 32, 48), nodes, more_inputs=["scale"])
    with pytest.raises(ModelError, match=r"2 inputs \(x, scale\)"):
        propose_card(path)


def test_half_floats(path: Path) -> None:
    from onnx import TensorProto

    nodes = [tiny_nets.node("Identity", "x", "y")]
    half = TensorProto.FLOAT16
    tiny_nets.save(path, (1, 3, 32, 48), nodes, dtype=half, outputs=[("y", half)])
    with pytest.raises(ModelError, match="float16"):
        propose_card(path)


def test_boxes_are_no_map(path: Path) -> None:
    with pytest.raises(ModelError, match=r"\(1, 6, 1536\).*neither map nor classes"):
        propose_card(tiny_nets.boxes(path))


@pytest.mark.parametrize(
    "name",
    ["deeplabv3-mobilenetv2-voc-257", "road-segmentation-adas-0001", "mobilenetv3-small-imagenet-224",
     "prismanet-portrait-256", "selfie-256"],
)  # fmt: skip
def test_real_models_give_the_catalogues_output(name: str) -> None:
    card = catalog()[name]
    file = shared("models") / card.file
    if file.suffix == ".tflite":
        pytest.importorskip("ai_edge_litert")
    found = propose_card(file).card
    assert (found.task, found.output) == (card.task, card.output)
    same = ("tensor", "layout", "dtype", "size")
    assert [getattr(found.input, key) for key in same] == [getattr(card.input, key) for key in same]


def test_instance_models_are_refused() -> None:
    pytest.importorskip("ai_edge_litert")
    with pytest.raises(ModelError, match="neither map nor classes"):
        propose_card(shared("models/yolo11n-seg-coco-640.int8.tflite"))

import json
import re

import numpy as np
import pytest
from PIL import Image

from maskery.core.boxes import BoxXyxy
from maskery.core.card import CARD_NAME, Detector, Licence, ModelCard, Network, Objects
from maskery.core.card_facts import Check, Quality, Quantisation
from maskery.core.card_tensors import Input, Output
from maskery.core.labels import CITYSCAPES, VOC
from maskery.core.picture import decode
from maskery.core.result.capabilities import Result
from maskery.core.result.instances import InstanceResult
from maskery.core.result.meta import Face
from maskery.core.result.types import ClassificationResult, ForegroundResult, SemanticResult
from maskery.core.settings import Settings
from maskery.inference.pipeline import Model
from maskery.models.card_toml import load_card
from maskery.models.catalog import FOLDER, builtin, catalog
from maskery.models.download import expect_file
from maskery.models.loading import open_model
from maskery.models.store import CHECK_PICTURE, Located, Store
from maskery.serving.runtime.model_pool import check
from tests.material import ROOT, photo, shared

NAMES = sorted(catalog())
FILES = {
    "objects-coco": "nanodet-m-416",
    "nanodet-m-coco": "nanodet-m-416",
    "yolox-nano-coco": "yolox-nano-coco-416",
    "yolo11n-seg-coco": "yolo11n-seg-coco-640.int8",
}
VOC_MODELS = [name for name in NAMES if "-voc-" in name]
OBJECT_MODELS = [name for name in NAMES if catalog()[name].task in ("detection", "instance")]
PORTRAIT_MODELS = [name for name in NAMES if catalog()[name].task == "foreground"]


def pulled(name: str) -> Model:
    card = catalog()[name]
    path = shared("models") / card.file
    if path.suffix == ".tflite":
        pytest.importorskip("ai_edge_litert")
    beside = catalog()[card.detector.model] if card.detector else None
    found = Located(beside, shared("models") / beside.file, "pulled") if beside else None
    if card.objects and card.objects.masks:
        found = Store(Settings()).locate(card.objects.masks)
    return open_model(Located(card, path, "pulled", found), "cpu", 1)


def run(name: str, picture: np.ndarray) -> Result:
    return pulled(name).run(decode.open_picture(picture, max_bytes=1, max_pixels=1 << 24))


def share(result: Result, label: str) -> float:
    assert isinstance(result, SemanticResult)
    return sum(item.share for item in result.classes if item.name == label)


def test_names_are_those_of_the_files() -> None:
    assert sorted(path.stem for path in (FOLDER / "catalog").glob("*.toml")) == NAMES
    assert len(NAMES) == 15
    for card in catalog().values():
        assert card.file.rpartition(".")[0] == FILES.get(card.name, card.name)


@pytest.mark.parametrize("name", NAMES)
def test_card_says_what_the_source_says(name: str) -> None:
    manifest = {item["file"]: item for item in json.loads((shared("models") / "manifest.json").read_text())}
    card = catalog()[name]
    source = manifest[card.file]
    assert (card.sha256, card.bytes, card.url) == (source["sha256"], source["bytes"], source["url"])
    expect_file(shared("models") / card.file, card.networks[0], "")


@pytest.mark.parametrize("name", NAMES)
def test_card_is_complete(name: str) -> None:
    card = catalog()[name]
    assert re.search(r"^https://.*/[0-9a-f]{40}/", card.url), "an address that names its commit"
    assert card.task == "detector" or (card.check and card.check.shares)
    assert card.licence.commercial_use or card.licence.note
    assert card.description.endswith(".")
    assert len(set(card.colours)) == len(card.labels)
    assert not card.objects or (0, 0, 0) not in card.colours


@pytest.mark.parametrize("name", NAMES)
def test_what_was_trained_on_closed_pictures_must_be_accepted(name: str) -> None:
    closed = ("cityscapes", "celebamask", "yolo11n")
    assert catalog()[name].must_accept_licence == any(word in name for word in closed)


def test_label_lists() -> None:
    assert {tuple(catalog()[name].labels) for name in VOC_MODELS} == {VOC}
    assert tuple(catalog()["deeplab-edgetpu-slim-cityscapes-513"].labels) == CITYSCAPES
    imagenet = catalog()["mobilenetv3-small-imagenet-224"].labels
    assert len({label.lower() for label in imagenet}) == 1001
    places = {0: "background", 1: "tench", 135: "crane (bird)", 282: "tabby", 518: "crane (machine)", 968: "espresso"}
    assert {i: imagenet[i] for i in places} == places
    assert imagenet[-1] == "toilet tissue"


@pytest.mark.parametrize("name", [name for name in NAMES if catalog()[name].task != "detector"])
def test_stored_answer(name: str) -> None:
    assert check(pulled(name)) == "ok"


@pytest.mark.parametrize("name", VOC_MODELS)
def test_cat_is_a_cat(name: str) -> None:
    result = run(name, photo("chelsea"))
    assert share(result, "cat") > 0.6
    assert share(result, "cat") + share(result, "background") > 0.95


@pytest.mark.parametrize("name", PORTRAIT_MODELS)
def test_person_is_where_the_person_is(name: str) -> None:
    """Her face and suit, not the flag's corner nor the picture's right upper part."""
    result = run(name, photo("astronaut"))
    assert isinstance(result, ForegroundResult)
    assert result.alpha[60:160, 190:260].mean() > 230
    assert result.alpha[300:400, 100:250].mean() > 200
    assert result.alpha[:150, 320:].mean() < 10
    assert result.alpha[:150, :100].mean() < 25


def test_classifier_knows_cat_and_coffee() -> None:
    answers = [run("mobilenetv3-small-imagenet-224", picture) for picture in (photo("chelsea"), photo("coffee"))]
    cat, coffee = (answer.top(1)[0][0] for answer in answers if isinstance(answer, ClassificationResult))
    assert cat in ("Egyptian cat", "tiger cat", "tabby")
    assert coffee == "espresso"


@pytest.mark.parametrize("name", ["road-segmentation-adas-0001", "deeplab-edgetpu-slim-cityscapes-513"])
def test_road_lies_below(name: str) -> None:
    road = np.asarray(Image.open(shared("data/photos/udacity_solidWhiteRight.jpg")))
    result = run(name, road)
    assert isinstance(result, SemanticResult)
    is_road = result.class_map == result.meta.labels.index("road")
    assert is_road[420:500, 300:700].mean() > 0.8
    assert is_road[:200].mean() < 0.01


def box_area(box: BoxXyxy) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


@pytest.mark.parametrize("name", OBJECT_MODELS)
def test_cars_lie_on_the_road_and_the_cat_is_one(name: str) -> None:
    road = np.asarray(Image.open(shared("data/photos/udacity_solidWhiteRight.jpg")))
    result = run(name, road)
    assert isinstance(result, InstanceResult)
    assert result.meta.labels[result.instances[0].class_id] == "car"
    left, top, right, bottom = result.instances[0].box_xyxy
    assert (left, right) == (pytest.approx(0, abs=8), pytest.approx(92, abs=8))
    assert (top, bottom) == (pytest.approx(286, abs=8), pytest.approx(362, abs=8))
    if catalog()[name].task == "instance":
        assert all(one.mask and 0.3 < one.mask.area / box_area(one.box_xyxy) < 1 for one in result.instances)
    cat = run(name, photo("chelsea"))
    assert isinstance(cat, InstanceResult)
    assert cat.meta.labels[cat.instances[0].class_id] == "cat"


def faces(picture: np.ndarray) -> SemanticResult:
    result = run("bisenetv2-celebamaskhq-448", picture)
    assert isinstance(result, SemanticResult)
    assert result.meta.faces
    return result


def faces_seen(result: SemanticResult) -> tuple[Face, ...]:
    return result.meta.faces.seen if result.meta.faces else ()


def at(result: SemanticResult, x: int, y: int) -> str:
    return result.meta.labels[int(result.class_map[y, x])]


def test_parts_of_a_face_in_a_photograph() -> None:
    """Grace Hopper in uniform, with cap and glasses."""
    result = faces(np.asarray(Image.open(shared("data/photos/grace_hopper.png")).convert("RGB")))
    assert len(faces_seen(result)) == 1
    places = {"hat": (260, 100), "nose": (264, 225), "eye_g": (225, 195), "l_lip": (265, 283), "skin": (200, 250)}
    assert {part: at(result, *place) for part, place in places.items()} == {part: part for part in places}
    assert at(result, 265, 358) == "neck"
    assert at(result, 480, 300) == at(result, 260, 560) == "background"


def test_several_faces_in_a_photograph() -> None:
    """Two cyclists in front, others further away."""
    result = faces(np.asarray(Image.open(shared("data/photos/usgov_33823288584_1d21cf0a26_k.jpg"))))
    assert len(faces_seen(result)) >= 2
    assert result.meta.note == ""
    for left, top, right, bottom in ((513, 124, 563, 174), (848, 78, 894, 124)):
        part = result.class_map[top:bottom, left:right]
        assert (part == result.meta.labels.index("skin")).mean() > 0.3
        assert (part == result.meta.labels.index("nose")).any()
    assert share(result, "background") > 0.95


def test_a_photograph_without_a_face() -> None:
    result = faces(np.asarray(Image.open(shared("data/photos/udacity_solidWhiteRight.jpg"))))
    assert share(result, "background") == 1
    assert result.meta.note == "No face was found: all is background."


def test_check_picture() -> None:
    with Image.open(CHECK_PICTURE) as picture:
        assert (picture.size, picture.mode, picture.format) == ((256, 256), "RGB", "JPEG")
        small = Image.fromarray(photo("astronaut")).resize((256, 256), Image.Resampling.LANCZOS)
        difference = np.abs(np.asarray(picture, np.int16) - np.asarray(small, np.int16))
    assert difference.mean() < 4


def test_builtin_models_are_whole() -> None:
    for name, folder in builtin().items():
        card = load_card(folder / CARD_NAME)
        assert card.name == name
        assert card.url == ""
        expect_file(folder / card.file, card.networks[0], "")
        assert check(open_model(Store(Settings()).locate(name), "cpu", 1)) == "ok"


def test_no_name_is_both_built_in_and_to_be_pulled() -> None:
    assert not set(builtin()) & set(catalog())


def test_documentation_has_every_model() -> None:
    text = (ROOT / "docs/models.md").read_text()
    for card in catalog().values():
        terms = card.licence.name + ("" if card.licence.commercial_use else ", non-commercial")
        row = f"| `{card.name}` | {card.task} | {len(card.labels)} | {terms} | {card.bytes / 1e6:.1f} MB |"
        assert row in text


def test_documentation_has_every_key() -> None:
    sections = re.split(r"^`\[+(\w+)\]+`", (ROOT / "docs/models.md").read_text().partition("key by key")[2], flags=re.M)
    text = {"": sections[0], **dict(zip(sections[1::2], sections[2::2], strict=True))}
    parts = {"": ModelCard, "licence": Licence, "networks": Network, "inputs": Input, "outputs": Output}
    parts |= {
        "detector": Detector,
        "objects": Objects,
        "quality": Quality,
        "check": Check,
        "quantisation": Quantisation,
    }
    for section, kind in parts.items():
        documented = re.findall(r"^\| `(\w+)` \|", text[section], flags=re.M)
        keys = [name for name in kind.__struct_fields__ if section or name not in {*parts, "quality_also"}]
        assert sorted(documented) == sorted(keys), section or "top level"

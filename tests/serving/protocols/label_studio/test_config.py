"""Labelling configurations: what is read, and what XML is refused."""

import time

import pytest

from maskery.core.card import ModelCard
from maskery.core.errors import BadRequest
from maskery.core.labels import VOC
from maskery.models.card_toml import parse_card
from maskery.serving.protocols.label_studio.config import Label, plan_of, read_config
from tests.serving.protocols.label_studio.requests import BRUSH, config


def card(labels: tuple[str, ...] = VOC, task: str = "semantic", kind: str = "logits") -> ModelCard:
    plain = {
        "name": "toy", "version": "1", "task": task, "description": "", "file": "toy.onnx", "sha256": "0" * 64,
        "bytes": 1, "url": "", "licence": {"name": "MIT", "commercial_use": True}, "labels": list(labels),
        "input": {"tensor": "x", "layout": "NCHW", "resize": "stretch", "size": [4, 2]},
        "output": {"tensor": "y", "kind": kind, "layout": "CHW"},
    }  # fmt: skip
    return parse_card(plain, "toy")


def test_the_usual_configuration() -> None:
    found = read_config(BRUSH)
    (control,) = found.controls
    assert (control.name, control.to_name, control.key, control.kind) == ("tag", "image", "$image", "brushlabels")
    assert control.labels == (Label("person", ("person",)), Label("cat", ("cat",)))
    assert control.options.shape == "mask"
    assert (control.options.from_name, control.options.to_name) == ("tag", "image")
    assert found.ignored == ()


def test_several_controls_in_any_order_and_case() -> None:
    found = read_config(
        '<?xml version="1.0" encoding="utf-16"?><!-- ours --><View style="x">'
        '<polygonlabels NAME="p" toname="a" model_tolerance="2.5" model_min_area="9" model_path="x.pt">'
        '<View><Label value="Katze" alias="cat" predicted_values="dog, horse"/></View>'
        '<Label value="Katze" alias="cat"/>'
        "</polygonlabels>"
        '<RectangleLabels name="r" toName="b"><Label value="car &amp; van"/><Label/></RectangleLabels>'
        '<BrushLabels name="lost" toName="video"/><BrushLabels toName="a"/>'
        '<Label value="outside"/><Image name="a" value="$one"/><Image name="b" value="$two"/>'
        '<Video name="video" value="$v"/></View>'
    )
    polygon, box = found.controls
    assert (polygon.key, box.key) == ("$one", "$two")
    assert polygon.labels == (Label("cat", ("dog", "horse", "cat", "Katze")),)
    assert box.labels == (Label("car & van", ("car & van",)),)
    assert (polygon.options.tolerance, polygon.options.min_area, polygon.options.shape) == (2.5, 9, "polygon")
    assert (box.options.tolerance, box.options.shape) == (0.0, "box")
    assert len(found.ignored) == 3
    for word in ("model_path", "'lost'", "no name"):
        assert any(word in text for text in found.ignored)


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><View>&b;</View>'


@pytest.mark.parametrize(
    ("xml", "says"),
    [
        ("", "not valid XML"),
        ("text", "not valid XML"),
        ("<View>", "not valid XML"),
        ("<View/><View/>", "not valid XML"),
        ("<View>&unknown;</View>", "not valid XML"),
        ("<View>\ud800</View>", "not valid XML"),
        ("<View>\x00</View>", "not valid XML"),
        (BOMB, "DOCTYPE"),
        ('<!DOCTYPE x SYSTEM "file:///etc/passwd"><View/>', "DOCTYPE"),
        ('<!DOCTYPE x [<!ENTITY e SYSTEM "http://127.0.0.1/">]><View>&e;</View>', "DOCTYPE"),
        ('<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1/"> %p;]><View/>', "DOCTYPE"),
        ("<View/>", "no BrushLabels, PolygonLabels or RectangleLabels"),
        (config("<Choices name='c' toName='img'/>"), "no BrushLabels"),
        ('<View><BrushLabels name="b" toName="img"/></View>', "'img', which is no Image"),
        ('<View><Image name="i" value="x.png"/><BrushLabels name="b" toName="i"/></View>', "no Image"),
        (config("<PolygonLabels name='c' toName='img' model_tolerance='x'/>"), "Option tolerance"),
        (config("<PolygonLabels name='c' toName='img' model_min_area='-1'/>"), "Option min_area"),
        ("<View>" + "x" * (1 << 20), "characters"),
    ],
)
def test_what_is_refused(xml: str, says: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_config(xml)
    assert says in str(caught.value)
    assert caught.value.cure


def test_a_deep_configuration_takes_no_time() -> None:
    started = time.process_time()
    inside = "<a>" * 40_000 + "<Label value='x'/>" * 30_000 + "</a>" * 40_000
    (control,) = read_config(config(f"<BrushLabels name='b' toName='img'>{inside}</BrushLabels>")).controls
    assert control.labels == (Label("x", ("x",)),)
    assert time.process_time() - started < 5


def test_labels_meet_classes_by_name() -> None:
    labels = ("Person", "CAT", "airplane", "Dining Table", "potted_plant", "TVMonitor", "unicorn", "background")
    xml = config("<BrushLabels name='b' toName='img'>", *(f"<Label value='{v}'/>" for v in labels), "</BrushLabels>")
    (part,) = plan_of(read_config(xml), card()).parts
    found = {VOC[i]: part.labels[new] for i, new in enumerate(part.new_ids) if new >= 0}
    assert found == {
        "person": "Person",
        "cat": "CAT",
        "aeroplane": "airplane",
        "diningtable": "Dining Table",
        "pottedplant": "potted_plant",
        "tv": "TVMonitor",
        "background": "background",
    }
    plan = plan_of(read_config(xml), card())
    assert plan.ignored == ("label 'unicorn' of 'b': no class of toy for it",)


def test_a_class_belongs_to_the_first_label_that_names_it() -> None:
    xml = config(
        "<BrushLabels name='b' toName='img'><Label value='pet' predicted_values='cat,dog'/><Label value='dog'/>"
        "<Label value='Hund' alias='horse'/></BrushLabels>"
    )
    plan = plan_of(read_config(xml), card())
    (part,) = plan.parts
    assert part.labels == ("pet", "horse")
    assert [VOC[i] for i, new in enumerate(part.new_ids) if new == 0] == ["cat", "dog"]
    assert plan.ignored == ("label 'dog' of 'b': no class of toy for it",)


def test_a_classifier_has_no_regions() -> None:
    with pytest.raises(BadRequest, match="classifier"):
        plan_of(read_config(BRUSH), card(task="classification", kind="scores"))

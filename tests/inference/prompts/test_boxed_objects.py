"""A detector whose boxes get their masks from a model that takes boxes."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from maskery.core.errors import ConfigError, NotPulled, TooLarge
from maskery.core.picture.decode import open_picture
from maskery.core.plan import RunOptions
from maskery.core.result.instances import InstanceResult, crop_mask
from maskery.core.settings import Settings
from maskery.inference.prompts.boxed_objects import BoxedObjects, shown_size, within
from maskery.inference.prompts.prompt_model import PromptModel, open_prompt_model
from maskery.models.card_toml import card_text
from maskery.models.loading import open_model
from maskery.models.store import Store
from tests.inference.objects.object_cards import object_card
from tests.inference.prompts.toy_prompt import scene, toy_card, write_toy
from tests.inference.tasks.test_objects import PICTURE_WH, Row, Rows

THING = (40, 15, 80, 55)
AROUND: Row = (37.0, 12.0, 83.0, 58.0, 0.8, 2)
LEFT_HALF: Row = (40.0, 15.0, 60.0, 55.0, 0.7, 1)
ELSEWHERE: Row = (95.0, 5.0, 120.0, 30.0, 0.9, 0)


@pytest.fixture(scope="module")
def drawer(tmp_path_factory: pytest.TempPathFactory) -> PromptModel:
    folder = write_toy(tmp_path_factory.mktemp("toy"))
    return open_prompt_model(toy_card(), [folder / "encoder.onnx", folder / "decoder.onnx"])


def boxed(drawer: PromptModel, *rows: Row) -> BoxedObjects:
    card = object_card("instance", {"y": ("object-rows", "NC")}, {"reader": "kept-rows", "masks": "toy-prompt"})
    return BoxedObjects(card=card, session=Rows(rows), drawer=drawer)


def run(model: BoxedObjects, options: RunOptions | None = None) -> InstanceResult:
    picture = open_picture(scene(PICTURE_WH, THING), max_bytes=1, max_pixels=1 << 24)
    result = model.run(picture, options or RunOptions())
    assert isinstance(result, InstanceResult)
    return result


def test_each_object_has_its_mask_in_its_box_and_what_is_none_is_left_out(drawer: PromptModel) -> None:
    result = run(boxed(drawer, AROUND, LEFT_HALF, ELSEWHERE))
    assert [(one.id, one.class_id, round(one.score, 2)) for one in result.instances] == [(1, 2, 0.8), (2, 1, 0.7)]
    whole, half = (one.mask for one in result.instances)
    assert whole is not None
    assert half is not None
    truth = scene(PICTURE_WH, THING)[..., 0] > 0
    mask = whole.placed(PICTURE_WH)
    assert (mask & truth).sum() / (mask | truth).sum() > 0.9
    assert not half.placed(PICTURE_WH)[:, 60:].any()
    assert half.area == pytest.approx(20 * 40, rel=0.12)
    assert {"decode", "preprocess", "run", "postprocess", "masks"} <= result.meta.timings_ms.keys()


def test_limits_classes_and_another_size_of_the_answer(drawer: PromptModel) -> None:
    model = boxed(drawer, AROUND, LEFT_HALF, ELSEWHERE)
    assert [one.class_id for one in run(model, RunOptions(classes=("dog",))).instances] == [1]
    assert len(run(model, RunOptions(score=0.75)).instances) == 1
    twice = run(model, RunOptions(answer_wh=(254, 122), classes=("car",))).instances[0]
    assert twice.area == pytest.approx(4 * 40 * 40, rel=0.1)
    with pytest.raises(TooLarge, match="cover 40 times"):
        run(boxed(drawer, *[(0.0, 0.0, 127.0, 61.0, 0.9, 1)] * 40), RunOptions(overlap=1.0))


def test_its_plan_runs_alone_and_counts_both_models(drawer: PromptModel) -> None:
    model = boxed(drawer, AROUND).measured()
    assert isinstance(model.drawer, PromptModel)
    picture = open_picture(scene((900, 700), THING), max_bytes=1, max_pixels=1 << 24)
    plan = model.plan(picture)
    assert plan.alone
    assert model.drawer.footprint != drawer.footprint, "it was measured"
    lighter = BoxedObjects(card=model.card, session=model.session, footprint=model.footprint, drawer=drawer)
    assert plan.need_bytes != lighter.plan(picture).need_bytes


@given(hnp.arrays(np.bool_, (9, 11)), st.tuples(*[st.floats(-2, 12)] * 2), st.tuples(*[st.floats(0, 12)] * 2))
def test_the_part_of_a_mask_within_a_box(
    mask: NDArray[np.bool_], corner: tuple[float, float], size: tuple[float, float]
) -> None:
    left, top, right, bottom = *corner, corner[0] + size[0], corner[1] + size[1]
    x, y = np.arange(11) + 0.5, np.arange(9) + 0.5
    inside = ((x >= left) & (x < right)) & ((y >= top) & (y < bottom))[:, None]
    np.testing.assert_array_equal(within(crop_mask(mask), (left, top, right, bottom)).placed((11, 9)), mask & inside)


def test_large_pictures_are_shown_smaller() -> None:
    assert shown_size((640, 480)) == (640, 480)
    assert shown_size((6144, 3000)) == (3072, 1500)


def test_the_store_finds_the_part_and_says_what_is_missing(tmp_path: Path, drawer: PromptModel) -> None:
    models = tmp_path / "models"
    write_toy(models / "toy-prompt")
    for name, masks in (("whole", "toy-prompt"), ("absent", "nothing-like-it"), ("wrong", "everyday")):
        write_detector(models / name, name, masks)
    store = Store(Settings(cache=str(tmp_path)))
    located = store.locate("whole")
    assert located.part is not None
    assert located.part.card.name == "toy-prompt"
    assert located.bytes == located.card.bytes + located.part.card.bytes
    with pytest.raises(ConfigError, match="absent names an unknown model"):
        store.locate("absent")
    with pytest.raises(ConfigError, match="everyday, which takes no boxes"):
        open_model(store.locate("wrong"))


def test_a_part_of_the_catalogue_must_be_here(tmp_path: Path) -> None:
    write_detector(tmp_path / "models" / "two", "two", "selfie-256")
    with pytest.raises(NotPulled, match="two draws masks by the model selfie-256"):
        Store(Settings(cache=str(tmp_path))).locate("two")


def test_a_card_has_masks_from_one_place() -> None:
    outputs = {"y": ("object-rows", "NC"), "p": ("prototypes", "CHW")}
    with pytest.raises(ConfigError, match="but the outputs have masks"):
        object_card("instance", outputs, {"reader": "kept-rows", "masks": "prompt"})
    with pytest.raises(ConfigError, match="without masks are not those of task"):
        object_card("instance", {"y": ("object-rows", "NC")}, {"reader": "kept-rows"})


def write_detector(folder: Path, name: str, masks: str) -> None:
    """A card with a file that no test opens."""
    folder.mkdir(parents=True)
    card = object_card("instance", {"y": ("object-rows", "NC")}, {"reader": "kept-rows", "masks": masks})
    (folder / card.file).write_bytes(b"x")
    (folder / "model.toml").write_text(card_text(msgspec.structs.replace(card, name=name)))

"""What each task may be asked for, and that no one else compares its name."""

import re
from pathlib import Path
from typing import get_args

import pytest

import maskery
from maskery.core.card import TASK_RULES, TaskName
from maskery.core.errors import ModelError
from maskery.core.result.capabilities import HasAlpha, HasClasses, HasClassMap, HasMaps, HasScores
from maskery.core.result.meta import MAPS
from maskery.inference.preprocess import frame_of, place
from maskery.inference.tasks.base import ModelOutput
from maskery.inference.tasks.registry import TASKS, task_of
from tests.inference.pointwise import model
from tests.inference.tasks.test_tasks import card

ROOT = Path(maskery.__file__).parent
# Who compares the name of a task, or the type of a result, has to be changed for each new one.
COMPARED = re.compile(r"\b(card|self|meta|meaning|model)\.task (==|!=|in|not in) |isinstance\([^\n]*\w*Result\b")
ALLOWED = ("core/result/", "inference/tasks/")


def test_every_task_of_a_card_is_there_with_its_rules() -> None:
    assert set(TASKS) == set(TASK_RULES) == set(get_args(TaskName))
    for name, task in TASKS.items():
        assert task.name == name
        assert task.answers == TASK_RULES[name].answers


@pytest.mark.parametrize(
    ("name", "capabilities"),
    [
        ("semantic", {HasClasses, HasClassMap, HasMaps}),
        ("foreground", {HasClasses, HasClassMap, HasAlpha}),
        ("classification", {HasScores}),
        ("detection", set()),
        ("instance", set()),
        ("panoptic", {HasClasses, HasClassMap}),
        ("detector", set()),
        ("prompt", {HasClasses, HasClassMap}),
    ],
)
def test_what_results_of_a_task_have(name: TaskName, capabilities: set[type]) -> None:
    every = {HasClasses, HasClassMap, HasMaps, HasAlpha, HasScores}
    assert {capability for capability in every if TASKS[name].gives(capability)} == capabilities
    assert (TASKS[name].per_pixel is not None) == (
        HasClasses in capabilities and not TASKS[name].prompted and name != "panoptic"
    )


def test_what_may_be_asked_depends_on_the_card() -> None:
    kinds = (("semantic", "logits"), ("semantic", "class-map"), ("foreground", "foreground"))
    scores, ids, soft = (model(*kind).card for kind in kinds)
    assert [task_of(one).maps(one) for one in (scores, ids, soft)] == [MAPS, (), ()]
    assert list(task_of(scores).choices(scores)) == scores.labels
    assert list(task_of(soft).choices(soft)) == soft.labels[1:]
    assert task_of(scores).answer_bytes(scores, 2) == 9


def test_many_labels_take_two_bytes_a_pixel() -> None:
    many = card("semantic", {"kind": "logits", "layout": "CHW"}, [f"class {i}" for i in range(256)])
    assert task_of(many).answer_bytes(many, 0) == 2


def test_a_detector_answers_nobody() -> None:
    detector = card("finder", {"kind": "boxes", "layout": "NC", "anchors": [(16, 2)]}, ["face"])
    placement = place((8, 4), detector.input)
    with pytest.raises(ModelError, match="finds parts of pictures for other models"):
        task_of(detector).read(
            ModelOutput(outputs={}, placement=placement, frame=frame_of(placement, 1), card=detector, timings_ms={})
        )


def test_nobody_else_compares_tasks_or_types_of_results() -> None:
    found = [
        f"{place}: {line.strip()}"
        for path in sorted(ROOT.rglob("*.py"))
        if not (place := path.relative_to(ROOT).as_posix()).startswith(ALLOWED)
        for line in path.read_text().splitlines()
        if COMPARED.search(line)
    ]
    assert found == []


def test_the_search_finds_what_it_looks_for() -> None:
    for line in (
        'if card.task == "semantic":',
        "if isinstance(result, SemanticResult):",
        'x = self.task in ("a", "b")',
    ):
        assert COMPARED.search(line)

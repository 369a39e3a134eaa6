"""A picture that is asked about click by click."""

from pathlib import Path

import numpy as np
import pytest

import maskery
from maskery.core.errors import BadRequest
from maskery.models.prompt_session import PromptSession
from maskery.models.segmenter import Segmenter
from tests.inference.prompts.toy_prompt import scene, write_toy

THING = (40, 20, 80, 60)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Segmenter:
    return maskery.load(str(write_toy(tmp_path_factory.mktemp("toy"))))


@pytest.fixture
def session(toy: Segmenter) -> PromptSession:
    return toy.session(scene((120, 90), THING), candidates=3)


def area(answer: maskery.Segmentation | None) -> int:
    assert answer is not None
    return int(answer.masks()["object"].sum())


def test_clicks_a_box_and_undo(session: PromptSession) -> None:
    first = area(session.click(60, 40))
    assert first == pytest.approx(1600, rel=0.1)
    assert area(session.click(45, 25, positive=False)) < first
    half = area(session.box(60, 60, 40, 20))
    assert half < 900
    assert len(session.prompt.clicks) == 2
    assert area(session.undo()) > half
    assert area(session.undo()) == first
    assert session.undo() is None
    assert session.undo() is None
    session.click(60, 40)
    session.clear()
    assert session.prompt.empty


def test_what_is_refused_is_not_remembered(session: PromptSession) -> None:
    with pytest.raises(BadRequest, match="No point is on the object"):
        session.click(60, 40, positive=False)
    with pytest.raises(BadRequest, match="outside"):
        session.click(300, 40)
    with pytest.raises(BadRequest, match="finite"):
        session.click(float("nan"), 40)
    assert session.prompt.empty
    with pytest.raises(BadRequest, match="no candidate 2"):
        session.choose(2)


def test_the_next_clicks_correct_the_chosen_candidate(session: PromptSession) -> None:
    session.click(60, 40)
    answer = session.choose(2)
    assert session.prompt.previous is not None
    assert answer.result.meta.task == "prompt"
    with pytest.raises(BadRequest, match="candidates is 4"):
        session.choose(4)


def test_other_models_have_no_sessions(toy: Segmenter, tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="takes no points"):
        maskery.load("everyday").session(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(BadRequest, match="candidates is 0"):
        toy.session(np.zeros((8, 8, 3), np.uint8), candidates=0)
    with pytest.raises(BadRequest, match="there is none"):
        toy.segment(np.zeros((8, 8, 3), np.uint8))

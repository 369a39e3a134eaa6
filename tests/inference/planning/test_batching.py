"""A batch is used where it is measured to gain, and nowhere else."""

from collections.abc import Mapping

import numpy as np
import pytest

from maskery.core.arrays import Array
from maskery.core.card import CARD_NAME
from maskery.core.errors import ModelError
from maskery.inference.planning.footprint import measure_batch
from maskery.models.card_toml import load_card
from maskery.models.catalog import builtin

CARD = load_card(builtin()["everyday"] / CARD_NAME)


class Clock:
    """Stands still but for what the sessions take, so that no other work on the machine is measured."""

    now = 0.0

    @classmethod
    def perf_counter(cls) -> float:
        return cls.now


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maskery.inference.planning.footprint.time", Clock)


class Timed:
    """A session that takes ``start`` milliseconds a run and ``each`` more a picture."""

    runtime = "none"

    def __init__(self, start: float, each: float, batches: bool = True) -> None:
        self.start, self.each, self.batches = start, each, batches
        self.device = "cpu"
        self.sizes: list[int] = []
        self.kept: list[bool] = []

    def run(self, inputs: Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
        pictures = len(inputs["image"])
        self.sizes.append(pictures)
        self.kept.append(keep)
        Clock.now += (self.start + self.each * pictures) / 1000
        return {"logits": np.zeros(1)}


class Refusing(Timed):
    def run(self, inputs: Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
        if len(inputs["image"]) > 1:
            raise ModelError("a batch of 1 only")
        return super().run(inputs, keep)


class HeldUp(Timed):
    """Its first run takes three times as long, as on a machine that is busy."""

    def run(self, inputs: Mapping[str, Array], keep: bool = True) -> dict[str, Array]:
        if not self.sizes:
            Clock.now += 2 * self.each / 1000
        return super().run(inputs, keep)


def test_what_gains_is_used() -> None:
    most, measured = measure_batch(Timed(20, 1), CARD, 8)
    assert most == 8
    assert measured[2] < 0.7 * measured[1]


def test_what_does_not_gain_is_not() -> None:
    most, measured = measure_batch(Timed(0, 10), CARD, 8)
    assert most == 1
    assert measured[2] == measured[1] == 10


@pytest.mark.parametrize("session", [Timed(20, 1, batches=False), Refusing(20, 1)])
def test_what_cannot_is_not(session: Timed) -> None:
    assert measure_batch(session, CARD, 8) == (1, {})


def test_nothing_is_measured_where_batches_are_switched_off() -> None:
    session = Timed(20, 1)
    assert measure_batch(session, CARD, 1) == (1, {})
    assert session.sizes == []


def test_a_slow_model_is_run_once_each() -> None:
    session = Timed(300, 1)
    assert measure_batch(session, CARD, 4)[0] == 4
    assert session.sizes == [1, 2, 1]


@pytest.mark.parametrize(("start", "sizes"), [(-5, [1, 2, 1, 1, 2, 2, 1]), (-20, [1, 2, 1])])
def test_a_batch_without_hope_is_run_once(start: float, sizes: list[int]) -> None:
    """1.07 and 1.5 times as long as two single runs."""
    session = Timed(start, 40)
    assert measure_batch(session, CARD, 4)[0] == 1
    assert session.sizes == sizes


def test_brief_runs_are_made_three_times_whatever_the_first_says() -> None:
    session = Timed(-2, 4)
    assert measure_batch(session, CARD, 4)[0] == 1
    assert session.sizes == [1, 2, 1, 1, 2, 2, 1]


def test_on_an_accelerator_the_first_batch_may_be_slow() -> None:
    session = Timed(-20, 40)
    session.device = "cuda"
    measure_batch(session, CARD, 4)
    assert session.sizes == [1, 2, 1, 1, 2, 2, 1]


def test_a_first_single_run_that_was_held_up_does_not_make_the_batch_look_good() -> None:
    session = HeldUp(0, 40)
    assert measure_batch(session, CARD, 4) == (1, {1: 40.0, 2: 40.0})


@pytest.mark.parametrize("start", [20, -5, -20, 300])
def test_what_was_taken_is_given_back(start: float) -> None:
    """Also before a footprint is measured, which would not see what is used again."""
    session = Timed(start, 40)
    measure_batch(session, CARD, 4)
    assert (session.sizes[-1], session.kept[-1]) == (1, False)

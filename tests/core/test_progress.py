import pytest

from maskery.core import progress
from maskery.core.progress import Reporter, Throttle, silent


def test_a_throttle_passes_on_the_first_text_and_then_one_in_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, texts = [100.0], list[str]()
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    throttle = Throttle(texts.append, seconds=30)
    for moment, text in ((100.0, "a"), (129.9, "b"), (130.0, "c"), (131.0, "d")):
        now[0] = moment
        throttle(text)
    assert texts == ["a", "c"]
    now[0] = 200.0
    throttle.skip()
    throttle("e")
    assert texts == ["a", "c"]


def test_without_a_display_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    silent(1, 2)
    Reporter().say("a")
    Reporter().progress("b", 1, 2)
    assert capsys.readouterr() == ("", "")

"""What is shown on stderr while a verb works: at a terminal, and in a log file."""

import sys

import pytest

from maskery.cli.progress import CLEAR, ProgressDisplay, counting


def test_in_a_log_file_the_work_is_named_once_and_short_work_says_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    with counting("segmenting") as progress:
        for done in range(1, 4):
            progress(done, 3)
    assert capsys.readouterr() == ("", "segmenting\n")


def test_at_a_terminal_one_line_is_written_over_and_ends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with counting("segmenting") as progress:
        for done in range(1, 4):
            progress(done, 3)
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert shown.startswith(f"{CLEAR}segmenting  [########----------------]  1/3")
    assert shown.endswith(f"{CLEAR}segmenting  [########################]  3/3\n")


def test_a_sentence_stands_above_the_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    display = ProgressDisplay()
    display.count("pulling", 1_000_000, 4_000_000)
    display.say("half way")
    display.close()
    assert capsys.readouterr().err == f"{CLEAR}pulling  [######------------------]  25%{CLEAR}half way\n"


def test_where_the_work_stands_is_shown_at_once_and_then_seldom(capsys: pytest.CaptureFixture[str]) -> None:
    display = ProgressDisplay()
    for step in range(3):
        display.update(f"step {step}")
    assert capsys.readouterr().err == "step 0\n"

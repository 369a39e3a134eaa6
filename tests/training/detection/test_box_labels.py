"""Files of boxes, and what is left of boxes in a view."""

from pathlib import Path

import numpy as np
import pytest

from maskery.core.errors import DataError
from maskery.training.detection.box_labels import BoxLine, PictureView, draw_view, read_box_lines, targets_of


def line(*boxes: tuple[float, float, float, float, int, float]) -> BoxLine:
    return BoxLine("a.png", (100, 50), list(boxes), [(0, 0, 10, 10, -1)])


def test_the_first_view_is_the_whole_picture_in_the_middle() -> None:
    view = draw_view((100, 50), 64, 0, (0.5, 2.0), np.random.default_rng(0))
    assert view == PictureView(0.64, (0, 16), False)
    found = targets_of(line((10, 10, 60, 40, 3, 0.5)), view, 64)
    assert found.boxes.tolist() == [pytest.approx([6.4, 22.4, 38.4, 41.6, 3, 0.5])]
    assert found.ignored.tolist() == [pytest.approx([0, 16, 6.4, 22.4, -1])]


def test_a_mirrored_view_turns_boxes_round() -> None:
    found = targets_of(line((10, 10, 60, 40, 3, 1)), PictureView(1, (0, 0), True), 100)
    assert found.boxes[0, :4].tolist() == [40, 10, 90, 40]


def test_cut_boxes_stay_where_a_third_is_left_and_tiny_ones_are_not_judged() -> None:
    view = PictureView(1, (-50, 0), False)
    found = targets_of(line((30, 0, 80, 40, 1, 1), (0, 0, 60, 40, 2, 1), (70, 10, 72, 40, 4, 1)), view, 64)
    assert found.boxes[:, 4].tolist() == [1]
    assert found.boxes[0, :4].tolist() == [0, 0, 30, 40]
    assert sorted(found.ignored[:, 4].tolist()) == [2, 4]


def test_other_views_are_drawn_and_every_second_is_mirrored() -> None:
    rng = np.random.default_rng(0)
    views = [draw_view((100, 50), 64, number, (0.5, 2.0), rng) for number in range(1, 5)]
    assert [view.mirrored for view in views] == [True, False, True, False]
    assert len({view.scale for view in views}) == 4
    assert all(0.32 <= view.scale <= 1.28 for view in views)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"picture": "a"}', "line 1"),
        ('{"picture": "a", "size_wh": [1, 1], "boxes": [[0, 0, 1, 1, 2, 1]], "ignored": []}', "a class is none of 2"),
        ("", "has no pictures"),
    ],
)
def test_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "boxes.jsonl").write_text(text)
    with pytest.raises(DataError, match=words):
        read_box_lines(tmp_path / "boxes.jsonl", 2)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_box_lines(tmp_path / "boxes.jsonl", 2)

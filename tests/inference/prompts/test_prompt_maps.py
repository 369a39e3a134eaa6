import numpy as np
import pytest

from maskery.inference.prompts.prompt_maps import BOX, FORMER, NEGATIVE, POSITIVE, RADIUS, prompt_maps

SIZE_HW = (12, 16)


def test_a_click_is_a_disc_around_its_place() -> None:
    maps = prompt_maps([(5.5, 4.5)], [], None, None, SIZE_HW)
    assert maps.shape == (4, *SIZE_HW)
    assert maps.dtype == np.float32
    disc = maps[POSITIVE]
    assert disc[4, 5] == 1
    assert disc.sum() == pytest.approx(np.pi * RADIUS**2, rel=0.1)
    rows, columns = np.indices(SIZE_HW) + 0.5
    assert (disc * columns).sum() / disc.sum() == pytest.approx(5.5)
    assert (disc * rows).sum() / disc.sum() == pytest.approx(4.5)
    assert not maps[[NEGATIVE, BOX, FORMER]].any()


def test_clicks_of_both_kinds_are_apart_and_those_of_one_are_united() -> None:
    one, other = (prompt_maps([point], [], None, None, SIZE_HW)[POSITIVE] for point in ((4.0, 4.0), (5.0, 5.0)))
    both = prompt_maps([(4.0, 4.0), (5.0, 5.0)], [(12.0, 3.0)], None, None, SIZE_HW)
    np.testing.assert_array_equal(both[POSITIVE], np.maximum(one, other))
    np.testing.assert_array_equal(both[NEGATIVE], prompt_maps([(12.0, 3.0)], [], None, None, SIZE_HW)[POSITIVE])


def test_edges_of_a_box_lie_within_cells() -> None:
    box = prompt_maps([], [], (2.25, 3.5, 6.0, 8.75), None, SIZE_HW)[BOX]
    assert box.sum() == pytest.approx(3.75 * 5.25)
    assert box[5, 2] == 0.75
    assert box[3, 4] == 0.5
    assert box[8, 5] == 0.75
    assert box[3, 2] == 0.375
    assert not box[:, 6:].any()


def test_a_box_beyond_the_map_is_cut_and_a_former_mask_stays() -> None:
    former = np.random.default_rng(0).random(SIZE_HW, np.float32)
    maps = prompt_maps([(-50.0, 2.0)], [], (-5.0, -5.0, 99.0, 99.0), former, SIZE_HW)
    assert maps[BOX].all()
    assert not maps[POSITIVE].any()
    np.testing.assert_array_equal(maps[FORMER], former)

"""Shapes, places and boxes of the head."""

import torch

from maskery.training.detection.detection_head import BINS, DetectionHead, WholeHead, boxes_of, centres


def test_a_row_for_every_place_of_three_grids() -> None:
    head = DetectionHead((7, 5), 2, 8, 8).eval()
    logits, distances = head(torch.zeros(2, 7, 8, 12), torch.zeros(2, 5, 4, 6))
    places = 8 * 12 + 4 * 6 + 2 * 3
    assert (logits.shape, distances.shape) == ((2, places, 2), (2, places, 4 * BINS))
    assert logits.sigmoid().max() < 0.05


def test_what_is_exported_gives_each_grid_for_itself() -> None:
    head = DetectionHead((7, 5), 2, 8, 8).eval()
    outputs = WholeHead(head)(torch.zeros(1, 4, 16, 16), torch.zeros(1, 3, 8, 8), torch.zeros(1, 5, 4, 4))
    assert [tuple(one.shape) for one in outputs] == [
        (1, 64, 2), (1, 64, 32), (1, 16, 2), (1, 16, 32), (1, 4, 2), (1, 4, 32),
    ]  # fmt: skip
    logits, distances = head(torch.zeros(1, 7, 8, 8), torch.zeros(1, 5, 4, 4))
    assert torch.equal(torch.cat([outputs[0], outputs[2], outputs[4]], 1), logits.sigmoid())
    assert torch.equal(torch.cat([outputs[1], outputs[3], outputs[5]], 1), distances)


def test_distances_are_means_of_whole_strides_from_the_middle_of_a_cell() -> None:
    points, strides = centres(32)
    assert points[0].tolist() == [4, 4]
    assert (points[16].tolist(), strides[16].item(), strides[20].item()) == ([8, 8], 16, 32)
    distances = torch.full((len(points), 4 * BINS), -100.0)
    for side, steps in enumerate((0, 1, 2, 3)):
        distances[:, side * BINS + steps] = 100
    assert boxes_of(distances, points, strides)[0].tolist() == [4, -4, 20, 28]

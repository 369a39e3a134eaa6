"""Colours, captions and class maps of objects."""

from dataclasses import replace

import numpy as np

from maskery.core.result.instances import InstanceResult
from maskery.encode.object_facts import by_class, caption, class_map_of, colour_of, facts
from maskery.encode.registry import encode
from tests.encode.results import halves, instances, meta, photo, pixels, semantic


def test_neighbours_have_colours_that_differ() -> None:
    one = instances().instances[0]
    colours = [np.array(colour_of(replace(one, id=number))) for number in range(1, 40)]
    for first in range(len(colours)):
        for second in range(first + 1, min(first + 8, len(colours))):
            assert np.abs(colours[first] - colours[second]).max() > 60, (first, second)


def test_a_track_keeps_its_colour() -> None:
    one = instances().instances[1]
    assert one.track_id == 7
    assert colour_of(one) == colour_of(replace(one, id=30)) != colour_of(replace(one, track_id=8))


def test_words() -> None:
    result = instances()
    assert [caption(one, result.meta) for one in result.instances] == ["dog 90%", "cat 7 75%", "dog 50%"]
    assert facts(result.instances[1], result.meta) == {
        "id": 2, "class": "cat", "class_id": 1, "score": 0.75, "track_id": 7,
    }  # fmt: skip


def test_objects_as_a_class_map() -> None:
    result = instances()
    ids = class_map_of(result).class_map
    assert [int((ids == number).sum()) for number in range(3)] == [192 - 48 - 27 - 4, 27, 48 + 4]
    mapped = semantic(halves())
    assert by_class(mapped) is mapped
    assert class_map_of(mapped) is mapped
    without = InstanceResult(meta("instance", (12, 16), ("cat", "dog", "cow"), ((1, 2, 3),) * 3), result.instances)
    assert set(np.unique(class_map_of(without).class_map)) == {1, 2, 255}


def test_formats_of_class_maps_take_objects() -> None:
    result, picture = instances(), photo((12, 16))
    np.testing.assert_array_equal(pixels(encode(result, "mask")), class_map_of(result).class_map)
    alpha = pixels(encode(result, "cutout", picture))[:, :, 3]
    np.testing.assert_array_equal(alpha > 0, class_map_of(result).class_map > 0)
    filled = pixels(encode(result, "replace", picture))
    np.testing.assert_array_equal((filled == 0).all(2), class_map_of(result).class_map > 0)
    none = InstanceResult(meta("instance", (12, 16), ("cat", "dog"), ((1, 2, 3),) * 2), ())
    assert not pixels(encode(none, "cutout", picture)).any()

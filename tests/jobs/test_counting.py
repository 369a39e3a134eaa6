"""Lines, zones, speeds: walks whose counts are known."""

import pytest

from maskery.core.errors import BadRequest
from maskery.core.result.instances import Instance
from maskery.jobs.counting import CountOptions, ObjectCounter, parse_line, parse_zone

LABELS = ("background", "car", "bus")
SIZE = (200, 100)  # the dead band is 1.1 pixels on each side


def at(x: float, y: float, number: int | None = 1, class_id: int = 1) -> Instance:
    box = (x - 5, y - 5, x + 5, y + 5)
    return Instance(id=1, class_id=class_id, score=0.9, box_xyxy=box, track_id=number)


def walked(counter: ObjectCounter, *points: tuple[float, float], number: int | None = 1, class_id: int = 1) -> None:
    for i, (x, y) in enumerate(points):
        counter.see(i / 10, [at(x, y, number, class_id)], LABELS)


def line_counter() -> ObjectCounter:
    return ObjectCounter(CountOptions((parse_line("gate=100,0,100,100"),)), SIZE)


def counts(counter: ObjectCounter) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = counter.document()["lines"]["gate"]
    return found


def test_both_directions_by_class() -> None:
    """Who looks down along the line has the right of the picture at the left hand."""
    counter = line_counter()
    walked(counter, (90, 50), (95, 50), (110, 50), number=1)
    walked(counter, (110, 50), (90, 50), number=2, class_id=2)
    walked(counter, (120, 20), (80, 20), number=3)
    assert counts(counter) == {"in": {"bus": 1, "car": 1}, "out": {"car": 1}}


def test_an_object_counts_once_a_line() -> None:
    counter = line_counter()
    walked(counter, (90, 50), (110, 50), (90, 50), (110, 50))
    assert counts(counter) == {"in": {}, "out": {"car": 1}}


def test_who_stands_on_the_line_is_not_counted() -> None:
    counter = line_counter()
    walked(counter, (90, 50), *[(100 + step % 3 - 1, 50) for step in range(40)])
    assert counts(counter) == {"in": {}, "out": {}}
    walked(counter, (104, 50))
    assert counts(counter) == {"in": {}, "out": {"car": 1}}


def test_who_goes_past_the_ends_is_not_counted() -> None:
    counter = ObjectCounter(CountOptions((parse_line("gate=100,0,100,40"),)), SIZE)
    walked(counter, (90, 60), (110, 60))
    assert counts(counter) == {"in": {}, "out": {}}


def test_only_objects_with_a_number_count() -> None:
    counter = line_counter()
    walked(counter, (90, 50), (110, 50), number=None)
    assert counter.document()["objects"]["count"] == 0
    assert counts(counter) == {"in": {}, "out": {}}


def test_a_fast_object_that_is_never_near_the_line_counts() -> None:
    counter = line_counter()
    walked(counter, (10, 10), (190, 90))
    assert counts(counter) == {"in": {}, "out": {"car": 1}}


def test_a_zone_knows_who_is_inside_came_and_went_and_for_how_long() -> None:
    counter = ObjectCounter(CountOptions(zones=(parse_zone("yard=0,0,50,0,50,50,0,50"),)), SIZE)
    walked(counter, (80, 25), (40, 25), (40, 25), (40, 25), (80, 25), number=1)
    walked(counter, (20, 25), (25, 25), number=2, class_id=2)
    zone = counter.document()["zones"]["yard"]
    assert (zone["now"], zone["entered"], zone["left"]) == (1, 2, 1)
    assert zone["classes"] == {"bus": 1, "car": 1}
    assert zone["dwell_s"] == {"mean": pytest.approx(0.15), "max": pytest.approx(0.2)}


def test_who_is_gone_has_left_the_zone() -> None:
    counter = ObjectCounter(CountOptions(zones=(parse_zone("yard=0,0,50,0,50,50,0,50"),)), SIZE, forget_s=1.0)
    counter.see(0, [at(20, 20)], LABELS)
    counter.see(0.5, [], LABELS)
    assert counter.document()["zones"]["yard"]["now"] == 1
    counter.see(2.0, [], LABELS)
    assert counter.document()["zones"]["yard"] == {
        "now": 0, "entered": 1, "left": 1, "classes": {"car": 1}, "dwell_s": {"mean": 0.0, "max": 0.0},
    }  # fmt: skip


def test_speed_in_pixels_a_second() -> None:
    counter = ObjectCounter(CountOptions(), SIZE)
    walked(counter, *[(10 + 3 * i, 10 + 4 * i) for i in range(5)])
    assert counter.speed(1) is None
    walked(counter, *[(10 + 3 * i, 10 + 4 * i) for i in range(10)])
    assert counter.speed(1) == pytest.approx(50)
    assert counter.speed(9) is None


def test_a_trail_is_two_seconds_long() -> None:
    counter = ObjectCounter(CountOptions(), SIZE)
    walked(counter, *[(i, 50) for i in range(100)])
    assert counter.view([at(99, 50)]).trails == {1: [(float(i), 50.0) for i in range(79, 100)]}


def test_the_class_of_an_object_is_its_last_one() -> None:
    counter = ObjectCounter(CountOptions(), SIZE)
    walked(counter, (1, 1), class_id=1)
    walked(counter, (1, 1), class_id=2)
    assert counter.document()["objects"] == {"count": 1, "classes": {"bus": 1}}


@pytest.mark.parametrize("text", ["gate", "gate=1,2,3", "=1,2,3,4", "gate=1,2,1,2", "gate=1,2,x,4", "gate=1,2,nan,4"])
def test_lines_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="NAME="):
        parse_line(text)


def test_zones_that_cannot_be_read_are_refused() -> None:
    for text in ("yard=1,2,3,4", "yard=1,2,3,4,5,6,7"):
        with pytest.raises(BadRequest, match="NAME="):
            parse_zone(text)
    with pytest.raises(BadRequest, match="Two lines or zones"):
        CountOptions((parse_line("a=0,0,1,1"),), (parse_zone("a=0,0,1,1,2,0"),))
    with pytest.raises(BadRequest, match="scale"):
        CountOptions(scale=0)

"""The table of counts."""

import json
from dataclasses import replace

from maskery.core.result.instances import InstanceResult
from maskery.encode.registry import encode
from tests.encode.results import instances


def test_classes_with_their_numbers_shares_and_mean_scores() -> None:
    found = json.loads(encode(instances(), "count"))
    assert found["total"] == 3
    assert found["counts"] == [
        {"class": "dog", "class_id": 2, "count": 2, "share": round(52 / 192, 6), "score": 0.7},
        {"class": "cat", "class_id": 1, "count": 1, "share": 0.1875, "score": 0.75},
    ]
    assert encode(instances(), "count-csv") == b"class,count,share,score\ndog,2,0.270833,0.7\ncat,1,0.1875,0.75\n"


def test_pixels_of_two_objects_count_once_in_the_share() -> None:
    result = instances()
    one = result.instances[0]
    twice = InstanceResult(result.meta, (one, replace(one, id=9, score=0.1)))
    (row,) = json.loads(encode(twice, "count"))["counts"]
    assert (row["count"], row["share"], row["score"]) == (2, 0.25, 0.5)


def test_nothing_was_found() -> None:
    empty = InstanceResult(instances().meta, ())
    assert json.loads(encode(empty, "count"))["counts"] == []
    assert encode(empty, "count-csv") == b"class,count,share,score\n"

"""How many objects of each class there are, as a table: JSON and CSV."""

import csv
import io
from typing import Any

import msgspec
import numpy as np

from maskery.core.result.capabilities import HasInstances
from maskery.core.result.instances import Instance, painted
from maskery.encode.format import JSON, OBJECTS, Encoder, FileType
from maskery.encode.provenance import head


def counted(result: HasInstances) -> list[dict[str, Any]]:
    """Of each class that occurs, most objects first: ``class``, ``class_id``, ``count``, ``share`` and ``score``.

    ``share``: of the picture's pixels those that some object of the class has, 0 to 1; pixels of two are counted once.
    ``score``: the mean of its objects.
    """
    groups: dict[int, list[Instance]] = {}
    for one in result.instances:
        groups.setdefault(one.class_id, []).append(one)
    size = result.meta.frame.size_wh
    rows = [
        {
            "class": result.meta.labels[number],
            "class_id": number,
            "count": len(group),
            "share": round(int(np.count_nonzero(painted(group, size))) / (size[0] * size[1]), 6),
            "score": round(sum(one.score for one in group) / len(group), 4),
        }
        for number, group in groups.items()
    ]
    return sorted(rows, key=lambda row: (-row["count"], row["class_id"]))


def encode_count(result: HasInstances) -> bytes:
    """UTF-8 JSON: provenance, ``total``, and ``counts``, a row a class."""
    return msgspec.json.encode(head(result) | {"total": len(result.instances), "counts": counted(result)})


def encode_count_csv(result: HasInstances) -> bytes:
    """UTF-8 CSV with a heading: class, count, share, score."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("class", "count", "share", "score"))
    writer.writerows((row["class"], row["count"], row["share"], row["score"]) for row in counted(result))
    return text.getvalue().encode()


COUNT = Encoder(name="count", file=JSON, needs=OBJECTS, function=encode_count, held=3.0)
COUNT_CSV = Encoder(
    name="count-csv", file=FileType("text/csv", ".csv"), needs=OBJECTS, function=encode_count_csv, held=3.0
)

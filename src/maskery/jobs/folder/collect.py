"""The lines of a run as one file of all pictures: COCO, or a Parquet table. Lines are read twice, never held."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from maskery.core.errors import MissingExtra, OutputError
from maskery.core.files import whole_file, writing
from maskery.encode.provenance import SOFTWARE
from maskery.inference.pipeline import Model
from maskery.jobs.folder.result_lines import Line, is_failed

ROWS_AT_ONCE = 10_000
Lines = Callable[[], Iterable[Line]]
"""Gives the lines from the first on, each time that it is called; only of pictures that are there, unchanged."""


def write_coco(path: Path, lines: Lines, model: Model) -> int:
    """A COCO file: an image for each picture that has an answer, ids from 1 in the order of the lines.

    Returns the number of images. Raises ``OutputError``.
    """
    card = model.card
    info = {"description": f"Segmentation by {model.key}", "version": card.version, "contributor": SOFTWARE}
    categories = [{"id": i, "name": name, "supercategory": ""} for i, name in enumerate(card.labels)]
    images = 0
    with writing(path), whole_file(path) as file:

        def put(text: str) -> None:
            file.write(text.encode())

        put(f'{{"info":{_json(info)},"licenses":[],"images":[')
        for images, line in enumerate(_answered(lines()), 1):
            image = {"id": images, "file_name": line["picture"], "width": line["width"], "height": line["height"]}
            put(f"{',' if images > 1 else ''}\n{_json(image)}")
        put('],"annotations":[')
        number = 0
        for image_id, line in enumerate(_answered(lines()), 1):
            for annotation in line["annotations"]:
                number += 1
                put(f"{',' if number > 1 else ''}\n{_json({'id': number, 'image_id': image_id} | annotation)}")
        put(f'],"categories":{_json(categories)}}}\n')
    return images


def write_parquet(path: Path, lines: Lines, model: Model) -> int:
    """A Parquet table with a row for each class or object of each picture, and one for a picture that has none.

    Columns: picture, status, error, width, height, model, and of the class or object name, class_id, score, pixels,
    share, and left, top, right, bottom of its box in pixels. Returns the number of rows. Raises ``MissingExtra``
    without pyarrow, ``OutputError``.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingExtra("A Parquet table needs the package pyarrow.", "Run: pip install pyarrow") from error
    text, whole, real = pyarrow.string(), pyarrow.int64(), pyarrow.float64()
    kinds = dict.fromkeys(("picture", "status", "error", "model", "name"), text)
    kinds |= dict.fromkeys(("width", "height", "class_id", "pixels"), whole)
    kinds |= dict.fromkeys(("score", "share", "left", "top", "right", "bottom"), real)
    schema, count = pyarrow.schema(list(kinds.items())), 0
    partial = path.with_name(f"{path.name}.partial")
    try:
        with writing(path), parquet.ParquetWriter(str(partial), schema) as writer:
            rows: list[dict[str, Any]] = []
            for line in lines():
                rows += _rows(line, model.key)
                if len(rows) >= ROWS_AT_ONCE:
                    writer.write_table(pyarrow.Table.from_pylist(rows, schema))
                    count, rows = count + len(rows), []
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))
            count += len(rows)
        with writing(path):
            partial.replace(path)
    except pyarrow.ArrowException as error:
        raise OutputError(f"{path} could not be written: {error}.", "Choose another place.") from error
    finally:
        partial.unlink(missing_ok=True)
    return count


def _answered(lines: Iterable[Line]) -> Iterator[Line]:
    return (line for line in lines if not is_failed(line))


def _rows(line: Line, model: str) -> Iterator[dict[str, Any]]:
    keys = ("picture", "status", "width", "height", "error")
    whole = {key: line.get(key) for key in keys} | {"model": model}
    whole["picture"] = line["picture"].encode("utf-8", "replace").decode()  # Parquet's texts are UTF-8
    things = [*line.get("classes", ()), *line.get("objects", ()), *line.get("top", ())]
    for thing in things:
        box = thing.get("box") or [None] * 4
        yield (
            whole
            | {
                "name": thing.get("name", thing.get("class")),
                "class_id": thing.get("class_id", thing.get("id")),
                "score": thing.get("score"),
                "pixels": thing.get("pixels", thing.get("area")),
                "share": thing.get("share"),
            }
            | dict(zip(("left", "top", "right", "bottom"), box, strict=True))
        )
    if not things:
        yield whole


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))

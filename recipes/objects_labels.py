"""Makes the boxes that recipes/objects.toml learns from: those of the data sets, and a larger data set's detector's.

    pip install 'maskery[train]'
    python recipes/objects_labels.py ../shared/data nanodet-m-416.onnx runs/objects-labels.jsonl

The detector is NanoDet-m (Apache-2.0), trained on COCO. A line a picture: its path below the source, its size, boxes
[x0, y0, x1, y1, class, weight], and ignored boxes [x0, y0, x1, y1, class] in which a class is not judged (-1: none is).
Where a set does not label a class, the detector's sure boxes are taken for true and its unsure ones are not judged. Of
Pascal VOC's masks those pictures are taken of which each object's box is known. The same input gives the same file.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from maskery.core.labels import VOC

SIDE, STRIDES, BINS = 416, (8, 16, 32), 8
MEAN, STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)
SURE, UNSURE, OVERLAP = 0.45, 0.12, 0.6
RENAMED = {
    "airplane": "aeroplane",
    "dining table": "diningtable",
    "motorcycle": "motorbike",
    "potted plant": "pottedplant",
    "couch": "sofa",
}
THINGS = list(VOC[1:])
EVERYTHING = frozenset(range(len(THINGS)))
KIN = {"truck": ("car", "bus"), "bed": ("sofa",), "bench": ("chair", "sofa"), "laptop": ("tv",)}
"""Classes of COCO that VOC has no name for, and that its classes may be taken for: these are not judged there."""
COCO_NAMES = "annotations/instances_train.json"
Boxes = list[list[float]]
Truth = tuple[Path, Boxes, Boxes, frozenset[int]]
"""Picture, true boxes, ignored boxes, classes that are labelled."""


class NanoDet:
    """Boxes of VOC's things by the pulled detector."""

    def __init__(self, path: Path, names: list[str]) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        self._session: Any = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self._outputs = [f"{kind}_pred_stride_{s}" for s in STRIDES for kind in ("cls", "dis")]
        self._names = names

    def __call__(self, picture: Image.Image) -> tuple[Boxes, Boxes]:
        """Boxes [x0, y0, x1, y1, class, score] of at least ``UNSURE``, and those of classes that are kin to VOC's."""
        scale = SIDE / max(picture.size)
        width, height = (max(1, round(side * scale)) for side in picture.size)
        pixels = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), np.float32)[:, :, ::-1]
        canvas = np.zeros((SIDE, SIDE, 3), np.float32)
        canvas[:height, :width] = (pixels - MEAN) / STD
        outputs = self._session.run(self._outputs, {"input.1": canvas.transpose(2, 0, 1)[None].copy()})
        scores = np.concatenate([one[0] for one in outputs[::2]])
        boxes = np.concatenate([_boxes(one[0], s) for one, s in zip(outputs[1::2], STRIDES, strict=True)])
        boxes = np.clip(boxes / scale, 0, [*picture.size, *picture.size])
        found, kin = Boxes(), Boxes()
        for column, name in enumerate(self._names):
            known = RENAMED.get(name, name)
            targets = [known] if known in THINGS else list(KIN.get(name, ()))
            kept = _suppressed(boxes, scores[:, column]) if targets else []
            for target in targets:
                rows = [[*boxes[i].tolist(), THINGS.index(target), float(scores[i, column])] for i in kept]
                (found if known in THINGS else kin).extend(rows)
        return found, kin


def _boxes(distances: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
    side = SIDE // stride
    bins = np.exp(distances.reshape(-1, 4, BINS))
    left, top, right, bottom = ((bins / bins.sum(2, keepdims=True)) @ np.arange(BINS) * stride).T
    y, x = ((np.indices((side, side)).reshape(2, -1) + 0.5) * stride).astype(np.float32)
    return np.stack([x - left, y - top, x + right, y + bottom], 1)


def overlaps(one: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """IoU of a box (4,) with others (N, 4)."""
    size = np.minimum(one[2:], others[:, 2:]) - np.maximum(one[:2], others[:, :2])
    both = np.prod(np.maximum(size, 0), 1)
    return both / (np.prod(one[2:] - one[:2]) + np.prod(others[:, 2:] - others[:, :2], 1) - both + 1e-6)


def _suppressed(boxes: NDArray[Any], scores: NDArray[Any]) -> list[int]:
    left = [int(i) for i in np.argsort(-scores, kind="stable") if scores[i] >= UNSURE]
    kept = list[int]()
    while left:
        best, *rest = left
        kept.append(best)
        near = overlaps(boxes[best], boxes[rest]) if rest else []
        left = [i for i, overlap in zip(rest, near, strict=True) if overlap < OVERLAP]
    return kept


def of_coco(root: Path, split: str, labelled: frozenset[int] = EVERYTHING) -> Iterator[Truth]:
    """Of an instances file."""
    index = json.loads((root / f"annotations/instances_{split}.json").read_text())
    names = {one["id"]: one["name"] for one in index["categories"]}
    for picture in index["images"]:
        mine = [a for a in index["annotations"] if a["image_id"] == picture["id"]]
        yield root / "images" / split / picture["file_name"], *_sorted(mine, names), labelled


def of_panoptic(root: Path, split: str) -> Iterator[Truth]:
    """Of a panoptic file."""
    index = json.loads((root / f"panoptic_{split}.json").read_text())
    names = {one["id"]: one["name"] for one in index["categories"]}
    files = {one["id"]: one["file_name"] for one in index["images"]}
    for entry in index["annotations"]:
        picture = root / "images" / split / files[entry["image_id"]]
        yield picture, *_sorted(entry["segments_info"], names), EVERYTHING


def _sorted(annotations: list[dict[str, Any]], names: dict[int, str]) -> tuple[Boxes, Boxes]:
    """True boxes, and those of crowds and of kin classes, which are not judged."""
    true, ignored = Boxes(), Boxes()
    for one in annotations:
        x, y, width, height = one["bbox"]
        name = RENAMED.get(names[one["category_id"]], names[one["category_id"]])
        box = [x, y, x + width, y + height]
        if name in THINGS and not one.get("iscrowd"):
            true.append([*box, THINGS.index(name), 1.0])
        else:
            for target in [name] if name in THINGS else KIN.get(name, ()):
                ignored.append([*box, THINGS.index(target)])
    return true, ignored


def of_numbers(root: Path, split: str, name: str) -> Iterator[Truth]:
    """Masks whose pixels are numbers of objects."""
    label = THINGS.index(name)
    for path in sorted((root / "images" / split).glob("*.jpg")):
        mask = np.asarray(Image.open(root / "masks" / split / f"{path.stem}.png"))
        found = [
            [*map(float, (c.start, r.start, c.stop, r.stop)), label, 1.0]
            for r, c in filter(None, ndimage.find_objects(mask))
        ]
        yield path, found, [], frozenset({label})


def of_voc(root: Path, split: str) -> Iterator[Truth]:
    """Class masks: pictures in which all of each class is one object, or has published boxes."""
    single = dict[str, list[int]]()
    if (root / "single_instance.txt").is_file():
        for line in (root / "single_instance.txt").read_text().splitlines():
            single.setdefault(line.split()[0], []).append(int(line.split()[1]) - 1)
    published = _published(root)
    for path in sorted((root / "images" / split).glob("*.jpg")):
        mask = np.asarray(Image.open(root / "masks" / split / f"{path.stem}.png"))
        absent = EVERYTHING - {int(value) - 1 for value in np.unique(mask)}
        boxes, labelled = Boxes(), set(absent)
        scale = max(mask.shape) / 500
        given = published.get(path.stem, [])
        for label, *box in given:
            if label not in absent and label not in single.get(path.stem, []):
                boxes.append([*((v * scale if root.name == "voc2012-part" else v) for v in box), label, 1.0])
                labelled.add(int(label))
        for label in single.get(path.stem, []):
            rows, columns = np.flatnonzero((mask == label + 1).any(1)), np.flatnonzero((mask == label + 1).any(0))
            if len(rows):
                boxes.append([*map(float, (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)), label, 1.0])
                labelled.add(label)
        if labelled == EVERYTHING:
            yield path, boxes, [], EVERYTHING


def _published(root: Path) -> dict[str, list[list[float]]]:
    found = dict[str, list[list[float]]]()
    for name in ("animal_boxes.json", "boxes.json"):
        if (root / name).is_file():
            for stem, boxes in json.loads((root / name).read_text()).items():
                found[stem] = [[_label(k), *box] for k, *box in boxes]
    return found


def _label(named: str | int) -> int:
    """The number of a thing, of its name or of its id in a mask."""
    return named - 1 if isinstance(named, int) else THINGS.index({"tvmonitor": "tv"}.get(named, named))


def of_boxes(root: Path) -> Iterator[Truth]:
    """Pictures without masks, of which some have all boxes of VOC's things."""
    published = json.loads((root / "boxes.json").read_text())
    for path in sorted((root / "images/train").glob("*.jpg")):
        boxes = [[*box, _label(name), 1.0] for name, *box in published.get(path.name, [])]
        yield path, boxes, [], EVERYTHING if path.name in published else frozenset()


def sets(source: Path) -> Iterator[Truth]:
    """Every picture of a train split, none of another."""
    four = frozenset(THINGS.index(name) for name in ("person", "bicycle", "car", "motorbike"))
    person = frozenset({THINGS.index("person")})
    yield from of_panoptic(source / "coco2017-part", "train2017")
    yield from of_coco(source / "coco-extra", "train")
    yield from of_coco(source / "coco-traffic", "train", four)
    yield from of_coco(source / "coco-person", "train", person)
    yield from of_numbers(source / "penn-fudan", "train", "person")
    yield from of_voc(source / "voc-rare", "train")
    yield from of_voc(source / "voc2012-part", "train")
    yield from of_boxes(source / "everyday-unlabelled")


def completed(truth: Truth, detector: NanoDet) -> tuple[Image.Image, Boxes, Boxes]:
    """The picture, its boxes and what is not judged, with what the detector says of classes that are not labelled."""
    path, boxes, ignored, labelled = truth
    picture = Image.open(path).convert("RGB")
    found, kin = detector(picture) if labelled != EVERYTHING else ([], [])
    taken = list(boxes)
    for *box, label, score in found:
        if label in labelled:
            continue
        if score >= SURE:
            taken.append([*box, label, round(0.5 + score / 2, 3)])
        else:
            ignored.append([*box, label])
    ignored += [one[:5] for one in kin if one[4] not in labelled]
    return picture, taken, ignored


@click.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("detector", type=click.Path(path_type=Path, exists=True))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(min=1), help="Only so many pictures, for a look.")
def main(source: Path, detector: Path, target: Path, limit: int | None) -> None:
    """Write TARGET, a line a picture of the sets below SOURCE; DETECTOR is the file of NanoDet-m."""
    names = [one["name"] for one in json.loads((source / "coco-traffic" / COCO_NAMES).read_text())["categories"]]
    teacher, done = NanoDet(detector, names), 0
    with target.open("w", encoding="utf-8") as file:
        for done, truth in enumerate(sets(source), 1):
            picture, boxes, ignored = completed(truth, teacher)
            line = {
                "picture": str(truth[0].relative_to(source)),
                "size_wh": picture.size,
                "boxes": [[round(v, 2) for v in one] for one in boxes],
                "ignored": [[round(v, 2) for v in one] for one in ignored],
            }
            file.write(json.dumps(line) + "\n")
            if done == limit:
                break
            if done % 500 == 0:
                click.echo(f"{done} pictures", err=True)
    click.echo(f"{target}: {done} pictures", err=True)


if __name__ == "__main__":
    main()

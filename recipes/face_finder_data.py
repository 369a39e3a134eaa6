"""Makes the data set of recipes/face-finder.toml: a mask folder of pictures in which faces are marked.

    maskery models pull blazeface-full-range-192
    python recipes/face_finder_data.py ../shared/data runs/face-finder-data

The classes are background and face. A face is marked by an ellipse in its box, shrunk to 0.6 of it, so that the marks
of neighbours do not touch; 255 (not judged) is where the teacher is in doubt. Boxes come from a finder that can be
pulled (Apache-2.0); in VOC and COCO pictures they count only where the data set's own mask has a person. Faces of
CelebAMask-HQ are shown whole, and pasted at random sizes into pictures without people, whose animals are what a finder
of faces must learn to leave alone. The same input gives the same files.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageDraw

from maskery.core.boxes import Box
from maskery.core.card import Detector
from maskery.core.labels import CELEBAMASK, VOC
from maskery.core.settings import load_settings
from maskery.datasets.base import SegmentationData
from maskery.datasets.formats import open_dataset
from maskery.inference.faces.detector import FaceDetector
from maskery.inference.faces.region import whole
from maskery.inference.faces.view import View
from maskery.inference.runtimes.registry import open_session
from maskery.models.store import Store

TEACHER = "blazeface-full-range-192"
SHRUNK = 0.6
SURE, DOUBTFUL = 0.5, 0.3
SHORT_SIDE = 320
PERSON = VOC.index("person")
ON_PERSON = 0.4  # of a face's mark
PASTED_SIDES = (14, 150)  # pixels of a pasted face's box

Find = Callable[[Image.Image], list[Box]]


@dataclass(frozen=True)
class Example:
    """A picture and its mask, L: 0 background, 1 face, 255 not judged."""

    name: str
    picture: Image.Image
    mask: Image.Image


@dataclass(frozen=True)
class Counts:
    """How many examples of each kind a split has at most."""

    people: int
    scenes: int
    faces: int
    pasted: int
    empty: int


SPLITS = {"train": Counts(300, 60, 150, 350, 100), "val": Counts(50, 30, 20, 30, 10)}
COCO = {"train": "train2017", "val": "val2017"}


@click.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--split", "chosen", multiple=True, type=click.Choice(list(SPLITS)), help="Only this; else both.")
def main(source: Path, target: Path, chosen: tuple[str, ...]) -> None:
    """Write images/{train,val} and masks/{train,val} below TARGET, from the data sets below SOURCE."""
    (target / "images").mkdir(parents=True, exist_ok=True)
    (target / "classes.json").write_text('{"classes": ["background", "face"], "ignore": 255}\n', encoding="utf-8")
    for split in chosen or SPLITS:
        for kind in ("images", "masks"):
            (target / kind / split).mkdir(parents=True, exist_ok=True)
        names = []
        for example in examples(source, split, SPLITS[split]):
            names.append(example.name)
            example.picture.save(target / "images" / split / f"{example.name}.jpg", quality=92)
            example.mask.save(target / "masks" / split / f"{example.name}.png")
        click.echo(f"{split}: {len(names)} pictures", err=True)


def examples(source: Path, split: str, counts: Counts) -> Iterator[Example]:
    """All examples of a split, in an order that does not change."""
    rng = random.Random(f"face-finder {split}")  # noqa: S311
    in_scenes, in_portraits = teacher(3), teacher(1)
    voc = open_dataset(source / "voc2012-part", split, VOC)
    coco = open_dataset(source / "coco2017-part", COCO[split], VOC)
    faces = open_dataset(source / "celebamask-part", split, CELEBAMASK)
    with_people, without = _by_people(voc)
    yield from (_seen(voc, i, f"voc-{voc.name(i)}", in_scenes) for i in _some(with_people, counts.people, rng))
    yield from (
        _seen(coco, i, f"coco-{coco.name(i)}", in_scenes) for i in _some(_by_people(coco)[0], counts.scenes, rng)
    )
    chosen = _some(without, counts.pasted + counts.empty, rng)
    order = _some(range(len(faces)), len(faces), rng)
    yield from (_face(faces, i, in_portraits) for i in order[: counts.faces])
    marked = Faces(faces, order[counts.faces :] or order, in_portraits, rng)
    for i in chosen[: counts.pasted]:
        yield _pasted(_shrunk(Image.open(voc.image_path(i))), f"pasted-{voc.name(i)}", marked, rng)
    for i in chosen[counts.pasted :]:
        picture = _shrunk(Image.open(voc.image_path(i)))
        yield Example(f"empty-{voc.name(i)}", picture, Image.new("L", picture.size))


def _by_people(data: SegmentationData) -> tuple[list[int], list[int]]:
    """The numbers of the pictures with a person, and of those without."""
    people = [bool((data.mask(i) == PERSON).any()) for i in range(len(data))]
    return [i for i, has in enumerate(people) if has], [i for i, has in enumerate(people) if not has]


def _some(numbers: "list[int] | range", count: int, rng: random.Random) -> list[int]:
    shuffled = list(numbers)
    rng.shuffle(shuffled)
    return shuffled[:count]


def _shrunk(picture: Image.Image) -> Image.Image:
    scale = min(1.0, SHORT_SIDE / min(picture.size))
    size = (round(picture.width * scale), round(picture.height * scale))
    return picture.convert("RGB").resize(size, Image.Resampling.BILINEAR, reducing_gap=3.0)


def _seen(data: SegmentationData, index: int, name: str, find: Find) -> Example:
    """A picture with people: faces where the teacher is sure and the data set's mask has a person."""
    whole = Image.open(data.image_path(index)).convert("RGB")
    people = Image.fromarray((data.mask(index) == PERSON).astype(np.uint8)).resize(whole.size, Image.Resampling.NEAREST)
    picture = _shrunk(whole)
    scale = (picture.width / whole.width, picture.height / whole.height)
    mask = Image.new("L", picture.size)
    for box in sorted(find(whole), key=lambda box: box.score):
        sure = box.score >= SURE and _share(people, box) >= ON_PERSON
        _mark(mask, box.moved(scale, (0.0, 0.0)), 1 if sure else 255)
    return Example(name, picture, mask)


def _share(people: Image.Image, box: Box) -> float:
    """Of the box, the share that is a person."""
    part = np.asarray(people.crop(tuple(round(v) for v in box.xyxy)))  # type: ignore[arg-type]
    return float(part.mean()) if part.size else 0.0


def _mark(mask: Image.Image, box: Box, value: int) -> None:
    """An ellipse in the middle of the box: shrunk for a face, nearly as large as the box where it is not judged."""
    share = SHRUNK if value == 1 else 0.9
    (left, top, right, bottom), (width, height) = box.xyxy, box.size_wh
    x, y = width * (1 - share) / 2, height * (1 - share) / 2
    ImageDraw.Draw(mask).ellipse((left + x, top + y, right - x, bottom - y), fill=value)


def _face(data: SegmentationData, index: int, find: Find) -> Example:
    """A portrait as it is; where the teacher sees no face, all of it is not judged."""
    picture = Image.open(data.image_path(index)).convert("RGB")
    mask = Image.new("L", picture.size)
    boxes = [box for box in find(picture) if box.score >= SURE]
    for box in boxes[:1]:
        _mark(mask, box, 1)
    return Example(f"face-{data.name(index)}", picture, mask if boxes else Image.new("L", picture.size, 255))


class Faces:
    """Portraits cut out by their own masks, one after another, again from the start when they have all been used."""

    def __init__(self, data: SegmentationData, order: list[int], find: Find, rng: random.Random) -> None:
        self._data, self._order, self._find, self._rng = data, order, find, rng
        self._next = 0

    def take(self) -> tuple[Image.Image, Image.Image, Box]:
        """A portrait, its alpha, and the face's box in it."""
        while True:
            index = self._order[self._next % len(self._order)]
            self._next += 1
            picture = Image.open(self._data.image_path(index)).convert("RGB")
            boxes = [box for box in self._find(picture) if box.score >= SURE]
            if boxes:
                alpha = Image.fromarray(((self._data.mask(index) != 0) * 255).astype(np.uint8))
                return picture, alpha.resize(picture.size), boxes[0]


def _pasted(picture: Image.Image, name: str, faces: Faces, rng: random.Random) -> Example:
    """One to three portraits at random places and sizes; later ones lie over earlier ones and leave their marks."""
    mask = Image.new("L", picture.size)
    for _ in range(rng.choice((1, 1, 2, 3))):
        portrait, alpha, box = faces.take()
        low, high = PASTED_SIDES
        side = low * (min(high, 0.5 * min(picture.size)) / low) ** rng.random()
        scale = side / max(box.size_wh)
        size = (max(1, round(portrait.width * scale)), max(1, round(portrait.height * scale)))
        small, cover = portrait.resize(size, Image.Resampling.BOX), alpha.resize(size, Image.Resampling.BOX)
        if rng.random() < 0.5:
            small = small.point(
                [min(255, round(v * light)) for light in [rng.uniform(0.5, 1.2)] for v in range(256)] * 3
            )
        placed = box.moved((scale, scale), (0.0, 0.0))
        x = rng.randint(0, max(0, round(picture.width - side))) - round(placed.xyxy[0])
        y = rng.randint(0, max(0, round(picture.height - side))) - round(placed.xyxy[1])
        picture.paste(small, (x, y), cover)
        mask.paste(0, (x, y), cover.point(lambda v: 255 * (v > 127)))
        _mark(mask, placed.moved((1.0, 1.0), (x, y)), 1)
    return Example(name, picture, mask)


def teacher(levels: int) -> Find:
    """The finder that marks the faces, looking at the whole picture and so many levels of its parts."""
    located = Store(load_settings({})).locate(TEACHER)
    wanted = Detector(model=TEACHER, levels=levels, min_score=DOUBTFUL)
    finder = FaceDetector(wanted, located.card, open_session(located.card, located.path, "cpu", 1))

    def find(picture: Image.Image) -> list[Box]:
        return finder.find(View(picture, whole(picture.size)), picture.size)

    return find


if __name__ == "__main__":
    main()

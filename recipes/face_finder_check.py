"""How well a finder finds what another one finds: recall and precision of boxes.

    python recipes/face_finder_check.py runs/face-finder/model/ runs/face-finder-data/images/val

A box agrees with one of the teacher's where they overlap by 0.4 (intersection over union) or more; each counts once.
Boxes of which the teacher is in doubt (a score from 0.3 to 0.5) are neither asked for nor held against anybody.
"""

from dataclasses import dataclass
from pathlib import Path

import click
from PIL import Image

from maskery.core.boxes import Box, overlap
from maskery.core.card import Detector
from maskery.core.settings import load_settings
from maskery.inference.faces.detector import FaceDetector
from maskery.inference.faces.region import whole
from maskery.inference.faces.view import View
from maskery.inference.runtimes.registry import open_session
from maskery.models.store import Store

TEACHER = "blazeface-full-range-192"
AGREES, SURE, DOUBTFUL = 0.4, 0.5, 0.3
SUFFIXES = (".jpg", ".png")


@dataclass
class Count:
    """Boxes: the teacher's sure ones, how many of them were found, how many were found besides."""

    asked: int = 0
    found: int = 0
    besides: int = 0

    def add(self, teacher: list[Box], other: list[Box]) -> None:
        """Those of one picture."""
        left = list(other)
        for box in teacher:
            near = max(left, key=lambda one: overlap(one.xyxy, box.xyxy), default=None)
            agreed = near is not None and overlap(near.xyxy, box.xyxy) >= AGREES
            if agreed and near is not None:
                left.remove(near)
            if box.score >= SURE:
                self.asked += 1
                self.found += agreed
        self.besides += len(left)

    def __str__(self) -> str:
        told = self.found + self.besides
        recall, precision = self.found / max(1, self.asked), self.found / max(1, told)
        return f"{self.asked} faces, recall {recall:.3f}, precision {precision:.3f}, {self.besides} besides"


@click.command()
@click.argument("name")
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--marked", default=0.6, help="The share of a box that the finder's class marks.")
@click.option("--levels", default="1,2", help="How many levels it looks at; several are tried.")
@click.option("--scores", default="0.5,0.6,0.7", help="Least scores; several are tried.")
def main(name: str, folders: tuple[Path, ...], marked: float, levels: str, scores: str) -> None:
    """Compare the finder NAME with the teacher on the pictures of FOLDERS."""
    paths = sorted(path for folder in folders for path in folder.iterdir() if path.suffix in SUFFIXES)
    pictures = [Image.open(path).convert("RGB") for path in paths]
    teacher = [_boxes(TEACHER, Detector(model=TEACHER, levels=3, min_score=DOUBTFUL), picture) for picture in pictures]
    for level in map(int, levels.split(",")):
        wanted = Detector(model=name, marked=marked, levels=level, min_score=0.01)
        found = [_boxes(name, wanted, picture) for picture in pictures]
        for score in map(float, scores.split(",")):
            count = Count()
            for sure, other in zip(teacher, found, strict=True):
                count.add(sure, [box for box in other if box.score >= score])
            click.echo(f"levels {level}, score {score:.2f}: {count}")


_finders: dict[tuple[str, Detector], FaceDetector] = {}


def _boxes(name: str, wanted: Detector, picture: Image.Image) -> list[Box]:
    if (name, wanted) not in _finders:
        located = Store(load_settings({})).locate(name)
        session = open_session(located.card, located.path, "cpu", 1)
        _finders[name, wanted] = FaceDetector(wanted, located.card, session)
    return _finders[name, wanted].find(View(picture, whole(picture.size)), picture.size)


if __name__ == "__main__":
    main()

"""What to quantise, how, and at which loss at most."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from maskery.core.errors import BadRequest
from maskery.models.store import NAME

Target = Literal["int8", "fp16"]
Calibration = Literal["percentile", "minmax", "entropy"]

AT_LEAST = 8
"""Fewer pictures say too little of the values that a network sees."""

FIRST, LAST, NONE, AUTO = "first", "last", "none", "auto"
"""Words of ``keep_float`` beside the names of nodes and operators."""


@dataclass(frozen=True, kw_only=True)
class QuantiseRequest:
    """What to quantise, how, and at which loss at most.

    Attributes:
        folder: Where the model is written; new or empty.
        name: Of the new model.
        validate: Data set that decides.
        split: Of ``validate``.
        calibrate: Data set or folder of pictures; int8 alone needs one.
        calibrate_split: Of ``calibrate``.
        format: Of both data sets, "auto" to recognise it.
        to: The number format of the weights.
        calibration: How ranges are chosen.
        pictures: How many to calibrate on.
        max_loss: Of mIoU, or of top-1 of a classifier, 0..1.
        keep_float: Names of nodes or operators, or "first", "last", "none", "auto".
    """

    folder: Path
    name: str
    validate: Path
    split: str = "val"
    calibrate: Path | None = None
    calibrate_split: str = "train"
    format: str = "auto"
    to: Target = "int8"
    calibration: Calibration = "percentile"
    pictures: int = 100
    max_loss: float = 0.01
    keep_float: tuple[str, ...] = (AUTO,)

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise BadRequest(f"{self.name!r} cannot be a model's name.", "Use a-z, 0-9, '.', '_' and '-'.")
        if not 0 <= self.max_loss <= 1:
            raise BadRequest(f"max_loss is {self.max_loss:g}.", "It is a share: 0.01 is one point of a hundred.")
        if self.pictures < AT_LEAST:
            raise BadRequest(f"pictures is {self.pictures}.", f"Calibrate on {AT_LEAST} or more; 100 are usual.")
        if NONE in self.keep_float and len(self.keep_float) > 1:
            raise BadRequest("keep_float has 'none' and more.", "Leave one of them out.")
        if self.to == "int8" and self.calibrate is None:
            raise BadRequest("int8 needs pictures to calibrate on.", "Add --calibrate DATA: a data set or a folder.")
        if self.to == "int8" and (self._place(self.calibrate), self.calibrate_split) == (
            self._place(self.validate),
            self.split,
        ):
            raise BadRequest(
                f"It would be judged by the pictures that it is calibrated on: {self.validate}, {self.split}.",
                "Calibrate on another split, e.g. --calibrate-split train.",
            )

    @staticmethod
    def _place(path: Path | None) -> Path | None:
        return path.resolve() if path else None

"""A store with a small public model of objects, whose file lies in the shared folder; tests are skipped without it."""

import shutil
from pathlib import Path

from maskery.models.catalog import FOLDER, catalog
from tests.material import shared

BOXES = "yolox-nano-coco"
ROAD = "data/photos/udacity_solidWhiteCurve.jpg"


def object_cache(folder: Path, name: str = BOXES) -> Path:
    """``folder`` as a store that holds the model ``name``."""
    target = folder / "models" / name
    target.mkdir(parents=True)
    shutil.copy(shared("models") / catalog()[name].file, target)
    shutil.copy(FOLDER / "catalog" / f"{name}.toml", target / "model.toml")
    return folder

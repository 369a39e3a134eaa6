"""The script that makes everyday's soft labels: they are what the teacher, served by the usual road, decides."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import maskery
from maskery.core.labels import VOC
from maskery.datasets.formats import open_dataset
from maskery.training.soft_labels import SoftLabels
from tests.material import ROOT, shared

SETS = ("voc2012-part", "voc-extra", "coco2017-part", "penn-fudan/images/train", "penn-fudan/images/val", "photos")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    env = dict(os.environ, MASKERY_CACHE=str(folder / "cache"), MASKERY_MIRROR=str(shared("models")))
    for command in (
        ["-m", "maskery", "models", "pull", "deeplabv3-mobilenetv2-voc-513"],
        [str(ROOT / "recipes" / "everyday_teacher.py"), str(shared("data")), str(folder / "soft"), "--limit", "3"],
    ):
        subprocess.run([sys.executable, *command], env=env, check=True, capture_output=True)
    return folder


def test_every_set_has_its_folder(made: Path) -> None:
    for name in SETS:
        assert len(list((made / "soft" / name).glob("*.npy"))) == 3
        assert (made / "soft" / name / "classes.txt").read_text(encoding="utf-8").split() == list(VOC)


def test_what_is_likeliest_in_them_is_what_the_teacher_decides(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for its mirror image and the coarse grid; and nowhere better than where the picture lies."""
    monkeypatch.setenv("MASKERY_CACHE", str(made / "cache"))
    teacher = maskery.load("deeplabv3-mobilenetv2-voc-513")
    data = open_dataset(shared("data/voc2012-part"), "train", VOC)
    soft = SoftLabels(made / "soft" / "voc2012-part", _First(data, 3), VOC)
    shifts = ((0, 0), (0, 16), (0, -16), (16, 0), (-16, 0))
    agreement = np.zeros((3, len(shifts)))
    for i in range(3):
        decided = teacher.segment(data.image_path(i)).class_map
        logits = F.interpolate(soft.logits(data.name(i))[None], decided.shape, mode="bilinear", align_corners=False)
        likeliest = logits[0].argmax(0).numpy()
        same = [np.roll(likeliest, shift, (0, 1)) == decided for shift in shifts]
        agreement[i] = [one[20:-20, 20:-20].mean() for one in same]
        certainty = torch.softmax(logits[0], 0).max(0).values
        assert certainty.min() < 0.7 < certainty.max()  # soft: not all is sure
    exact, *shifted = agreement.mean(0)
    assert exact > 0.9
    assert max(shifted) < exact - 0.01


class _First:
    """The first pictures of a data set."""

    def __init__(self, data, count: int) -> None:  # type: ignore[no-untyped-def]
        self._data, self._count = data, count

    def __len__(self) -> int:
        return self._count

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        return getattr(self._data, name)

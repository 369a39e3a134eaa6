"""Soft labels: that they lie where the picture lies, and that a network learns from them."""

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import log_softmax, softmax

from maskery.core.errors import ConfigError, DataError
from maskery.datasets.unlabelled import Unlabelled
from maskery.training.augment import CropSpec, cut, random_window
from maskery.training.crops import Crops
from maskery.training.loop import TrainingRun
from maskery.training.losses import distillation, total_loss
from maskery.training.recipe import Data, LossSpec, Recipe, TrainingSource, load_recipe
from maskery.training.soft_labels import STRIDE, SoftLabels, cut_soft, doubtful
from maskery.training.tasks import open_job

LABELS = ("background", "red", "blue")
CROP = 64


def crop_data(low: float, high: float) -> Data:
    source = TrainingSource(path="x", split="y")
    return Data(train=[source], validate=source, crop=CROP, scale=(low, high), colour_jitter=0)


def teach(folder: Path, names: list[str], logits: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "classes.txt").write_text("\n".join(LABELS) + "\n", encoding="utf-8")
    for name in names:
        np.save(folder / f"{name}.npy", logits)
    return folder


def rewritten(recipe: Path, target: Path, train: str, loss: str = "distil = 1.0") -> Recipe:
    """The recipe with other training data and loss."""
    text = recipe.read_text(encoding="utf-8").replace('labels = "voc"', f"labels = {list(LABELS)}")
    start, end = text.index("[[data.train]]"), text.index("[data.validate]")
    text = text[:start] + train + text[end:]
    head, tail = text.split("[publish]")
    path = target / "taught.toml"
    path.write_text(f"{head.split('[loss]')[0]}[loss]\n{loss}\n[publish]{tail}", encoding="utf-8")
    return load_recipe(path)


def test_soft_labels_lie_where_the_picture_lies() -> None:
    """A picture whose channels are ramps is its own soft labels: crop and cut must agree everywhere inside."""
    y, x = np.mgrid[0:96, 0:128].astype(np.float32)
    image = Image.fromarray(np.stack([x * 1.9, y * 2.5, np.full_like(x, 200)], -1).astype(np.uint8))
    coarse = torch.from_numpy(
        np.stack([v.reshape(24, 4, 32, 4).mean((1, 3)) for v in (x * 1.9, y * 2.5, np.full_like(x, 200))])
    )
    seen = set()
    for seed in range(30):
        data = crop_data(0.5, 2.0)
        window = random_window(image.size, data, np.random.default_rng(seed))
        crop, target = cut(image, np.zeros((96, 128), np.uint8), window, data, None)
        soft = cut_soft(coarse, image.size, window, CROP, None).numpy()
        shown = np.asarray(crop, np.float32).reshape(8, STRIDE, 8, STRIDE, 3).mean((1, 3)).transpose(2, 0, 1)
        whole = (np.asarray(target).reshape(8, 4, 8, 4) != 255).all((1, 3))
        known = np.isfinite(soft).all(0)
        assert known[whole].all()
        inner = whole & np.pad(whole, 1)[2:, 1:-1] & np.pad(whole, 1)[:-2, 1:-1]  # away from the clamped border
        assert np.abs(soft - shown)[:, inner].max() < 6
        assert not known[(np.asarray(target).reshape(8, 4, 8, 4) == 255).all((1, 3))].any()
        seen.add(window.mirrored)
    assert seen == {True, False}


def test_in_the_mirror_channels_change_places_as_classes_do() -> None:
    swap = np.arange(256, dtype=np.uint8)
    swap[[1, 2]] = 2, 1
    logits = torch.tensor([0.0, 1.0, 2.0])[:, None, None].expand(3, 4, 4)
    window = CropSpec(0.0, (0, 0, 32, 32), (0, 0, CROP, CROP), mirrored=True)
    assert cut_soft(logits, (32, 32), window, CROP, swap)[:, 0, 0].tolist() == [0, 2, 1]
    assert cut_soft(logits, (32, 32), dataclasses.replace(window, mirrored=False), CROP, swap)[:, 0, 0].tolist() == [
        0,
        1,
        2,
    ]


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_the_distance_is_that_of_scipy_over_the_known_places(temperature: float) -> None:
    rng = np.random.default_rng(3)
    ours, theirs = rng.normal(0, 3, (2, 2, 5, 4, 4))
    known = rng.random((2, 4, 4)) < 0.6
    p, log_p = softmax(theirs / temperature, 1), log_softmax(theirs / temperature, 1)
    each = (p * (log_p - log_softmax(ours / temperature, 1))).sum(1)
    soft = np.where(known[:, None], theirs, np.nan)
    got = distillation(torch.from_numpy(ours).float(), torch.from_numpy(soft).float(), temperature)
    assert got.item() == pytest.approx(temperature**2 * each[known].mean(), rel=1e-4)
    logits = torch.from_numpy(ours).float().requires_grad_()
    distillation(logits, torch.from_numpy(soft).float(), temperature).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert (logits.grad.abs().sum(1) > 0).numpy().tolist() == known.tolist()


def test_without_any_soft_label_the_loss_is_that_of_the_masks() -> None:
    logits, target = torch.randn(2, 3, 16, 16), torch.randint(0, 3, (2, 16, 16))
    nothing = torch.full((2, 3, 4, 4), torch.nan)
    alone = total_loss(logits, target, LossSpec(dice=0.5))
    assert total_loss(logits, target, LossSpec(dice=0.5, distil=2.0), nothing) == alone


def test_what_is_pasted_in_has_no_soft_labels(recipe: Path, tmp_path: Path) -> None:
    names = [str(i) for i in range(12)]
    soft = teach(tmp_path / "soft", names, np.zeros((3, 10, 12), np.float16))
    root = recipe.parent
    taught = rewritten(
        recipe,
        tmp_path,
        f'[[data.train]]\npath = "squares"\nsplit = "train"\nsoft = "{soft.as_posix()}"\n'
        '[data.paste]\nclasses = ["red"]\nprobability = 1.0\nsize = [0.3, 0.4]\n',
    )
    plain = msgspec.structs.replace(taught, data=msgspec.structs.replace(taught.data, paste=None))
    pasted, alone = open_job(taught, root).stream, open_job(plain, root).stream
    for stream in (pasted, alone):
        assert isinstance(stream, Crops)
    side = taught.data.crop // STRIDE
    for i in range(6):
        image, _, said = pasted[i]
        other, _, all_said = alone[i]
        changed = (image != other).any(0).reshape(side, STRIDE, side, STRIDE).any(3).any(1)
        assert changed.any()
        assert said[0][changed].isnan().all()
        assert said[0].isfinite().sum() > all_said[0].isfinite().sum() / 3


def test_background_is_doubtful_where_the_teacher_sees_a_class_that_the_set_lacks() -> None:
    soft = torch.zeros(3, 2, 4)
    soft[0] = 9
    soft[2, :, 2:] = 18  # blue on the right half
    soft[:, 1, 0] = torch.nan  # no word of the teacher: nothing to doubt
    mask = np.zeros((8, 16), np.uint8)
    mask[:2] = 1
    mask[2] = 255
    doubt = doubtful(mask, soft, [2])
    assert not doubt[:3].any()
    assert doubt[3:, 9:].all()
    assert not doubt[3:, :6].any()
    assert not doubtful(mask, soft, [1]).any()


def test_what_a_set_does_not_label_is_not_background(recipe: Path, tmp_path: Path) -> None:
    """A set of red things alone, of which the teacher says "blue" everywhere: red stays, background is not judged."""
    logits = np.zeros((3, 8, 8), np.float16)
    logits[2] = 6
    soft = teach(tmp_path / "soft", [str(i) for i in range(12)], logits)
    train = f'[[data.train]]\npath = "squares"\nsplit = "train"\nsoft = "{soft.as_posix()}"\n'
    whole = open_job(rewritten(recipe, tmp_path, train), recipe.parent).stream
    partial = open_job(rewritten(recipe, tmp_path, f'{train}labelled = ["red"]\n'), recipe.parent).stream
    seen = set()
    for i in range(len(whole)):
        before, after = whole[i][1], partial[i][1]
        assert (after[before == 0] == 255).all()
        assert (after[before != 0] == before[before != 0]).all()
        seen |= set(before.flatten().tolist())
    assert seen >= {0, 1, 2}


def test_an_unknown_class_of_a_partly_labelled_set_is_named(recipe: Path, tmp_path: Path) -> None:
    soft = teach(tmp_path / "soft", [str(i) for i in range(12)], np.zeros((3, 8, 8), np.float16))
    train = f'[[data.train]]\npath = "squares"\nsplit = "train"\nsoft = "{soft.as_posix()}"\nlabelled = ["rde"]\n'
    with pytest.raises(ConfigError, match="labelled of squares names 'rde', which is no class") as caught:
        open_job(rewritten(recipe, tmp_path, train), recipe.parent)
    assert "red" in caught.value.cure


def test_a_set_comes_as_often_as_the_recipe_says(recipe: Path, tmp_path: Path) -> None:
    twice = '[[data.train]]\npath = "squares"\nsplit = "train"\ntimes = {times}\n'
    taught = rewritten(recipe, tmp_path, twice.format(times=2.0) + twice.format(times=0.25), "dice = 0.2")
    taught = msgspec.structs.replace(taught, data=msgspec.structs.replace(taught.data, repeat_threshold=0.0))
    stream = open_job(taught, recipe.parent).stream
    shown = np.zeros(24)
    for epoch in range(40):
        stream.start_epoch(epoch)
        shown += np.bincount(stream.order, minlength=24)
    assert (shown[:12] == 80).all()
    assert shown[12:].min() > 0
    assert shown[12:].mean() == pytest.approx(10, abs=2)


def test_a_network_learns_from_a_teacher_alone(recipe: Path, tmp_path: Path) -> None:
    """Pictures without masks, of which the teacher says "blue" everywhere: the distance to him shrinks."""
    logits = np.zeros((3, 8, 8), np.float16)
    logits[2] = 6
    soft = teach(tmp_path / "soft", [str(i) for i in range(12)], logits)
    taught = rewritten(
        recipe,
        tmp_path,
        f'[[data.train]]\npath = "squares/images/train"\nformat = "unlabelled"\nsoft = "{soft.as_posix()}"\n',
        "distil = 1.0\ntemperature = 1.0",
    )
    taught = msgspec.structs.replace(
        taught,
        data=msgspec.structs.replace(taught.data, passes=4),
        optimiser=msgspec.structs.replace(taught.optimiser, epochs=3, batch=4),
    )
    said: list[str] = []
    run = TrainingRun(taught, recipe.parent, tmp_path / "run", said.append, "cpu")
    run.train(validate_every=99)
    image, *_ = run.job.stream[0]
    with torch.inference_mode():
        found = run.averaged()(run.prepare(image[None])).argmax(1)
    assert (found == 2).float().mean() > 0.9


@pytest.mark.parametrize(
    ("train", "loss", "said"),
    [
        ('soft = "soft"\n', "distil = 0.0", "loss.distil is 0.0 and 1 of the data sets"),
        ("", "distil = 1.0", "loss.distil is 1.0 and 0 of the data sets"),
        ('soft = "soft"\n', "distil = 1.0\ntemperature = 0.0", "the temperature is above 0"),
        ('format = "unlabelled"\n', "cross_entropy = 1.0", "neither masks nor soft labels"),
        ('labelled = ["red"]\n', "cross_entropy = 1.0", "some classes only, and no soft labels"),
        ("times = 0.0\n", "cross_entropy = 1.0", "times of squares is 0.0"),
    ],
)
def test_a_recipe_that_does_not_fit_together_is_refused(
    recipe: Path, tmp_path: Path, train: str, loss: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        rewritten(recipe, tmp_path, f'[[data.train]]\npath = "squares"\nsplit = "train"\n{train}', loss)


def test_turning_is_refused_with_soft_labels(recipe: Path, tmp_path: Path) -> None:
    text = recipe.read_text(encoding="utf-8").replace('split = "train"', 'split = "train"\nsoft = "soft"')
    path = tmp_path / "turned.toml"
    text = text.replace("[data]", "[data]\nrotate = 5.0").replace("[loss]", "[loss]\ndistil = 1.0")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="not turned with the picture"):
        load_recipe(path)


def test_bad_soft_labels_are_named(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for name in ("a", "b"):
        Image.new("RGB", (32, 24)).save(tmp_path / "pictures" / f"{name}.png")
    data = Unlabelled(tmp_path / "pictures", LABELS)
    assert (data.mask(0) == 255).all()
    assert data.mask(0).shape == (24, 32)

    with pytest.raises(DataError, match=r"classes\.txt is missing"):
        SoftLabels(tmp_path / "none", data, LABELS)
    folder = teach(tmp_path / "soft", ["a"], np.zeros((3, 4, 4), np.float32))
    with pytest.raises(DataError, match=r"1 pictures have no soft labels, the first: .*b\.npy"):
        SoftLabels(folder, data, LABELS)
    teach(folder, ["b"], np.zeros((4, 4, 4), np.float32))
    with pytest.raises(DataError, match="other classes than the recipe"):
        SoftLabels(folder, data, LABELS[::-1])
    soft = SoftLabels(folder, data, LABELS)
    assert soft.logits("a").shape == (3, 4, 4)
    with pytest.raises(DataError, match=r"b\.npy holds float32 \(4, 4, 4\), not floats \(3, h, w\)"):
        soft.logits("b")
    (folder / "b.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match=r"b\.npy cannot be read"):
        soft.logits("b")
    with pytest.raises(DataError, match="has no pictures"):
        Unlabelled(folder, LABELS)

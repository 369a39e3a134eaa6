import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from maskery.cli.evaluate import evaluate
from maskery.cli.main import exit_code
from maskery.core.errors import MaskeryError
from tests.toys import add


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(evaluate, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for name in ("a", "b"):
        add(root, name, np.zeros((40, 48), int), np.zeros((40, 48), int))
    return root


def test_text_json_and_report(data: Path, tmp_path: Path) -> None:
    done = run("everyday", data, "--report", tmp_path / "report", "--json")
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert (printed["model"], printed["split"], printed["pictures"]) == ("everyday", "val", 2)
    assert printed["iou"]["background"] == printed["pixel_accuracy"]
    assert np.sum(printed["confusion"]["counts"]) == 2 * 40 * 48
    written = json.loads((tmp_path / "report" / "report.json").read_text())
    assert written == printed
    assert "everyday on" in (tmp_path / "report" / "report.html").read_text()


def test_words_for_people(data: Path) -> None:
    done = run("everyday", data, "--limit", "1", "--boundary", "0", "--labels", "voc", "--map", "tv=,sofa=chair")
    assert done.exit_code == 0, done.output
    head, background, *_ = done.stdout.splitlines()
    assert head.split() == ["class", "pictures", "IoU", "Dice", "accuracy", "boundary", "F"]
    assert background.split()[:2] == ["background", "1"]
    assert "1 of 2 pictures" in done.stdout
    assert "sofa counts as chair (as asked)" in done.stderr
    assert "not judged, as asked: tv" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--split", "tset"), 5, "no split 'tset'"),
        (("--format", "coco"), 2, "Unknown data set format"),
        (("--map", "sofa=chair"), 2, "does not say the names of its classes"),
        (("--labels", "voc", "--map", "sofa=chiar"), 2, "Did you mean 'chair'?"),
        (("--labels", "voc", "--map", "sfoa=chair"), 2, "Did you mean 'sofa'?"),
        (("--labels", "voc", "--map", "sofa"), 2, "says no classes"),
        (("--labels", "voc", "--max-side", "5"), 2, "max_side"),
        (("--labels", "nowhere.txt"), 2, "no file of names"),
        (("--report", "/proc/nothing"), 2, "could not be written"),
    ],
)
def test_wrong_use(data: Path, options: tuple[str, ...], code: int, says: str) -> None:
    done = run("everyday", data, *options)
    assert isinstance(done.exception, MaskeryError)
    assert says in str(done.exception)
    assert exit_code(done.exception) == code


@pytest.mark.parametrize(("value", "only"), [(255, "background"), (0, "background")])
def test_masks_that_judge_one_class_get_no_score(tmp_path: Path, value: int, only: str) -> None:
    ids = np.zeros((40, 48), int)
    ids[:20] = value
    add(tmp_path, "a", np.zeros((40, 48), int), ids)
    (tmp_path / "classes.txt").write_text("background\nperson\n")
    done = run("everyday", tmp_path, "--boundary", "0")
    assert done.exit_code == 0, done.output
    assert f"no score the masks have only {only}" in done.stdout
    assert "no mask has person" in done.stdout
    assert ("50.00% of all pixels are ignored by the masks: they are not judged" in done.stdout) == (value == 255)
    assert "mean IoU" not in done.stdout
    printed = json.loads(run("everyday", tmp_path, "--json").stdout)
    assert printed["ignored_share"] == (0.5 if value else 0)

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

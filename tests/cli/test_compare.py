import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from maskery.cli.compare import compare
from maskery.core.errors import BadRequest
from tests.toys import add


def test_a_model_with_itself(tmp_path: Path) -> None:
    add(tmp_path, "a", np.zeros((40, 48), int), np.zeros((40, 48), int))
    sheet = tmp_path / "sheet.html"
    arguments = ["everyday", "everyday", "--data", str(tmp_path), "--sheet", str(sheet), "--json"]
    done = CliRunner().invoke(compare, arguments)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["agreement"] == 1.0
    assert found["a"]["quality"] == found["b"]["quality"]
    assert found["a"]["memory_bytes"]["peak"] > 20e6
    assert "A everyday, B everyday" in sheet.read_text()


@pytest.mark.parametrize("sources", [[], ["photo.jpg", "--data", "."]])
def test_pictures_or_data(sources: list[str]) -> None:
    done = CliRunner().invoke(compare, ["everyday", "everyday", *sources])
    assert isinstance(done.exception, BadRequest)
    assert "not both" in str(done.exception)

from pathlib import Path

import pytest

pytest.importorskip("onnx")

from tests.models.quantisation import squares


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Squares on grey, 12 to train and 4 to validate on."""
    return squares.data(tmp_path_factory.mktemp("squares") / "set")

"""What ``import maskery`` gives, and what it costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import maskery
from maskery.core import errors
from maskery.encode.options import Options
from maskery.integrations.client import AsyncClient, Client
from maskery.models.segmented_picture import Segmentation
from maskery.models.segmenter import Segmenter, load


def test_every_public_name_is_there() -> None:
    assert maskery.load is load
    assert maskery.Segmenter is Segmenter
    assert maskery.Segmentation is Segmentation
    assert maskery.Options is Options
    assert maskery.Client is Client
    assert maskery.AsyncClient is AsyncClient
    assert maskery.errors is errors
    for name in maskery.__all__:
        assert getattr(maskery, name) is not None
        assert name in dir(maskery)
    assert set(maskery._HOMES) == set(maskery.__all__) - {"__version__"}


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(maskery.__file__).read_text())
    (guarded,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {alias.name for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == set(maskery._HOMES)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'lode'"):
        maskery.lode  # noqa: B018


def test_importing_maskery_imports_nothing_heavy() -> None:
    program = "import sys, maskery; dir(maskery); print(sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    loaded = set(ast.literal_eval(done.stdout))
    assert loaded & {"numpy", "PIL", "onnxruntime", "msgspec", "starlette", "httpx2", "matplotlib", "anyio"} == set()


def test_a_public_name_is_imported_once_and_kept() -> None:
    program = "import sys, maskery; e = maskery.errors; print('numpy' in sys.modules, vars(maskery)['errors'] is e)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    assert done.stdout.split() == ["False", "True"]

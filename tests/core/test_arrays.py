"""An alias of an array type has one home."""

import re
from pathlib import Path

import maskery
from maskery.core import arrays

ROOT = Path(maskery.__file__).parent
ALIAS = re.compile(r"^(\w+) = NDArray\[.*\](?: \| NDArray\[.*\])*$", re.M)


def test_aliases_are_defined_in_one_module() -> None:
    found = {path.relative_to(ROOT).as_posix(): ALIAS.findall(path.read_text()) for path in ROOT.rglob("*.py")}
    assert [path for path, names in found.items() if names] == ["core/arrays.py"]


def test_every_alias_is_used() -> None:
    text = "\n".join(path.read_text() for path in ROOT.rglob("*.py") if path.name != "arrays.py")
    names = ALIAS.findall(Path(arrays.__file__).read_text())
    assert [name for name in names if not re.search(rf"core\.arrays import (?:\([^)]*|.*)\b{name}\b", text)] == []

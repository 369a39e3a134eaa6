"""What the pages on extending say is Python that works."""

import re
from typing import Any

import numpy as np
import pytest

from maskery.core.result import types
from maskery.core.result.capabilities import HasScores, has
from maskery.encode.format import Encoder
from maskery.inference.tasks.base import Task
from tests.encode.results import classification, halves, semantic
from tests.material import ROOT

PAGES = ROOT / "docs" / "extending"


def blocks(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (PAGES / page).read_text(), re.DOTALL)


def test_a_format() -> None:
    (code,) = blocks("add-a-format.md")
    names: dict[str, Any] = {}
    exec(code, names)
    encoder = names["CSV"]
    assert isinstance(encoder, Encoder)
    assert encoder.fits(semantic(halves()))
    assert not encoder.fits(classification())
    assert encoder.function(semantic(halves())).splitlines()[:2] == [
        b"id,name,pixels,share",
        b'0,"background",96,0.500000',
    ]


def test_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    result, task = blocks("add-a-task.md")
    names = dict(vars(types))
    exec(result, names)
    monkeypatch.setattr(types, "TaggingResult", names["TaggingResult"], raising=False)
    exec(task, names)
    tagging = names["TAGGING"]
    assert isinstance(tagging, Task)
    assert tagging.gives(HasScores)
    one = names["TaggingResult"](classification().meta, np.linspace(0, 0.6, 7, dtype=np.float32))
    assert has(one, HasScores)
    assert one.top(1)[0][0] == "g"


@pytest.mark.parametrize("page", ["add-a-format.md", "add-a-task.md"])
def test_every_file_that_a_page_links_is_there(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", (PAGES / page).read_text())
    assert links
    for link in links:
        assert (PAGES / link).exists(), link


@pytest.mark.parametrize("page", ["add-a-format.md", "add-a-task.md", "add-a-protocol.md"])
def test_a_page_is_short(page: str) -> None:
    assert len((PAGES / page).read_text().splitlines()) <= 80

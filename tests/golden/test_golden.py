"""Every mask, file and answer is what it was when the golden answers were recorded."""

from collections.abc import Iterator

import pytest

from tests.golden.case import TOLERANCE
from tests.golden.record import GROUPS, NEEDS_MIRROR, compared, is_exact, plain
from tests.golden.workplace import MODELS, Workplace


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    with Workplace(tmp_path_factory.mktemp("golden")) as place:
        yield place


@pytest.mark.parametrize("group", GROUPS)
def test_as_recorded(place: Workplace, group: str) -> None:
    if group in NEEDS_MIRROR and not MODELS.exists():
        pytest.skip("models of the shared test material are not here")
    found = compared(group, plain(GROUPS[group](place)))
    how = "byte by byte" if is_exact(group) else f"to {TOLERANCE}, for processor or libraries are others"
    assert not found, "\n".join([f"{len(found)} differences, compared {how}:", *found])

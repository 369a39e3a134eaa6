"""Lines of results: kept, read again, cut where a kill has torn them."""

from pathlib import Path

import pytest

from maskery.core.errors import ConfigError
from maskery.jobs.folder.listing import Shard
from maskery.jobs.folder.places import LocalPlace, Place, RemotePlace
from maskery.jobs.folder.result_lines import PART_LINES, Line, file_of, is_failed, open_lines


def line(name: str, status: str = "ok") -> Line:
    return {"picture": name, "bytes": 3, "modified": 7, "status": status}


@pytest.fixture(params=["local", "remote"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return LocalPlace(tmp_path) if request.param == "local" else RemotePlace(f"local://{tmp_path}/out")


def test_lines_are_read_again_and_grow(place: Place) -> None:
    expected = [line(f"{i}.jpg") for i in range(2 * PART_LINES + 5)]
    for part in (expected[:3], expected[3 : PART_LINES + 7], expected[PART_LINES + 7 :]):
        lines = open_lines(place, Shard())
        for one in part:
            lines.append(one)
        lines.close()
    assert list(open_lines(place, Shard())) == expected


def test_parts_are_those_of_an_undisturbed_run(tmp_path: Path) -> None:
    expected = [line(f"{i}.jpg") for i in range(PART_LINES + 30)]
    for folder, cuts in (("once", [len(expected)]), ("often", [10, 60, PART_LINES, PART_LINES + 1, len(expected)])):
        at = 0
        for cut in cuts:
            lines = open_lines(RemotePlace(f"local://{tmp_path}/{folder}"), Shard())
            for one in expected[at:cut]:
                lines.append(one)
            lines.close()
            at = cut
    once, often = (
        {p.name: p.read_bytes() for p in (tmp_path / folder / "results").iterdir()} for folder in ("once", "often")
    )
    assert once == often
    assert len(once) == 2


@pytest.mark.parametrize("torn", [b"{", b'{"picture":"b.jpg","bytes":3', b"x" * 200_000])
def test_a_torn_line_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    lines = open_lines(LocalPlace(tmp_path), Shard())
    lines.append(line("a.jpg"))
    lines.close()
    whole = (tmp_path / "results.jsonl").read_bytes()
    (tmp_path / "results.jsonl").write_bytes(whole + torn)
    assert list(open_lines(LocalPlace(tmp_path), Shard())) == [line("a.jpg")]
    assert (tmp_path / "results.jsonl").read_bytes() == whole


def test_a_file_of_something_else_is_refused(place: Place) -> None:
    name = "results.jsonl" if isinstance(place, LocalPlace) else "results/00000000.jsonl"
    place.write(name, b'{"loss": 0.1}\n')
    with pytest.raises(ConfigError, match="no line of a run"):
        list(open_lines(place, Shard()))


def test_shards_have_files_of_their_own(tmp_path: Path) -> None:
    for index in range(2):
        lines = open_lines(LocalPlace(tmp_path), Shard(index, 2))
        lines.append(line(f"{index}.jpg"))
        lines.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results-0-of-2.jsonl", "results-1-of-2.jsonl"]


def test_names_that_are_no_utf_8_are_kept(place: Place) -> None:
    name = b"\xff.jpg".decode("utf-8", "surrogateescape")
    lines = open_lines(place, Shard())
    lines.append(line(name, "failed"))
    lines.close()
    (found,) = open_lines(place, Shard())
    assert file_of(found).name == name
    assert is_failed(found)
